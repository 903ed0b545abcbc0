//! The map of the code. See docs/architecture.md.

pub mod actors;
pub mod commands;
pub mod config;
pub mod console;
pub mod coordinator;
pub mod dmctl;
pub mod error;
pub mod gateway;
pub mod mysql;
pub mod node;
pub mod observe;
pub mod pb;
pub mod rules;
pub mod schema;
pub mod transport;
pub mod units;
pub mod wire;
