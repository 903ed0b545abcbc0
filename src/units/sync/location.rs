//! Transactions of the source, and where a change stands in them.

use crate::{
    error::{DmError, EventClass, EventRef},
    mysql::{
        gtid::{Gtid, GtidSet},
        position::{BinlogPosition, Location},
    },
    units::sync::{progress::Progress, xa::OpenXa},
};

/// One transaction of the source, shared by its changes.
#[derive(Clone, PartialEq, Debug)]
pub struct Transaction {
    /// Where it begins; with GTIDs the set of those before it.
    pub before: Location,
    /// With GTIDs: those of the transactions between the run's beginning and this one.
    pub since: Option<GtidSet>,
    /// Its id; None when the task follows positions.
    pub gtid: Option<Gtid>,
    /// Seconds since 1970 at the source.
    pub timestamp: u32,
}

impl Transaction {
    /// Whether this is the same transaction, read again.
    pub fn is_same(&self, other: &Transaction) -> bool {
        match (&self.gtid, &other.gtid) {
            (Some(a), Some(b)) => a == b,
            _ => self.before.position == other.before.position,
        }
    }

    /// The lane progress after the change number `index`. Of the transactions before it only those since the run's beginning
    /// are told: what was before is part of every later checkpoint, and a source may have thousands of servers behind it.
    pub fn progress(&self, index: u64) -> Progress {
        let text = |set: &GtidSet| set.to_string();
        Progress {
            gtid_set: self.since.as_ref().map(text).unwrap_or_default(),
            gtid: self.gtid.as_ref().map(Gtid::to_string).unwrap_or_default(),
            binlog_name: self.before.position.name.clone(),
            binlog_pos: self.before.position.pos,
            row_index: index,
        }
    }

    /// The location behind an event of it that ends at `end_pos`.
    pub fn location_at(&self, end_pos: u64) -> Location {
        let mut gtid_set = self.before.gtid_set.clone();
        if let (Some(set), Some(gtid)) = (&mut gtid_set, &self.gtid) {
            // Both come from one stream, so the flavors agree.
            let _ = set.add(gtid);
        }
        Location { position: BinlogPosition::new(self.before.position.name.clone(), end_pos), gtid_set }
    }

    /// Puts the location before an error's message, as DM does.
    pub fn annotate(&self, error: DmError, at: At<'_>) -> DmError {
        let position = BinlogPosition::new(self.before.position.name.clone(), at.start);
        let start = Location { position: position.clone(), gtid_set: self.before.gtid_set.clone() };
        let end = self.location_at(at.end);
        let suffix = if at.step > 0 { format!(", suffix: {}", at.step) } else { String::new() };
        let mut place = format!("startLocation: [{start}{suffix}], endLocation: [{end}]");
        if let Some(sql) = at.sql {
            place.push_str(&format!(", origin SQL: [{}]", shorten(&without_values(sql))));
        }
        let gtid = self.gtid.as_ref().map(Gtid::to_string).unwrap_or_default();
        let class = match at.sql {
            Some(_) => EventClass::Statement,
            None if at.refused => EventClass::Refused,
            None => EventClass::Rows,
        };
        let event = EventRef { position, gtid, class, step: at.step, injected: at.injected };
        error.annotate(place).at_event(event)
    }
}

/// Which event of a transaction an error is about.
#[derive(Clone, Copy, Default, Debug)]
pub struct At<'a> {
    /// Where the event begins and ends.
    pub start: u64,
    pub end: u64,
    /// The statement; None for row changes.
    pub sql: Option<&'a str>,
    /// Neither statement nor row changes: it can't be migrated.
    pub refused: bool,
    /// Which of the statements that stand for the event.
    pub step: u32,
    /// Those that were put before the event had run.
    pub injected: bool,
}

/// A statement for an error text: literals of a DDL may be shown, row values never.
fn without_values(sql: &str) -> String {
    const DDL: [&str; 6] = ["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "SET"];
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    // Comments and what isn't known may hold anything.
    if DDL.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return sql.to_owned();
    }
    let mut out = String::new();
    let mut chars = sql.chars().peekable();
    let mut in_word = false;
    while let Some(c) = chars.next() {
        if c == '\'' || c == '"' {
            while let Some(inner) = chars.next() {
                match inner {
                    '\\' => drop(chars.next()),
                    end if end == c => break,
                    _ => {}
                }
            }
            out.push('?');
        } else if c == '`' {
            out.push(c);
            for inner in chars.by_ref() {
                out.push(inner);
                if inner == '`' {
                    break;
                }
            }
        } else if c.is_ascii_digit() && !in_word {
            while chars.next_if(|next| next.is_ascii_alphanumeric() || *next == '.').is_some() {}
            out.push('?');
        } else {
            in_word = c.is_alphanumeric() || matches!(c, '_' | '$');
            out.push(c);
        }
    }
    out
}

/// The end of a transaction, or a place between two where the source had nothing for us.
#[derive(Clone, PartialEq, Debug)]
pub struct Boundary {
    pub location: Location,
    /// Of the transaction; 0 when unknown.
    pub timestamp: u32,
    /// XA transactions that are prepared here and not yet decided.
    pub open_xa: OpenXa,
}

/// SQL in messages is cut to 1024 bytes.
pub fn shorten(sql: &str) -> String {
    const MAX: usize = 1024;
    if sql.len() <= MAX {
        return sql.to_owned();
    }
    let mut end = MAX;
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &sql[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Flavor, error::Code};

    #[test]
    fn errors_name_both_locations() {
        let set = GtidSet::parse(Flavor::Mariadb, "0-3407-94938").unwrap();
        let transaction = Transaction {
            before: Location::new(BinlogPosition::new("mysql-bin.000002", 739_345_443), Some(set)),
            since: None,
            gtid: Gtid::parse(Flavor::Mariadb, "0-3407-94939").ok(),
            timestamp: 0,
        };
        let at = At { start: 739_345_485, end: 739_345_578, sql: Some("drop x"), ..At::default() };
        let why = DmError::new(Code::DBExecuteFailed).msg("why");
        let error = transaction.annotate(why.clone(), at);
        assert_eq!(
            error.message(),
            "startLocation: [position: (mysql-bin.000002, 739345485), gtid-set: 0-3407-94938], endLocation: \
             [position: (mysql-bin.000002, 739345578), gtid-set: 0-3407-94939], origin SQL: [drop x]: why"
        );
        let event = error.event().unwrap();
        assert_eq!(
            (event.position.pos, event.gtid.as_str(), event.class),
            (739_345_485, "0-3407-94939", EventClass::Statement)
        );
        let error = transaction.annotate(why, At { step: 2, ..at });
        assert!(error.message().contains("gtid-set: 0-3407-94938, suffix: 2], endLocation"), "{error}");
        assert_eq!(transaction.progress(3).gtid, "0-3407-94939");
    }

    #[test]
    fn row_values_are_no_part_of_an_error() {
        for (sql, shown) in [
            ("ALTER TABLE t ADD c INT DEFAULT 5", "ALTER TABLE t ADD c INT DEFAULT 5"),
            (
                "insert into t1 values (7, 'it\\'s', \"x\"\"y\", 0x41, 1.5e3, -3)",
                "insert into t1 values (?, ?, ??, ?, ?, -?)",
            ),
            ("UPDATE `t 1` SET a2 = 'é' WHERE b = 'x", "UPDATE `t 1` SET a2 = ? WHERE b = ?"),
            ("LOAD DATA '/*' 4", "LOAD DATA ? ?"),
        ] {
            assert_eq!(without_values(sql), shown);
        }
    }

    #[test]
    fn long_sql_is_cut_at_a_character() {
        let sql = "ä".repeat(1000);
        assert_eq!(shorten(&sql).len(), 1024 + 3);
        assert_eq!(shorten("short"), "short");
    }
}
