//! What a lane had applied before this run: changes that its progress covers are skipped.

use super::{location::Transaction, progress::Progress};
use crate::{
    config::Flavor,
    error::DmError,
    mysql::{
        gtid::{Gtid, GtidSet},
        position::{BinlogPosition, Location},
    },
};

/// A lane's progress, as a test of changes.
#[derive(Clone, PartialEq, Debug)]
pub enum Cover {
    /// The lane applied nothing that may come again.
    Nothing,
    /// With GTIDs: all of `before`, and of `gtid` the changes up to `index`. `before` lacks what the checkpoint has, at which
    /// the run began that wrote it: that doesn't come again.
    Gtid { before: GtidSet, gtid: Gtid, index: u64 },
    /// With positions: all transactions that begin before `begin`, and of that one the changes up to `index`.
    Position { begin: BinlogPosition, index: u64 },
}

impl Cover {
    /// From a lane row. `gtid` says what this run follows.
    pub fn new(progress: &Progress, flavor: Flavor, gtid: bool) -> Result<Cover, DmError> {
        if progress.is_empty() {
            return Ok(Cover::Nothing);
        }
        if gtid && !progress.gtid.is_empty() {
            return Ok(Cover::Gtid {
                before: GtidSet::parse(flavor, &progress.gtid_set)?,
                gtid: Gtid::parse(flavor, &progress.gtid)?,
                index: progress.row_index,
            });
        }
        let begin = BinlogPosition::new(progress.binlog_name.clone(), progress.binlog_pos);
        Ok(Cover::Position { begin, index: progress.row_index })
    }

    /// Whether a change of the lane is already on the target.
    pub fn covers(&self, transaction: &Transaction, index: u64) -> bool {
        match self {
            Cover::Nothing => false,
            Cover::Gtid { before, gtid, index: last } => {
                transaction.gtid.as_ref().is_some_and(|own| before.contains(own) || (own == gtid && index <= *last))
            }
            Cover::Position { begin, index: last } => {
                let own = &transaction.before.position;
                own < begin || (own == begin && index <= *last)
            }
        }
    }

    /// Whether nothing after `location` is covered: the lane is drained as seen from a checkpoint there.
    pub fn is_behind(&self, location: &Location) -> bool {
        match (self, &location.gtid_set) {
            (Cover::Nothing, _) => true,
            (Cover::Gtid { before, gtid, .. }, Some(set)) => set.contains_set(before) && set.contains(gtid),
            (Cover::Gtid { .. }, None) => false,
            (Cover::Position { begin, .. }, _) => *begin < location.position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(set: &str, gtid: &str, pos: u64) -> Transaction {
        Transaction {
            before: Location::new(
                BinlogPosition::new("bin.000002", pos),
                GtidSet::parse(Flavor::Mariadb, set).ok().filter(|_| !set.is_empty()),
            ),
            since: GtidSet::parse(Flavor::Mariadb, set).ok().filter(|_| !set.is_empty()),
            gtid: Gtid::parse(Flavor::Mariadb, gtid).ok(),
            timestamp: 0,
        }
    }

    #[test]
    fn gtids_decide_not_positions() {
        let done = transaction("0-1-4", "0-1-5", 900).progress(3);
        let cover = Cover::new(&done, Flavor::Mariadb, true).unwrap();
        assert!(cover.covers(&transaction("0-1-3", "0-1-4", 9999), 70));
        assert!(cover.covers(&transaction("0-1-4", "0-1-5", 4), 3));
        assert!(!cover.covers(&transaction("0-1-4", "0-1-5", 4), 4));
        assert!(!cover.covers(&transaction("0-1-5", "0-1-6", 4), 0));
        assert!(!cover.is_behind(&transaction("0-1-4", "", 9).before));
        assert!(cover.is_behind(&transaction("0-1-5", "", 9).before));
    }

    #[test]
    fn positions_decide_without_gtids() {
        let done = transaction("", "", 900).progress(3);
        let cover = Cover::new(&done, Flavor::Mariadb, false).unwrap();
        assert!(cover.covers(&transaction("", "", 899), 70));
        assert!(cover.covers(&transaction("", "", 900), 3));
        assert!(!cover.covers(&transaction("", "", 900), 4));
        assert!(!cover.covers(&transaction("", "", 901), 0));
        assert!(cover.is_behind(&transaction("", "", 901).before));
        assert!(!cover.is_behind(&transaction("", "", 900).before));
        assert_eq!(Cover::new(&Progress::default(), Flavor::Mysql, true).unwrap(), Cover::Nothing);
    }
}
