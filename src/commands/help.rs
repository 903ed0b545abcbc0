//! `help [command]`.

use crate::dmctl::{
    cobra::{self, Matches, Spec, Tool},
    session::{Failure, Outcome, Session},
};

/// The command line.
pub const SPEC: Spec = Spec::new("help [command]", "Gets help about any command");

/// Prints the help of the named command, or of dmctl.
pub fn run(session: &mut Session, tool: &Tool, matches: &Matches) -> Outcome {
    let found = cobra::parse(tool, &matches.args).ok().filter(|parsed| {
        parsed.path.len() == matches.args.len() // every word named a command
    });
    match found {
        Some(parsed) => {
            session.line(cobra::help(tool, &parsed.path).trim_end_matches('\n'));
            Ok(())
        }
        None => Err(Failure::Text(format!("unknown help topic [`{}`]", matches.args.join(" ")))),
    }
}
