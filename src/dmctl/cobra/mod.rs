//! Commands and flags that look and fail like those of DM's dmctl: usage texts, flag syntax, error texts, suggestions.
//! A command is a constant [`Spec`]; [`parse`] turns arguments into [`Matches`].

mod parse;
mod suggest;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeMap;

pub use parse::{ParseError, Parsed, parse};
pub use usage::{help, usage};

/// What a flag holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// Comma lists, repeatable.
    List,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    pub kind: Kind,
    /// Its help text.
    pub about: &'static str,
    /// Accepted but not listed.
    pub hidden: bool,
    /// Also accepted by sub-commands.
    pub inherited: bool,
}

impl Flag {
    const fn of(name: &'static str, kind: Kind, about: &'static str) -> Flag {
        Flag { name, short: None, kind, about, hidden: false, inherited: false }
    }

    /// A switch that is off unless given.
    pub const fn switch(name: &'static str, about: &'static str) -> Flag {
        Flag::of(name, Kind::Bool(false), about)
    }

    /// A switch that is on unless told otherwise.
    pub const fn switch_on(name: &'static str, about: &'static str) -> Flag {
        Flag::of(name, Kind::Bool(true), about)
    }

    /// A number.
    pub const fn int(name: &'static str, default: i64, about: &'static str) -> Flag {
        Flag::of(name, Kind::Int(default), about)
    }

    /// A text.
    pub const fn text(name: &'static str, default: &'static str, about: &'static str) -> Flag {
        Flag::of(name, Kind::Text(default), about)
    }

    /// A list.
    pub const fn list(name: &'static str, about: &'static str) -> Flag {
        Flag::of(name, Kind::List, about)
    }

    /// With a one-letter form.
    pub const fn short(mut self, letter: char) -> Flag {
        self.short = Some(letter);
        self
    }

    /// Not listed in help.
    pub const fn hidden(mut self) -> Flag {
        self.hidden = true;
        self
    }

    /// Also accepted by sub-commands.
    pub const fn inherited(mut self) -> Flag {
        self.inherited = true;
        self
    }
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The use line after the parent's name: first word is the name.
    pub usage: &'static str,
    /// One line for lists.
    pub about: &'static str,
    pub aliases: &'static [&'static str],
    pub hidden: bool,
    /// A command that DM does not have: not in the list of commands, which is DM's, but offered by completion.
    pub unlisted: bool,
    pub flags: &'static [Flag],
    pub subcommands: &'static [Spec],
    /// False for a mere group of sub-commands.
    pub runs: bool,
    /// What its first argument may be, where that is a fixed set; for completion.
    pub operations: &'static [&'static str],
}

impl Spec {
    /// A visible command without flags.
    pub const fn new(usage: &'static str, about: &'static str) -> Spec {
        Spec {
            usage,
            about,
            aliases: &[],
            hidden: false,
            unlisted: false,
            flags: &[],
            subcommands: &[],
            runs: true,
            operations: &[],
        }
    }

    /// With flags.
    pub const fn flags(mut self, flags: &'static [Flag]) -> Spec {
        self.flags = flags;
        self
    }

    /// A group of commands.
    pub const fn group(mut self, subcommands: &'static [Spec]) -> Spec {
        self.subcommands = subcommands;
        self.runs = false;
        self
    }

    /// A command of its own that has sub-commands besides.
    pub const fn with_subcommands(mut self, subcommands: &'static [Spec]) -> Spec {
        self.subcommands = subcommands;
        self
    }

    /// Not listed in help.
    pub const fn hidden(mut self) -> Spec {
        self.hidden = true;
        self
    }

    /// Not in DM's list of commands.
    pub const fn unlisted(mut self) -> Spec {
        self.unlisted = true;
        self
    }

    /// Its first argument is one of these.
    pub const fn operations(mut self, operations: &'static [&'static str]) -> Spec {
        self.operations = operations;
        self
    }

    /// With other names.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Spec {
        self.aliases = aliases;
        self
    }

    /// The command's name.
    pub fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }

    fn answers_to(&self, word: &str) -> bool {
        self.name() == word || self.aliases.contains(&word)
    }
}

/// The whole tool: root flags and commands.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub name: &'static str,
    pub about: &'static str,
    /// Root flags; those marked inherited are accepted by every command.
    pub flags: &'static [Flag],
    pub commands: &'static [Spec],
    /// True when a call without a command does something.
    pub runs: bool,
}

/// The path from the tool to a command: empty for the tool itself.
pub type Path = Vec<&'static Spec>;

/// The flags and arguments of one call.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    flags: BTreeMap<&'static str, Vec<String>>,
    given: Vec<&'static str>,
    /// Arguments that are no flags.
    pub args: Vec<String>,
    /// The word that named the command: its name or an alias.
    pub called_as: String,
}

impl Matches {
    /// A switch.
    pub fn is(&self, name: &str) -> bool {
        self.one(name) == "true"
    }

    /// A text; the default when it was not given.
    pub fn one(&self, name: &str) -> &str {
        self.flags.get(name).and_then(|values| values.last()).map_or("", String::as_str)
    }

    /// A number.
    pub fn int(&self, name: &str) -> i64 {
        self.one(name).parse().unwrap_or_default()
    }

    /// A list.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.flags.get(name).cloned().unwrap_or_default()
    }

    /// True when the flag was typed.
    pub fn given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// The sources of `-s`.
    pub fn sources(&self) -> Vec<String> {
        self.all("source")
    }

    /// The same with patterns replaced by what they stand for.
    pub fn with_sources(&self, sources: Vec<String>) -> Matches {
        let mut out = self.clone();
        out.flags.insert("source", sources);
        out
    }
}
