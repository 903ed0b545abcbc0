//! Looks at the source every half a minute while a run goes on: where its binlog ends, how far that is, and its clock.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::counters::Counters;
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Scope},
    mysql::{
        position::BinlogPosition,
        server::{ServerInfo, show_master_status},
    },
    units::link,
};

const PERIOD: Duration = Duration::from_secs(30);

/// Looks until it is dropped.
pub async fn watch(config: Arc<SubtaskConfig>, counters: Arc<Counters>) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        match tokio::time::timeout(PERIOD, look(&config, &counters)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "the source did not tell its binlog position"),
            Err(_) => tracing::warn!("the source did not tell its binlog position in time"),
        }
    }
}

/// One look.
pub async fn look(config: &SubtaskConfig, counters: &Counters) -> Result<(), DmError> {
    let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
    let asked = Instant::now();
    let info = ServerInfo::detect(&mut conn, Scope::Upstream).await?;
    let mut source = show_master_status(&mut conn, &info).await?;
    if !config.enable_gtid {
        source.gtid_set = None;
    }
    let sql = "SELECT UNIX_TIMESTAMP()";
    let failed = |error| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &error);
    let now: Option<i64> = conn.query_first(sql).await.map_err(failed)?;
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    counters.queried(asked.elapsed());
    if let Some(now) = now {
        counters.set_clock_offset(now - ours);
    }
    counters.set_behind(behind(&mut conn, &counters.flushed().position, &source.position).await);
    counters.set_source(source);
    let _ = conn.disconnect().await;
    Ok(())
}

/// Bytes of binlog between two places; None when the account may not ask, or a file is gone.
async fn behind(conn: &mut Conn, from: &BinlogPosition, to: &BinlogPosition) -> Option<u64> {
    if from.name == to.name {
        return Some(to.pos.saturating_sub(from.pos));
    }
    let rows: Vec<Row> = conn.query("SHOW BINARY LOGS").await.ok()?;
    let files: Vec<(String, u64)> = rows
        .iter()
        .filter_map(|row| Some((row.get_opt::<String, _>(0)?.ok()?, row.get_opt::<u64, _>(1)?.ok()?)))
        .collect();
    between(&files, from, to)
}

fn between(files: &[(String, u64)], from: &BinlogPosition, to: &BinlogPosition) -> Option<u64> {
    let first = files.iter().position(|(name, _)| *name == from.name)?;
    let last = files.iter().position(|(name, _)| *name == to.name)?;
    let whole: u64 = files.get(first..last)?.iter().map(|(_, size)| size).sum();
    Some((whole + to.pos).saturating_sub(from.pos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_between_places_span_files() {
        let files = [("b.1".to_owned(), 100), ("b.2".to_owned(), 50), ("b.3".to_owned(), 30)];
        let at = |name: &str, pos| BinlogPosition::new(name, pos);
        assert_eq!(between(&files, &at("b.1", 40), &at("b.3", 10)), Some(60 + 50 + 10));
        assert_eq!(between(&files, &at("b.2", 4), &at("b.2", 50)), Some(46));
        assert_eq!(between(&files, &at("b.0", 4), &at("b.2", 50)), None, "purged");
        assert_eq!(between(&files, &at("b.3", 4), &at("b.1", 50)), None, "another server");
    }
}
