//! What a source writes into its binlog, through the sync unit: events, images, XA, places to start from.

mod events;
mod images;
mod patched;
mod places;
mod xa;

use std::time::Duration;

use crate::{
    support::{servers::Server, wait},
    units_sync::Running,
};

/// Waits until a query on the target gives this text, or the unit ends.
pub async fn until_text(target: &Server, sql: &str, expected: &str, running: &Running) {
    wait::until(sql, Duration::from_secs(60), || async {
        let found = target.answer(sql).await.unwrap_or_else(|error| error.to_string());
        if found == expected || running.is_finished() { Ok(()) } else { Err(found) }
    })
    .await;
    running.goes_on();
}

/// Waits until the unit's checkpoint stands at the end of the source's binlog, which moves while one waits: MariaDB writes
/// its binlog checkpoint events when it likes.
pub async fn until_flushed(source: &Server, target: &Server, running: &Running) {
    let at = "SELECT CONCAT(binlog_name, ':', binlog_pos) FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1";
    wait::until(at, Duration::from_secs(60), || async {
        let end = crate::mysql::end_of_binlog(source).await.position;
        let end = format!("{}:{}", end.name, end.pos);
        let found = target.answer(at).await.unwrap_or_else(|error| error.to_string());
        let there = found == end || running.is_finished();
        if there { Ok(()) } else { Err(format!("{found}, the source's end is {end}")) }
    })
    .await;
    running.goes_on();
}
