//! DM's command line: one-shot and interactive. Commands live in `crate::commands`, one file each.

pub mod cobra;
pub mod completion;
pub mod connect;
pub mod globals;
mod interactive;
pub mod json;
mod run;
pub mod session;
mod signals;

pub use run::{Finished, one_shot, program};
