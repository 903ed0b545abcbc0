//! The replicated log as the scheduler sees it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    actors::scheduler::Ledger,
    coordinator::{
        Applied, ClusterChange,
        consensus::Consensus,
        masters::{Leader, MasterView},
        state::ClusterState,
    },
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

    fn leader(&self) -> Leader {
        Consensus::leader(self)
    }

    fn steps_down_after(&self) -> Duration {
        Consensus::steps_down_after(self)
    }

    async fn masters(&self) -> Vec<MasterView> {
        Consensus::masters(self).await
    }

    async fn remove_master(&self, name: &str) -> Result<()> {
        Consensus::remove_master(self, name).await
    }

    async fn evict(&self, evict: bool) -> Result<()> {
        match evict {
            true => Consensus::evict(self).await,
            false => {
                self.cancel_evict();
                Ok(())
            }
        }
    }

    async fn serve(&self, request: &[u8]) -> Vec<u8> {
        Consensus::serve(self, request).await
    }
}
