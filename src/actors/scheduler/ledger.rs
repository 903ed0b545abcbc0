//! What the scheduler needs of the replicated log.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    coordinator::{Applied, ClusterChange, state::ClusterState},
    error::Result,
};

/// The replicated log of `ClusterChange`, as seen by the leader.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// The committed and applied state; cheap.
    fn state(&self) -> Arc<ClusterState>;

    /// Commits a change and applies it. A change that the state rejects is an error too (its DM code).
    async fn propose(&self, change: ClusterChange) -> Result<Applied>;
}
