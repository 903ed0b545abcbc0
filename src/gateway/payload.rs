//! What of a request may be logged: configuration texts are read and shown without their passwords, statements and
//! plain texts not at all.

use crate::{
    config::{SourceConfig, TaskConfig},
    pb,
};

/// The payload for the log line of a request.
pub trait Payload {
    /// Holds neither passwords nor row values.
    fn shown(&self) -> String;
}

fn task(text: &str) -> String {
    match TaskConfig::decode_yaml(text) {
        Ok(task) => {
            let sources: Vec<&str> = task.mysql_instances.iter().flatten().map(|i| i.source_id.as_str()).collect();
            format!("task {:?} ({}) of sources {sources:?}", task.name, task.task_mode)
        }
        Err(_) => format!("unreadable task of {} bytes", text.len()),
    }
}

fn source(text: &str) -> String {
    match SourceConfig::from_yaml(text) {
        // Neither the password nor the keys of its TLS block.
        Ok(SourceConfig { source_id, from, .. }) => format!("{source_id} ({}@{}:{})", from.user, from.host, from.port),
        Err(_) => format!("unreadable source of {} bytes", text.len()),
    }
}

impl Payload for pb::StartTaskRequest {
    fn shown(&self) -> String {
        let task = task(&self.task);
        format!("{task}, sources {:?}, removeMeta {}, startTime {:?}", self.sources, self.remove_meta, self.start_time)
    }
}

impl Payload for pb::UpdateTaskRequest {
    fn shown(&self) -> String {
        format!("{}, sources {:?}", task(&self.task), self.sources)
    }
}

impl Payload for pb::CheckTaskRequest {
    fn shown(&self) -> String {
        format!(
            "{}, errCnt {}, warnCnt {}, startTime {:?}",
            task(&self.task),
            self.err_cnt,
            self.warn_cnt,
            self.start_time
        )
    }
}

impl Payload for pb::OperateSourceRequest {
    fn shown(&self) -> String {
        let configs: Vec<String> = self.config.iter().map(|text| source(text)).collect();
        format!("{:?}, config {configs:?}, sourceID {:?}, workerName {:?}", self.op(), self.source_id, self.worker_name)
    }
}

impl Payload for pb::HandleErrorRequest {
    fn shown(&self) -> String {
        let (op, count) = (self.op(), self.sqls.len());
        format!(
            "{op:?}, task {:?}, sources {:?}, binlogPos {:?}, {count} statements",
            self.task, self.sources, self.binlog_pos
        )
    }
}

impl Payload for pb::OperateSchemaRequest {
    fn shown(&self) -> String {
        let (op, bytes) = (self.op(), self.schema.len());
        let (task, database, table) = (&self.task, &self.database, &self.table);
        let from = [("source", self.from_source), ("target", self.from_target)].map(|(name, on)| on.then_some(name));
        format!(
            "{op:?}, task {task:?}, sources {:?}, table {database:?}.{table:?}, from {:?}, schema of {bytes} bytes",
            self.sources,
            from.into_iter().flatten().next()
        )
    }
}

impl Payload for pb::EncryptRequest {
    fn shown(&self) -> String {
        "hidden".to_owned()
    }
}

macro_rules! plain {
    ($($request:ty),* $(,)?) => {
        $(impl Payload for $request {
            fn shown(&self) -> String {
                format!("{self:?}")
            }
        })*
    };
}

plain!(
    (),
    pb::OperateTaskRequest,
    pb::QueryStatusListRequest,
    pb::ShowDdlLocksRequest,
    pb::UnlockDdlLockRequest,
    pb::OperateWorkerRelayRequest,
    pb::PurgeWorkerRelayRequest,
    pb::RegisterWorkerRequest,
    pb::OfflineMemberRequest,
    pb::OperateLeaderRequest,
    pb::ListMemberRequest,
    pb::GetSubTaskCfgRequest,
    pb::GetCfgRequest,
    pb::GetMasterCfgRequest,
    pb::TransferSourceRequest,
    pb::OperateRelayRequest,
    pb::StartValidationRequest,
    pb::StopValidationRequest,
    pb::GetValidationStatusRequest,
    pb::GetValidationErrorRequest,
    pb::OperateValidationErrorRequest,
    pb::UpdateValidationRequest,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_notation_of_a_password_is_shown() {
        for password in ["se#cret", "'se#cret'", "\"a\\\"se#cret\"", "\"a\n    se#cret\""] {
            let config = format!("source-id: s1\nfrom:\n  host: h\n  user: root\n  password: {password}\n");
            let request = pb::OperateSourceRequest { config: vec![config], ..Default::default() };
            let shown = request.shown();
            assert!(!shown.contains("cret") && shown.contains("s1"), "{shown}");
            let task = format!("name: t\ntask-mode: all\ntarget-database:\n  password: {password}\n");
            let shown = pb::StartTaskRequest { task: task.clone(), ..Default::default() }.shown();
            assert!(!shown.contains("cret") && shown.contains("\"t\""), "{shown}");
            let broken = pb::CheckTaskRequest { task: format!("{task}nope: ["), ..Default::default() }.shown();
            assert!(!broken.contains("cret"), "{broken}");
        }
        assert!(!pb::EncryptRequest { plaintext: "se#cret".into() }.shown().contains("cret"));
    }
}
