//! A master's voter actor: other masters' requests to its replicated log arrive here, and leave by `GroupLinks`.
//! It has no state of its own; each request is answered by a task, because openraft takes them in any order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, pg};
use serde_json::{Value, json};

use super::{
    observe::{Board, Pin},
    post::{self, NoReply, Post},
    scheduler::Ledger,
};
use crate::coordinator::consensus::{
    Links,
    messages::{VoterAsk, VoterReply},
};

/// Messages to the voter actor.
pub type VoterMsg = Post<VoterOwn>;

/// From this process.
pub enum VoterOwn {
    /// For the console.
    Report(RpcReplyPort<Value>),
}

/// The group of one master's voter actor.
pub fn voter_group(name: &str) -> String {
    format!("voter/{name}")
}

/// A master's voter.
pub struct VoterActor;

/// What it is started with.
#[derive(Clone)]
pub struct VoterArgs {
    pub name: String,
    pub ledger: Arc<dyn Ledger>,
    pub board: Arc<Board>,
}

pub struct VoterShell {
    args: VoterArgs,
    answered: u64,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for VoterActor {
    type Msg = VoterMsg;
    type State = VoterShell;
    type Arguments = VoterArgs;

    async fn pre_start(&self, me: ActorRef<VoterMsg>, args: VoterArgs) -> Result<VoterShell, ActorProcessingErr> {
        let parent = format!("node:{}", args.board.node());
        let name = format!("voter:{}", args.name);
        let pin = args.board.pin("voter", name, parent, &me, |p| Post::Own(VoterOwn::Report(p)));
        pg::join_scoped(args.board.scope(), voter_group(&args.name), vec![me.get_cell()]);
        Ok(VoterShell { args, answered: 0, _pin: pin })
    }

    async fn handle(
        &self,
        _: ActorRef<VoterMsg>,
        message: VoterMsg,
        shell: &mut VoterShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Post::Ask(bytes, reply) => {
                shell.answered += 1;
                let ledger = shell.args.ledger.clone();
                tokio::spawn(async move {
                    // The asker may have given up meanwhile.
                    let _ = reply.send(ledger.serve(&bytes).await);
                });
            }
            Post::Own(VoterOwn::Report(reply)) => {
                let leader = format!("{:?}", shell.args.ledger.leader());
                let _ = reply.send(json!({ "leader": leader, "answered": shell.answered }));
            }
        }
        Ok(())
    }
}

/// Requests that nobody answers for this long mean that the connection is dead.
const DEAD: Duration = Duration::from_secs(2);

/// Ends the connection over which a remote actor is reached.
pub type DropSession = Box<dyn Fn(ActorId) + Send + Sync>;

/// The way to other masters' voter actors: over whatever connection stands, whoever dialled it. One over which nothing
/// comes back is dropped, so that it is made anew.
pub struct GroupLinks {
    scope: String,
    drop_session: OnceLock<DropSession>,
    /// By master: since when nothing has come back.
    silent: Mutex<BTreeMap<String, Instant>>,
}

impl GroupLinks {
    /// Within a cluster's scope of groups.
    pub fn new(scope: String) -> GroupLinks {
        GroupLinks { scope, drop_session: OnceLock::new(), silent: Mutex::default() }
    }

    /// Who ends connections, once there is one.
    pub fn attach(&self, drop_session: DropSession) {
        // There is one node a process.
        let _ = self.drop_session.set(drop_session);
    }

    fn note(&self, to: &str, heard: bool, members: &[ActorCell]) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if heard {
            silent.remove(to);
            return;
        }
        let now = Instant::now();
        if now.saturating_duration_since(*silent.entry(to.to_owned()).or_insert(now)) >= DEAD {
            silent.remove(to);
            if let Some(drop_session) = self.drop_session.get() {
                members.iter().for_each(|cell| drop_session(cell.get_id()));
            }
        }
    }
}

#[async_trait]
impl Links for GroupLinks {
    async fn call(&self, to: &str, request: &VoterAsk, limit: Duration) -> Result<VoterReply, String> {
        let group = voter_group(to);
        // A restarted master's dead connection may still be in the group: the first answer counts.
        let members = pg::get_scoped_members(&self.scope, &group);
        let asks = members.iter().map(|cell| Box::pin(post::ask::<VoterOwn, _, VoterReply>(cell, request, limit)));
        let asks: Vec<_> = asks.collect();
        if asks.is_empty() {
            return Err(format!("no connection with master {to}"));
        }
        let answer = futures::future::select_ok(asks).await;
        self.note(to, !matches!(answer, Err(NoReply::Late(_))), &members);
        match answer {
            Ok((reply, _)) => Ok(reply),
            Err(why) => Err(format!("master {to}: {why}")),
        }
    }
}
