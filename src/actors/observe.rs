//! Every actor's serialisable state, as dm-console shows it.
//!
//! An actor pins itself on its node's `Board` when it starts and takes itself off when it ends; the inspector asks all
//! that are pinned, each with a time limit, so that a hanging actor is seen as one.
//!
//! `Cluster::actors()` is
//! `{"nodes": [{"node": "worker1", "actors": [ActorReport...]}], "missing": ["name: why"]}`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ractor::{ActorRef, Message, RpcReplyPort};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long one actor may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// One actor, one row of the console.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActorReport {
    /// Unique within its node, e.g. `subtask:mysql-01/task1`.
    pub name: String,
    /// `node`, `gateway`, `scheduler`, `member`, `source`, `subtask`, `unit`, `inspector`.
    pub kind: String,
    /// The node it runs on.
    pub node: String,
    /// The name of its supervisor; empty for the node actor.
    pub parent: String,
    /// When it started, milliseconds since the Unix epoch.
    pub since: u64,
    /// What it says of itself; `{"unresponsive": "..."}` when it did not answer in time.
    pub state: Value,
}

/// Sends an actor the request to report.
type Question = Arc<dyn Fn(RpcReplyPort<Value>) -> bool + Send + Sync>;

struct Pinned {
    ticket: u64,
    kind: &'static str,
    parent: String,
    since: u64,
    question: Question,
}

/// The living actors of one node.
pub struct Board {
    node: String,
    scope: String,
    pinned: Mutex<(u64, BTreeMap<String, Pinned>)>,
}

/// An actor's place on the board; it is taken off when this is dropped.
pub struct Pin {
    board: Arc<Board>,
    name: String,
    ticket: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.board.lock();
        // A successor of the same name may have pinned itself meanwhile.
        if pinned.1.get(&self.name).is_some_and(|p| p.ticket == self.ticket) {
            pinned.1.remove(&self.name);
        }
    }
}

impl Board {
    /// The board of a node, whose actors join groups of this scope.
    pub fn new(node: impl Into<String>, scope: impl Into<String>) -> Arc<Self> {
        Arc::new(Board { node: node.into(), scope: scope.into(), pinned: Mutex::default() })
    }

    /// The scope of the node's process groups.
    pub fn scope(&self) -> String {
        self.scope.clone()
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Makes an actor visible until the pin is dropped; `wrap` turns the reply port into the actor's message.
    pub fn pin<M: Message>(
        self: &Arc<Self>,
        kind: &'static str,
        name: impl Into<String>,
        parent: impl Into<String>,
        actor: &ActorRef<M>,
        wrap: impl Fn(RpcReplyPort<Value>) -> M + Send + Sync + 'static,
    ) -> Pin {
        let actor = actor.clone();
        let question: Question = Arc::new(move |port| actor.send_message(wrap(port)).is_ok());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        let (name, mut pinned) = (name.into(), self.lock());
        pinned.0 += 1;
        let ticket = pinned.0;
        pinned.1.insert(name.clone(), Pinned { ticket, kind, parent: parent.into(), since, question });
        drop(pinned);
        Pin { board: self.clone(), name, ticket }
    }

    /// Asks every actor, all at once; takes a second at most.
    pub async fn reports(&self) -> Vec<ActorReport> {
        let rows: Vec<_> = {
            let pinned = self.lock();
            let row =
                |(name, p): (&String, &Pinned)| (name.clone(), p.kind, p.parent.clone(), p.since, p.question.clone());
            pinned.1.iter().map(row).collect()
        };
        let asked = rows.into_iter().map(|(name, kind, parent, since, question)| async move {
            let state = ask(question).await;
            ActorReport { name, kind: kind.into(), node: self.node.clone(), parent, since, state }
        });
        futures::future::join_all(asked).await
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<String, Pinned>)> {
        // Nothing panics while it is held; if something did, the map is still whole.
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(question: Question) -> Value {
    let (port, reply) = tokio::sync::oneshot::channel();
    if !question(port.into()) {
        return json!({"unresponsive": "it has stopped"});
    }
    match tokio::time::timeout(PATIENCE, reply).await {
        Ok(Ok(state)) => state,
        Ok(Err(_)) => json!({"unresponsive": "it stopped before it answered"}),
        Err(_) => json!({"unresponsive": format!("no answer within {PATIENCE:?}")}),
    }
}
