//! Live states in the API's form (compat of the API: SubTaskStatus mapping).

use serde_json::{Value, json};

use crate::{
    coordinator::state::ExpectedStage,
    gateway::master::Service,
    pb::{self, Stage, sub_task_status::Status},
};

/// Every error in DM's long form, each with a dot and a line's end.
fn errors(result: Option<&pb::ProcessResult>) -> String {
    let one = |error: &pb::ProcessError| {
        let mut text = format!(
            "[code={}:class={}:scope={}:level={}], Message: {}",
            error.err_code, error.err_class, error.err_scope, error.err_level, error.message
        );
        for (name, part) in [("RawCause", &error.raw_cause), ("Workaround", &error.workaround)] {
            if !part.is_empty() {
                text.push_str(&format!(", {name}: {part}"));
            }
        }
        text + ".\n"
    };
    result.into_iter().flat_map(|result| &result.errors).map(one).collect()
}

/// The status of a source; one that no worker has holds its name only.
pub async fn of_source(service: &Service, source: &str) -> Value {
    let state = service.cluster.state();
    let Some(binding) = state.bindings.get(source) else {
        return json!({ "source_name": source, "worker_name": "" });
    };
    let mut shown = json!({ "source_name": source, "worker_name": binding.worker });
    let reply = service.cluster.query_status(source, "").await;
    let result = reply.source_status.and_then(|status| status.result);
    let messages: Vec<String> =
        result.iter().flat_map(|result| &result.errors).map(|error| error.message.clone()).collect();
    match (reply.result, messages.is_empty()) {
        (false, _) => shown["error_msg"] = reply.msg.into(),
        (true, false) => shown["error_msg"] = messages.join("\n").into(),
        (true, true) => {}
    }
    shown
}

/// The status of a task on each of its sources.
pub async fn of_task(service: &Service, task: &str) -> Vec<Value> {
    let state = service.cluster.state();
    let Some(record) = state.tasks.get(task) else { return Vec::new() };
    let mut all = Vec::new();
    for (source, subtask) in &record.subtasks {
        let worker = state.bindings.get(source).map(|binding| binding.worker.clone()).unwrap_or_default();
        let expected = match subtask.stage {
            ExpectedStage::Running => Stage::Running,
            ExpectedStage::Paused => Stage::Paused,
            ExpectedStage::Stopped => Stage::Stopped,
        };
        let mut shown = json!({
            "name": task,
            "source_name": source,
            "worker_name": worker,
            "stage": expected.as_str_name(),
            "unit": "",
        });
        let reply = service.cluster.query_status(source, task).await;
        match reply.sub_task_status.iter().find(|status| status.name == task) {
            Some(status) => merge(&mut shown, status),
            None if !reply.result => shown["error_msg"] = reply.msg.into(),
            None => {}
        }
        all.push(shown);
    }
    all
}

fn merge(shown: &mut Value, status: &pb::SubTaskStatus) {
    // The API knows four stages.
    let stage = match status.stage() {
        Stage::Running | Stage::Resuming => Some(Stage::Running),
        Stage::Paused | Stage::Pausing => Some(Stage::Paused),
        Stage::Stopped | Stage::Stopping => Some(Stage::Stopped),
        Stage::Finished => Some(Stage::Finished),
        _ => None,
    };
    if let Some(stage) = stage {
        shown["stage"] = stage.as_str_name().into();
    }
    shown["unit"] = status.unit().as_str_name().into();
    let errors = errors(status.result.as_ref());
    if !errors.is_empty() {
        shown["error_msg"] = errors.into();
    }
    if !status.unresolved_ddl_lock_id.is_empty() {
        shown["unresolved_ddl_lock_id"] = status.unresolved_ddl_lock_id.as_str().into();
    }
    match &status.status {
        Some(Status::Dump(dump)) => shown["dump_status"] = dumped(dump),
        Some(Status::Load(load)) => shown["load_status"] = loaded(load),
        Some(Status::Sync(sync)) => shown["sync_status"] = synced(sync),
        _ => {}
    }
}

fn dumped(dump: &pb::DumpStatus) -> Value {
    json!({
        "total_tables": dump.total_tables,
        "completed_tables": dump.completed_tables,
        "finished_bytes": dump.finished_bytes,
        "finished_rows": dump.finished_rows,
        "estimate_total_rows": dump.estimate_total_rows,
        "bps": dump.bps,
        "progress": dump.progress,
    })
}

fn loaded(load: &pb::LoadStatus) -> Value {
    json!({
        "finished_bytes": load.finished_bytes,
        "total_bytes": load.total_bytes,
        "progress": load.progress,
        "meta_binlog": load.meta_binlog,
        "meta_binlog_gtid": load.meta_binlog_gtid,
        "bps": load.bps,
    })
}

fn synced(sync: &pb::SyncStatus) -> Value {
    let group = |group: &pb::ShardingGroup| {
        json!({
            "target": group.target,
            "ddl_list": group.dd_ls,
            "first_location": group.first_location,
            "synced": group.synced,
            "unsynced": group.unsynced,
        })
    };
    json!({
        "total_events": sync.total_events,
        "total_tps": sync.total_tps,
        "recent_tps": sync.recent_tps,
        "master_binlog": sync.master_binlog,
        "master_binlog_gtid": sync.master_binlog_gtid,
        "syncer_binlog": sync.syncer_binlog,
        "syncer_binlog_gtid": sync.syncer_binlog_gtid,
        "blocking_ddls": sync.blocking_dd_ls,
        "unresolved_groups": sync.unresolved_groups.iter().map(group).collect::<Vec<_>>(),
        "synced": sync.synced,
        "binlog_type": sync.binlog_type,
        "seconds_behind_master": sync.seconds_behind_master,
        "io_total_bytes": sync.io_total_bytes,
        "dump_io_total_bytes": sync.dump_io_total_bytes,
    })
}
