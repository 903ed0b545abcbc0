//! DDL between the rows: one writer alters the tables that the others write.

use std::sync::Arc;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tables::{Can, Table},
    values::one,
};
use crate::support::{release::Release, servers::Kind};

/// The generator of DDL, by seed.
pub struct Alterations {
    rng: StdRng,
    tables: Arc<Vec<Table>>,
    can: Can,
    made: u64,
}

impl Alterations {
    pub fn new(seed: u64, can: Can, tables: Arc<Vec<Table>>) -> Self {
        Alterations { rng: StdRng::seed_from_u64(seed ^ 0xdd1), tables, can, made: 0 }
    }

    /// The next few statements; one that the server refuses is left out.
    pub fn next(&mut self) -> Vec<String> {
        self.made += 1;
        let n = self.made;
        let table = self.tables[self.rng.random_range(0..self.tables.len())].name;
        let tidb = self.can.target == Release::Tidb;
        match self.rng.random_range(0..20) {
            0..4 => self.column(table, n),
            4 => {
                let wider = one(&mut self.rng, &["VARCHAR(60)", "VARCHAR(90)", "VARCHAR(120) NOT NULL DEFAULT ''"]);
                vec![format!("ALTER TABLE log MODIFY v {wider}")]
            }
            5 => vec![format!("ALTER TABLE parent CHANGE v v VARCHAR({})", self.rng.random_range(20..200))],
            6 | 7 => self.index(table, n),
            8 => vec!["RENAME TABLE swap_a TO swap_c, swap_b TO swap_a, swap_c TO swap_b".into()],
            9 => vec![format!(
                "TRUNCATE TABLE {}",
                one(&mut self.rng, &["log", "swap_b", "no_transactions", "pk_float"])
            )],
            10 => vec![
                format!("CREATE TABLE like{n} LIKE uniq"),
                format!("INSERT INTO like{n} SELECT * FROM uniq"),
                format!("UPDATE like{n} SET c = c + 1 LIMIT 5"),
                format!("DROP TABLE like{n}"),
            ],
            11 => self.create_select(n),
            12 if !tidb => vec![format!(
                "ALTER TABLE parts {}",
                one(&mut self.rng, &["ADD PARTITION PARTITIONS 1", "COALESCE PARTITION 1"])
            )],
            13 => vec![
                format!("CREATE DATABASE other{n} DEFAULT CHARACTER SET latin1"),
                format!("CREATE TABLE other{n}.t (id INT PRIMARY KEY, v VARCHAR(20))"),
                format!("INSERT INTO other{n}.t VALUES (1, _latin1 x'E9'), (2, 'b')"),
                format!(
                    "DROP DATABASE {}",
                    if self.rng.random_ratio(1, 2) { format!("other{n}") } else { "none".into() }
                ),
            ],
            14 => {
                let charset =
                    one(&mut self.rng, &["utf8mb4 COLLATE utf8mb4_unicode_ci", "utf8mb4 COLLATE utf8mb4_general_ci"]);
                vec![format!("ALTER TABLE swap_a CONVERT TO CHARACTER SET {charset}")]
            }
            15 => vec![
                format!("CREATE TABLE gone{n} (id INT PRIMARY KEY, v TEXT)"),
                format!("INSERT INTO gone{n} VALUES (1, 'x'), (2, 'y')"),
                format!("ALTER TABLE gone{n} RENAME TO went{n}"),
                format!("UPDATE went{n} SET v = 'z'"),
                format!("DROP TABLE went{n}, gone{n}x"),
                format!("DROP TABLE IF EXISTS went{n}"),
            ],
            // (ADD COLUMN ... AUTO_INCREMENT on a table without a key numbers the rows as they happen to lie: no replica's way.)
            16 => vec![
                "ALTER TABLE keyless_wide ADD PRIMARY KEY (nothing)".into(),
                format!("ALTER TABLE keyless_wide ADD COLUMN m{n} INT, ADD COLUMN o{n} INT DEFAULT 3"),
                format!("UPDATE keyless_wide SET m{n} = o{n} + n LIMIT 9"),
                format!("ALTER TABLE keyless_wide DROP COLUMN m{n}, CHANGE o{n} p{n} BIGINT"),
            ],
            17 => vec![format!("ALTER TABLE log ALTER v SET DEFAULT 'd{n}'"), "INSERT INTO log (n) VALUES (7)".into()],
            _ => vec![format!("ALTER TABLE {table} COMMENT 'number {n}'")],
        }
    }

    /// Adds a column with values, changes it, drops it.
    fn column(&mut self, table: &str, n: u64) -> Vec<String> {
        let ty = one(
            &mut self.rng,
            &[
                "INT DEFAULT 7",
                "VARCHAR(30) DEFAULT 'new'",
                "DATETIME",
                "TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP",
                "DECIMAL(9,2) NOT NULL DEFAULT 1.5",
            ],
        );
        let place = one(&mut self.rng, &["", "", " FIRST"]);
        let mut out = vec![
            format!("ALTER TABLE {table} ADD COLUMN x{n} {ty}{place}"),
            format!("UPDATE {table} SET x{n} = '2024' LIMIT 4"),
        ];
        if self.rng.random_ratio(1, 2) {
            out.push(format!("ALTER TABLE {table} MODIFY x{n} VARCHAR(80)"));
            out.push(format!("UPDATE {table} SET x{n} = 'as text' LIMIT 3"));
        }
        if self.rng.random_ratio(2, 3) {
            out.push(format!("ALTER TABLE {table} DROP COLUMN x{n}"));
        }
        out
    }

    fn index(&mut self, table: &str, n: u64) -> Vec<String> {
        let table = self.tables.iter().find(|t| t.name == table).unwrap();
        let column = table.pick;
        let mut out = vec![match self.rng.random_range(0..3) {
            0 => format!("CREATE INDEX k{n} ON {} ({column})", table.name),
            1 => format!("ALTER TABLE {} ADD INDEX k{n} ({column}), ADD INDEX l{n} ({column})", table.name),
            _ => format!("ALTER TABLE {} ADD UNIQUE INDEX k{n} ({column})", table.name),
        }];
        if self.rng.random_ratio(3, 4) {
            out.push(format!("DROP INDEX k{n} ON {}", table.name));
        }
        out
    }

    fn create_select(&mut self, n: u64) -> Vec<String> {
        let old = matches!(self.can.source, Release::Mysql56 | Release::Mysql57);
        // Under GTIDs old MySQL refuses it; what it logs on MariaDB needs no table on the target that can be selected from.
        if old || self.can.source.kind() == Kind::Tidb {
            return vec![format!("CREATE TABLE made{n} (id INT)"), format!("DROP TABLE made{n}")];
        }
        vec![
            format!("CREATE TABLE made{n} (PRIMARY KEY (id)) SELECT id, v FROM parent WHERE id < 40"),
            format!("INSERT INTO made{n} (id, v) VALUES (100000, 'behind')"),
        ]
    }
}
