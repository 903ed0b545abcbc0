//! What operators see: log lines in the original's format and Prometheus metrics under its names.
//!
//! Things that happen often have one struct each in [`events`]: its `emit` writes the log line and the metric, so the
//! two can't drift apart.

pub mod events;
pub mod log;
pub mod metrics;
mod process;
pub mod profile;
mod redact;

pub use redact::redact;
