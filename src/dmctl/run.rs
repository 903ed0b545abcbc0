//! From arguments to an exit code.

use std::{io::Write, time::Duration};

use super::{
    cobra::{self, ParseError, Parsed, Tool},
    globals::{self, COMMAND_MODE, Globals, INTERACTIVE_MODE},
    interactive,
    session::{Failure, Outcome, Session},
    signals,
};
use crate::commands;

/// The tool as it is called from a shell.
pub(super) const ONE_SHOT: Tool =
    Tool { name: "dmctl", about: "DM control", flags: COMMAND_MODE, commands: commands::ALL, runs: true };

/// The tool inside its own prompt, where the connection is given already.
pub(super) const PROMPT: Tool =
    Tool { name: "dmctl", about: "DM control", flags: INTERACTIVE_MODE, commands: commands::ALL, runs: false };

/// What follows an error when no command matched.
pub(super) const HINT: &str = "Run 'dmctl --help' for usage.";

/// What an error says when everything else stands on stdout.
const SEE_OUTPUT: &str = "please check output to see error";

/// How a call ended: its exit code and what goes to stderr.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Finished {
    pub code: u8,
    pub stderr: String,
}

impl Finished {
    fn error(text: &str) -> Finished {
        Finished { code: 1, stderr: format!("Error: {text}\n") }
    }
}

/// The program: runs one command, or a session when none is named. Returns the exit code.
pub fn program() -> u8 {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() else {
        return 1;
    };
    runtime.spawn(signals::exit_on_signal());
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let env = std::env::var("DM_MASTER_ADDR").unwrap_or_default();
    let finished = match understand(args) {
        Err(finished) => finished,
        Ok(parsed) if starts_session(&parsed) => match Globals::read(&parsed.matches, &env) {
            Ok(globals) => interactive::run(&runtime, globals),
            Err(failure) => failed(failure),
        },
        Ok(parsed) => runtime.block_on(call(parsed, &env, Box::new(std::io::stdout()))),
    };
    let _ = std::io::stderr().write_all(finished.stderr.as_bytes());
    runtime.shutdown_background();
    finished.code
}

/// No command, and nothing else that is done at once.
fn starts_session(parsed: &Parsed) -> bool {
    let at_once = ["version", "encrypt", "decrypt"].iter().any(|flag| parsed.matches.given(flag));
    parsed.path.is_empty() && !parsed.wants_help && !at_once
}

/// One command, printing to `out`. For tests the environment's master address is an argument.
pub async fn one_shot(args: Vec<String>, env_master_addr: &str, out: Box<dyn Write + Send>) -> Finished {
    match understand(args) {
        Ok(parsed) => call(parsed, env_master_addr, out).await,
        Err(finished) => finished,
    }
}

fn understand(args: Vec<String>) -> Result<Parsed, Finished> {
    cobra::parse(&ONE_SHOT, &globals::normalize(args)).map_err(|ParseError { text, no_command }| {
        let mut finished = Finished::error(&text);
        if no_command {
            finished.stderr.push_str(HINT);
            finished.stderr.push('\n');
        }
        finished
    })
}

async fn call(parsed: Parsed, env: &str, out: Box<dyn Write + Send>) -> Finished {
    if parsed.matches.is("version") && !parsed.wants_help {
        return Finished { code: 0, stderr: format!("{}\n", commands::version::block()) };
    }
    if parsed.path.is_empty() && !parsed.wants_help {
        let mut session = Session::new(Err(Failure::Printed), Duration::ZERO, out);
        return match commands::encrypt::offline(&mut session, &parsed.matches) {
            Ok(()) => Finished::default(),
            Err(failure) => failed(failure),
        };
    }
    let (target, rpc_timeout) = match Globals::read(&parsed.matches, env) {
        Ok(globals) => (Ok(globals.target), globals.rpc_timeout),
        Err(failure) => (Err(failure), Duration::ZERO),
    };
    let mut session = Session::new(target, rpc_timeout, out);
    match execute(&mut session, &ONE_SHOT, &parsed).await {
        Ok(()) => Finished::default(),
        Err(failure) => failed(failure),
    }
}

/// Runs a parsed command; usage errors print the usage.
pub(super) async fn execute(session: &mut Session, tool: &Tool, parsed: &Parsed) -> Outcome {
    if parsed.wants_help || parsed.path.is_empty() {
        session.line(cobra::help(tool, &parsed.path).trim_end_matches('\n'));
        return Ok(());
    }
    let outcome = match commands::source_patterns::expanded(session, &parsed.matches).await {
        Ok(matches) => commands::run(session, tool, &parsed.path, &matches).await,
        Err(failure) => Err(failure),
    };
    match &outcome {
        Err(Failure::Usage(text)) => {
            if !text.is_empty() {
                session.line(text);
            }
            session.line(cobra::usage(tool, &parsed.path).trim_end_matches('\n'));
        }
        Err(Failure::Help) => {
            session.line(cobra::help(tool, &parsed.path).trim_end_matches('\n'));
            return Ok(());
        }
        Err(Failure::Refused(text)) => session.line(text),
        _ => {}
    }
    outcome
}

/// The text of a failure.
pub(super) fn failure_text(failure: Failure) -> String {
    match failure {
        Failure::Text(text) => text,
        Failure::Usage(_) | Failure::Help | Failure::Refused(_) | Failure::Printed => SEE_OUTPUT.to_owned(),
    }
}

fn failed(failure: Failure) -> Finished {
    Finished::error(&failure_text(failure))
}
