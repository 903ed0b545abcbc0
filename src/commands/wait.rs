//! Who waits at a terminal for a command that checks first is told on stderr where the check is; stdout has the reply only.

use std::{
    convert::Infallible,
    env,
    future::{Future, pending},
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

use tonic::{Response, Status, transport::Channel};

use crate::{
    config::TaskConfig,
    dmctl::session::{Failure, Session},
    pb::{self, master_client::MasterClient},
};

/// Shorter waits are not talked about.
const EVERY: Duration = Duration::from_secs(2);
/// Set: told also where stderr is no terminal, a line each.
const ALWAYS: &str = "DM_SHOW_PROGRESS";
const WIDTH: usize = 110;

/// A request that carries a task file, and is answered when its check is over.
pub trait OfTask: Clone {
    fn yaml(&self) -> &str;
}

impl OfTask for pb::CheckTaskRequest {
    fn yaml(&self) -> &str {
        &self.task
    }
}

impl OfTask for pb::StartTaskRequest {
    fn yaml(&self) -> &str {
        &self.task
    }
}

/// As [`Session::rpc`].
pub async fn told<Q, R, F, W>(session: &mut Session, request: Q, send: F) -> Result<R, Failure>
where
    Q: OfTask,
    F: Fn(MasterClient<Channel>, Q) -> W,
    W: Future<Output = Result<Response<R>, Status>>,
{
    let mut line = Line { terminal: stderr().is_terminal(), written: false };
    if !line.terminal && env::var_os(ALWAYS).is_none() {
        return session.rpc(request, send).await;
    }
    let task = TaskConfig::decode_yaml(request.yaml()).map(|task| task.name).unwrap_or_default();
    let client = session.client().await?;
    tokio::select! {
        reply = session.rpc(request, send) => reply,
        never = tell(client, &task, &mut line) => match never {},
    }
}

async fn tell(mut client: MasterClient<Channel>, task: &str, line: &mut Line) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        // The original's master doesn't know the question.
        let Ok(answer) = client.check_progress(()).await else { return pending().await };
        let answer = answer.into_inner();
        if let Some(check) = answer.checks.iter().find(|check| check.task == task) {
            line.write(&text(check));
        }
    }
}

fn text(check: &pb::CheckUnderWay) -> String {
    let text = format!("checking for {} s: {}", check.seconds, check.at);
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The last line of a terminal, which is written again and removed at the end.
struct Line {
    terminal: bool,
    written: bool,
}

impl Line {
    fn write(&mut self, text: &str) {
        let mut out = stderr();
        // Nobody reads it any more: no error.
        let _ = if self.terminal { write!(out, "\r\x1b[K{text}") } else { writeln!(out, "{text}") };
        let _ = out.flush();
        self.written = true;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.terminal && self.written {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_terminal() {
        let check = |at: String| pb::CheckUnderWay { task: "t".into(), seconds: 7, at };
        assert_eq!(text(&check("s: binlog".into())), "checking for 7 s: s: binlog");
        let long = text(&check("ü".repeat(200)));
        assert!(long.ends_with("ü...") && long.chars().count() == WIDTH + 3);
    }
}
