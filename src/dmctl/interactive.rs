//! The prompt: reads lines, runs them as commands, goes on after errors.

use std::io::{BufRead, IsTerminal};

use rustyline::{Config, Editor, error::ReadlineError, history::FileHistory};
use tokio::runtime::Runtime;

use super::{
    cobra,
    completion::Completer,
    globals::Globals,
    run::{Finished, HINT, PROMPT, execute, failure_text},
    session::Session,
};

/// Where the original keeps its history too.
const HISTORY: &str = "/tmp/dmctlreadline.tmp";
const PROMPT_TEXT: &str = "\u{1b}[31m»\u{1b}[0m ";

/// Runs until `exit` or the end of the input.
pub fn run(runtime: &Runtime, globals: Globals) -> Finished {
    let mut session = Session::new(Ok(globals.target), globals.rpc_timeout, Box::new(std::io::stdout()));
    // The original does not start without a master.
    if let Err(failure) = runtime.block_on(session.client()) {
        return Finished { code: 1, stderr: format!("Error: {}\n", failure_text(failure)) };
    }
    if std::io::stdin().is_terminal() {
        return match prompt(runtime, &mut session) {
            Ok(()) => Finished::default(),
            Err(e) => Finished { code: 1, stderr: format!("Error: the terminal can't be used: {e}\n") },
        };
    }
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(line) if keep_going(runtime, &mut session, &line) => {}
            _ => break,
        }
    }
    Finished::default()
}

fn prompt(runtime: &Runtime, session: &mut Session) -> rustyline::Result<()> {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor: Editor<Completer, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Completer::new(runtime.handle().clone(), session.names())));
    let _ = editor.load_history(HISTORY);
    loop {
        match editor.readline(PROMPT_TEXT) {
            Ok(line) => {
                let _ = editor.append_history(HISTORY);
                if !keep_going(runtime, session, &line) {
                    return Ok(());
                }
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

/// Runs one line; false when it was `exit`.
fn keep_going(runtime: &Runtime, session: &mut Session, line: &str) -> bool {
    let line = line.trim();
    if line == "exit" {
        return false;
    }
    if !line.is_empty() {
        runtime.block_on(run_line(session, line));
    }
    true
}

/// Runs one line; its errors are printed, as the original does, on stdout.
async fn run_line(session: &mut Session, line: &str) {
    let Some(args) = shlex::split(line) else {
        session.line(&format!("fail to run: [{line}]\nError: the line ends inside a quotation"));
        return;
    };
    let (text, no_command) = match cobra::parse(&PROMPT, &args) {
        Ok(parsed) => match execute(session, &PROMPT, &parsed).await {
            Ok(()) => return,
            Err(failure) => (failure_text(failure), false),
        },
        Err(error) => (error.text, error.no_command),
    };
    session.line(&format!("fail to run: [{}]\nError: {text}", args.join(" ")));
    if no_command {
        session.line(HINT);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::dmctl::session::Target;

    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn errors_are_told_in_the_known_lines_and_the_session_goes_on() {
        let printed = Printed::default();
        let target = Target { endpoints: vec!["127.0.0.1:1".into()], ..Target::default() };
        let mut session = Session::new(Ok(target), Duration::from_secs(1), Box::new(printed.clone()));
        for (line, wanted) in [
            (
                "nope a",
                "fail to run: [nope a]\nError: unknown command \"nope\" for \"dmctl\"\nRun 'dmctl --help' for usage.\n",
            ),
            (
                "list-member --master-addr x",
                "fail to run: [list-member --master-addr x]\nError: unknown flag: --master-addr\n",
            ),
            ("query-status 'a", "fail to run: [query-status 'a]\nError: the line ends inside a quotation\n"),
            (
                "'frobnicate' \"a\" b\\ c",
                "fail to run: [frobnicate a b c]\nError: unknown command \"frobnicate\" for \"dmctl\"\nRun 'dmctl --help' for usage.\n",
            ),
        ] {
            run_line(&mut session, line).await;
            assert_eq!(String::from_utf8(std::mem::take(&mut *printed.0.lock().unwrap())).unwrap(), wanted);
        }
        run_line(&mut session, "list-member").await;
        let text = String::from_utf8(std::mem::take(&mut *printed.0.lock().unwrap())).unwrap();
        assert!(
            text.starts_with("fail to run: [list-member]\nError: [code=48001:")
                && text.contains("can't connect to 127.0.0.1:1")
        );
    }
}
