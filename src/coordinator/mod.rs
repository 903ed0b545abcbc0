//! What the cluster decides, pure: the replicated state, its changes, who runs what.
//!
//! - `state`: everything that must survive a restart;
//! - `change`: the only way to change it, one entry of the replicated log each;
//! - `schedule`: which worker runs which source, decided from the state and who is online.
//! - `consensus`: the replicated log of the changes, on disk and between the masters;
//! - `masters`: who leads, and what is known of the others.

pub mod change;
pub mod consensus;
pub mod masters;
pub mod rejection;
#[cfg(test)]
pub mod samples;
pub mod schedule;
pub mod state;

pub use change::{Applied, ClusterChange, Decision};
pub use rejection::Rejection;
