//! Usage and help texts in the layout that DM's dmctl has.

use super::{Flag, Kind, Spec, Tool, parse::HELP};

/// The column of command names is at least this wide.
const MIN_COMMAND_COLUMN: usize = 11;

/// The usage text of the tool (empty path) or of a command; ends with a newline.
pub fn usage(tool: &Tool, path: &[&'static Spec]) -> String {
    let command = path.last().copied();
    let commands = command.map_or(tool.commands, |spec| spec.subcommands);
    let mut out = "Usage:".to_owned();
    if command.map_or(tool.runs, |spec| spec.runs) {
        out.push_str(&format!("\n  {}", use_line(tool, path)));
    }
    let listed: Vec<(&str, &str)> = listed(commands, path.is_empty());
    if !listed.is_empty() {
        out.push_str(&format!("\n  {} [command]", full_name(tool, path)));
    }
    if let Some(spec) = command
        && !spec.aliases.is_empty()
    {
        out.push_str(&format!("\n\nAliases:\n  {}, {}", spec.name(), spec.aliases.join(", ")));
    }
    if !listed.is_empty() {
        let longest = commands.iter().map(|spec| spec.name().len()).max().unwrap_or_default();
        let width = longest.max(MIN_COMMAND_COLUMN);
        out.push_str("\n\nAvailable Commands:");
        for (name, about) in &listed {
            out.push_str(&format!("\n  {name:<width$} {about}"));
        }
    }
    let (local, global) = flags_of(tool, path);
    out.push_str(&format!("\n\nFlags:\n{}", flag_lines(local)));
    if !global.is_empty() {
        out.push_str(&format!("\n\nGlobal Flags:\n{}", flag_lines(global)));
    }
    if !listed.is_empty() {
        let name = full_name(tool, path);
        out.push_str(&format!("\n\nUse \"{name} [command] --help\" for more information about a command."));
    }
    out.push('\n');
    out
}

/// What `help` prints: what the command does, then its usage.
pub fn help(tool: &Tool, path: &[&'static Spec]) -> String {
    let about = path.last().map_or(tool.about, |spec| spec.about);
    format!("{about}\n\n{}", usage(tool, path))
}

fn full_name(tool: &Tool, path: &[&'static Spec]) -> String {
    let mut name = tool.name.to_owned();
    for spec in path {
        name.push(' ');
        name.push_str(spec.name());
    }
    name
}

fn use_line(tool: &Tool, path: &[&'static Spec]) -> String {
    match path.split_last() {
        None => format!("{} [flags]", tool.name),
        Some((spec, parents)) => format!("{} {} [flags]", full_name(tool, parents), spec.usage),
    }
}

/// Visible commands by name; the root has `help` besides.
fn listed(commands: &'static [Spec], root: bool) -> Vec<(&'static str, &'static str)> {
    let mut listed: Vec<_> =
        commands.iter().filter(|spec| !spec.hidden && !spec.unlisted).map(|spec| (spec.name(), spec.about)).collect();
    if root && !listed.iter().any(|(name, _)| *name == "help") {
        listed.push(("help", "Gets help about any command"));
    }
    listed.sort_unstable();
    listed
}

/// Flags with their help texts.
type Described = Vec<(Flag, String)>;

/// The command's own flags, and those of its parents.
fn flags_of(tool: &Tool, path: &[&'static Spec]) -> (Described, Described) {
    let name = path.last().map_or(tool.name, |spec| spec.name());
    let mut local = vec![(HELP, format!("help for {name}"))];
    let mut global = Vec::new();
    let own = path.last().map_or(tool.flags, |spec| spec.flags);
    local.extend(own.iter().map(|f| (*f, f.about.to_owned())));
    if let Some((_, parents)) = path.split_last() {
        global.extend(tool.flags.iter().filter(|f| f.inherited).map(|f| (*f, f.about.to_owned())));
        for parent in parents {
            global.extend(parent.flags.iter().filter(|f| f.inherited).map(|f| (*f, f.about.to_owned())));
        }
    }
    (local, global)
}

fn flag_lines(mut flags: Described) -> String {
    flags.retain(|(flag, _)| !flag.hidden);
    flags.sort_unstable_by_key(|(flag, _)| flag.name);
    let heads: Vec<String> = flags.iter().map(|(flag, _)| head(flag)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or_default() + 3;
    let lines: Vec<String> = heads
        .iter()
        .zip(&flags)
        .map(|(head, (flag, about))| format!("{head:<width$}{about}{}", default_note(flag)).trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn head(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = match flag.kind {
        Kind::Bool(_) => "",
        Kind::Int(_) => " int",
        Kind::Text(_) => " string",
        Kind::List => " strings",
    };
    format!("  {short}--{}{value}", flag.name)
}

fn default_note(flag: &Flag) -> String {
    match flag.kind {
        Kind::Bool(true) => " (default true)".to_owned(),
        Kind::Int(number) if number != 0 => format!(" (default {number})"),
        Kind::Text(text) if !text.is_empty() => format!(" (default {text:?})"),
        _ => String::new(),
    }
}
