//! The dump unit: a consistent snapshot of the source's tables as SQL files in DM's names.

pub mod files;
pub mod metadata;
pub mod names;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Ended, Unit, UnitEnv};
use crate::{
    error::{Code, DmError},
    pb,
};

pub use metadata::{DumpLocation, Metadata};

/// The unit of the dump phase.
pub struct DumpUnit {
    env: UnitEnv,
}

impl DumpUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(DumpUnit { env })
    }
}

#[async_trait]
impl Unit for DumpUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Dump
    }

    async fn is_finished(&self) -> Result<bool, DmError> {
        Ok(false)
    }

    async fn run(&self, _stop: CancellationToken) -> Result<Ended, DmError> {
        Err(DmError::new(Code::DumpUnitRuntime).msg(format!("task {}: dump is not built yet", self.env.config.name)))
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Dump(pb::DumpStatus::default())
    }
}
