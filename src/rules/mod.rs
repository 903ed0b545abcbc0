//! Which tables and events are migrated, and under which names: block-allow lists, routes, binlog event filters.
//! Pure code, built once from a subtask's configuration (config facts, section 6).

pub mod block_allow;
pub mod event_filter;
pub mod event_kind;
pub mod explain;
pub mod expression;
pub mod ghost;
pub mod operator;
pub mod regexp;
pub mod router;
pub mod selector;
pub mod task;

pub use block_allow::{BlockAllow, ListReason, is_system_schema};
pub use event_filter::{EventFilter, FilterAction, FilterStep, StepOutcome};
pub use event_kind::{Event, EventKind};
pub use ghost::{Ghost, GhostTables};
pub use router::{ExtraColumn, Route, Router, check_places};
pub use task::{Admission, TaskRules};
