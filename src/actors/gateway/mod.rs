//! The gateway actor: a shell around the task that serves gRPC and HTTP. The task is given from outside, so that this
//! folder knows nothing of the wire; when it fails or panics it is started again.

pub mod messages;
pub mod state;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use messages::GatewayMsg;
use state::{Next, Serving};

use super::{
    observe::{Board, Pin},
    unit::{AbortOnDrop, panics},
};
use crate::error::Result;

/// Starts the serving task; it must end soon after the token is cancelled. Called again after a failure.
pub type Serve = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// After a stop the task is dropped when it takes longer than this.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The gateway.
pub struct GatewayActor;

/// What it is started with.
#[derive(Clone)]
pub struct GatewayArgs {
    pub serve: Serve,
    pub board: Arc<Board>,
}

pub struct GatewayShell {
    args: GatewayArgs,
    serving: Serving,
    stop: CancellationToken,
    since: Instant,
    task: Option<AbortOnDrop>,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for GatewayActor {
    type Msg = GatewayMsg;
    type State = GatewayShell;
    type Arguments = GatewayArgs;

    async fn pre_start(&self, me: ActorRef<GatewayMsg>, args: GatewayArgs) -> Result<GatewayShell, ActorProcessingErr> {
        let parent = format!("node:{}", args.board.node());
        let pin = args.board.pin("gateway", "gateway", parent, &me, GatewayMsg::Report);
        let mut shell = GatewayShell {
            args,
            serving: Serving::new(),
            stop: CancellationToken::new(),
            since: Instant::now(),
            task: None,
            _pin: pin,
        };
        shell.serve(&me);
        Ok(shell)
    }

    async fn handle(
        &self,
        me: ActorRef<GatewayMsg>,
        message: GatewayMsg,
        shell: &mut GatewayShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GatewayMsg::Ended(result) => {
                shell.task = None;
                if let Err(error) = result {
                    tracing::error!(error = %error, "the gateway failed");
                }
                match shell.serving.ended(shell.since.elapsed()) {
                    Next::End => me.stop(None),
                    Next::RetryAfter(delay) => drop(me.send_after(delay, || GatewayMsg::Retry)),
                }
            }
            GatewayMsg::Retry if !shell.serving.stopping => shell.serve(&me),
            GatewayMsg::Retry => me.stop(None),
            GatewayMsg::Stop => {
                shell.serving.stopping = true;
                shell.stop.cancel();
                if shell.task.is_none() {
                    me.stop(None);
                }
            }
            GatewayMsg::Report(reply) => {
                let _ = reply.send(json!({"serving": shell.task.is_some(), "restarts": shell.serving.restarts}));
            }
        }
        Ok(())
    }
}

impl GatewayShell {
    fn serve(&mut self, me: &ActorRef<GatewayMsg>) {
        (self.stop, self.since) = (CancellationToken::new(), Instant::now());
        let (work, stop, me) = ((self.args.serve)(self.stop.clone()), self.stop.clone(), me.clone());
        let task = tokio::spawn(async move {
            let late = async {
                stop.cancelled().await;
                tokio::time::sleep(STOP_LIMIT).await;
            };
            let result = tokio::select! {
                result = panics::guarded("the gateway", work) => result,
                () = late => Ok(()),
            };
            // The actor may be gone.
            let _ = me.send_message(GatewayMsg::Ended(result));
        });
        self.task = Some(AbortOnDrop(task.abort_handle()));
    }
}
