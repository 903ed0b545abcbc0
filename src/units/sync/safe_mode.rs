//! Safe mode: statements that may be repeated. It is on where rows after the start may be on the target already and no
//! lane progress tells which: when a checkpoint of the original is taken over, and after a dump without a snapshot.
//!
//! The window ends at a place of the source, not after a time: all that a former worker can have applied lies before
//! the place where the source stood when this one took over.

use crate::mysql::position::Location;

/// Whether statements are written in their repeatable form.
#[derive(Clone, PartialEq, Debug)]
pub struct SafeMode {
    /// The task's `safe-mode: true`.
    always: bool,
    until: Option<Location>,
}

impl SafeMode {
    /// On for the whole run, or up to `until`, or off.
    pub fn new(always: bool, until: Option<Location>) -> Self {
        if always {
            tracing::info!("enable safe-mode by config");
        }
        if let Some(exit) = &until {
            tracing::info!(exit = %exit, "enable safe-mode for safe mode exit point, will exit at");
        }
        SafeMode { always, until }
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.always || self.until.is_some()
    }

    /// Called where a transaction begins; true when the window ends here.
    pub fn leave_at(&mut self, location: &Location) -> bool {
        let reached = self.until.as_ref().is_some_and(|until| has_reached(location, until));
        if reached {
            tracing::info!(location = %location, "disable safe mode in exit point");
            self.until = None;
        }
        reached
    }
}

/// Whether `location` is at or behind `until`.
pub fn has_reached(location: &Location, until: &Location) -> bool {
    match (&location.gtid_set, &until.gtid_set) {
        (Some(ours), Some(theirs)) if !theirs.is_empty() => ours.contains_set(theirs),
        _ => location.position >= until.position,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Flavor,
        mysql::{gtid::GtidSet, position::BinlogPosition},
    };

    #[test]
    fn the_window_ends_at_its_place() {
        let at = |pos, set: &str| {
            Location::new(BinlogPosition::new("bin.000001", pos), GtidSet::parse(Flavor::Mariadb, set).ok())
        };
        let mut mode = SafeMode::new(false, Some(at(500, "0-1-5")));
        assert!(mode.is_on());
        assert!(!mode.leave_at(&at(900, "0-1-4")), "GTIDs decide");
        assert!(mode.leave_at(&at(400, "0-1-5")));
        assert!(!mode.is_on() && !mode.leave_at(&at(1000, "0-1-9")));
        assert!(SafeMode::new(true, None).is_on());
        assert!(!SafeMode::new(false, None).is_on());
    }
}
