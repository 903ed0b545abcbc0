//! Transactions of the source, and where a change stands in them.

use crate::{
    error::DmError,
    mysql::{
        gtid::{Gtid, GtidSet},
        position::{BinlogPosition, Location},
    },
    units::sync::progress::Progress,
};

/// One transaction of the source, shared by its changes.
#[derive(Clone, PartialEq, Debug)]
pub struct Transaction {
    /// Where it begins; with GTIDs the set of those before it.
    pub before: Location,
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

    /// The lane progress after the change number `index`.
    pub fn progress(&self, index: u64) -> Progress {
        let text = |set: &GtidSet| set.to_string();
        Progress {
            gtid_set: self.before.gtid_set.as_ref().map(text).unwrap_or_default(),
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
    pub fn annotate(&self, error: DmError, end_pos: u64, sql: Option<&str>) -> DmError {
        let end = self.location_at(end_pos);
        match sql {
            Some(sql) => error.annotate(format!(
                "startLocation: [{}], endLocation: [{end}], origin SQL: [{}]",
                self.before,
                shorten(sql)
            )),
            None => error.annotate(format!("startLocation: [{}], endLocation: [{end}]", self.before)),
        }
    }
}

/// The end of a transaction, or a place between two where the source had nothing for us.
#[derive(Clone, PartialEq, Debug)]
pub struct Boundary {
    pub location: Location,
    /// Of the transaction; 0 when unknown.
    pub timestamp: u32,
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
            gtid: Gtid::parse(Flavor::Mariadb, "0-3407-94939").ok(),
            timestamp: 0,
        };
        let error = transaction.annotate(DmError::new(Code::DBExecuteFailed).msg("why"), 739_345_578, Some("drop x"));
        assert_eq!(
            error.message(),
            "startLocation: [position: (mysql-bin.000002, 739345443), gtid-set: 0-3407-94938], endLocation: \
             [position: (mysql-bin.000002, 739345578), gtid-set: 0-3407-94939], origin SQL: [drop x]: why"
        );
        assert_eq!(transaction.progress(3).gtid, "0-3407-94939");
    }

    #[test]
    fn long_sql_is_cut_at_a_character() {
        let sql = "ä".repeat(1000);
        assert_eq!(shorten(&sql).len(), 1024 + 3);
        assert_eq!(shorten("short"), "short");
    }
}
