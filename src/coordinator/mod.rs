//! What the cluster decides, pure: the replicated state, its changes, who runs what.

pub mod state;
