//! What masters ask each other. All of it crosses the network: enums only grow by new variants at the end.

use openraft::{
    error::InstallSnapshotError,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
        VoteResponse,
    },
};
use serde::{Deserialize, Serialize};

use super::{NodeId, TypeConfig};
use crate::coordinator::state::MasterRecord;

/// A request. Of the asker's cluster: 0 while it has none. Two clusters never take each other's words.
#[derive(Debug, Serialize, Deserialize)]
pub struct VoterAsk {
    pub cluster_id: u64,
    pub what: What,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum What {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<NodeId>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// How do you stand, and what do you know of me?
    Probe {
        name: String,
    },
    /// To the leader: I want to join; I have never voted.
    Enlist {
        master: MasterRecord,
    },
    /// To the leader: here I am found.
    Publish {
        master: MasterRecord,
    },
    /// Are you there? Any answer says so (a former version's is a refusal). It asks nobody else, as `Probe` does of a leader, whose
    /// followers then hear of it and hold no election.
    Alive,
}

/// How a master stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// Its disk is empty.
    Fresh,
    /// It has begun a cluster in which nothing was decided yet.
    Forming,
    /// It is in a cluster. `confirmed`: it leads, and a majority said so just now, so the rest is the newest word.
    Member { cluster_id: u64, confirmed: bool, you_vote: bool, you_started: bool },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum VoterReply {
    Append(AppendEntriesResponse<NodeId>),
    Vote(VoteResponse<NodeId>),
    Snapshot(Result<InstallSnapshotResponse<NodeId>, InstallSnapshotError>),
    Standing(Standing),
    Done,
    /// Ask the leader.
    NotLeader,
    /// Not done, and why; asking again does not help.
    Refused(String),
    /// Not done now, and why.
    Failed(String),
}
