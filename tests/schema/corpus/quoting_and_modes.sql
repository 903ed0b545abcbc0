-- SQL modes that change how a text reads, and blanks and comments in every place.
CREATE TABLE `q1` (`a` INT, `b``c` INT, `d"e` INT, `f'g` INT, ` h` INT)
CREATE	TABLE	q2	(	a	INT	)
create table q3 (A int, B varchar(5) default 'x') engine=innodb
CrEaTe TaBlE q4 (a iNt NoT nUlL pRiMaRy KeY)
CREATE TABLE q5(a INT,b INT,PRIMARY KEY(a),KEY(b))ENGINE=InnoDB;
CREATE TABLE q6 -- a comment to the end of the line
  (a INT, # another
   b INT /* inside */, -- last
  c INT)
CREATE /* x */ TABLE /* y */ q7 /* z */ (/* 1 */ a /* 2 */ INT /* 3 */) /* 4 */
/* leading */ CREATE TABLE q8 (a INT)
-- leading dashes are a comment of the file, so this one begins with a blank line in SQL
/* multi
   line */ CREATE TABLE q9 (a INT /* with 'quote */ , b INT /* and "double */)
CREATE TABLE q10 (a INT COMMENT 'not -- a comment', b INT COMMENT 'nor /* this */', c INT COMMENT 'nor # this', d VARCHAR(10) DEFAULT '-- x')
CREATE TABLE q11 (a VARCHAR(20) DEFAULT 'a''b''''c', b VARCHAR(20) DEFAULT 'd\'e\\', c VARCHAR(20) DEFAULT "f'g", d VARCHAR(20) DEFAULT 'h"i')
CREATE TABLE d.q12 (a INT)
CREATE TABLE d . q13 (a INT)
CREATE TABLE `d` . `q14` (a INT)
CREATE TABLE d.`q15` (a INT)
CREATE TABLE .q16 (a INT)
CREATE TABLE q17 (1a INT, 2 INT)
CREATE TABLE q18 (1a INT, a1 INT, $x INT, _y INT, e1 INT, `3` INT)
CREATE TABLE 1q19 (a INT)
CREATE TABLE q20 (0x1 INT)
CREATE TABLE q21 (a INT,, b INT)
SET sql_mode='ANSI_QUOTES'
CREATE TABLE "q30" ("a" INT, "b""c" INT, `d"e` INT, "f`g" INT DEFAULT 5, "h" VARCHAR(10) DEFAULT 'it''s "x"')
CREATE TABLE "d"."q31" ("select" INT, KEY "k y" ("select"))
ALTER TABLE "q30" ADD COLUMN "new col" INT AFTER "a", RENAME TO "d"."q32"
RENAME TABLE "q32" TO "q""33"
DROP TABLE "q""33", "q31"
SET sql_mode='NO_BACKSLASH_ESCAPES'
CREATE TABLE q40 (a VARCHAR(20) DEFAULT 'a\', b VARCHAR(20) DEFAULT '\\', c ENUM('x\y', 'z''\') COMMENT 'c:\dir\')
CREATE TABLE q41 (a VARCHAR(20) DEFAULT "dq\", b VARCHAR(20) DEFAULT "d""q") COMMENT='t\'
SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'
CREATE TABLE "q42\" ("a\" VARCHAR(20) DEFAULT '\')
SET sql_mode='ANSI'
CREATE TABLE "q43" ("a" REAL, b VARCHAR(10) DEFAULT 'x')
SET sql_mode='IGNORE_SPACE'
CREATE TABLE q44 (a INT, b DATETIME DEFAULT NOW (), c INT)
SET sql_mode='NO_KEY_OPTIONS,NO_TABLE_OPTIONS'
CREATE TABLE q45 (a INT, KEY (a)) ENGINE=MyISAM
SET sql_mode='TRADITIONAL'
CREATE TABLE q46 (a INT NOT NULL, b TIMESTAMP NULL)
SET sql_mode='MYSQL40'
CREATE TABLE q47 (a INT AUTO_INCREMENT PRIMARY KEY)
SET sql_mode='NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_ALL_TABLES'
CREATE TABLE q48 (a DATE DEFAULT '2020-01-01', b TIMESTAMP DEFAULT CURRENT_TIMESTAMP)
SET sql_mode='MSSQL'
CREATE TABLE q49 ("a" INT, b VARCHAR(3) DEFAULT 'x' || 'y')
SET sql_mode='POSTGRESQL'
CREATE TABLE "q50" ("a" INT)
-- Not here: PAD_CHAR_TO_FULL_LENGTH, which only pads what is shown, and MariaDB's EMPTY_STRING_IS_NULL.
SET sql_mode=''
SET sql_quote_show_create=0
CREATE TABLE q53 (`a` INT)
SET sql_quote_show_create=1
CREATE TABLE q54 (a INT) COMMENT 'semi;colon', ENGINE=InnoDB;
CREATE TABLE q55 (a INT);;
CREATE TABLE q56 (a VARCHAR(10) DEFAULT 'é' COMMENT '日本語 ''引用''')
CREATE TABLE `d`.`q57` (`a` INT) /* trailing */ ;
