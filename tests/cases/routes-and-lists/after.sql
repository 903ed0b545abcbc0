INSERT INTO ap.users VALUES (2, 'u2'); INSERT INTO ap.log_1 VALUES (2, 'l2'); INSERT INTO ap.secret VALUES (2);
INSERT INTO other.t VALUES (2); INSERT INTO old_x.t VALUES (2);
ALTER TABLE ap.log_1 ADD COLUMN extra INT DEFAULT 3; INSERT INTO ap.log_1 VALUES (3, 'l3', 4);
ALTER TABLE other.t ADD COLUMN no INT; ALTER TABLE ap.secret ADD COLUMN no INT;
CREATE TABLE old_x.later (id INT PRIMARY KEY); INSERT INTO old_x.later VALUES (5);
DROP TABLE other.t;
UPDATE ap.users SET n = 'done' WHERE id = 1;
