//! What a command has at hand while it runs: where to print, the connection, how long an RPC may take.

use std::{future::Future, io::Write, time::Duration};

use prost::{Message, Name};
use tonic::{Code, Response, Status, transport::Channel};

use super::{
    connect,
    json::{self, Style},
};
use crate::{config::Security, error::DmError, pb::master_client::MasterClient};

/// Why a command ended without doing its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Wrong arguments: the text (may be empty) and the command's usage go to stdout.
    Usage(String),
    /// Wrong arguments of a command that then shows its help, which is no error.
    Help,
    /// The text goes to stdout, without the usage.
    Refused(String),
    /// Everything that must be seen was printed already.
    Printed,
    /// An error text.
    Text(String),
}

impl From<DmError> for Failure {
    fn from(error: DmError) -> Self {
        Failure::Text(error.to_string())
    }
}

/// The result of a command.
pub type Outcome = Result<(), Failure>;

/// How to reach the masters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// `host:port`, tried in turn.
    pub endpoints: Vec<String>,
    /// CA, certificate and key; all empty without TLS.
    pub tls: Security,
}

/// One run of the program: one command, or all of an interactive session.
pub struct Session {
    /// Why there is no target is told when a command first needs one, so that usage errors come before it.
    target: Result<Target, Failure>,
    rpc_timeout: Duration,
    client: Option<MasterClient<Channel>>,
    /// The endpoint to begin with: after one that could not do it, the next.
    first: usize,
    out: Box<dyn Write + Send>,
}

impl Session {
    /// A session that prints to `out`; it connects when a command first needs it.
    pub fn new(target: Result<Target, Failure>, rpc_timeout: Duration, out: Box<dyn Write + Send>) -> Session {
        Session { target, rpc_timeout, client: None, first: 0, out }
    }

    /// Prints one line; a closed pipe is no error.
    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// Prints a reply.
    pub fn reply<M: Message + Name>(&mut self, reply: &M) {
        self.line(&json::print(reply, Style::Dmctl));
    }

    /// Prints a reply in which a check report stands raw.
    pub fn reply_with_report<M: Message + Name>(&mut self, reply: &M) {
        self.line(&json::print_with_report(reply));
    }

    /// The limit of RPCs that have one.
    pub fn rpc_timeout(&self) -> Duration {
        self.rpc_timeout
    }

    /// Whether a master's address was given.
    pub fn knows_a_master(&self) -> bool {
        self.target.is_ok()
    }

    /// The certificates of its connections.
    pub fn security(&self) -> Security {
        self.target.as_ref().map(|target| target.tls.clone()).unwrap_or_default()
    }

    /// Where completion gets names from.
    pub fn names(&self) -> Names {
        Names { client: self.client.clone() }
    }

    /// A connected client.
    pub async fn client(&mut self) -> Result<MasterClient<Channel>, Failure> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let (client, number) = connect::connect(self.target.as_ref().map_err(Failure::clone)?, self.first).await?;
        (self.client, self.first) = (Some(client.clone()), number);
        Ok(client)
    }

    /// Sends a request without a limit of time. When a server goes away, the next one is asked, once.
    pub async fn rpc<Q, R, F, W>(&mut self, request: Q, send: F) -> Result<R, Failure>
    where
        Q: Clone,
        F: Fn(MasterClient<Channel>, Q) -> W,
        W: Future<Output = Result<Response<R>, Status>>,
    {
        let client = self.client().await?;
        match send(client, request.clone()).await {
            Ok(reply) => Ok(reply.into_inner()),
            Err(status) if status.code() == Code::Unavailable => {
                // Another master may reach the leader that this one does not reach.
                (self.client, self.first) = (None, self.first.wrapping_add(1));
                let client = self.client().await?;
                send(client, request).await.map(Response::into_inner).map_err(|s| failed(&s))
            }
            Err(status) => Err(failed(&status)),
        }
    }

    /// Sends a request that must be answered within `--rpc-timeout`.
    pub async fn rpc_in_time<Q, R, F, W>(&mut self, request: Q, send: F) -> Result<R, Failure>
    where
        Q: Clone,
        F: Fn(MasterClient<Channel>, Q) -> W,
        W: Future<Output = Result<Response<R>, Status>>,
    {
        let limit = self.rpc_timeout;
        let late = || Failure::Text("rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_owned());
        tokio::time::timeout(limit, self.rpc(request, send)).await.unwrap_or_else(|_| Err(late()))
    }
}

/// A gRPC error in the words of the original's library.
fn failed(status: &Status) -> Failure {
    Failure::Text(format!("rpc error: code = {:?} desc = {}", status.code(), status.message()))
}

/// Asks for the names of sources and tasks.
#[derive(Clone, Debug)]
pub struct Names {
    client: Option<MasterClient<Channel>>,
}

impl Names {
    /// Sources and tasks; nothing when the master does not answer.
    pub async fn fetch(&self) -> Vec<String> {
        let Some(mut client) = self.client.clone() else { return Vec::new() };
        let mut names = Vec::new();
        if let Ok(sources) = client.list_source_configs(()).await {
            names.extend(sources.into_inner().source_configs.into_keys());
        }
        if let Ok(tasks) = client.list_task_configs(()).await {
            names.extend(tasks.into_inner().task_configs.into_keys());
        }
        names
    }
}
