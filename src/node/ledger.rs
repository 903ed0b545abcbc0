//! The replicated log as the scheduler sees it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    actors::scheduler::Ledger,
    coordinator::{Applied, ClusterChange, consensus::Consensus, state::ClusterState},
    error::Result,
};

#[async_trait]
impl Ledger for Consensus {
    fn state(&self) -> Arc<ClusterState> {
        Consensus::state(self)
    }

    async fn propose(&self, change: ClusterChange) -> Result<Applied> {
        // The log commits a change that the state then rejects; commands must hear of that.
        Consensus::propose(self, change).await?.into_result()
    }
}
