//! Expressions made by rule and by chance.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::support::release::Release;

const CONSTANTS: [&str; 30] = [
    "0",
    "1",
    "-1",
    "10",
    "255",
    "18446744073709551615",
    "20240229",
    "20240229101112",
    "1.5",
    "-2.5",
    "0.1",
    "1e3",
    "0.1e0",
    "''",
    "'a'",
    "'ABC'",
    "'abc '",
    "'0'",
    "'10'",
    "'10.0'",
    "'1e1'",
    "'42'",
    "'café'",
    "'2024-02-29'",
    "'2024-02-29 10:11:12'",
    "'10:11:12'",
    "x'616263'",
    "0x0A",
    "b'1010'",
    "NULL",
];

/// All columns beside each other and beside constants.
pub fn pairs(columns: &[String], release: Release) -> Vec<String> {
    let mysql = release.kind() == crate::support::servers::Kind::Mysql;
    let mut out = Vec::new();
    for (i, a) in columns.iter().enumerate() {
        for b in &columns[i + 1..] {
            out.push(format!("{a} = {b}"));
            out.push(format!("{a} < {b}"));
            out.push(format!("{a} <=> {b}"));
        }
        for constant in CONSTANTS {
            out.push(format!("{a} = {constant}"));
            out.push(format!("{a} > {constant}"));
            out.push(format!("{a} IN ({constant}, 77)"));
        }
        out.push(format!("NOT {a}"));
        out.push(format!("{a} + 0"));
        out.push(format!("-{a}"));
        out.push(format!("CONCAT({a}, '|')"));
        out.push(format!("{a} IS TRUE"));
        // MariaDB rounds negative fractions away from zero in these.
        if mysql || !["f", "d", "de", "dl"].contains(&a.as_str()) {
            out.push(format!("{a} & 255"));
            out.push(format!("HEX({a})"));
        }
        out.push(format!("LENGTH({a})"));
        out.push(format!("CAST({a} AS SIGNED)"));
        out.push(format!("CAST({a} AS DECIMAL(20,3))"));
        out.push(format!("CAST({a} AS CHAR)"));
    }
    out
}

struct Maker {
    rng: StdRng,
    mysql: bool,
}

/// So many random expressions; the same for the same seed.
pub fn random(seed: u64, count: usize, release: Release) -> Vec<String> {
    let mysql = release.kind() == crate::support::servers::Kind::Mysql;
    let mut maker = Maker { rng: StdRng::seed_from_u64(seed), mysql };
    (0..count).map(|_| maker.any(4)).collect()
}

impl Maker {
    fn pick<'s>(&mut self, list: &[&'s str]) -> &'s str {
        list.choose(&mut self.rng).unwrap()
    }

    fn any(&mut self, depth: u32) -> String {
        match self.rng.random_range(0..10) {
            0..=4 => self.truth(depth),
            5..=6 => self.number(depth),
            7..=8 => self.text(depth),
            _ => self.moment(depth),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        if depth == 0 {
            let number = self.number(0);
            return format!("{number} > 1");
        }
        let depth = depth - 1;
        let test = self.pick(&["=", "<>", "<", "<=", ">", ">=", "<=>"]);
        match self.rng.random_range(0..14) {
            0..=2 => format!("{} {test} {}", self.number(depth), self.number(depth)),
            3..=4 => format!("{} {test} {}", self.text(depth), self.text(depth)),
            5 => format!("{} {test} {}", self.moment(depth), self.moment(depth)),
            6 => format!("({}) AND ({})", self.truth(depth), self.truth(depth)),
            7 => format!("({}) OR ({})", self.truth(depth), self.truth(depth)),
            8 => format!("NOT ({})", self.truth(depth)),
            9 => format!("({}) XOR ({})", self.truth(depth), self.truth(depth)),
            10 => format!("{} BETWEEN {} AND {}", self.number(depth), self.number(depth), self.number(depth)),
            11 => format!("{} IN ({}, {})", self.number(depth), self.number(depth), self.number(depth)),
            12 => {
                let pattern = self.pick(&["'%a%'", "'a_c'", "'%'", "'_b%'", "'\\\\%'", "'%\\_%'", "'A%'"]);
                format!("{} LIKE {pattern}", self.text(depth))
            }
            _ => {
                let what = self.pick(&["NULL", "NOT NULL", "TRUE", "FALSE", "UNKNOWN", "NOT TRUE"]);
                format!("({}) IS {what}", self.any(depth))
            }
        }
    }

    fn number(&mut self, depth: u32) -> String {
        if depth == 0 || self.rng.random_bool(0.2) {
            let columns = ["ti", "tu", "i", "iu", "de", "d", "ye", "bt", "bi", "de"];
            let literals = ["0", "1", "2", "-3", "7", "0.5", "1.25", "100", "1e2", "12345.678"];
            let list = if self.rng.random_bool(0.6) { columns } else { literals };
            return self.pick(&list).to_owned();
        }
        let depth = depth - 1;
        match self.rng.random_range(0..19) {
            16 => format!("{}({}, {})", self.pick(&["ATAN", "ATAN2"]), self.number(depth), self.number(depth)),
            17 => format!("INET_ATON({})", self.text(depth)),
            18 => format!("LENGTH({}({}))", self.pick(&["SOUNDEX", "FROM_BASE64", "INET6_ATON"]), self.text(depth)),
            0 => format!("({} + {})", self.number(depth), self.number(depth)),
            1 => format!("({} - {})", self.number(depth), self.number(depth)),
            2 => format!("({} * {})", self.number(depth), self.number(depth)),
            3 => format!("({} / {})", self.number(depth), self.number(depth)),
            4 => format!("({} % {})", self.number(depth), self.number(depth)),
            5 => format!("({} DIV {})", self.number(depth), self.number(depth)),
            6 => format!("({} & 15 | {} & 3)", self.number(depth), self.number(depth)),
            7 => format!("ABS({})", self.number(depth)),
            8 => format!("ROUND({}, {})", self.number(depth), self.pick(&["0", "1", "2", "-1"])),
            9 => format!("IF({}, {}, {})", self.truth(depth), self.number(depth), self.number(depth)),
            10 => format!("COALESCE({}, {})", self.number(depth), self.number(depth)),
            11 => format!("CHAR_LENGTH({})", self.text(depth)),
            12 => {
                format!("CAST({} AS {})", self.number(depth), self.pick(&["SIGNED", "DECIMAL(10,2)", "DECIMAL(30,5)"]))
            }
            13 => {
                format!("CASE WHEN {} THEN {} ELSE {} END", self.truth(depth), self.number(depth), self.number(depth))
            }
            14 => {
                let part = self.pick(&["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "DAYOFWEEK", "TO_DAYS", "WEEKDAY"]);
                format!("{part}({})", self.moment(depth))
            }
            _ => format!("{}({})", self.pick(&["FLOOR", "CEIL", "SIGN"]), self.number(depth)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        if depth == 0 || self.rng.random_bool(0.25) {
            let columns = ["ch", "vc", "tx", "en", "se", "nu", "ch", "vc"];
            let literals = ["'abc'", "'Hello'", "''", "'äÖ'", "'10'", "'x,y'", "'a b'", "'%'"];
            let list = if self.rng.random_bool(0.65) { columns } else { literals };
            return self.pick(&list).to_owned();
        }
        let depth = depth - 1;
        let count = self.pick(&["0", "1", "2", "5", "-2"]);
        match self.rng.random_range(0..18) {
            14 => format!("MAKE_SET({}, {}, {})", self.number(depth), self.text(depth), self.text(depth)),
            15 => format!("EXPORT_SET({}, {}, '-', '', 5)", self.number(depth), self.text(depth)),
            16 => format!("INET_NTOA({})", self.number(depth)),
            17 => format!("SOUNDEX({})", self.text(depth)),
            0 => format!("CONCAT({}, {})", self.text(depth), self.text(depth)),
            1 => format!("UPPER({})", self.text(depth)),
            2 => format!("LOWER({})", self.text(depth)),
            3 => format!("SUBSTRING({}, {}, 3)", self.text(depth), self.pick(&["1", "2", "-3", "0"])),
            4 => format!("LEFT({}, {count})", self.text(depth)),
            5 => format!("RIGHT({}, {count})", self.text(depth)),
            6 => format!("TRIM({})", self.text(depth)),
            7 => format!("REPLACE({}, {}, {})", self.text(depth), self.pick(&["'a'", "'l'", "','"]), self.text(depth)),
            8 => format!("REVERSE({})", self.text(depth)),
            9 => format!("IFNULL({}, {})", self.text(depth), self.text(depth)),
            10 => format!("IF({}, {}, {})", self.truth(depth), self.text(depth), self.text(depth)),
            11 => format!("NULLIF({}, {})", self.text(depth), self.text(depth)),
            12 => format!("CONCAT_WS('-', {}, {})", self.text(depth), self.number(depth.min(1))),
            _ => {
                let list = ["LPAD", "RPAD"];
                let pad = if self.mysql { "'*'" } else { "'+'" };
                format!("{}({}, 6, {pad})", self.pick(&list), self.text(depth))
            }
        }
    }

    fn moment(&mut self, depth: u32) -> String {
        if depth == 0 || self.rng.random_bool(0.35) {
            return self
                .pick(&["da", "dt", "d6", "ts", "t3", "TIMESTAMP '2024-02-29 12:00:00'", "DATE '2020-01-31'"])
                .to_owned();
        }
        let depth = depth - 1;
        let unit = self.pick(&["DAY", "MONTH", "YEAR", "HOUR", "SECOND", "WEEK", "QUARTER", "MINUTE"]);
        match self.rng.random_range(0..5) {
            0 => format!("DATE({})", self.moment(depth)),
            1 => format!("DATE_ADD({}, INTERVAL {} {unit})", self.moment(depth), self.pick(&["1", "-1", "30", "12"])),
            2 => format!("({} - INTERVAL {} {unit})", self.moment(depth), self.pick(&["1", "5", "100"])),
            3 => format!("DATE_SUB({}, INTERVAL 1 {unit})", self.moment(depth)),
            _ => format!("IF({}, {}, {})", self.truth(depth), self.moment(depth), self.moment(depth)),
        }
    }
}
