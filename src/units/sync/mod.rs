//! The sync unit: reads the source's binlog and applies every change to the target exactly once.
//!
//! `pipeline.rs` is the first file to read: it only connects the stages.

mod fold;
mod ledger;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Code, DmError},
    pb,
    units::{Ended, Unit, UnitEnv},
};

/// The unit of the incremental phase.
pub struct SyncUnit {
    env: UnitEnv,
}

impl SyncUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(SyncUnit { env })
    }
}

#[async_trait]
impl Unit for SyncUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Sync
    }

    /// Replication has no end.
    async fn is_finished(&self) -> Result<bool, DmError> {
        Ok(false)
    }

    async fn run(&self, _stop: CancellationToken) -> Result<Ended, DmError> {
        Err(DmError::new(Code::SyncerUnitPanic).msg(format!("task {}: sync is not built yet", self.env.config.name)))
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Sync(pb::SyncStatus { binlog_type: "remote".into(), ..Default::default() })
    }
}
