CREATE DATABASE ef CHARACTER SET utf8mb4; CREATE DATABASE kept CHARACTER SET utf8mb4;
CREATE TABLE ef.t (id INT PRIMARY KEY, c INT, name VARCHAR(20), at DATETIME); INSERT INTO ef.t VALUES (2, 2, 'dumped', '2024-01-01'), (3, 3, 'dumped', '2024-01-01');
CREATE TABLE ef.u (id INT PRIMARY KEY, state VARCHAR(10), n DECIMAL(10,2)); INSERT INTO ef.u VALUES (1, 'new', 1), (2, 'new', 2), (3, 'old', 3), (4, 'new', 4);
CREATE TABLE ef.d (id INT PRIMARY KEY, keep_it BIT(1)); INSERT INTO ef.d VALUES (1, b'1'), (2, b'0'), (3, b'1');
CREATE TABLE ef.free (id INT PRIMARY KEY, c INT);
CREATE TABLE kept.t LIKE ef.t; INSERT INTO kept.t SELECT * FROM ef.t;
CREATE TABLE kept.u LIKE ef.u; INSERT INTO kept.u SELECT * FROM ef.u;
CREATE TABLE kept.d LIKE ef.d; INSERT INTO kept.d SELECT * FROM ef.d;
CREATE TABLE kept.free LIKE ef.free;
