//! The tables of the workload: every column type that both sides have, and every kind of key, and none.

use Kind::*;

use crate::support::release::Release;

const NUMBER: &str = "INT NOT NULL";

/// What a column holds, as far as its values' literals depend on it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Signed with so many bits.
    Int(u32),
    Unsigned(u32),
    /// Small numbers, so that rows are found and keys meet.
    Small,
    /// Digits in all, digits behind the point.
    Decimal(u32, u32),
    Float,
    Double,
    Bit(u32),
    Date,
    /// Digits of a second's fraction.
    Time(u32),
    DateTime(u32),
    Timestamp(u32),
    Year,
    /// Text in utf8mb4 of at most so many characters.
    Text(usize),
    /// Short texts that differ in case, accents and trailing blanks only.
    Alike,
    Latin1(usize),
    Gbk(usize),
    Bytes(usize),
    /// Up to some hundred kilobytes, seldom.
    Large,
    Enum,
    Set,
    Json,
    Point,
    Uuid,
    Inet6,
}

/// A column that statements write.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub not_null: bool,
}

/// A table of the workload.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    /// The small numbers by which rows are picked.
    pub pick: &'static str,
    /// Statements on it stand in no transaction.
    pub alone: bool,
    pub create: String,
}

/// What both sides can do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Can {
    pub source: Release,
    pub target: Release,
}

impl Can {
    /// Whether XA transactions of the source outlive its crash as its binlog has them. Others bring one back prepared that
    /// the binlog says is committed in one phase, or lose it (docs/sync/binlog.md).
    pub fn keeps_xa(self) -> bool {
        matches!(self.source, Release::Mysql80 | Release::Mysql97)
    }

    pub fn json(self) -> bool {
        self.source != Release::Mysql56 && self.target != Release::Mysql56
    }

    pub fn geometry(self) -> bool {
        self.target != Release::Tidb
    }

    /// Types of MariaDB's own.
    pub fn inet6(self) -> bool {
        self.mariadb_to_mariadb()
    }

    pub fn uuid(self) -> bool {
        self.mariadb_to_mariadb() && self.source != Release::Mariadb105 && self.target != Release::Mariadb105
    }

    fn mariadb_to_mariadb(self) -> bool {
        use crate::support::servers::Kind::Mariadb;
        self.source.kind() == Mariadb && self.target.kind() == Mariadb
    }
}

/// Writes a column: `name kind sql`.
fn add(table: &mut Table, name: &str, kind: Kind, sql: &str) {
    let not_null = sql.contains("NOT NULL") || sql.contains("PRIMARY KEY");
    table.create.push_str(&format!("{name} {sql}, "));
    table.columns.push(Column { name: name.to_owned(), kind, not_null });
}

fn table(name: &'static str, pick: &'static str, columns: &[(&str, Kind, &str)], keys: &str) -> Table {
    let mut out = Table { name, columns: Vec::new(), pick, alone: false, create: format!("CREATE TABLE {name} (") };
    for (column, kind, sql) in columns {
        add(&mut out, column, *kind, sql);
    }
    finish(&mut out, keys, "");
    out
}

fn finish(table: &mut Table, keys: &str, options: &str) {
    let create = table.create.trim_end_matches(", ").to_owned();
    let keys = if keys.is_empty() { String::new() } else { format!(", {keys}") };
    // Collations that every server has, so that nothing is mapped: what unique keys collide on is the same everywhere.
    table.create = format!("{create}{keys}) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci {options}");
}

/// Every column type beside a primary key.
fn every_type(can: Can) -> Table {
    let mut all = Table {
        name: "every_type",
        columns: Vec::new(),
        pick: "id",
        alone: false,
        create: "CREATE TABLE every_type (".into(),
    };
    add(&mut all, "id", Kind::Small, "INT PRIMARY KEY AUTO_INCREMENT");
    for bits in [8, 16, 24, 32, 64] {
        let ty = match bits {
            8 => "TINYINT",
            16 => "SMALLINT",
            24 => "MEDIUMINT",
            32 => "INT",
            _ => "BIGINT",
        };
        add(&mut all, &format!("i{bits}"), Kind::Int(bits), ty);
        add(&mut all, &format!("u{bits}"), Kind::Unsigned(bits), &format!("{ty} UNSIGNED"));
    }
    for (name, kind, sql) in [
        ("de", Kind::Decimal(20, 6), "DECIMAL(20,6)"),
        ("db", Kind::Decimal(65, 30), "DECIMAL(65,30)"),
        ("fl", Kind::Float, "FLOAT"),
        ("dd", Kind::Double, "DOUBLE"),
        ("b1", Kind::Bit(1), "BIT(1)"),
        ("b64", Kind::Bit(64), "BIT(64)"),
        ("da", Kind::Date, "DATE"),
        ("t0", Kind::Time(0), "TIME"),
        ("t6", Kind::Time(6), "TIME(6)"),
        ("dt", Kind::DateTime(0), "DATETIME"),
        ("dt3", Kind::DateTime(3), "DATETIME(3)"),
        ("ts", Kind::Timestamp(0), "TIMESTAMP NULL"),
        ("ts6", Kind::Timestamp(6), "TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
        ("ye", Kind::Year, "YEAR"),
        ("ch", Kind::Text(20), "CHAR(20)"),
        ("vc", Kind::Text(80), "VARCHAR(80)"),
        ("vb", Kind::Text(80), "VARCHAR(80) COLLATE utf8mb4_bin"),
        ("tt", Kind::Text(60), "TINYTEXT"),
        ("tx", Kind::Text(300), "TEXT"),
        ("mt", Kind::Text(300), "MEDIUMTEXT"),
        ("la", Kind::Latin1(40), "VARCHAR(40) CHARACTER SET latin1"),
        ("bi", Kind::Bytes(8), "BINARY(8)"),
        ("va", Kind::Bytes(60), "VARBINARY(60)"),
        ("tb", Kind::Bytes(200), "TINYBLOB"),
        ("bl", Kind::Bytes(900), "BLOB"),
        ("en", Kind::Enum, "ENUM('a','b','c d','é')"),
        ("se", Kind::Set, "SET('w','x','y','z')"),
    ] {
        add(&mut all, name, kind, sql);
    }
    for (has, name, kind, sql) in [
        (can.json(), "js", Kind::Json, "JSON"),
        (true, "gb", Kind::Gbk(30), "VARCHAR(30) CHARACTER SET gbk"),
        (can.geometry(), "po", Kind::Point, "POINT"),
        (can.uuid(), "uu", Kind::Uuid, "UUID"),
        (can.inet6(), "ip", Kind::Inet6, "INET6"),
    ] {
        if has {
            add(&mut all, name, kind, sql);
        }
    }
    finish(&mut all, "", "");
    all
}

/// The tables that writers use, in an order in which they can be created.
pub fn tables(can: Can) -> Vec<Table> {
    let mut all = vec![every_type(can)];
    all.extend(with_unique_keys());
    all.extend(without_a_key(can));
    all.extend(with_odd_keys());
    all.extend(with_references());
    all.extend(can.json().then(generated));
    if can.target.kind() != crate::support::servers::Kind::Mysql {
        // (A MySQL target that enforces GTIDs takes such rows in no transaction.)
        let mut myisam =
            table("no_transactions", "id", &[("id", Small, "INT PRIMARY KEY"), ("v", Text(20), "VARCHAR(20)")], "");
        myisam.create.push_str(" ENGINE=MyISAM");
        myisam.alone = true;
        all.push(myisam);
    }
    all
}

fn with_unique_keys() -> Vec<Table> {
    vec![
        table(
            "pk_text",
            "n",
            &[("c", Alike, "VARCHAR(20) NOT NULL"), ("n", Small, NUMBER), ("v", Text(30), "VARCHAR(30)")],
            "PRIMARY KEY (c, n)",
        ),
        table(
            "uniq",
            "id",
            &[
                ("id", Small, "INT PRIMARY KEY AUTO_INCREMENT"),
                ("a", Alike, "VARCHAR(20)"),
                ("b", Small, "INT"),
                ("c", Small, "INT"),
                ("v", Text(20), "VARCHAR(20)"),
            ],
            "UNIQUE KEY ua (a), UNIQUE KEY ubc (b, c)",
        ),
        table(
            "uniq_only",
            "u",
            &[("u", Small, NUMBER), ("w", Alike, "VARCHAR(20)"), ("v", Text(20), "TEXT")],
            "UNIQUE KEY (u), UNIQUE KEY (w(10))",
        ),
    ]
}

/// Without any key, or with one that lets NULLs in.
fn without_a_key(can: Can) -> Vec<Table> {
    vec![
        table("null_uniq", "n", &[("a", Small, "INT"), ("n", Small, "INT"), ("v", Alike, "VARCHAR(20)")], "UNIQUE (a)"),
        table(
            "keyless",
            "a",
            &[
                ("a", Small, "INT"),
                ("b", Alike, "VARCHAR(30)"),
                ("f", Float, "FLOAT"),
                ("d", Double, "DOUBLE"),
                ("t", DateTime(3), "DATETIME(3)"),
            ],
            "",
        ),
        keyless_wide(can),
        table("log", "n", &[("n", Small, "INT"), ("v", Text(20), "VARCHAR(60)")], ""),
    ]
}

fn with_odd_keys() -> Vec<Table> {
    let mut parts = table(
        "parts",
        "id",
        &[("id", Small, NUMBER), ("d", Small, NUMBER), ("v", Text(20), "VARCHAR(20)")],
        "PRIMARY KEY (id, d)",
    );
    parts.create.push_str(" PARTITION BY HASH (id) PARTITIONS 4");
    vec![
        parts,
        table("big", "id", &[("id", Small, "INT PRIMARY KEY"), ("t", Large, "LONGTEXT"), ("b", Large, "LONGBLOB")], ""),
        table("pk_time", "n", &[("at", DateTime(3), "DATETIME(3) PRIMARY KEY"), ("n", Small, "INT")], ""),
        table("pk_bytes", "n", &[("k", Bytes(3), "VARBINARY(16) PRIMARY KEY"), ("n", Small, "INT")], ""),
        table("pk_float", "n", &[("f", Float, "FLOAT PRIMARY KEY"), ("n", Small, "INT")], ""),
        table(
            "pk_decimal",
            "n",
            &[("k", Decimal(12, 4), "DECIMAL(12,4) PRIMARY KEY"), ("n", Small, "INT"), ("u", Date, "DATE")],
            "KEY (n)",
        ),
    ]
}

/// Foreign keys, and tables that DDL lets change names.
fn with_references() -> Vec<Table> {
    let id_and_text = [("id", Small, "INT PRIMARY KEY"), ("v", Text(20), "VARCHAR(20)")];
    vec![
        table("parent", "id", &id_and_text, ""),
        table(
            "child",
            "id",
            &[("id", Small, "INT PRIMARY KEY AUTO_INCREMENT"), ("parent_id", Small, "INT"), ("v", Text(9), "CHAR(9)")],
            "FOREIGN KEY (parent_id) REFERENCES parent (id)",
        ),
        table("swap_a", "id", &id_and_text, ""),
        table("swap_b", "id", &id_and_text, ""),
    ]
}

fn keyless_wide(can: Can) -> Table {
    let mut wide = Table {
        name: "keyless_wide",
        columns: Vec::new(),
        pick: "n",
        alone: false,
        create: "CREATE TABLE keyless_wide (".into(),
    };
    for (name, kind, sql) in [
        ("n", Kind::Small, "INT"),
        ("t", Kind::Text(40), "TEXT"),
        ("b", Kind::Bytes(20), "BLOB"),
        ("d", Kind::Decimal(20, 6), "DECIMAL(20,6)"),
        ("y", Kind::Bit(9), "BIT(9)"),
        ("e", Kind::Enum, "ENUM('a','b','c d','é')"),
        ("s", Kind::Set, "SET('w','x','y','z')"),
        ("c", Kind::Text(10), "CHAR(10)"),
        ("z", Kind::Timestamp(3), "TIMESTAMP(3) NULL"),
    ] {
        add(&mut wide, name, kind, sql);
    }
    if can.json() {
        add(&mut wide, "j", Kind::Json, "JSON");
    }
    finish(&mut wide, "", "");
    wide
}

/// Generated columns, one of them unique.
fn generated() -> Table {
    let mut out = table(
        "generated",
        "id",
        &[("id", Kind::Small, "INT PRIMARY KEY"), ("a", Kind::Small, "INT"), ("v", Kind::Alike, "VARCHAR(20)")],
        "s INT AS (a + 1) STORED, w VARCHAR(40) AS (CONCAT(v, '/', a)) VIRTUAL, UNIQUE KEY (s)",
    );
    out.name = "generated_columns";
    out.create = out.create.replacen("generated", "generated_columns", 1);
    out
}
