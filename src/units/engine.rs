//! Which engines of the target can roll back: only their tables can hold rows and progress in one transaction.

/// Whether an engine has transactions. An empty text is the server's default, InnoDB.
pub fn is_transactional(engine: &str) -> bool {
    !["MYISAM", "ARIA", "MEMORY", "HEAP", "CSV", "ARCHIVE", "MERGE", "MRG_MYISAM", "BLACKHOLE", "S3", "SEQUENCE"]
        .iter()
        .any(|name| engine.eq_ignore_ascii_case(name))
}
