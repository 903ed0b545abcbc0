INSERT INTO plain.t VALUES (3, 'c'); UPDATE plain.t SET v = 'z' WHERE id = 1; UPDATE plain.t SET id = 9 WHERE id = 2; DELETE FROM plain.t WHERE id = 3; INSERT INTO plain.u VALUES (2);
