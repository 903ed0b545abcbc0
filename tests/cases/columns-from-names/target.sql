CREATE DATABASE shop;
CREATE TABLE shop.orders (id INT, v INT, g INT AS (v * 2) STORED, tbl VARCHAR(9), shop VARCHAR(9), src VARCHAR(9), PRIMARY KEY (id, tbl, shop));
