INSERT INTO plain.t VALUES (3, 'c'); UPDATE plain.t SET v = 'z' WHERE id = 1; UPDATE plain.t SET id = 9 WHERE id = 2; DELETE FROM plain.t WHERE id = 3; INSERT INTO plain.u VALUES (2);
INSERT INTO plain.keyless VALUES (3, 'z'), (3, 'z'), (4, NULL); DELETE FROM plain.keyless WHERE a = 1 LIMIT 1; UPDATE plain.keyless SET b = 'n' WHERE a = 3;
BEGIN; INSERT INTO plain.u VALUES (3); INSERT INTO plain.m VALUES (3, 30); UPDATE plain.m SET v = v + 1 ORDER BY id DESC; UPDATE plain.u SET id = id + 10; COMMIT;
ALTER TABLE plain.t ADD COLUMN n INT DEFAULT 5; INSERT INTO plain.t (id, v) VALUES (20, 'd'), (21, 'e'); UPDATE plain.t SET n = n + 1;
ALTER TABLE plain.u ENGINE=MyISAM; INSERT INTO plain.u VALUES (100), (101); DELETE FROM plain.u WHERE id = 100;
