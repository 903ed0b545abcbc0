//! Collations of two servers: what each has, what stands on the target for one that it lacks, and what a statement
//! must say so that the target's table compares as the source's does.

mod catalog;
mod nearest;
mod policy;
mod source;
mod traits;

pub use catalog::Catalog;
pub use nearest::{Difference, nearest};
pub use policy::{CollationPolicy, Mapping, OnUnknown};
pub use source::SourceDefaults;
pub use traits::{Rules, Sensitivity, Traits};
