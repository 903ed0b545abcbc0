//! What tests, demo and bench share: real servers on free ports, nodes as processes, waiting for a state, comparing data.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

pub mod clock;
pub mod compare;
pub mod lan;
pub mod leash;
pub mod nodes;
pub mod process;
pub mod proxy;
pub mod release;
pub mod servers;
pub mod wait;
pub mod writer;
