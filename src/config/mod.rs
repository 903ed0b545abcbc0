//! What users write: node TOML, source YAML, task YAML; and what a worker runs: one [`SubtaskConfig`] per task and source.

mod defaults;
pub mod duration;
mod keys;
mod mask;
pub mod node;
pub mod samples;
pub mod secret;
pub mod size;
mod source;
pub mod subtask;
mod task;
pub mod version;
mod yaml;

pub use defaults::{DUMP_DIR, META_SCHEMA, SHADOW_TABLE_RULE, TRASH_TABLE_RULE};
pub use duration::GoDuration;
pub use mask::MASK;
pub use node::{DmctlConfig, MasterConfig, Parsed, StandaloneConfig, WorkerConfig, split_host_port};
pub use source::{CheckerConfig, PurgeConfig, SourceConfig};
pub use subtask::*;
pub use task::{CHECKING_ITEMS, MysqlInstance, TaskConfig, rebuilt_task, render_task, shown_task};

use crate::error::DmError;

/// Says in which file an error of a configuration is.
pub fn in_file(error: DmError, path: &str) -> DmError {
    let message = format!("{} (file {path})", error.message());
    error.msg(message)
}

/// Adds the line that a check's error is about, where the file's text tells.
fn with_line(error: DmError, text: &str) -> DmError {
    match yaml::locate(text, error.message()) {
        Some(line) => {
            let message = format!("{} (line {line})", error.message());
            error.msg(message)
        }
        None => error,
    }
}
