//! What users write: node TOML, source YAML, task YAML; and what a worker runs: one [`SubtaskConfig`] per task and source.

pub mod subtask;

pub use subtask::*;
