CREATE DATABASE uq CHARACTER SET utf8mb4;
USE uq;
CREATE TABLE seats (id INT PRIMARY KEY, seat VARCHAR(20) COLLATE utf8mb4_general_ci, n INT, UNIQUE KEY (seat), UNIQUE KEY (n));
CREATE TABLE nokey (a INT, b VARCHAR(10), UNIQUE KEY (a, b));
INSERT INTO seats VALUES (1, 'A', 1), (2, 'B', 2), (3, 'C', 3), (4, NULL, NULL), (5, NULL, NULL);
INSERT INTO nokey VALUES (NULL, 'x'), (NULL, 'x'), (1, 'x');
