//! The global flags, the file of `--config`, and `DM_MASTER_ADDR`.

use std::time::Duration;

use super::{
    cobra::{Flag, Matches},
    connect::TlsFiles,
    session::{Failure, Target},
};
use crate::config::GoDuration;

/// `-s`, which every command has in both modes.
const SOURCE: Flag = Flag::list("source", "MySQL Source ID.").short('s').inherited();

/// Root flags of the one-shot mode.
pub const COMMAND_MODE: &[Flag] = &[
    Flag::text("config", "", "Path to config file.").inherited(),
    Flag::text(
        "master-addr",
        "",
        "Master API server address, this parameter is required when interacting with the dm-master",
    )
    .inherited(),
    Flag::text("rpc-timeout", "10m", "RPC timeout, default is 10m.").inherited(),
    SOURCE,
    Flag::text("ssl-ca", "", "Path of file that contains list of trusted SSL CAs for connection.").inherited(),
    Flag::text("ssl-cert", "", "Path of file that contains X509 certificate in PEM format for connection.").inherited(),
    Flag::text("ssl-key", "", "Path of file that contains X509 key in PEM format for connection.").inherited(),
    Flag::switch("version", "Prints version and exit.").short('V').inherited(),
];

/// Root flags inside the interactive mode.
pub const INTERACTIVE_MODE: &[Flag] = &[SOURCE];

/// Long flags that may also be written with one dash.
const SINGLE_DASH: &[&str] = &["version", "config", "master-addr", "rpc-timeout", "ssl-ca", "ssl-cert", "ssl-key"];

/// Rewrites `-master-addr=x` to `--master-addr=x`, and so on.
pub fn normalize(args: Vec<String>) -> Vec<String> {
    let rewrite = |arg: String| {
        let name = arg.strip_prefix('-').map(|rest| rest.split('=').next().unwrap_or_default());
        match name {
            Some(name) if SINGLE_DASH.contains(&name) => format!("-{arg}"),
            _ => arg,
        }
    };
    args.into_iter().map(rewrite).collect()
}

/// What the global flags amount to. Flags win over the file; the environment is the default of `--master-addr`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Globals {
    pub target: Target,
    pub rpc_timeout: Duration,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct File {
    master_addr: String,
    rpc_timeout: String,
    ssl_ca: String,
    ssl_cert: String,
    ssl_key: String,
    /// Accepted for DM's files; it means something to servers only.
    #[allow(dead_code)]
    cert_allowed_cn: Vec<String>,
}

impl Globals {
    /// Reads flags, the file that `--config` names, and the environment's master address.
    pub fn read(matches: &Matches, env_master_addr: &str) -> Result<Globals, Failure> {
        let file = match matches.one("config") {
            "" => File::default(),
            path => read_file(path)?,
        };
        let pick = |flag: &str, from_file: &str| match matches.given(flag) || from_file.is_empty() {
            true => matches.one(flag).to_owned(),
            false => from_file.to_owned(),
        };
        let mut addresses = pick("master-addr", &file.master_addr);
        if addresses.is_empty() {
            addresses = env_master_addr.to_owned();
        }
        let endpoints = endpoints(&addresses);
        if endpoints.is_empty() {
            return Err(Failure::Text(
                "--master-addr not provided: name the masters with it, in the file of --config, or in the \
                 environment variable DM_MASTER_ADDR (see `dmctl --help`)"
                    .to_owned(),
            ));
        }
        let rpc_timeout = timeout(&pick("rpc-timeout", &file.rpc_timeout))?;
        let tls = TlsFiles {
            ca: pick("ssl-ca", &file.ssl_ca),
            cert: pick("ssl-cert", &file.ssl_cert),
            key: pick("ssl-key", &file.ssl_key),
        };
        Ok(Globals { target: Target { endpoints, tls }, rpc_timeout })
    }
}

fn read_file(path: &str) -> Result<File, Failure> {
    let wrong = |e: &dyn std::fmt::Display| Failure::Text(format!("can't read config file {path}: {e}"));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    toml::from_str(&text).map_err(|e| wrong(&e.to_string().trim_end()))
}

/// The addresses of a comma list, without `http://`.
fn endpoints(list: &str) -> Vec<String> {
    let bare = |address: &str| {
        let address = address.trim();
        let address = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")).unwrap_or(address);
        address.trim_end_matches('/').to_owned()
    };
    list.split(',').map(bare).filter(|address| !address.is_empty()).collect()
}

fn timeout(text: &str) -> Result<Duration, Failure> {
    let wrong = |reason: String| Failure::Text(format!("invalid rpc-timeout {text:?}: {reason}"));
    let duration: GoDuration = text.parse().map_err(wrong)?;
    if duration.0 <= 0 {
        return Err(wrong("it must be positive, such as 30s or 10m".to_owned()));
    }
    Ok(duration.to_std())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dmctl::cobra::{Tool, parse};

    fn read(args: &[&str], env: &str) -> Result<Globals, Failure> {
        let tool = Tool { name: "dmctl", about: "", flags: COMMAND_MODE, commands: &[] };
        let args = normalize(args.iter().map(|a| (*a).to_owned()).collect());
        Globals::read(&parse(&tool, &args).unwrap().matches, env)
    }

    #[test]
    fn flags_win_over_the_file_and_the_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "master-addr = \"f:1\"\nrpc-timeout = \"3s\"\n").unwrap();
        let path = file.path().to_str().unwrap();
        let from_file = read(&["-config", path], "e:1").unwrap();
        assert_eq!(
            (from_file.target.endpoints, from_file.rpc_timeout),
            (vec!["f:1".to_owned()], Duration::from_secs(3))
        );
        let from_flags = read(&["--config", path, "-master-addr=http://a:1, b:2/", "-rpc-timeout", "1m"], "").unwrap();
        assert_eq!(from_flags.target.endpoints, ["a:1", "b:2"]);
        assert_eq!(from_flags.rpc_timeout, Duration::from_secs(60));
        assert_eq!(read(&[], "e:1").unwrap().target.endpoints, ["e:1"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (args, fragment) in [
            (vec![], "--master-addr not provided"),
            (vec!["--master-addr", "a:1", "--rpc-timeout", "5"], "missing unit in duration"),
            (vec!["--master-addr", "a:1", "--rpc-timeout", "-5s"], "must be positive"),
            (vec!["--config", "/nonexistent.toml"], "can't read config file /nonexistent.toml"),
        ] {
            let Err(Failure::Text(text)) = read(&args, "") else { panic!("{args:?}") };
            assert!(text.contains(fragment), "{text}");
        }
    }
}
