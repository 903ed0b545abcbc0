//! MariaDB's ids: `domain-server-sequence`, and the last of each domain as the set.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::parse_number;
use crate::error::{Code, DmError, Result};

/// `domain-server-sequence`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct MariadbGtid {
    pub domain: u32,
    pub server: u32,
    pub sequence: u64,
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for MariadbGtid {
    type Err = DmError;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.trim().split('-');
        let parsed = (|| {
            let gtid = MariadbGtid {
                domain: parse_number(parts.next()?)?,
                server: parse_number(parts.next()?)?,
                sequence: parse_number(parts.next()?)?,
            };
            parts.next().is_none().then_some(gtid)
        })();
        parsed.ok_or_else(|| {
            DmError::new(Code::BinlogGTIDMariaDBNotValid).msg(format!(
                "`{text}` is not a MariaDB GTID: expected `domain-server-sequence`, for example `0-1-100`"
            ))
        })
    }
}

/// The last transaction of each domain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MariadbGtidSet {
    domains: BTreeMap<u32, MariadbGtid>,
}

impl MariadbGtidSet {
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// The last transaction of a domain.
    pub fn last(&self, domain: u32) -> Option<MariadbGtid> {
        self.domains.get(&domain).copied()
    }

    /// The last transaction of each domain, by domain.
    pub fn iter(&self) -> impl Iterator<Item = MariadbGtid> + '_ {
        self.domains.values().copied()
    }

    /// Makes `gtid` the last of its domain, as the server does for every transaction it logs.
    pub fn add(&mut self, gtid: MariadbGtid) {
        self.domains.insert(gtid.domain, gtid);
    }

    /// True when the domain has come to this sequence number or beyond; the server id plays no part. Sequence number 0
    /// says that nothing was written yet, and every set contains that.
    pub fn contains(&self, gtid: &MariadbGtid) -> bool {
        gtid.sequence == 0 || self.domains.get(&gtid.domain).is_some_and(|last| gtid.sequence <= last.sequence)
    }

    /// Whether each domain of `other` has been reached.
    pub fn contains_set(&self, other: &Self) -> bool {
        other.domains.values().all(|gtid| self.contains(gtid))
    }

    /// Keeps the later of both in each domain.
    pub fn union(&mut self, other: &Self) {
        for gtid in other.domains.values().filter(|gtid| gtid.sequence > 0) {
            if !self.contains(gtid) {
                self.add(*gtid);
            }
        }
    }
}

impl fmt::Display for MariadbGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, gtid) in self.domains.values().enumerate() {
            write!(f, "{}{gtid}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for MariadbGtidSet {
    type Err = DmError;

    /// A domain named several times, as `@@gtid_binlog_state` does for each server, counts with its highest number.
    fn from_str(text: &str) -> Result<Self> {
        let mut set = MariadbGtidSet::default();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() && text.trim().is_empty() {
                break;
            }
            let gtid: MariadbGtid = part.parse()?;
            if !set.contains(&gtid) {
                set.add(gtid);
            }
        }
        Ok(set)
    }
}

impl TryFrom<String> for MariadbGtidSet {
    type Error = DmError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<MariadbGtidSet> for String {
    fn from(set: MariadbGtidSet) -> String {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> MariadbGtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_domain_stands_for_all_before_its_last() {
        let state = set("0-1-100,5-2-7");
        assert!(state.contains(&"0-9-100".parse().unwrap()));
        assert!(!state.contains(&"0-1-101".parse().unwrap()));
        assert!(!state.contains(&"1-1-1".parse().unwrap()));
        assert!(state.contains_set(&set("5-2-7")) && !state.contains_set(&set("5-2-8")));
        assert!(state.contains_set(&set("")));
    }

    #[test]
    fn union_keeps_the_later_of_each_domain() {
        let mut a = set("0-1-100,1-1-3");
        a.union(&set("0-2-50,1-2-4,2-1-1"));
        assert_eq!(a.to_string(), "0-1-100,1-2-4,2-1-1");
    }

    #[test]
    fn a_domain_without_transactions_is_contained() {
        let mut both = set("0-1-5");
        both.union(&set("7-1-0"));
        assert!(both.contains_set(&set("0-1-5,7-1-0")));
        assert!(!both.contains_set(&set("7-1-1")));
    }

    #[test]
    fn several_servers_of_a_domain_count_with_the_highest() {
        assert_eq!(set(" 0-2-90,\n0-1-100 , 0-3-1").to_string(), "0-1-100");
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in ["0-1", "0-1-2-3", "a-1-2", "0-1-", "0-1-2,", "4294967296-1-1", "0--1-1"] {
            let error = text.parse::<MariadbGtidSet>().unwrap_err();
            assert_eq!(error.code(), Code::BinlogGTIDMariaDBNotValid, "{text}");
        }
    }
}
