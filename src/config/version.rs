//! The version block: what `-V` prints and `/status` answers.

/// The release, `v` and the package's version.
pub const RELEASE: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Build facts, by the names of log fields at start: (field, value).
pub fn fields() -> [(&'static str, &'static str); 6] {
    [
        ("release-version", RELEASE),
        ("git-hash", option_env!("DM_GIT_HASH").unwrap_or("None")),
        ("git-branch", option_env!("DM_GIT_BRANCH").unwrap_or("None")),
        ("utc-build-time", option_env!("DM_BUILD_TIME").unwrap_or("None")),
        // There is no Go here; the line stays because tools read six lines.
        ("go-version", "None"),
        ("failpoint-build", "false"),
    ]
}

/// Six `Key: value` lines, each with its newline.
pub fn block() -> String {
    let names = ["Release Version", "Git Commit Hash", "Git Branch", "UTC Build Time", "Go Version", "Failpoint Build"];
    names.iter().zip(fields()).map(|(name, (_, value))| format!("{name}: {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn six_lines() {
        let block = super::block();
        assert_eq!(block.lines().count(), 6);
        assert!(block.starts_with("Release Version: v"));
        assert!(block.ends_with("Failpoint Build: false\n"));
    }
}
