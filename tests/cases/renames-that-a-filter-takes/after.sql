CREATE TABLE r.t_new LIKE r.t; RENAME TABLE r.t TO r.t_old, r.t_new TO r.t, r.u TO r.u2; INSERT INTO r.t VALUES (2); INSERT INTO r.t_old VALUES (9);
INSERT INTO r.u2 VALUES (2);
INSERT INTO r.kept VALUES (2);
