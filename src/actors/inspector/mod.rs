//! The inspector actor: one per node, it tells any node what actors live here and how they are.

pub mod messages;
pub mod state;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus, pg};
use serde_json::{Value, json};

use messages::{InspectorAsk, InspectorMsg, InspectorOwn, InspectorReply};

use super::{
    INSPECTORS,
    observe::{Board, Pin},
    post::{self, Post},
};

/// A node's own collection takes a second at most, the rest is the way.
const NODE_LIMIT: Duration = Duration::from_secs(3);

/// A node's inspector.
pub struct InspectorActor;

pub struct InspectorShell {
    board: Arc<Board>,
    answered: u64,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for InspectorActor {
    type Msg = InspectorMsg;
    type State = InspectorShell;
    type Arguments = Arc<Board>;

    async fn pre_start(
        &self,
        me: ActorRef<InspectorMsg>,
        board: Arc<Board>,
    ) -> Result<InspectorShell, ActorProcessingErr> {
        let parent = format!("node:{}", board.node());
        let pin = board.pin("inspector", "inspector", parent, &me, |port| Post::Own(InspectorOwn::Report(port)));
        pg::join_scoped(board.scope(), INSPECTORS.into(), vec![me.get_cell()]);
        Ok(InspectorShell { board, answered: 0, _pin: pin })
    }

    async fn handle(
        &self,
        _me: ActorRef<InspectorMsg>,
        message: InspectorMsg,
        shell: &mut InspectorShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Post::Ask(bytes, reply) => match crate::wire::decode::<InspectorAsk>(&bytes) {
                Ok(InspectorAsk::Reports) => {
                    shell.answered += 1;
                    let board = shell.board.clone();
                    tokio::spawn(async move {
                        let json = serde_json::to_string(&board.reports().await).unwrap_or_else(|_| "[]".into());
                        post::answer(reply, &InspectorReply::Reports { node: board.node().to_owned(), json });
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a request to the inspector could not be decoded");
                    post::answer(reply, &InspectorReply::NotUnderstood);
                }
            },
            Post::Own(InspectorOwn::Report(reply)) => drop(reply.send(json!({"answered": shell.answered}))),
        }
        Ok(())
    }
}

/// Asks all inspectors of the cluster at once; takes three seconds at most.
pub async fn gather(scope: &str) -> Value {
    let cells = pg::get_scoped_members(&scope.into(), &INSPECTORS.into());
    let alive = cells.into_iter().filter(|cell| cell.get_status() <= ActorStatus::Upgrading);
    let asked = alive.map(|cell| async move {
        let name = cell.get_name().unwrap_or_else(|| cell.get_id().to_string());
        let reply = post::ask::<InspectorOwn, _, _>(&cell, &InspectorAsk::Reports, NODE_LIMIT).await;
        (name, reply)
    });
    state::merge(futures::future::join_all(asked).await)
}
