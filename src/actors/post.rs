//! The envelope of actors that other nodes can reach.
//!
//! What crosses the network is always bytes (`crate::wire`), decoded by the receiving handler: an unknown variant of a
//! newer node or rubbish is an `Err` to be logged and refused, never a panic in a codec.

use std::time::Duration;

use ractor::{ActorCell, ActorRef, Message, RpcReplyPort, message::SerializedMessage};
use serde::{Serialize, de::DeserializeOwned};

use crate::wire;

/// A message to a remotely reachable actor; `L` are the facts and requests of its own node.
pub enum Post<L> {
    /// A request from any node, with the reply's port.
    Ask(Vec<u8>, RpcReplyPort<Vec<u8>>),
    /// From this process only.
    Own(L),
}

impl<L: Send + 'static> Message for Post<L> {
    fn serializable() -> bool {
        true
    }

    fn serialize(self) -> Result<SerializedMessage, ractor::message::BoxedDowncastErr> {
        match self {
            Post::Ask(args, reply) => {
                Ok(SerializedMessage::Call { variant: String::new(), args, reply, metadata: None })
            }
            Post::Own(_) => Err(ractor::message::BoxedDowncastErr),
        }
    }

    fn deserialize(message: SerializedMessage) -> Result<Self, ractor::message::BoxedDowncastErr> {
        match message {
            SerializedMessage::Call { args, reply, .. } => Ok(Post::Ask(args, reply)),
            _ => Err(ractor::message::BoxedDowncastErr),
        }
    }
}

/// Why a request got no usable reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The actor, its node or the connection is gone.
    #[error("the connection to it is closed")]
    Gone,
    /// Nothing came in time; it may have been done all the same.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// Bytes of another version, or rubbish.
    #[error("{0}")]
    Malformed(String),
}

/// Sends a request at once (in order with others from this actor) and returns the future of its reply.
/// Nothing larger than a frame of the cluster's transport is sent.
pub fn ask<L, Q, R>(
    to: &ActorCell,
    request: &Q,
    limit: Duration,
) -> impl Future<Output = Result<R, NoReply>> + Send + 'static
where
    L: Send + 'static,
    Q: Serialize,
    R: DeserializeOwned,
{
    let bytes = wire::encode(request);
    let to: ActorRef<Post<L>> = to.clone().into();
    let (port, reply) = tokio::sync::oneshot::channel();
    let sent = match bytes.len() <= MAX_PAYLOAD {
        true => to.send_message(Post::Ask(bytes, (port, limit).into())).map_err(|_| NoReply::Gone),
        false => Err(NoReply::Malformed(format!("a request of {} bytes is larger than a frame", bytes.len()))),
    };
    async move {
        sent?;
        let bytes = tokio::time::timeout(limit, reply).await.map_err(|_| NoReply::Late(limit))?;
        let bytes = bytes.map_err(|_| NoReply::Gone)?;
        wire::decode(&bytes).map_err(|e| NoReply::Malformed(e.to_string()))
    }
}

/// Frames hold 16 MiB; the rest is for the envelope.
const MAX_PAYLOAD: usize = (16 << 20) - (64 << 10);

/// Sends a reply; one that is too large for a frame is dropped (the asker then sees `Gone`).
pub fn answer<R: Serialize>(port: RpcReplyPort<Vec<u8>>, reply: &R) {
    let bytes = wire::encode(reply);
    if bytes.len() > MAX_PAYLOAD {
        tracing::warn!(bytes = bytes.len(), "a reply is larger than a frame and is dropped");
        return;
    }
    // The asker may have gone away meanwhile.
    let _ = port.send(bytes);
}
