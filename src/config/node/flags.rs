//! Flags as Go's `flag` package takes them: `-x v`, `-x=v`, `--x v`, `--x=v`; a boolean stands alone or takes `=v`;
//! the first argument that is no flag ends them.

use super::settings::{Setting, Slot};

/// Why flags were refused, or that help was asked for.
#[derive(Debug, PartialEq)]
pub enum FlagError {
    Help,
    Bad(String),
}

/// Sets the settings that `args` name; returns the arguments behind the flags. A list flag may repeat, its first
/// use replaces what the list held.
pub fn parse<'a>(args: &'a [String], settings: &mut [Setting<'_>]) -> Result<&'a [String], FlagError> {
    let mut rest = args;
    let mut lists_started: Vec<&str> = Vec::new();
    while let Some((arg, after)) = rest.split_first() {
        if !arg.starts_with('-') || arg == "-" {
            break;
        }
        rest = after;
        if arg == "--" {
            break;
        }
        let body = arg.strip_prefix("--").unwrap_or(&arg[1..]);
        if body.is_empty() || body.starts_with(['-', '=']) {
            return Err(FlagError::Bad(format!("bad flag syntax: {arg}")));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let Some(setting) = settings.iter_mut().find(|s| !s.flag.is_empty() && s.flag == name) else {
            if matches!(name, "h" | "help") {
                return Err(FlagError::Help);
            }
            return Err(FlagError::Bad(format!("flag provided but not defined: -{name}")));
        };
        let value = match (value, &setting.slot) {
            (Some(value), _) => value,
            (None, Slot::Bool(_)) => "true",
            (None, _) => {
                let Some((value, after)) = rest.split_first() else {
                    return Err(FlagError::Bad(format!("flag needs an argument: -{name}")));
                };
                rest = after;
                value
            }
        };
        if let Slot::List(list) = &mut setting.slot
            && !lists_started.contains(&setting.flag)
        {
            list.clear();
            lists_started.push(setting.flag);
        }
        if !setting.slot.parse(value) {
            let kind = if matches!(setting.slot, Slot::Bool(_)) { "boolean value" } else { "value" };
            return Err(FlagError::Bad(format!("invalid {kind} {value:?} for flag -{name}: parse error")));
        }
    }
    Ok(rest)
}

/// The text for `-h`: the flags by name, with defaults.
pub fn usage(program: &str, settings: &[Setting<'_>]) -> String {
    let mut out = format!("Usage of {program}:\n");
    let mut flags: Vec<&Setting<'_>> = settings.iter().filter(|s| !s.flag.is_empty()).collect();
    flags.sort_by_key(|s| s.flag);
    for setting in flags {
        out.push_str(&format!("  -{}", setting.flag));
        let kind = setting.slot.type_name();
        if !kind.is_empty() {
            out.push_str(&format!(" {kind}"));
        }
        // One-letter booleans fit on one line.
        out.push_str(if kind.is_empty() && setting.flag.len() == 1 { "\t" } else { "\n    \t" });
        out.push_str(setting.usage);
        let shown = setting.slot.shown();
        if !shown.is_empty() {
            out.push_str(&format!(" (default {shown})"));
        }
        out.push('\n');
    }
    out
}
