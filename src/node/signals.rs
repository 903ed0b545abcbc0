//! The signals that end a node gracefully.

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    error::{Code, DmError, Result},
    observe::events::SignalReceived,
};

/// Armed from the first moment, so that a signal during start-up is not lost.
pub struct Signals {
    received: tokio::sync::mpsc::Receiver<&'static str>,
}

impl Signals {
    /// Listens for HUP, INT, TERM and QUIT.
    pub fn listen() -> Result<Signals> {
        let (send, received) = tokio::sync::mpsc::channel(1);
        let kinds = [
            (SignalKind::hangup(), "hangup"),
            (SignalKind::interrupt(), "interrupt"),
            (SignalKind::terminate(), "terminated"),
            (SignalKind::quit(), "quit"),
        ];
        for (kind, name) in kinds {
            let mut stream =
                signal(kind).map_err(|e| DmError::new(Code::MasterStartService).msg("no signal handler").cause(e))?;
            let send = send.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    // One waiting is enough; a second signal during the graceful stop changes nothing.
                    let _ = send.try_send(name);
                }
            });
        }
        Ok(Signals { received })
    }

    /// Waits for one and logs it.
    pub async fn wait(&mut self) {
        let signal = self.received.recv().await.unwrap_or("none");
        SignalReceived { signal }.emit();
    }
}
