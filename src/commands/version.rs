//! `dmctl --version`: the version block, on stderr as the original prints it.

/// The six `Key: value` lines, ended by a newline.
pub fn block() -> String {
    let value = |value: Option<&'static str>| value.unwrap_or("None");
    format!(
        "Release Version: v{}\nGit Commit Hash: {}\nGit Branch: {}\nUTC Build Time: {}\nGo Version: None\nFailpoint Build: false\n",
        env!("CARGO_PKG_VERSION"),
        value(option_env!("DM_GIT_HASH")),
        value(option_env!("DM_GIT_BRANCH")),
        value(option_env!("DM_BUILD_TIME")),
    )
}
