//! Random DDL over a few tables: mostly statements that the server takes, some that it refuses. The same seed on the
//! same release makes the same sequence: what it names comes from the tables as they are then.

use std::sync::Arc;

use dm::schema::{TableInfo, Tracker};

/// A small generator of numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }

    /// True `percent` times of 100.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const TABLES: [&str; 6] = ["t1", "t2", "t3", "T3", "we ird", "select"];
const COLUMNS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "G", "h h", "key", "ä"];
const TYPES: [&str; 40] = [
    "INT",
    "INT UNSIGNED",
    "TINYINT(1)",
    "SMALLINT(4)",
    "BIGINT",
    "MEDIUMINT ZEROFILL",
    "INT(11)",
    "DECIMAL(10,2)",
    "DECIMAL(5)",
    "FLOAT",
    "DOUBLE",
    "FLOAT(7,3)",
    "BIT(9)",
    "BOOL",
    "CHAR(5)",
    "CHAR(3) CHARACTER SET latin1",
    "VARCHAR(20)",
    "VARCHAR(200)",
    "VARCHAR(10) COLLATE utf8mb4_bin",
    "VARCHAR(30) BINARY",
    "BINARY(4)",
    "VARBINARY(16)",
    "TEXT",
    "TINYTEXT",
    "MEDIUMTEXT CHARACTER SET latin1",
    "TEXT(300)",
    "BLOB",
    "BLOB(70000)",
    "ENUM('x','y','z''q')",
    "SET('a','b','c')",
    "DATE",
    "TIME",
    "TIME(3)",
    "DATETIME",
    "DATETIME(6)",
    "TIMESTAMP NULL",
    "TIMESTAMP(3) NULL",
    "YEAR",
    "JSON",
    "NCHAR(4)",
];
const OPTIONS: [&str; 12] = [
    "COMMENT='a table'",
    "COMMENT ''",
    "ENGINE=InnoDB",
    "ENGINE = MyISAM",
    "CHARSET latin1",
    "DEFAULT CHARACTER SET = utf8mb4",
    "COLLATE utf8mb4_bin",
    "COLLATE=latin1_bin",
    "AUTO_INCREMENT=10",
    "ROW_FORMAT=DYNAMIC",
    "STATS_PERSISTENT=0",
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
];
const PARTITIONS: [&str; 8] = [
    "PARTITION BY HASH (a) PARTITIONS 2",
    "PARTITION BY KEY () PARTITIONS 3",
    "PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "PARTITION BY LIST (a) (PARTITION p0 VALUES IN (1, 2, NULL), PARTITION p1 VALUES IN (3))",
    "PARTITION BY LINEAR HASH (b + 1) PARTITIONS 4",
    "PARTITION BY RANGE COLUMNS (a, b) (PARTITION p0 VALUES LESS THAN (10, 5 + 2), PARTITION p1 VALUES LESS THAN (10, MAXVALUE))",
    "PARTITION BY LIST COLUMNS (c) (PARTITION p0 VALUES IN (1, 5 * 7), PARTITION P1 VALUES IN (NULL))",
    "PARTITION BY RANGE (a) SUBPARTITION BY HASH (b) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (-3), PARTITION p1 VALUES LESS THAN (4))",
];

/// What a sequence's session says first.
pub fn settings(random: &mut Random) -> Vec<String> {
    let all = ["SET sql_mode=''", "SET explicit_defaults_for_timestamp=OFF", "SET sql_mode='STRICT_TRANS_TABLES'"];
    vec![random.one(&all).to_owned()]
}

/// The next statement.
pub fn statement(random: &mut Random, tracker: &Tracker) -> String {
    let mut tables: Vec<Arc<TableInfo>> = tracker.tables().filter(|table| table.schema == "d").cloned().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let Some(table) = tables.get(random.below(tables.len())).cloned() else { return create(random) };
    let table = &*table;
    let name = quoted(&table.name);
    match random.below(100) {
        0..12 => create(random),
        12..15 => format!("CREATE TABLE {} LIKE {name}", new_table(random)),
        15..18 => format!("DROP TABLE {}{name}", random.one(&["", "IF EXISTS "])),
        18..22 => format!("RENAME TABLE {name} TO {}", new_table(random)),
        22 => format!("TRUNCATE TABLE {name}"),
        23 => format!(
            "ALTER DATABASE d CHARACTER SET {}",
            random.one(&["latin1", "utf8mb4", "utf8mb4 COLLATE utf8mb4_bin"])
        ),
        24..30 => format!("CREATE {}INDEX {} ON {name} ({})", kind(random), key_name(random), parts(random, table)),
        30..33 => format!("DROP INDEX {} ON {name}", existing_key(random, table)),
        33..37 => partitions(random, table),
        37 => format!("ALTER TABLE {name} CONVERT TO CHARACTER SET {}", random.one(&["latin1", "utf8mb4"])),
        _ => {
            let count = 1 + random.below(3) * random.below(2);
            let clauses: Vec<String> = (0..count).map(|_| clause(random, table)).collect();
            format!("ALTER TABLE {name} {}", clauses.join(", "))
        }
    }
}

/// A change of the partitions, mostly one that fits those that are there.
fn partitions(random: &mut Random, table: &TableInfo) -> String {
    let name = quoted(&table.name);
    let Some(known) = &table.partition else { return format!("ALTER TABLE {name} {}", random.one(&PARTITIONS)) };
    let old = |random: &mut Random| quoted(&known.list[random.below(known.list.len())].name);
    let new = format!("n{}", random.below(1000));
    let bound = 10 + random.below(90);
    let values = match known.by.method.text() {
        "RANGE" => format!(" VALUES LESS THAN ({bound} + 1)"),
        "RANGE COLUMNS" => format!(" VALUES LESS THAN ({bound}, 3)"),
        "LIST" | "LIST COLUMNS" => format!(" VALUES IN ({bound}, {bound} * -1)"),
        _ => String::new(),
    };
    let clause = match random.below(9) {
        0 => random.one(&PARTITIONS).to_owned(),
        1 => "REMOVE PARTITIONING".to_owned(),
        2 | 3 if values.is_empty() => format!("ADD PARTITION PARTITIONS {}", 1 + random.below(3)),
        2 | 3 => format!("ADD PARTITION (PARTITION {new}{values} COMMENT 'new')"),
        4 if values.is_empty() => format!("COALESCE PARTITION {}", 1 + random.below(2)),
        4 => format!("DROP PARTITION {}", old(random)),
        5 if values.is_empty() => "REORGANIZE PARTITION".to_owned(),
        5 => {
            // What the partition takes stays, so that the server agrees.
            let one = &known.list[random.below(known.list.len())];
            let text = known.text();
            let same = text.split(", PARTITION ").find(|part| part.contains(&quoted(&one.name)));
            let same = same.and_then(|part| part.split_once(" VALUES ")).map_or("", |(_, values)| values);
            let same = if same.ends_with("))") { &same[..same.len() - 1] } else { same };
            format!("REORGANIZE PARTITION {} INTO (PARTITION {new} VALUES {same})", quoted(&one.name))
        }
        6 => format!("TRUNCATE PARTITION {}", old(random)),
        7 => format!("REBUILD PARTITION {}, {}", old(random), old(random)),
        _ => "COMMENT 'still divided'".to_owned(),
    };
    format!("ALTER TABLE {name} {clause}")
}

fn create(random: &mut Random) -> String {
    let count = 1 + random.below(6);
    let first = random.below(COLUMNS.len());
    let names: Vec<&str> = (0..count).map(|i| COLUMNS[(first + i) % COLUMNS.len()]).collect();
    let mut items: Vec<String> = names.iter().map(|name| definition(random, &quoted(name), &names)).collect();
    for _ in 0..random.below(3) {
        let part = |random: &mut Random| {
            let name = quoted(names[random.below(names.len())]);
            format!("{name}{}", if random.chance(15) { "(3)" } else { "" })
        };
        let parts: Vec<String> = (0..1 + random.below(2)).map(|_| part(random)).collect();
        let name = if random.chance(50) { key_name(random) } else { String::new() };
        items.push(match random.below(6) {
            0 => format!("PRIMARY KEY ({})", parts.join(", ")),
            1 => format!("UNIQUE {name} ({})", parts.join(", ")),
            2 => format!("FOREIGN KEY ({}) REFERENCES {} (a)", parts[0], quoted(random.one(&TABLES))),
            3 => format!("CHECK ({} IS NOT NULL)", quoted(names[0])),
            _ => format!("KEY {name} ({})", parts.join(", ")),
        });
    }
    let options = if random.chance(40) { random.one(&OPTIONS) } else { "" };
    let partitions = if random.chance(8) { random.one(&PARTITIONS) } else { "" };
    format!("CREATE TABLE {} ({}) {options} {partitions}", new_table(random), items.join(", ")).trim_end().to_owned()
}

/// A column of any kind.
fn definition(random: &mut Random, name: &str, others: &[&str]) -> String {
    if random.chance(6) && !others.is_empty() {
        let of = quoted(others[random.below(others.len())]);
        let expression =
            random.one(&["{} IS NULL", "CONCAT({}, 'x')", "LENGTH({}) + 1", "IFNULL({}, 0)"]).replace("{}", &of);
        let ty = random.one(&["VARCHAR(50)", "INT", "TEXT"]);
        return format!("{name} {ty} AS ({expression}) {}", random.one(&["VIRTUAL", "STORED"]));
    }
    let ty = random.one(&TYPES);
    let null = random.one(&["", "", " NOT NULL", " NULL"]);
    let default = match ty.split(['(', ' ']).next().unwrap_or("") {
        "INT" | "BIGINT" | "TINYINT" | "SMALLINT" | "BOOL" | "BIT" => {
            random.one(&["", "", " DEFAULT 1", " DEFAULT '0'"])
        }
        "DECIMAL" | "FLOAT" | "DOUBLE" => random.one(&["", " DEFAULT 1.5", " DEFAULT -2"]),
        "CHAR" | "VARCHAR" | "NCHAR" => random.one(&["", " DEFAULT 'x'", " DEFAULT ''", " DEFAULT 'it''s'"]),
        "DATETIME(6)" => random.one(&["", " DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"]),
        "DATETIME" => random.one(&["", " DEFAULT '2020-01-02 03:04:05'"]),
        _ => "",
    };
    let last = random.one(&["", "", "", "", " COMMENT 'c, (x'", " UNIQUE", " PRIMARY KEY"]);
    format!("{name} {ty}{null}{default}{last}")
}

fn clause(random: &mut Random, table: &TableInfo) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let column = existing_column(random, table);
    let new = quoted(random.one(&COLUMNS));
    let place = match random.below(5) {
        0 => " FIRST".to_owned(),
        1 => format!(" AFTER {}", existing_column(random, table)),
        _ => String::new(),
    };
    match random.below(26) {
        0..6 => format!("ADD COLUMN {}{place}", definition(random, &new, &names)),
        6 | 7 => format!("DROP COLUMN {column}"),
        8..11 => format!("MODIFY {}{place}", definition(random, &column, &names)),
        11..13 => format!("CHANGE {column} {}{place}", definition(random, &new, &names)),
        13 => format!("RENAME COLUMN {column} TO {new}"),
        14 => format!(
            "ALTER {column} {}",
            random.one(&["SET DEFAULT 5", "DROP DEFAULT", "SET DEFAULT '7'", "SET DEFAULT NULL"])
        ),
        15 | 16 => format!("ADD {}INDEX {} ({})", kind(random), key_name(random), parts(random, table)),
        17 => format!("ADD {}INDEX ({})", kind(random), parts(random, table)),
        18 => format!("DROP INDEX {}", existing_key(random, table)),
        19 => random.one(&["DROP PRIMARY KEY", "FORCE", "ALGORITHM=COPY", "ENGINE=InnoDB"]).to_owned(),
        20 => format!("ADD PRIMARY KEY ({column})"),
        21 => format!("RENAME INDEX {} TO {}", existing_key(random, table), key_name(random)),
        22 => format!("ADD FOREIGN KEY ({column}) REFERENCES {} (a)", quoted(random.one(&TABLES))),
        23 => match table.foreign_keys.first() {
            Some(key) => format!("DROP FOREIGN KEY {}", quoted(&key.name)),
            None => format!("RENAME TO {}", new_table(random)),
        },
        24 => random.one(&OPTIONS).to_owned(),
        _ => format!("ADD CONSTRAINT CHECK ({column} IS NOT NULL)"),
    }
}

fn kind(random: &mut Random) -> &'static str {
    random.one(&["", "", "", "UNIQUE ", "UNIQUE ", "FULLTEXT "])
}

fn key_name(random: &mut Random) -> String {
    quoted(random.one(&["k1", "k2", "K 3", "a", "b"]))
}

fn parts(random: &mut Random, table: &TableInfo) -> String {
    let part = |random: &mut Random| {
        let prefix = if random.chance(20) { "(4)" } else { "" };
        format!("{}{prefix}{}", existing_column(random, table), random.one(&["", "", "", "", " DESC"]))
    };
    let parts: Vec<String> = (0..1 + random.below(2)).map(|_| part(random)).collect();
    parts.join(", ")
}

fn existing_column(random: &mut Random, table: &TableInfo) -> String {
    match table.columns.get(random.below(table.columns.len())) {
        Some(column) if random.chance(90) => quoted(&column.name),
        // Names of columns have no case.
        Some(column) if random.chance(70) => quoted(&column.name.to_uppercase()),
        _ => quoted(random.one(&COLUMNS)),
    }
}

fn existing_key(random: &mut Random, table: &TableInfo) -> String {
    match table.indexes.get(random.below(table.indexes.len())) {
        Some(index) if random.chance(90) => quoted(&index.name),
        _ => key_name(random),
    }
}

fn new_table(random: &mut Random) -> String {
    quoted(random.one(&TABLES))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
