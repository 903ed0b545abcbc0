//! DM's command line: one-shot and interactive. Commands live in `crate::commands`, one file each.

pub mod cobra;
pub mod connect;
pub mod globals;
pub mod json;
pub mod session;
