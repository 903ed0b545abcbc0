//! The one table of error codes: code, class, scope, level, default message, workaround. Numbers, names, classes and
//! which errors have a workaround are the original's (see the error facts); the words are ours, except for the few that
//! scripts look for.

mod cluster;
mod codes;
mod config;
mod functional;
mod node;
#[cfg(test)]
mod tests;
mod units;

pub use codes::Code;

use super::{Class, Level, Scope};

/// What the table says of one code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The original's symbolic name.
    pub name: &'static str,
    /// The part of the system it belongs to.
    pub class: Class,
    /// The declared scope; database errors are re-scoped where they are raised.
    pub scope: Scope,
    /// How bad it is.
    pub level: Level,
    /// The message when the raiser gives none.
    pub text: &'static str,
    /// What an operator can do; empty when nothing general can be said.
    pub workaround: &'static str,
}

/// Rows of one range, in numeric order: name, class, scope, level, message, workaround.
macro_rules! rows {
    ($($name:ident $class:ident $scope:ident $level:ident $text:literal $workaround:literal;)*) => {
        pub(super) const ROWS: &[(Code, Entry)] = &[$((
            Code::$name,
            Entry {
                name: stringify!($name),
                class: Class::$class,
                scope: Scope::$scope,
                level: Level::$level,
                text: $text,
                workaround: $workaround,
            },
        ),)*];
    };
}
use rows;

impl Code {
    /// Class, declared scope, level, default message and workaround of a code.
    pub fn entry(self) -> Entry {
        let rows = match self as u16 {
            ..20000 => functional::ROWS,
            20000..30000 => config::ROWS,
            30000..38000 => units::ROWS,
            38000..42000 => node::ROWS,
            42000.. => cluster::ROWS,
        };
        match rows.binary_search_by_key(&self, |(code, _)| *code) {
            Ok(at) => rows[at].1,
            // A test proves that every code has its row.
            Err(_) => Code::NotSet.entry(),
        }
    }
}
