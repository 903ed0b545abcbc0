INSERT INTO shop_01.order_a (id, v) VALUES (3, 3); UPDATE shop_01.order_a SET v = 11 WHERE id = 1;
UPDATE shop_01.order_b SET id = 5 WHERE id = 1; DELETE FROM shop_01.order_a WHERE id = 2;
ALTER TABLE shop_01.order_a ADD COLUMN n VARCHAR(5) DEFAULT 'x'; INSERT INTO shop_01.order_a (id, v, n) VALUES (4, 4, 'y');
ALTER TABLE shop_01.order_b ADD COLUMN n VARCHAR(5) DEFAULT 'x'; ALTER TABLE shop_02.order_a ADD COLUMN n VARCHAR(5) DEFAULT 'x';
UPDATE shop_02.order_a SET n = 'z'; INSERT INTO shop_02.order_a (id, v) VALUES (2, 200);
ALTER TABLE expected.orders ADD COLUMN n VARCHAR(5);
DELETE FROM expected.orders;
INSERT INTO expected.orders VALUES (1, 11, 22, 'a', '01', 'src1', 'x'), (3, 3, 6, 'a', '01', 'src1', 'x'), (4, 4, 8, 'a', '01', 'src1', 'y'),
  (5, 10, 20, 'b', '01', 'src1', 'x'), (1, 100, 200, 'a', '02', 'src1', 'z'), (2, 200, 400, 'a', '02', 'src1', 'x');
