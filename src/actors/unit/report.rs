//! What a unit's row says: how far its work is, in the few numbers one looks for first.

use serde_json::{Value, json};

use crate::{pb::sub_task_status::Status, units::Unit};

/// The unit's state for the console; `phase` is that of its run.
pub fn report(unit: &dyn Unit, phase: Value) -> Value {
    let mut facts = json!({"unit": unit.kind().as_str_name(), "phase": phase});
    if let (Value::Object(facts), Value::Object(work)) = (&mut facts, work(unit.status())) {
        facts.extend(work);
        facts.insert("notes".into(), json!(unit.notes()));
    }
    facts
}

fn work(status: Status) -> Value {
    match status {
        Status::Dump(s) => json!({
            "progress": s.progress,
            "bytesPerSecond": s.bps,
            "rows": s.finished_rows,
            "tables": format!("{}/{}", s.completed_tables, s.total_tables),
        }),
        Status::Load(s) => {
            let more = s.more.unwrap_or_default();
            json!({
                "progress": s.progress,
                "bytesPerSecond": s.bps,
                "finishedBytes": s.finished_bytes,
                "totalBytes": s.total_bytes,
                "rows": more.finished_rows,
                "rowsPerSecond": more.rps,
                "etaSeconds": more.eta_seconds,
                "tables": format!("{}/{}", more.finished_tables, more.total_tables),
                "chunks": format!("{}/{}", more.finished_chunks, more.total_chunks),
            })
        }
        Status::Sync(s) => json!({
            "secondsBehindMaster": s.seconds_behind_master,
            "rowsPerSecond": s.recent_rps,
            "rows": s.total_rows,
            "at": s.syncer_binlog,
            "synced": s.synced,
        }),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;

    #[test]
    fn each_unit_says_how_far_it_is() {
        let sync = work(Status::Sync(pb::SyncStatus { recent_rps: 7, seconds_behind_master: 2, ..Default::default() }));
        assert_eq!((&sync["rowsPerSecond"], &sync["secondsBehindMaster"]), (&json!(7), &json!(2)));
        let dump = work(Status::Dump(pb::DumpStatus { total_tables: 4, completed_tables: 1.0, ..Default::default() }));
        assert_eq!(dump["tables"], "1/4");
        let load = work(Status::Load(pb::LoadStatus { progress: "12 %".into(), ..Default::default() }));
        assert_eq!(load["progress"], "12 %");
        assert_eq!(work(Status::Msg("soon".into())), json!({}));
    }
}
