//! The state machine: `ClusterState` in memory, published to readers after every batch of entries.
//! On disk it is the last snapshot; entries after it are applied again at start.

use std::{io::Cursor, sync::Arc};

use openraft::{
    EntryPayload, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
    StoredMembership, storage::RaftStateMachine,
};
use tokio::sync::watch;

use super::{
    Entry, NodeId, Peer, TypeConfig, format,
    store::{Store, Stored, StoredSnapshot, storage_error},
};
use crate::{
    coordinator::{change::Applied, state::ClusterState},
    error::DmError,
};

/// ClusterState behind the log.
#[derive(Debug)]
pub struct Machine {
    store: Store,
    applied: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Peer>,
    state: watch::Sender<Arc<ClusterState>>,
}

impl Machine {
    /// Starts from the stored snapshot, or empty.
    pub fn open(store: Store, path: &std::path::Path) -> Result<Machine, DmError> {
        let damaged = |e: std::io::Error| super::store::damaged(path, e);
        let snapshot = store.snapshot().map_err(damaged)?;
        let mut machine = Machine {
            store,
            applied: None,
            membership: StoredMembership::default(),
            state: watch::Sender::new(Arc::new(ClusterState::default())),
        };
        if let Some((about, bytes)) = snapshot {
            machine.replace(about, &bytes).map_err(damaged)?;
        }
        Ok(machine)
    }

    /// The committed state and its changes.
    pub fn watch(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.subscribe()
    }

    fn replace(&mut self, about: SnapshotMeta<NodeId, Peer>, bytes: &[u8]) -> std::io::Result<()> {
        let state = format::decode(bytes)?;
        self.applied = about.last_log_id;
        self.membership = about.last_membership;
        self.state.send_replace(Arc::new(state));
        Ok(())
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Stored<(Option<LogId<NodeId>>, StoredMembership<NodeId, Peer>)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Stored<Vec<Applied>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = ClusterState::clone(&self.state.borrow());
        let mut replies = Vec::new();
        for entry in entries {
            self.applied = Some(entry.log_id);
            replies.push(match entry.payload {
                EntryPayload::Blank => Applied::Done,
                EntryPayload::Normal(change) => state.apply(change),
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Applied::Done
                }
            });
        }
        self.state.send_if_modified(|shown| {
            let changed = **shown != state;
            if changed {
                *shown = Arc::new(state);
            }
            changed
        });
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            store: self.store.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
            state: self.state.borrow().clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Stored<Box<Cursor<Vec<u8>>>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, Peer>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Stored<()> {
        let failed = |e| storage_error(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Write, e);
        let (about, bytes) = (meta.clone(), snapshot.into_inner());
        let bytes =
            self.store.blocking(move |s| s.put_snapshot(&about, &bytes).map(|()| bytes)).await.map_err(failed)?;
        self.replace(meta.clone(), &bytes).map_err(failed)?;
        tracing::info!(upto = meta.last_log_id.map_or(0, |id| id.index), "the state came as a snapshot of the leader");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Stored<Option<Snapshot<TypeConfig>>> {
        let snapshot = self.store.snapshot();
        let snapshot = snapshot.map_err(|e| storage_error(ErrorSubject::Snapshot(None), ErrorVerb::Read, e))?;
        Ok(snapshot.map(|(meta, bytes): StoredSnapshot| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

/// The state at one moment, about to become the snapshot.
#[derive(Debug)]
pub struct Builder {
    store: Store,
    applied: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Peer>,
    state: Arc<ClusterState>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Stored<Snapshot<TypeConfig>> {
        let index = self.applied.map_or(0, |id| id.index);
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("upto-{index}"),
        };
        let (about, state) = (meta.clone(), self.state.clone());
        let stored = self.store.blocking(move |s| {
            let bytes = format::encode(&state);
            s.put_snapshot(&about, &bytes).map(|()| bytes)
        });
        let failed = |e| storage_error(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Write, e);
        let bytes = stored.await.map_err(failed)?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}
