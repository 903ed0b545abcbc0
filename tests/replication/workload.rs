//! The statements of one writer, by seed: what a session says first, and its transactions.

use std::sync::Arc;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tables::{Can, Column, Kind, Table},
    values::{self, SMALL, literal, one},
};
use crate::support::{release::Release, servers::Kind as Product};

/// What is sent as one piece.
#[derive(Debug)]
pub struct Transaction {
    pub statements: Vec<String>,
    /// What is said when a statement of it failed.
    pub undo: Vec<String>,
}

/// The generator of one writer.
pub struct Writer {
    rng: StdRng,
    tables: Arc<Vec<Table>>,
    can: Can,
    number: u64,
    made: u64,
    /// XA transactions may be prepared and committed in two steps.
    two_phases: bool,
    /// The source may be killed.
    dies: bool,
    /// A file of rows for LOAD DATA.
    file: Option<String>,
    /// Rows of a large transaction.
    many: usize,
}

/// What a writer of a workload may do.
#[derive(Clone, Default)]
pub struct Means {
    pub two_phases: bool,
    pub dies: bool,
    pub file: Option<String>,
    pub many: usize,
}

impl Writer {
    pub fn new(seed: u64, number: u64, can: Can, tables: Arc<Vec<Table>>, means: Means) -> Self {
        let Means { two_phases, dies, file, many } = means;
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) + number);
        Writer { rng, tables, can, number, made: 0, two_phases, dies, file, many }
    }

    /// What a new session says: time zone, SQL mode, character set, and what the release has beyond that.
    pub fn session(&mut self) -> Vec<String> {
        let zone = one(&mut self.rng, &["+00:00", "+05:30", "-08:00", "+13:00", "SYSTEM"]);
        let mode = one(
            &mut self.rng,
            &[
                "",
                "STRICT_TRANS_TABLES",
                "TRADITIONAL",
                "ANSI_QUOTES",
                "NO_BACKSLASH_ESCAPES",
                "PIPES_AS_CONCAT,IGNORE_SPACE",
                "NO_AUTO_VALUE_ON_ZERO",
                "ALLOW_INVALID_DATES",
                "NO_ZERO_DATE",
            ],
        );
        let names = one(&mut self.rng, &["utf8mb4", "latin1", "gbk", "utf8", "binary"]);
        let checks = one(&mut self.rng, &["1", "0"]);
        let mut out = vec![
            format!("SET NAMES {names}"),
            format!("SET time_zone = '{zone}', sql_mode = '{mode}', foreign_key_checks = {checks}"),
            "SET innodb_lock_wait_timeout = 2, lock_wait_timeout = 10".to_owned(),
        ];
        // Partial JSON updates: the row holds what changed in a document.
        if matches!(self.can.source, Release::Mysql80 | Release::Mysql97) && self.rng.random_ratio(1, 3) {
            out.push("SET binlog_row_value_options = 'PARTIAL_JSON'".into());
        }
        out
    }

    /// The next transaction.
    pub fn transaction(&mut self) -> Transaction {
        self.made += 1;
        let undo = vec!["ROLLBACK".to_owned()];
        match self.rng.random_range(0..40) {
            0..12 => Transaction { statements: vec![self.statement(true)], undo },
            12..24 => self.block(undo),
            24..28 => self.savepoints(undo),
            28..31 if self.dies && !self.can.keeps_xa() => self.block(undo),
            28..31 => self.xa(),
            31..33 => self.temporary(undo),
            33 => Transaction { statements: self.many_rows(), undo },
            34 => Transaction { statements: self.load_data(), undo },
            35..38 => Transaction { statements: self.swap(), undo },
            _ => {
                let mut block = self.block(undo);
                block.statements.pop();
                block.statements.push("ROLLBACK".into());
                block
            }
        }
    }

    fn block(&mut self, undo: Vec<String>) -> Transaction {
        let mut statements = vec![one(&mut self.rng, &["BEGIN", "START TRANSACTION", "SET autocommit = 0"])];
        for _ in 0..self.rng.random_range(1..8) {
            statements.push(self.statement(false));
        }
        statements.push("COMMIT".into());
        let undo = if statements[0].starts_with("SET") {
            statements.push("SET autocommit = 1".into());
            [undo, vec!["SET autocommit = 1".into()]].concat()
        } else {
            undo
        };
        Transaction { statements, undo }
    }

    fn savepoints(&mut self, undo: Vec<String>) -> Transaction {
        let mut statements = vec!["BEGIN".to_owned(), self.statement(false), "SAVEPOINT one".into()];
        statements.extend([
            self.statement(false),
            self.statement(false),
            "SAVEPOINT two".into(),
            self.statement(false),
        ]);
        statements.push(one(&mut self.rng, &["ROLLBACK TO one", "ROLLBACK TO SAVEPOINT two", "RELEASE SAVEPOINT one"]));
        // After this servers can't leave out of their binlog what is rolled back.
        if self.rng.random_ratio(1, 3) {
            statements.insert(4, "DROP TEMPORARY TABLE IF EXISTS nothing".into());
        }
        let end = one(&mut self.rng, &["COMMIT", "COMMIT", "ROLLBACK"]);
        statements.extend([self.statement(false), end]);
        Transaction { statements, undo }
    }

    fn xa(&mut self) -> Transaction {
        let id = format!("'w{}-{}'", self.number, self.made);
        let mut statements = vec![format!("XA START {id}")];
        for _ in 0..self.rng.random_range(1..4) {
            statements.push(self.statement(false));
        }
        statements.push(format!("XA END {id}"));
        if self.two_phases && self.rng.random_ratio(2, 3) {
            statements.push(format!("XA PREPARE {id}"));
            let end = if self.rng.random_ratio(1, 4) { "ROLLBACK" } else { "COMMIT" };
            statements.push(format!("XA {end} {id}"));
        } else {
            statements.push(format!("XA COMMIT {id} ONE PHASE"));
        }
        Transaction { statements, undo: vec![format!("XA END {id}"), format!("XA ROLLBACK {id}")] }
    }

    /// Rows that go through a temporary table, which no binlog of rows holds.
    fn temporary(&mut self, undo: Vec<String>) -> Transaction {
        let drop = "DROP TEMPORARY TABLE IF EXISTS passing".to_owned();
        let from = self.rng.random_range(0..SMALL);
        let statements = vec![
            drop.clone(),
            "CREATE TEMPORARY TABLE passing (a INT, b VARCHAR(30), n INT AUTO_INCREMENT PRIMARY KEY)".into(),
            "BEGIN".into(),
            format!(
                "INSERT INTO passing (a, b) SELECT a, b FROM keyless WHERE a BETWEEN {from} AND {} LIMIT 20",
                from + 20
            ),
            "UPDATE passing SET b = CONCAT(LEFT(b, 20), n)".into(),
            "INSERT INTO keyless (a, b) SELECT a, b FROM passing".into(),
            "DELETE FROM passing".into(),
            "COMMIT".into(),
            drop.clone(),
        ];
        Transaction { statements, undo: [undo, vec![drop]].concat() }
    }

    /// One transaction of a thousand rows and more.
    fn many_rows(&mut self) -> Vec<String> {
        let rows: Vec<String> =
            (0..self.many).map(|i| format!("({}, 'many {i}')", self.rng.random_range(0..SMALL))).collect();
        let (low, high) = (self.rng.random_range(0..SMALL), self.rng.random_range(0..SMALL));
        vec![
            "BEGIN".into(),
            format!("INSERT INTO log (n, v) VALUES {}", rows.join(", ")),
            format!("INSERT INTO log (n, v) SELECT n, v FROM log LIMIT {}", self.many * 3),
            format!("UPDATE log SET v = CONCAT('u', n) WHERE n > {low} LIMIT {}", self.many / 2),
            format!("DELETE FROM log WHERE n < {high} LIMIT {}", self.many * 2),
            "COMMIT".into(),
        ]
    }

    fn load_data(&mut self) -> Vec<String> {
        let Some(file) = &self.file else { return self.many_rows() };
        vec![format!("LOAD DATA INFILE '{file}' IGNORE INTO TABLE {} (n, v)", "log")]
    }

    /// Unique values change places within a transaction, and keys move.
    fn swap(&mut self) -> Vec<String> {
        let (a, b) = (self.rng.random_range(0..SMALL), self.rng.random_range(0..SMALL));
        match self.rng.random_range(0..3) {
            0 => vec![
                "BEGIN".into(),
                format!("SELECT a INTO @a FROM uniq WHERE id = {a}"),
                format!("SELECT a INTO @b FROM uniq WHERE id = {b}"),
                format!("UPDATE uniq SET a = NULL WHERE id IN ({a}, {b})"),
                format!("UPDATE uniq SET a = @b WHERE id = {a}"),
                format!("UPDATE uniq SET a = @a WHERE id = {b}"),
                "COMMIT".into(),
            ],
            1 => vec![
                "BEGIN".into(),
                format!("UPDATE uniq_only SET u = -1 WHERE u = {a}"),
                format!("UPDATE uniq_only SET u = {a} WHERE u = {b}"),
                format!("UPDATE uniq_only SET u = {b} WHERE u = -1"),
                "COMMIT".into(),
            ],
            _ => vec![format!(
                "UPDATE parts SET id = id + {SMALL}, d = d + 1 WHERE id BETWEEN {a} AND {} ORDER BY id DESC",
                a + 5
            )],
        }
    }

    /// One data change. `alone`: it is a transaction of its own.
    fn statement(&mut self, alone: bool) -> String {
        let tables = self.tables.clone();
        let table = loop {
            let table = &tables[self.rng.random_range(0..tables.len())];
            if alone || !table.alone {
                break table;
            }
        };
        let rng = &mut self.rng;
        match rng.random_range(0..20) {
            0..5 => insert(rng, table, "INSERT"),
            5..7 => insert(rng, table, "INSERT IGNORE"),
            7..9 => insert(rng, table, "REPLACE"),
            9 => format!("{} ON DUPLICATE KEY UPDATE {}", insert(rng, table, "INSERT"), set(rng, table)),
            10 => insert_select(rng, table),
            11..15 => {
                let ignore = one(rng, &["", "", "IGNORE "]);
                format!("UPDATE {ignore}{} SET {} {}", table.name, set(rng, table), rows(rng, table))
            }
            15 => format!("DELETE FROM {} {}", table.name, rows(rng, table)),
            16 => several_tables(rng),
            17 => self.json_change(),
            _ => format!("DELETE FROM {} WHERE {} = {} LIMIT 2", table.name, table.pick, rng.random_range(0..SMALL)),
        }
    }

    fn json_change(&mut self) -> String {
        let rng = &mut self.rng;
        let id = rng.random_range(0..SMALL);
        if !self.can.json() || self.can.source.kind() == Product::Mariadb {
            return format!("UPDATE every_type SET tx = CONCAT(COALESCE(tx, ''), 'x') WHERE id = {id}");
        }
        let value = rng.random_range(0..1000);
        let change = match rng.random_range(0..4) {
            0 => format!("JSON_SET(js, '$.name', {value})"),
            1 => format!("JSON_REPLACE(js, '$.a', 'r{value}')"),
            2 => "JSON_REMOVE(js, '$.key')".to_owned(),
            _ => format!("JSON_SET(js, '$[1]', '{}')", "l".repeat(rng.random_range(0..90))),
        };
        format!("UPDATE every_type SET js = {change} WHERE id BETWEEN {id} AND {}", id + 4)
    }
}

/// Some of a table's columns; those without NULL always.
fn some<'a>(rng: &mut StdRng, table: &'a Table) -> Vec<&'a Column> {
    let most = table.columns.len() > 12;
    let wanted = |rng: &mut StdRng, column: &Column| column.not_null || rng.random_ratio(if most { 2 } else { 5 }, 6);
    let picked: Vec<&Column> = table.columns.iter().filter(|column| wanted(rng, column)).collect();
    if picked.is_empty() { table.columns.iter().take(1).collect() } else { picked }
}

fn insert(rng: &mut StdRng, table: &Table, verb: &str) -> String {
    let columns = some(rng, table);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let count = if rng.random_ratio(1, 12) { rng.random_range(5..40) } else { rng.random_range(1..4) };
    let row = |rng: &mut StdRng| {
        let values: Vec<String> = columns.iter().map(|column| literal(rng, column)).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<String> = (0..count).map(|_| row(rng)).collect();
    format!("{verb} INTO {} ({}) VALUES {}", table.name, names.join(", "), rows.join(", "))
}

/// Copies rows of a table to itself; with a key, those that fit.
fn insert_select(rng: &mut StdRng, table: &Table) -> String {
    let columns = some(rng, table);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let taken: Vec<String> = columns
        .iter()
        .map(|column| match column.kind {
            Kind::Small => format!("{} + {}", column.name, rng.random_range(0..9)),
            _ => column.name.clone(),
        })
        .collect();
    let verb = one(rng, &["INSERT IGNORE", "REPLACE", "INSERT"]);
    let (low, limit) = (rng.random_range(0..SMALL), rng.random_range(1..30));
    format!(
        "{verb} INTO {0} ({1}) SELECT {2} FROM {0} WHERE {3} > {low} LIMIT {limit}",
        table.name,
        names.join(", "),
        taken.join(", "),
        table.pick
    )
}

/// Assignments to one to four columns, keys among them.
fn set(rng: &mut StdRng, table: &Table) -> String {
    let mut out = Vec::new();
    for _ in 0..rng.random_range(1..5) {
        let column = &table.columns[rng.random_range(0..table.columns.len())];
        let value = match column.kind {
            Kind::Small if rng.random_ratio(1, 3) => format!("{} + 1", column.name),
            _ => literal(rng, column),
        };
        out.push(format!("{} = {value}", column.name));
    }
    out.join(", ")
}

fn rows(rng: &mut StdRng, table: &Table) -> String {
    let low = rng.random_range(0..SMALL);
    match rng.random_range(0..8) {
        0 => format!("WHERE {} IS NULL LIMIT 3", table.pick),
        1 => format!("ORDER BY {} LIMIT 4", table.pick),
        _ => format!("WHERE {} BETWEEN {low} AND {} LIMIT 10", table.pick, low + rng.random_range(0..12)),
    }
}

fn several_tables(rng: &mut StdRng) -> String {
    let (low, value) = (rng.random_range(0..SMALL), rng.random_range(0..SMALL));
    match rng.random_range(0..4) {
        0 => {
            format!("UPDATE uniq u JOIN every_type e ON e.id = u.id SET u.c = {value}, e.i32 = u.b WHERE u.id < {low}")
        }
        1 => format!("UPDATE keyless k, log l SET k.b = 'both', l.v = 'both' WHERE k.a = l.n AND k.a = {low}"),
        2 => format!("DELETE l FROM log l JOIN keyless k ON k.a = l.n WHERE l.n = {low}"),
        _ => format!(
            "DELETE c, p FROM child c LEFT JOIN parts p ON p.id = c.id WHERE c.id BETWEEN {low} AND {}",
            low + 3
        ),
    }
}

/// Rows for LOAD DATA.
pub fn file_of_rows(seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..150)
        .map(|_| format!("{}\t{}\n", rng.random_range(0..SMALL), values::one(&mut rng, &["x", "y y", "\\N", "z\\tz"])))
        .collect()
}
