//! `dmctl --version`: the version block, on stderr as the original prints it.

/// Six `Key: value` lines, each with its newline.
pub fn block() -> String {
    crate::config::version::block()
}
