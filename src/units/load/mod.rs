//! The load unit: brings the files of a dump into the target, exactly once.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Ended, Unit, UnitEnv};
use crate::{
    error::{Code, DmError},
    pb,
};

/// The unit of the load phase.
pub struct LoadUnit {
    env: UnitEnv,
}

impl LoadUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(LoadUnit { env })
    }
}

#[async_trait]
impl Unit for LoadUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Load
    }

    async fn is_finished(&self) -> Result<bool, DmError> {
        Ok(false)
    }

    async fn run(&self, _stop: CancellationToken) -> Result<Ended, DmError> {
        Err(DmError::new(Code::LoadUnitDispatchSQLFromFile)
            .msg(format!("task {}: load is not built yet", self.env.config.name)))
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Load(pb::LoadStatus::default())
    }
}
