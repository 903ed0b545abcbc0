-- Names: unicode, dots, quotes, reserved words, 64 characters, case.
CREATE TABLE `таблица` (`столбец` INT, `日本語` INT, `émoji` INT, KEY `ключ` (`столбец`))
ALTER TABLE `таблица` ADD COLUMN `новый` INT AFTER `столбец`, ADD UNIQUE (`日本語`)
ALTER TABLE `таблица` RENAME TO `表格`
RENAME TABLE `表格` TO `d`.`테이블`
CREATE TABLE `a.b` (`c.d` INT, KEY `e.f` (`c.d`))
ALTER TABLE `a.b` ADD `g.h` INT AFTER `c.d`
ALTER TABLE d.`a.b` RENAME TO d.`d.a.b`
CREATE TABLE `back``tick` (```` INT, `a``` INT)
ALTER TABLE `back``tick` CHANGE ```` `x``y` INT
CREATE TABLE `select` (`from` INT, `where` INT, `table` INT, `primary` INT, `key` INT, KEY `key` (`key`), KEY `index` (`table`))
ALTER TABLE `select` DROP COLUMN `from`, ADD COLUMN `order` INT, ADD COLUMN `group` INT FIRST
CREATE TABLE status (status INT, type VARCHAR(5), date DATE, time TIME, timestamp TIMESTAMP NULL, year YEAR, comment TEXT, action INT, bit BIT, engine INT, no INT, first INT, after INT)
ALTER TABLE status ADD COLUMN begin INT, ADD COLUMN end INT, ADD COLUMN value INT, ADD COLUMN `column` INT
ALTER TABLE status ADD names INT, ADD hash INT, ADD partition_id INT, ADD COLUMN json_valid INT, ADD account INT
ALTER TABLE status ADD user INT, ADD role INT, ADD tables INT, ADD columns INT, ADD fields INT
ALTER TABLE status ADD sequence INT, ADD history INT, ADD invisible INT, ADD visible INT, ADD ignored INT, ADD visibility INT, ADD storage INT
ALTER TABLE status ADD check_x INT, ADD uuid INT, ADD vector INT, ADD inet6 INT, ADD body INT, ADD language INT, ADD at INT
ALTER TABLE status ADD COLUMN current INT, ADD COLUMN offset INT, ADD COLUMN level INT, ADD COLUMN enum_ INT, ADD COLUMN text TEXT, ADD COLUMN serial INT
ALTER TABLE status ADD period INT, ADD system INT, ADD versioning INT, ADD without INT
ALTER TABLE status ADD stored INT, ADD virtual INT, ADD persistent INT, ADD generated INT, ADD always INT
ALTER TABLE status ADD cube INT, ADD system_ INT, ADD lead INT, ADD `rank` INT, ADD `groups` INT
ALTER TABLE status ADD rank INT
ALTER TABLE status ADD `function` INT, ADD groups INT
ALTER TABLE status ADD except INT
ALTER TABLE status ADD row_number INT, ADD `rows` INT
ALTER TABLE status ADD manual INT, ADD `parallel` INT, ADD qualify INT
CREATE TABLE a234567890123456789012345678901234567890123456789012345678901234 (c234567890123456789012345678901234567890123456789012345678901234 INT, KEY k234567890123456789012345678901234567890123456789012345678901234 (c234567890123456789012345678901234567890123456789012345678901234))
ALTER TABLE a234567890123456789012345678901234567890123456789012345678901234 ADD UNIQUE (c234567890123456789012345678901234567890123456789012345678901234)
CREATE TABLE `日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日` (a INT)
CREATE TABLE `trailing ` (a INT)
CREATE TABLE ` leading` (` x` INT)
CREATE TABLE `dash-dash--x` (`a-b` INT, `c+d` INT, `e/*f*/` INT, `g#h` INT, `i;j` INT)
ALTER TABLE `dash-dash--x` DROP `i;j`, CHANGE `g#h` `--` INT
CREATE TABLE `q'uo"te` (`s'q` INT, `d"q` INT, `b\s` INT)
ALTER TABLE `q'uo"te` RENAME COLUMN `s'q` TO `it''s`
CREATE TABLE `$dollar` ($a INT, a$b INT, _c INT)
CREATE TABLE Case1 (Col INT, cOL2 INT)
CREATE TABLE case1 (x INT)
ALTER TABLE Case1 CHANGE COL col BIGINT, DROP COLUMN COL2
ALTER TABLE case1 ADD COLUMN `X2` INT AFTER `X`
RENAME TABLE case1 TO CASE1
DROP TABLE CASE1
CREATE TABLE `1` (`1` INT, `2e3` INT, `0x10` INT)
CREATE TABLE 2e (2e INT)
CREATE TABLE e2e.t (a INT)
CREATE TABLE `mysql` (`information_schema` INT)
CREATE DATABASE `my-db`
CREATE TABLE `my-db`.`t.1` (a INT)
CREATE TABLE `my-db`.t LIKE `my-db`.`t.1`
RENAME TABLE `my-db`.t TO d.from_my_db
CREATE DATABASE `база`
CREATE TABLE `база`.`т` (`к` INT)
ALTER TABLE `база`.`т` ADD COLUMN b INT
DROP DATABASE `база`
CREATE DATABASE `back``db`
CREATE TABLE `back``db`.`t` (a INT)
DROP DATABASE `back``db`
CREATE DATABASE `d.b`
CREATE TABLE `d.b`.`t` (a INT)
DROP TABLE `d.b`.t
CREATE TABLE é (ü INT, ñ INT DEFAULT 5)
ALTER TABLE é ADD COLUMN ﬀ INT, RENAME TO è
-- Not here: letters beyond the BMP, which MySQL stores as `?`.
