//! DM's command line: one-shot and interactive. Commands live in `crate::commands`, one file each.

pub mod json;
