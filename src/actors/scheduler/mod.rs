//! The leader's scheduler: which worker runs which source.

pub mod ledger;

pub use ledger::Ledger;
