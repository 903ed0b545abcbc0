//! Completion at the prompt: commands, their flags, sub-commands, and the cluster's sources and tasks.

use std::time::Duration;

use rustyline::{
    Context, Helper,
    completion::{self, Pair},
    highlight::Highlighter,
    hint::Hinter,
    validate::Validator,
};
use tokio::runtime::Handle;

use super::{
    cobra::{Spec, Tool},
    run::{ONE_SHOT, PROMPT},
    session::{Names, Session},
};

/// The user waits at the prompt for this long at most; then names are just not offered.
const NAMES_LIMIT: Duration = Duration::from_millis(500);

/// rustyline's helper.
pub struct Completer {
    handle: Handle,
    names: Names,
}

impl Completer {
    /// Names are asked for when the user presses TAB.
    pub fn new(handle: Handle, names: Names) -> Completer {
        Completer { handle, names }
    }
}

impl completion::Completer for Completer {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or(line);
        let start = typed.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
        let words: Vec<&str> = typed[..start].split_whitespace().collect();
        let wanted = wanted(&PROMPT, &words);
        let mut words = wanted.words;
        if wanted.names {
            let names = async { tokio::time::timeout(NAMES_LIMIT, self.names.fetch()).await.unwrap_or_default() };
            words.extend(self.handle.block_on(names));
        }
        words.retain(|word| word.starts_with(&typed[start..]));
        words.sort_unstable();
        words.dedup();
        let pairs = words.into_iter().map(|word| Pair { display: word.clone(), replacement: format!("{word} ") });
        Ok((start, pairs.collect()))
    }
}

/// What may stand behind some words of a one-shot call; names come from the master, if one answers soon.
pub async fn candidates(session: &mut Session, words: &[String]) -> Vec<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wanted = wanted(&ONE_SHOT, &words);
    let mut out = wanted.words;
    out.retain(|word| word != "exit");
    if wanted.names && session.knows_a_master() {
        let fetched = async {
            session.client().await.ok()?;
            Some(session.names().fetch().await)
        };
        out.extend(tokio::time::timeout(NAMES_LIMIT, fetched).await.ok().flatten().unwrap_or_default());
    }
    out.sort_unstable();
    out.dedup();
    out
}

impl Hinter for Completer {
    type Hint = String;
}
impl Highlighter for Completer {}
impl Validator for Completer {}
impl Helper for Completer {}

/// What may stand after some words.
struct Wanted {
    words: Vec<String>,
    /// Also names of sources and tasks.
    names: bool,
}

fn wanted(tool: &Tool, words: &[&str]) -> Wanted {
    let mut commands = tool.commands;
    let mut command: Option<&Spec> = None;
    let mut first = false;
    for word in words {
        first = false;
        if let Some(found) = commands.iter().find(|spec| spec.name() == *word) {
            command = Some(found);
            commands = found.subcommands;
            first = true;
        }
    }
    let mut offered: Vec<String> =
        commands.iter().filter(|spec| !spec.hidden).map(|spec| spec.name().to_owned()).collect();
    offered.extend(command.filter(|_| first).into_iter().flat_map(|spec| spec.operations).map(|&name| name.to_owned()));
    let flags = tool.flags.iter().chain(command.map_or(&[][..], |spec| spec.flags));
    offered.extend(flags.filter(|flag| !flag.hidden).map(|flag| format!("--{}", flag.name)));
    if command.is_none() {
        offered.push("exit".to_owned());
    }
    Wanted { words: offered, names: command.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_then_their_flags_and_names() {
        let first = wanted(&PROMPT, &[]);
        assert!(first.words.contains(&"start-task".to_owned()) && first.words.contains(&"exit".to_owned()));
        assert!(!first.words.contains(&"get-config".to_owned()) && !first.names);
        let start = wanted(&PROMPT, &["start-task"]);
        assert!(start.words.contains(&"--remove-meta".to_owned()) && start.names);
        let config = wanted(&PROMPT, &["config"]);
        assert!(config.words.contains(&"export".to_owned()));
        let evict = "evict".to_owned();
        assert!(wanted(&PROMPT, &["operate-leader"]).words.contains(&evict));
        assert!(!wanted(&PROMPT, &["operate-leader", "evict"]).words.contains(&evict));
    }
}
