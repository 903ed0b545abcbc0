//! What the scheduler understands. `SchedulerAsk` and `SchedulerReply` cross the network: they only grow by new
//! variants at the end.

use std::collections::BTreeSet;

use ractor::{ActorCell, RpcReplyPort};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    actors::{
        member::messages::{MemberReply, Order},
        post::{NoReply, Post},
    },
    coordinator::{schedule::Move, state::SourceRecord},
    error::Result,
};

/// A worker presents itself: the first word over every connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub name: String,
    /// `advertise-addr`.
    pub address: String,
    /// Of the process: a restarted worker is another one.
    pub incarnation: u64,
    /// Milliseconds without a heartbeat after which it counts as lost.
    pub ttl_ms: u64,
    pub running: Vec<Holding>,
    /// `max-sources`; 0: as many as needed.
    pub max_sources: u32,
}

/// A source that a worker works for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holding {
    pub source_id: String,
    pub epoch: u64,
    /// Of the assignment that it follows.
    pub digest: u64,
}

/// Whether a task's load of a source needs files of the worker's machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoadFiles {
    pub source_id: String,
    /// Under which the worker runs the source.
    pub epoch: u64,
    pub task: String,
    pub held: bool,
}

/// Requests from workers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SchedulerAsk {
    Hello(Hello),
    Beat {
        name: String,
        incarnation: u64,
        running: Vec<Holding>,
    },
    /// It is about to end: its sources go to others as it lets go of them.
    Leave {
        name: String,
        incarnation: u64,
    },
    /// Which loads stand on files of its machine: everything that its subtasks said since their sources came to it.
    Loads {
        name: String,
        incarnation: u64,
        loads: Vec<LoadFiles>,
    },
}

/// Replies to workers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SchedulerReply {
    Accepted,
    /// Said to a `Beat`: present yourself (the leader is new, or had given you up).
    WhoAreYou,
    /// The name is taken by another living worker; ask again later.
    Refused {
        reason: String,
    },
    /// The request could not be decoded.
    NotUnderstood,
    /// No majority confirms this leader: another may lead.
    NotLeading,
}

/// Messages to the scheduler actor.
pub type SchedulerMsg = Post<SchedulerOwn>;

/// From this process.
pub enum SchedulerOwn {
    /// Fact: the clock.
    Tick,
    /// Fact: the committed state changed by another hand (a command).
    Changed,
    /// Fact: what became of the changes that were proposed.
    Committed { result: Result<()>, then: Then },
    /// Fact: what a worker said to an errand.
    Delivered { worker: String, holding: Holding, reply: Result<MemberReply, NoReply> },
    /// A worker wants to join: 46003 when the name is taken.
    Register { name: String, address: String, reply: RpcReplyPort<Result<()>> },
    /// A new source, for the named worker or any free one. Answered with the worker, or empty when none is free.
    AddSource { source: SourceRecord, worker: Option<String>, reply: RpcReplyPort<Result<String>> },
    /// Move a source to this worker: 46008, 46004, 46033. Answered when it is bound there.
    Transfer { source_id: String, worker: String, reply: RpcReplyPort<Result<()>> },
    /// Fact: whether these sources may be moved now.
    MayMove { plan: Vec<Move>, may: bool },
    /// Fact: their workers let go of sources that move (or did not answer in time, then their epochs are what stops them).
    LetGo { plan: Vec<Move>, reply: Option<RpcReplyPort<Result<()>>> },
    /// Send a source's newest assignment to its worker, with an order; answered when the order is done.
    Push { source_id: String, order: Order, reply: RpcReplyPort<Pushed> },
    /// The member actor of a living worker.
    Locate { worker: String, reply: RpcReplyPort<Option<ActorCell>> },
    /// The living workers.
    Online(RpcReplyPort<BTreeSet<String>>),
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl SchedulerOwn {
    /// Whether something may be due after it. Questions and confirmations change nothing by themselves.
    pub fn is_news(&self) -> bool {
        match self {
            SchedulerOwn::Push { .. }
            | SchedulerOwn::Locate { .. }
            | SchedulerOwn::Online(_)
            | SchedulerOwn::Report(_)
            | SchedulerOwn::Delivered { reply: Ok(MemberReply::Done), .. } => false,
            SchedulerOwn::Tick
            | SchedulerOwn::Changed
            | SchedulerOwn::Committed { .. }
            | SchedulerOwn::Delivered { .. }
            | SchedulerOwn::Register { .. }
            | SchedulerOwn::AddSource { .. }
            | SchedulerOwn::Transfer { .. }
            | SchedulerOwn::MayMove { .. }
            | SchedulerOwn::LetGo { .. } => true,
        }
    }
}

/// What follows a commit.
pub enum Then {
    Nothing,
    Answer(RpcReplyPort<Result<()>>),
    /// Sources were moved.
    Moved {
        sources: Vec<String>,
        reply: Option<RpcReplyPort<Result<()>>>,
    },
    /// Answer with the worker of this source once everything due is decided.
    Place {
        source_id: String,
        reply: RpcReplyPort<Result<String>>,
    },
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pushed {
    Done,
    /// The worker could not do it; the reason.
    Failed(String),
    /// No worker has the source, or it is not online.
    NoWorker,
    /// The source is just being moved between workers; soon another answer can be had.
    Moving,
    /// The worker said nothing in time.
    Late,
}
