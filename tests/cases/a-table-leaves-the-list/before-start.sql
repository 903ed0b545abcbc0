INSERT INTO r.t VALUES (1); CREATE TABLE r.t_new LIKE r.t; RENAME TABLE r.t TO r.t_old, r.t_new TO r.t; INSERT INTO r.t VALUES (2);
