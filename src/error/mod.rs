//! Errors: DM's codes with class, scope, level, message, raw cause and workaround.
//! Rendering follows the original (`[code=..:class=..:scope=..:level=..], Message: .., RawCause: .., Workaround: ..`).

pub mod policy;
mod table;

use std::fmt;

pub use table::{Code, Entry};

use crate::{mysql::position::BinlogPosition, pb};

/// The crate's result.
pub type Result<T, E = DmError> = std::result::Result<T, E>;

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($variant,)* }

        impl $name {
            /// The text that is printed.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

text_enum! {
    /// The part of the system an error belongs to.
    Class {
        Database = "database", Functional = "functional", Config = "config", BinlogOp = "binlog-op",
        Checkpoint = "checkpoint", TaskCheck = "task-check", SourceCheck = "source-check",
        RelayEventLib = "relay-event-lib", RelayUnit = "relay-unit", DumpUnit = "dump-unit",
        LoadUnit = "load-unit", SyncUnit = "sync-unit", DmMaster = "dm-master", DmWorker = "dm-worker",
        DmTracer = "dm-tracer", SchemaTracker = "schema-tracker", Scheduler = "scheduler", Dmctl = "dmctl",
        NotSet = "not-set", OpenApi = "openapi", Validator = "validator", Ha = "ha",
    }
}

text_enum! {
    /// Which side of the migration an error comes from.
    Scope { NotSet = "not-set", Upstream = "upstream", Downstream = "downstream", Internal = "internal", }
}

text_enum! {
    /// How bad an error is.
    Level { Low = "low", Medium = "medium", High = "high", }
}

/// One error as users see it. Cheap to move (boxed); the raw cause is always the innermost cause.
#[derive(Clone, PartialEq, Debug)]
pub struct DmError(Box<Fields>);

#[derive(Clone, PartialEq, Debug)]
struct Fields {
    code: Code,
    scope: Scope,
    message: String,
    raw_cause: String,
    workaround: String,
    event: Option<EventRef>,
}

/// The event of a source's binlog that an error is about.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct EventRef {
    /// Where it begins.
    pub position: BinlogPosition,
    /// Of its transaction; empty without GTIDs.
    pub gtid: String,
    /// What it holds.
    pub class: EventClass,
    /// Which of the statements that stand for the event failed; 0 is the first.
    pub step: u32,
    /// All that an operator put before the event had run.
    pub injected: bool,
}

/// What an event of a source's binlog holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum EventClass {
    Statement,
    Rows,
    /// Nothing that can be migrated: an incident, a type that isn't known, rows that the source no longer has.
    Refused,
}

impl DmError {
    /// An error with the table's message and workaround.
    pub fn new(code: Code) -> Self {
        let entry = code.entry();
        DmError(Box::new(Fields {
            code,
            scope: entry.scope,
            message: entry.text.to_owned(),
            raw_cause: String::new(),
            workaround: entry.workaround.to_owned(),
            event: None,
        }))
    }

    /// Replaces the message.
    pub fn msg(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Sets the innermost cause, unless one is already known.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        if self.0.raw_cause.is_empty() {
            self.0.raw_cause = cause.to_string();
        }
        self
    }

    /// Says which side it comes from.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.0.scope = scope;
        self
    }

    /// Replaces the workaround.
    pub fn workaround(mut self, text: impl Into<String>) -> Self {
        self.0.workaround = text.into();
        self
    }

    /// Puts `prefix: ` before the message; everything else stays.
    pub fn annotate(mut self, prefix: impl fmt::Display) -> Self {
        self.0.message = format!("{prefix}: {}", self.0.message);
        self
    }

    /// Says which event it is about.
    pub fn at_event(mut self, event: EventRef) -> Self {
        self.0.event = Some(event);
        self
    }

    /// The event it is about, if it is about one.
    pub fn event(&self) -> Option<&EventRef> {
        self.0.event.as_ref()
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message without code and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The innermost cause; empty when there is none.
    pub fn raw_cause(&self) -> &str {
        &self.0.raw_cause
    }

    /// What an operator can do; empty when nothing is known.
    pub fn workaround_text(&self) -> &str {
        &self.0.workaround
    }

    /// Which side the error comes from.
    pub fn scope_of(&self) -> Scope {
        self.0.scope
    }

    /// The form of `result.errors[]` in query-status.
    pub fn to_process_error(&self) -> pb::ProcessError {
        let entry = self.0.code.entry();
        pb::ProcessError {
            err_code: self.0.code as i32,
            err_class: entry.class.as_str().into(),
            err_scope: self.0.scope.as_str().into(),
            err_level: entry.level.as_str().into(),
            message: self.0.message.clone(),
            raw_cause: self.0.raw_cause.clone(),
            workaround: self.0.workaround.clone(),
        }
    }
}

impl fmt::Display for DmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (e, entry) = (&self.0, self.0.code.entry());
        write!(
            f,
            "[code={}:class={}:scope={}:level={}]",
            e.code as u16,
            entry.class.as_str(),
            e.scope.as_str(),
            entry.level.as_str()
        )?;
        for (name, text) in [("Message", &e.message), ("RawCause", &e.raw_cause), ("Workaround", &e.workaround)] {
            if !text.is_empty() {
                write!(f, ", {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for DmError {}

impl From<Code> for DmError {
    fn from(code: Code) -> Self {
        DmError::new(code)
    }
}
