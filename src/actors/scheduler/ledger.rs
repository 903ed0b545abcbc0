//! What the scheduler needs of the replicated log.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    coordinator::{
        Applied, ClusterChange,
        masters::{Leader, MasterView},
        state::ClusterState,
    },
    error::Result,
};

/// The replicated log of `ClusterChange`, as seen by the leader.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// The committed and applied state; cheap.
    fn state(&self) -> Arc<ClusterState>;

    /// Commits a change and applies it. A change that the state rejects is an error too (its DM code).
    async fn propose(&self, change: ClusterChange) -> Result<Applied>;

    /// Who leads.
    fn leader(&self) -> Leader;

    /// A leader that was deposed without knowing it calls itself one for no longer than this.
    fn steps_down_after(&self) -> Duration {
        Duration::ZERO
    }

    /// Every master.
    async fn masters(&self) -> Vec<MasterView>;

    /// Forgets a master for good. 38048 when it is not known.
    async fn remove_master(&self, name: &str) -> Result<()>;

    /// Gives leadership away and does not take it again; or (false) may take it again.
    async fn evict(&self, evict: bool) -> Result<()>;

    /// Answers another master's request to the log; bytes in, bytes out.
    async fn serve(&self, request: &[u8]) -> Vec<u8>;
}
