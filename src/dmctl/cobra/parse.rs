//! Arguments -> command path, flags and plain arguments.

use super::{Flag, Kind, Matches, Path, Spec, Tool, suggest};

/// The help flag that every command has.
pub(super) const HELP: Flag = Flag::switch("help", "").short('h');

/// A call that was understood.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub path: Path,
    pub matches: Matches,
    /// `-h`, or a mere group was named: print help and be done.
    pub wants_help: bool,
}

/// A call that was not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    pub text: String,
    /// No command matched: the caller adds the hint to run `--help`.
    pub no_command: bool,
}

impl ParseError {
    fn flag(text: String) -> ParseError {
        ParseError { text, no_command: false }
    }
}

/// Splits arguments; flags may stand before and after the command and between its arguments.
pub fn parse(tool: &Tool, args: &[String]) -> Result<Parsed, ParseError> {
    let (path, rest, called_as) = find(tool, args)?;
    let flags = accepted(tool, &path);
    let mut matches = Matches { called_as, ..defaults(&flags) };
    let wants_help = read(&flags, &rest, &mut matches)?;
    let group = path.last().is_some_and(|spec| !spec.runs);
    Ok(Parsed { path, matches, wants_help: wants_help || group })
}

/// Every flag that the command at `path` accepts.
pub(super) fn accepted(tool: &Tool, path: &[&'static Spec]) -> Vec<Flag> {
    let mut flags: Vec<Flag> = vec![HELP];
    flags.extend(tool.flags.iter().filter(|f| f.inherited || path.is_empty()));
    for (i, spec) in path.iter().enumerate() {
        flags.extend(spec.flags.iter().filter(|f| f.inherited || i + 1 == path.len()));
    }
    flags
}

/// The command, the arguments without the words that named it, and the last of those words.
fn find(tool: &Tool, args: &[String]) -> Result<(Path, Vec<String>, String), ParseError> {
    let mut called_as = String::new();
    let mut path: Path = Vec::new();
    let mut rest = args.to_vec();
    let mut commands = tool.commands;
    loop {
        let Some(at) = first_word(&rest, &accepted(tool, &path)) else { return Ok((path, rest, called_as)) };
        match commands.iter().find(|spec| spec.answers_to(&rest[at])) {
            Some(spec) => {
                called_as = rest.remove(at);
                path.push(spec);
                commands = spec.subcommands;
            }
            None if path.is_empty() => return Err(unknown_command(tool, &rest[at])),
            None => return Ok((path, rest, called_as)),
        }
    }
}

fn unknown_command(tool: &Tool, word: &str) -> ParseError {
    let near = suggest::near(word, tool.commands);
    let mut text = format!("unknown command {word:?} for {:?}", tool.name);
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?\n");
        for name in near {
            text.push_str(&format!("\t{name}\n"));
        }
    }
    ParseError { text, no_command: true }
}

/// Where the first argument stands that is neither a flag nor a flag's value.
fn first_word(args: &[String], flags: &[Flag]) -> Option<usize> {
    let mut i = 0;
    while i < args.len() {
        let arg = args[i].as_str();
        if arg == "--" {
            return None;
        }
        let takes_next = match (arg.strip_prefix("--"), arg.strip_prefix('-')) {
            (Some(long), _) => !long.contains('=') && !is_switch(flags.iter().find(|f| f.name == long)),
            (None, Some(short)) if short.chars().count() == 1 => {
                !is_switch(flags.iter().find(|f| f.short == short.chars().next()))
            }
            (None, Some(short)) if !short.is_empty() => false,
            _ => return Some(i),
        };
        i += if takes_next { 2 } else { 1 };
    }
    None
}

fn is_switch(flag: Option<&Flag>) -> bool {
    flag.is_some_and(|f| matches!(f.kind, Kind::Bool(_)))
}

fn defaults(flags: &[Flag]) -> Matches {
    let mut matches = Matches::default();
    for flag in flags {
        let default = match flag.kind {
            Kind::Bool(value) => vec![value.to_string()],
            Kind::Int(value) => vec![value.to_string()],
            Kind::Text(value) => vec![value.to_owned()],
            Kind::List => Vec::new(),
        };
        matches.flags.insert(flag.name, default);
    }
    matches
}

/// Reads flags and arguments; true when help was asked for.
fn read(flags: &[Flag], args: &[String], matches: &mut Matches) -> Result<bool, ParseError> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            matches.args.extend(args.cloned());
            break;
        }
        let next = &mut || args.next().cloned();
        if let Some(long) = arg.strip_prefix("--") {
            read_long(flags, arg, long, next, matches)?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            read_short(flags, &arg[1..], next, matches)?;
        } else {
            matches.args.push(arg.clone());
        }
        if matches.is("help") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_long(
    flags: &[Flag],
    arg: &str,
    long: &str,
    next: &mut dyn FnMut() -> Option<String>,
    matches: &mut Matches,
) -> Result<(), ParseError> {
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (long, None),
    };
    if name.is_empty() || name.starts_with('-') {
        return Err(ParseError::flag(format!("bad flag syntax: {arg}")));
    }
    let Some(flag) = flags.iter().find(|f| f.name == name) else {
        return Err(ParseError::flag(format!("unknown flag: --{name}")));
    };
    let value = match (value, flag.kind) {
        (Some(value), _) => value,
        (None, Kind::Bool(_)) => "true".to_owned(),
        (None, _) => next().ok_or_else(|| ParseError::flag(format!("flag needs an argument: {arg}")))?,
    };
    set(flag, &value, matches)
}

fn read_short(
    flags: &[Flag],
    letters: &str,
    next: &mut dyn FnMut() -> Option<String>,
    matches: &mut Matches,
) -> Result<(), ParseError> {
    for (i, letter) in letters.char_indices() {
        let Some(flag) = flags.iter().find(|f| f.short == Some(letter)) else {
            return Err(ParseError::flag(format!("unknown shorthand flag: {:?} in -{letters}", letter)));
        };
        let after = &letters[i + letter.len_utf8()..];
        if let Some(value) = after.strip_prefix('=') {
            return set(flag, value, matches);
        }
        if matches!(flag.kind, Kind::Bool(_)) {
            set(flag, "true", matches)?;
            continue;
        }
        if !after.is_empty() {
            return set(flag, after, matches);
        }
        let missing = || ParseError::flag(format!("flag needs an argument: {letter:?} in -{letters}"));
        return set(flag, &next().ok_or_else(missing)?, matches);
    }
    Ok(())
}

fn set(flag: &Flag, value: &str, matches: &mut Matches) -> Result<(), ParseError> {
    let invalid = |reason: &str| {
        let shown = match flag.short {
            Some(letter) => format!("-{letter}, --{}", flag.name),
            None => format!("--{}", flag.name),
        };
        ParseError::flag(format!("invalid argument {value:?} for \"{shown}\" flag: {reason}"))
    };
    let first = !matches.given.contains(&flag.name);
    let values = matches.flags.entry(flag.name).or_default();
    match flag.kind {
        Kind::Bool(_) => {
            let truth = match value {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => "true",
                "0" | "f" | "F" | "false" | "FALSE" | "False" => "false",
                _ => return Err(invalid(&format!("strconv.ParseBool: parsing {value:?}: invalid syntax"))),
            };
            *values = vec![truth.to_owned()];
        }
        Kind::Int(_) => {
            let number: i64 =
                value.parse().map_err(|_| invalid(&format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))?;
            *values = vec![number.to_string()];
        }
        Kind::Text(_) => *values = vec![value.to_owned()],
        Kind::List => {
            if first {
                values.clear();
            }
            values.extend(value.split(',').filter(|item| !item.is_empty()).map(str::to_owned));
        }
    }
    matches.given.push(flag.name);
    Ok(())
}
