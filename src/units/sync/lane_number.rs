//! How many lanes a run has. A lane owns its progress, and which changes are its own depends on the number of lanes, so the
//! number changes only between runs, when nothing is applied beyond the checkpoint.

use std::time::Duration;

use super::{cover::Cover, progress::LaneRow};
use crate::{
    config::{SubtaskConfig, subtask::SyncerConfig},
    error::DmError,
    mysql::position::Location,
};

/// A target whose answer takes this long is distant: there lanes spend their time waiting, and more of them bring in more.
const DISTANT: Duration = Duration::from_millis(4);
/// One that has got many lanes keeps them until it is this near.
const NEAR: Duration = Duration::from_millis(2);
/// Lanes for a distant target.
const MANY: i32 = 64;
/// Of the target's `max_connections`, this part.
const PART: u64 = 16;

/// Lanes that a run should have: the task's `worker-count`; where its file says none, more for a distant target.
/// `connections` is the target's `max_connections`, 0 for no limit; `stored` what the last run had.
pub fn wanted(config: &SyncerConfig, distance: Duration, connections: u64, stored: Option<i32>) -> i32 {
    let given = config.worker_count.clamp(1, 1024) as i32;
    let had_many = stored.is_some_and(|stored| stored > given);
    if config.worker_count_given || distance < if had_many { NEAR } else { DISTANT } {
        return given;
    }
    let allowed = if connections == 0 { MANY } else { i32::try_from(connections / PART).unwrap_or(MANY) };
    allowed.clamp(given, MANY.max(given))
}

/// The stored number of lanes, or the wanted one when no lane has applied anything beyond the checkpoint.
pub fn possible(
    rows: &[LaneRow],
    wanted: i32,
    checkpoint: Option<&Location>,
    config: &SubtaskConfig,
) -> Result<i32, DmError> {
    let Some(first) = rows.first() else { return Ok(wanted) };
    if first.lanes == wanted {
        return Ok(wanted);
    }
    for row in rows {
        let gtid = checkpoint.is_some_and(|location| location.gtid_set.is_some());
        let cover = Cover::new(&row.progress, config.flavor, gtid)?;
        if cover != Cover::Nothing && !checkpoint.is_some_and(|location| cover.is_behind(location)) {
            tracing::info!(stored = first.lanes, wanted, "worker-count takes effect after the next orderly stop");
            return Ok(first.lanes);
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distant_targets_get_more_lanes_where_nothing_is_said() {
        let open = SyncerConfig { worker_count: 16, ..SyncerConfig::default() };
        let given = SyncerConfig { worker_count_given: true, ..open.clone() };
        let ms = Duration::from_millis;
        assert_eq!(wanted(&given, ms(50), 0, None), 16);
        assert_eq!(wanted(&SyncerConfig { worker_count: 100, ..given.clone() }, ms(0), 0, Some(64)), 100);
        assert_eq!(wanted(&open, ms(1), 0, None), 16);
        assert_eq!(wanted(&open, ms(20), 0, None), 64);
        assert_eq!(wanted(&open, ms(3), 0, Some(16)), 16);
        assert_eq!(wanted(&open, ms(3), 0, Some(64)), 64);
        assert_eq!(wanted(&open, ms(1), 0, Some(64)), 16);
        // A MySQL as it is delivered allows 151 connections, and a task may have many sources.
        assert_eq!(wanted(&open, ms(20), 151, None), 16);
        assert_eq!(wanted(&open, ms(20), 500, None), 31);
        assert_eq!(wanted(&open, ms(20), 100_000, None), 64);
    }
}
