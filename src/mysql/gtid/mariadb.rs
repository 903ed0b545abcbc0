//! MariaDB's ids: `domain-server-sequence`, and the last of each domain as the set.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

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

/// More domains than this of its own, and a set makes them part of what it shares.
const MOST_OWN: usize = 16;

/// The last transaction of each domain.
///
/// Sets are copied for every transaction of a stream, and of their domains few are active. So copies share what they had in
/// common, and each has of its own the domains that it added to; these stand for the shared ones of the same number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MariadbGtidSet {
    shared: Arc<BTreeMap<u32, MariadbGtid>>,
    own: SmallVec<[MariadbGtid; 2]>,
}

impl PartialEq for MariadbGtidSet {
    fn eq(&self, other: &Self) -> bool {
        self.domains() == other.domains()
    }
}

impl Eq for MariadbGtidSet {}

impl MariadbGtidSet {
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }

    fn domains(&self) -> BTreeMap<u32, MariadbGtid> {
        self.shared.values().chain(&self.own).map(|gtid| (gtid.domain, *gtid)).collect()
    }

    /// The last transaction of a domain.
    pub fn last(&self, domain: u32) -> Option<MariadbGtid> {
        self.own.iter().find(|gtid| gtid.domain == domain).or_else(|| self.shared.get(&domain)).copied()
    }

    /// The last transaction of each domain, by domain.
    pub fn iter(&self) -> impl Iterator<Item = MariadbGtid> + use<> {
        self.domains().into_values()
    }

    /// Makes `gtid` the last of its domain, as the server does for every transaction it logs.
    pub fn add(&mut self, gtid: MariadbGtid) {
        match self.own.iter_mut().find(|own| own.domain == gtid.domain) {
            Some(own) => *own = gtid,
            None => self.own.push(gtid),
        }
        if self.own.len() > MOST_OWN {
            let own = std::mem::take(&mut self.own);
            Arc::make_mut(&mut self.shared).extend(own.into_iter().map(|gtid| (gtid.domain, gtid)));
        }
    }

    /// True when the domain has come to this sequence number or beyond; the server id plays no part. Sequence number 0
    /// says that nothing was written yet, and every set contains that.
    pub fn contains(&self, gtid: &MariadbGtid) -> bool {
        gtid.sequence == 0 || self.last(gtid.domain).is_some_and(|last| gtid.sequence <= last.sequence)
    }

    /// Whether each domain of `other` has been reached.
    pub fn contains_set(&self, other: &Self) -> bool {
        // What both share needs no look: of its domains, this set's own are never behind it.
        let common = Arc::ptr_eq(&self.shared, &other.shared) && self.own_is_ahead();
        let has = |gtid: &MariadbGtid| self.contains(gtid);
        let shadowed = |gtid: &&MariadbGtid| !other.own.iter().any(|own| own.domain == gtid.domain);
        other.own.iter().all(has) && (common || other.shared.values().filter(shadowed).all(has))
    }

    /// A domain may go back where a server's history was rewritten.
    fn own_is_ahead(&self) -> bool {
        let behind =
            |gtid: &MariadbGtid| self.shared.get(&gtid.domain).is_some_and(|shared| shared.sequence > gtid.sequence);
        !self.own.iter().any(behind)
    }

    /// Keeps the later of both in each domain.
    pub fn union(&mut self, other: &Self) {
        for gtid in other.iter().filter(|gtid| gtid.sequence > 0) {
            if !self.contains(&gtid) {
                self.add(gtid);
            }
        }
    }
}

impl fmt::Display for MariadbGtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, gtid) in self.iter().enumerate() {
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
    fn copies_share_domains_and_mean_the_same() {
        let mut all = MariadbGtidSet::default();
        (0..100).for_each(|domain| all.add(MariadbGtid { domain, server: 1, sequence: 5 }));
        let (mut later, back) = (all.clone(), all.clone());
        later.add("7-2-9".parse().unwrap());
        assert!(later.contains_set(&all) && !all.contains_set(&later) && all.contains_set(&back));
        assert_eq!((all.last(7).unwrap().sequence, later.last(7).unwrap().sequence), (5, 9));
        assert_eq!(later.to_string().parse::<MariadbGtidSet>().unwrap(), later);
        assert_ne!(later, all);
        let mut rewritten = all.clone();
        rewritten.add("7-2-1".parse().unwrap());
        assert!(!rewritten.contains_set(&all) && all.contains_set(&rewritten));
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
