//! Which role a call of the program means: by its own name, else by its first argument.

use std::path::Path;

/// What a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Master,
    Worker,
    /// Both in one process.
    Standalone,
}

impl Role {
    /// The name of the original's program; both halves of a standalone node keep theirs in the log.
    pub fn program(self) -> &'static str {
        match self {
            Role::Master => "dm-master",
            Role::Worker => "dm-worker",
            Role::Standalone => "dm-node standalone",
        }
    }
}

/// What `dm-node` was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call<'a> {
    Run(Role, &'a [String]),
    Help,
    Version,
    /// No role, or one that does not exist.
    Unclear(String),
}

/// Shown by `dm-node --help`.
pub const USAGE: &str = "\
dm-node runs the nodes of a DM cluster.

Usage:
  dm-node standalone [flags]   a whole cluster in one process, everything it keeps in one folder (--data-dir)
  dm-node master [flags]       a dm-master: takes dm-master's flags and TOML file
  dm-node worker [flags]       a dm-worker: takes dm-worker's flags and TOML file
  dm-node <role> --help        the flags of a role
  dm-node -V                   the version

Called as `dm-master` or `dm-worker` (a link or a copy of this program) it is that program.";

/// Reads the command line, the program's own name included.
pub fn call(argv: &[String]) -> Call<'_> {
    let (me, args) = argv.split_first().map_or(("dm-node", argv), |(me, args)| (me.as_str(), args));
    match Path::new(me).file_stem().and_then(|name| name.to_str()) {
        Some("dm-master") => return Call::Run(Role::Master, args),
        Some("dm-worker") => return Call::Run(Role::Worker, args),
        _ => {}
    }
    let Some((first, rest)) = args.split_first() else { return Call::Unclear("no role is given".into()) };
    match first.as_str() {
        "master" => Call::Run(Role::Master, rest),
        "worker" => Call::Run(Role::Worker, rest),
        "standalone" => Call::Run(Role::Standalone, rest),
        "help" | "-h" | "-help" | "--help" => Call::Help,
        "-V" | "--version" | "-version" => Call::Version,
        other => Call::Unclear(format!("`{other}` is no role")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_role_comes_from_the_name_or_the_first_argument() {
        for (line, role, rest) in [
            ("/usr/bin/dm-master -L debug", Role::Master, "-L debug"),
            ("dm-worker", Role::Worker, ""),
            ("./dm-worker.exe worker", Role::Worker, "worker"),
            ("dm-node master --name m", Role::Master, "--name m"),
            ("target/dm-node worker", Role::Worker, ""),
            ("dm-node standalone -V", Role::Standalone, "-V"),
        ] {
            assert_eq!(call(&words(line)), Call::Run(role, &words(rest)), "{line}");
        }
    }

    #[test]
    fn anything_else_gets_help() {
        assert_eq!(call(&words("dm-node --help")), Call::Help);
        assert_eq!(call(&words("dm-node -V")), Call::Version);
        for line in ["", "dm-node", "dm-node -L debug", "dm-node Master"] {
            assert!(matches!(call(&words(line)), Call::Unclear(_)), "{line}");
        }
    }
}
