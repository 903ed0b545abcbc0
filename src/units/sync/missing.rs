//! The source refuses to send from a place (error 1236): what is missing, and what to do.

use mysql_async::prelude::Queryable;

use crate::{
    config::{Flavor, SubtaskConfig},
    error::{Code, DmError, Scope},
    mysql::{
        gtid::GtidSet,
        position::{BinlogPosition, Location},
        server::{ServerInfo, purged_gtids, show_binary_logs},
    },
    units::link,
};

/// Whether the source said that it can't send from there. Another replica with our id is said with the same number.
pub fn is_refusal(error: &DmError) -> bool {
    let cause = error.raw_cause();
    cause.starts_with("Error 1236 ") && !cause.contains("same server_uuid/server_id")
}

/// The refusal in clear words, as far as the source tells more.
pub async fn explained(config: &SubtaskConfig, at: &Location, error: DmError) -> DmError {
    let cause = error.raw_cause().to_owned();
    let what = match found(config, at).await {
        Ok(Some(what)) => what,
        Ok(None) => format!("the source can't send its binlog from {at}"),
        Err(failed) => {
            tracing::warn!(error = %failed, "the source did not tell why");
            return error;
        }
    };
    DmError::new(Code::SyncerGetEvent).scope(Scope::Upstream).msg(what).cause(cause).workaround(
        "Changes that are in no binlog any more can't be migrated. Restore the binlog files if there is a copy, or connect the source \
         to a server of its group that still has them (with `enable-gtid: true`); else `stop-task {task}` and \
         start it with `--remove-meta` in mode `all`, which dumps again. Let the source keep its binlog longer than tasks stand still.",
    )
}

async fn found(config: &SubtaskConfig, at: &Location) -> Result<Option<String>, DmError> {
    let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
    let info = ServerInfo::detect(&mut conn, Scope::Upstream).await?;
    let text = match &at.gtid_set {
        Some(GtidSet::Mysql(executed)) => purged_gtids(&mut conn, &info).await?.and_then(|purged| {
            let GtidSet::Mysql(purged) = purged else { return None };
            let missing = purged.without(executed);
            (!missing.is_empty()).then(|| {
                format!(
                    "the source purged transactions that the task has not applied yet: {missing} (applied: {executed})"
                )
            })
        }),
        Some(GtidSet::Mariadb(executed)) => {
            let sql = "SELECT @@GLOBAL.gtid_binlog_pos";
            let failed = |e: mysql_async::Error| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &e);
            let stands: Option<String> = conn.query_first(sql).await.map_err(failed)?;
            let oldest =
                show_binary_logs(&mut conn).await?.into_iter().next().map(|file| file.name).unwrap_or_default();
            Some(format!(
                "the source has no binlog that goes on from GTID {executed}: it was purged (the oldest file is {oldest}), or the \
                 server never had these transactions (its binlog stands at {})",
                stands.unwrap_or_default()
            ))
        }
        None => {
            let files = show_binary_logs(&mut conn).await?;
            let oldest = files.first().map(|file| file.name.clone()).unwrap_or_default();
            let newest = files.last().map(|file| (file.name.clone(), file.size)).unwrap_or_default();
            Some(if at.position < BinlogPosition::new(oldest.clone(), 0) {
                format!("the source purged the binlog file {}: the oldest it has is {oldest}", at.position.name)
            } else if at.position > BinlogPosition::new(newest.0.clone(), newest.1) {
                format!(
                    "the source's binlog ends before {}: it stands at ({}, {}). Was it reset, or is it another server?",
                    at.position, newest.0, newest.1
                )
            } else {
                format!("the source can't send its binlog from {}: is that where a transaction begins?", at.position)
            })
        }
    };
    let _ = conn.disconnect().await;
    let unknown = config.flavor == Flavor::Mysql && at.gtid_set.is_some();
    Ok(text.or_else(|| {
        unknown.then(|| {
            format!(
                "the task has applied transactions that the source never had: {}. Is it another server, or was it reset?",
                at.gtid_set.as_ref().map(ToString::to_string).unwrap_or_default()
            )
        })
    }))
}
