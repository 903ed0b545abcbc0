CREATE DATABASE shop_01; CREATE DATABASE shop_02; CREATE DATABASE expected;
CREATE TABLE shop_01.order_a (id INT PRIMARY KEY, v INT, g INT AS (v * 2) STORED); INSERT INTO shop_01.order_a (id, v) VALUES (1, 1), (2, 2);
CREATE TABLE shop_01.order_b LIKE shop_01.order_a; INSERT INTO shop_01.order_b (id, v) VALUES (1, 10);
CREATE TABLE shop_02.order_a LIKE shop_01.order_a; INSERT INTO shop_02.order_a (id, v) VALUES (1, 100);
CREATE TABLE expected.orders (id INT, v INT, g INT, tbl VARCHAR(9), shop VARCHAR(9), src VARCHAR(9), PRIMARY KEY (id, tbl, shop));

