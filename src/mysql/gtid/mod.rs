//! Global transaction ids of both flavours, single and as sets.

mod encoding;
mod mariadb;
mod mysql;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use encoding::decode_tag;
pub use mariadb::{MariadbGtid, MariadbGtidSet};
pub use mysql::{Interval, MysqlGtid, MysqlGtidSet, SourceId, Uuid};

use crate::{
    config::Flavor,
    error::{Code, DmError, Result},
};

/// One transaction's id.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Gtid {
    Mysql(MysqlGtid),
    Mariadb(MariadbGtid),
}

impl Gtid {
    /// Reads `uuid:5`, `uuid:tag:5` or `0-1-5`.
    pub fn parse(flavor: Flavor, text: &str) -> Result<Gtid> {
        match flavor {
            Flavor::Mysql => text.parse().map(Gtid::Mysql),
            Flavor::Mariadb => text.parse().map(Gtid::Mariadb),
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gtid::Mysql(gtid) => gtid.fmt(f),
            Gtid::Mariadb(gtid) => gtid.fmt(f),
        }
    }
}

/// The transactions executed so far. MySQL: exactly which. MariaDB: the last one of each domain, which stands for
/// all before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum GtidSet {
    Mysql(MysqlGtidSet),
    Mariadb(MariadbGtidSet),
}

impl GtidSet {
    /// The set before the first transaction.
    pub fn empty(flavor: Flavor) -> GtidSet {
        match flavor {
            Flavor::Mysql => GtidSet::Mysql(MysqlGtidSet::default()),
            Flavor::Mariadb => GtidSet::Mariadb(MariadbGtidSet::default()),
        }
    }

    /// Reads a set's text; white space and line breaks between members are allowed, an empty text is the empty set.
    /// Errors: 11059 (MySQL), 11060 (MariaDB).
    pub fn parse(flavor: Flavor, text: &str) -> Result<GtidSet> {
        match flavor {
            Flavor::Mysql => text.parse().map(GtidSet::Mysql),
            Flavor::Mariadb => text.parse().map(GtidSet::Mariadb),
        }
    }

    pub fn flavor(&self) -> Flavor {
        match self {
            GtidSet::Mysql(_) => Flavor::Mysql,
            GtidSet::Mariadb(_) => Flavor::Mariadb,
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            GtidSet::Mysql(set) => set.is_empty(),
            GtidSet::Mariadb(set) => set.is_empty(),
        }
    }

    /// Adds one executed transaction; error 11058 when the flavours differ.
    pub fn add(&mut self, gtid: &Gtid) -> Result<()> {
        match (self, gtid) {
            (GtidSet::Mysql(set), Gtid::Mysql(gtid)) => set.add(gtid),
            (GtidSet::Mariadb(set), Gtid::Mariadb(gtid)) => set.add(*gtid),
            (set, gtid) => {
                return Err(DmError::new(Code::BinlogGTIDSetNotValid).msg(format!(
                    "GTID {gtid} is not of the flavour of the set `{set}`: check `flavor` of the source"
                )));
            }
        }
        Ok(())
    }

    /// Whether the transaction is in the set; never across flavours.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        match (self, gtid) {
            (GtidSet::Mysql(set), Gtid::Mysql(gtid)) => set.contains(gtid),
            (GtidSet::Mariadb(set), Gtid::Mariadb(gtid)) => set.contains(gtid),
            _ => false,
        }
    }

    /// Whether every transaction of `other` is in this set. An empty set is in every set.
    pub fn contains_set(&self, other: &GtidSet) -> bool {
        match (self, other) {
            (GtidSet::Mysql(a), GtidSet::Mysql(b)) => a.contains_set(b),
            (GtidSet::Mariadb(a), GtidSet::Mariadb(b)) => a.contains_set(b),
            (_, other) => other.is_empty(),
        }
    }

    /// Adds all of `other`; error 11058 when the flavours differ.
    pub fn union(&mut self, other: &GtidSet) -> Result<()> {
        match (self, other) {
            (GtidSet::Mysql(a), GtidSet::Mysql(b)) => a.union(b),
            (GtidSet::Mariadb(a), GtidSet::Mariadb(b)) => a.union(b),
            (_, other) if other.is_empty() => {}
            (set, other) => {
                return Err(DmError::new(Code::BinlogGTIDSetNotValid)
                    .msg(format!("the GTID sets `{set}` and `{other}` are of different flavours")));
            }
        }
        Ok(())
    }
}

impl fmt::Display for GtidSet {
    /// The canonical text, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GtidSet::Mysql(set) => set.fmt(f),
            GtidSet::Mariadb(set) => set.fmt(f),
        }
    }
}

/// A number without sign or blanks, as GTID texts write them.
fn parse_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
