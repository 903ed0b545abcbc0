//! Online schema changes of gh-ost and pt-osc: what is done to a shadow table is kept, and done to the real table when
//! the two are swapped. See docs/sync/online-ddl.md.

mod record;
mod steps;
mod unseen;

pub use record::Records;
pub use steps::{Aside, Place};
