//! Parsing DDL: ours beside sqlparser's MySQL dialect, on the same text.

use std::hint::black_box;

use dm::schema::ddl::{self, ParseContext};
use sqlparser::{dialect::MySqlDialect, parser::Parser};

use crate::{
    alloc,
    timing::{Report, Rounds, compare},
};

/// 20 columns and four keys, in words that both parsers take.
const CREATE: &str = "CREATE TABLE `shop`.`orders` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `customer_id` bigint unsigned NOT NULL,
  `status` varchar(32) NOT NULL DEFAULT 'new',
  `currency` char(3) NOT NULL DEFAULT 'EUR',
  `amount` decimal(12,2) NOT NULL DEFAULT '0.00',
  `tax` decimal(12,2) DEFAULT NULL,
  `shipping` decimal(12,2) DEFAULT NULL,
  `note` text,
  `email` varchar(255) DEFAULT NULL COMMENT 'where the bill goes',
  `phone` varchar(40) DEFAULT NULL,
  `street` varchar(120) DEFAULT NULL,
  `city` varchar(80) DEFAULT NULL,
  `zip` varchar(12) DEFAULT NULL,
  `country` char(2) DEFAULT NULL,
  `is_paid` tinyint(1) NOT NULL DEFAULT '0',
  `weight` double DEFAULT NULL,
  `attributes` json DEFAULT NULL,
  `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `updated_at` timestamp NULL DEFAULT NULL,
  `deleted_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `by_email` (`email`),
  KEY `by_customer` (`customer_id`, `created_at`),
  KEY `by_city` (`city`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='orders'";

const ALTER: &str = "ALTER TABLE `shop`.`orders` ADD COLUMN `channel` varchar(20) NOT NULL DEFAULT 'web' AFTER `status`, \
                     DROP COLUMN `phone`, ADD INDEX `by_channel` (`channel`)";

pub fn measure(rounds: Rounds, report: &mut Report) {
    report.part("DDL parse (target: below 10 µs for 20 columns)");
    let context = ParseContext::default();
    for (name, sql) in [("CREATE TABLE, 20 columns", CREATE), ("ALTER TABLE, 3 clauses", ALTER)] {
        let mut ours = || drop(black_box(ddl::parse(black_box(sql), &context).unwrap()));
        let allocations = alloc::counted(ours);
        let mut theirs = || drop(black_box(Parser::parse_sql(&MySqlDialect {}, black_box(sql)).unwrap()));
        let their_allocations = alloc::counted(theirs);
        let [a, b] = compare(rounds, [&mut ours, &mut theirs]);
        let note = format!("{allocations} allocations, {:.1} times as fast as sqlparser", b.median / a.median);
        report.line(name, a.median / 1000.0, "µs", a, &note);
        report.line(
            "  sqlparser, MySqlDialect",
            b.median / 1000.0,
            "µs",
            b,
            &format!("{their_allocations} allocations"),
        );
    }
}
