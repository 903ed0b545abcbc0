CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), email VARCHAR(80) UNIQUE, note TEXT);
CREATE TABLE orders (customer INT, number INT, amount DECIMAL(12,2), at DATETIME(3), PRIMARY KEY (customer, number), KEY (at));
CREATE TABLE audit (what VARCHAR(30), amount INT);
CREATE TABLE empty_one (id BIGINT UNSIGNED PRIMARY KEY, v JSON);
INSERT INTO customers (name, email, note) VALUES ('Ada', 'ada@x', 'first'), ('Grace', 'grace@x', NULL), ('Čeněk', 'c@x', 'ř "quoted" \\ back''slash');
INSERT INTO orders VALUES (1, 1, 10.50, '2024-02-29 12:00:00.123'), (1, 2, -0.01, NULL), (2, 1, 9999999999.99, '1999-12-31 23:59:59.999');
INSERT INTO audit VALUES ('login', 1), ('login', 1), ('login', 1), (NULL, NULL), (NULL, NULL);
