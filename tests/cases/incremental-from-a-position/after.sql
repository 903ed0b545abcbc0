UPDATE inc.t SET v = v + 1; INSERT INTO inc.t VALUES (3, 3); DELETE FROM inc.t WHERE id = 1;
CREATE TABLE inc.second (a VARCHAR(10) PRIMARY KEY); INSERT INTO inc.second VALUES ('x'); 
