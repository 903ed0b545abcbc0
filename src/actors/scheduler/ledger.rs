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

    /// Commits a change and applies it. A rejected change is `Ok(Applied::Rejected)`; an error means that it could
    /// not be committed (not the leader, storage failed).
    async fn propose(&self, change: ClusterChange) -> Result<Applied>;
}
