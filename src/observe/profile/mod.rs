//! Profiles of this process, as `go tool pprof` reads them: where the CPU's time goes, and who holds the heap.

pub mod cpu;
pub mod heap;
pub mod threads;

/// Messages of the pprof format.
pub mod pb {
    #![allow(missing_docs, clippy::doc_markdown)]
    include!(concat!(env!("OUT_DIR"), "/perftools.profiles.rs"));
}

/// Why there is no profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoProfile {
    /// Another one is being made.
    Busy,
    /// This program, as it was built or started, can't; and what does.
    Unable(String),
    /// It went wrong.
    Failed(String),
}
