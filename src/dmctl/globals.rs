//! The global flags, the file of `--config`, and `DM_MASTER_ADDR`.

use std::time::Duration;

use super::{
    cobra::{Flag, Matches},
    session::{Failure, Target},
};
use crate::config::DmctlConfig;

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
    // Of DM before v6: without a master, on the machine that has the key's file.
    Flag::text("encrypt", "", "Encrypts plaintext to ciphertext.").hidden(),
    Flag::text("decrypt", "", "Decrypts ciphertext to plaintext.").hidden(),
    Flag::text("secret-key-path", "", "Path of the key's file, for --encrypt and --decrypt.").hidden(),
];

/// Root flags inside the interactive mode.
pub const INTERACTIVE_MODE: &[Flag] = &[SOURCE];

/// Long flags that may also be written with one dash.
const SINGLE_DASH: &[&str] = &[
    "version",
    "config",
    "master-addr",
    "rpc-timeout",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "encrypt",
    "decrypt",
    "secret-key-path",
];

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

impl Globals {
    /// Reads flags, the file that `--config` names, and the environment's master address.
    pub fn read(matches: &Matches, env_master_addr: &str) -> Result<Globals, Failure> {
        let mut config = match matches.one("config") {
            "" => DmctlConfig::default(),
            path => read_file(path)?,
        };
        for (flag, value) in [
            ("master-addr", &mut config.master_addr),
            ("rpc-timeout", &mut config.rpc_timeout),
            ("ssl-ca", &mut config.security.ssl_ca),
            ("ssl-cert", &mut config.security.ssl_cert),
            ("ssl-key", &mut config.security.ssl_key),
        ] {
            if matches.given(flag) {
                *value = matches.one(flag).to_owned();
            }
        }
        if config.master_addr.is_empty() {
            config.master_addr = env_master_addr.to_owned();
        }
        let endpoints = config.masters();
        if endpoints.is_empty() {
            return Err(Failure::Text(
                "--master-addr not provided: name the masters with it, in the file of --config, or in the \
                 environment variable DM_MASTER_ADDR (see `dmctl --help`)"
                    .to_owned(),
            ));
        }
        let rpc_timeout = config.timeout().map_err(|e| Failure::Text(e.message().to_owned()))?;
        let DmctlConfig { security, .. } = config;
        Ok(Globals { target: Target { endpoints, tls: security }, rpc_timeout })
    }
}

fn read_file(path: &str) -> Result<DmctlConfig, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::Text(format!("can't read config file {path}: {e}")))?;
    Ok(DmctlConfig::from_toml(path, &text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dmctl::cobra::{Tool, parse};

    fn read(args: &[&str], env: &str) -> Result<Globals, Failure> {
        let tool = Tool { name: "dmctl", about: "", flags: COMMAND_MODE, commands: &[], runs: true };
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
            (vec!["--master-addr", "a:1", "--rpc-timeout", "5"], "rpc-timeout"),
            (vec!["--master-addr", "a:1", "--rpc-timeout", "-5s"], "rpc-timeout"),
            (vec!["--config", "/nonexistent.toml"], "can't read config file /nonexistent.toml"),
        ] {
            let Err(Failure::Text(text)) = read(&args, "") else { panic!("{args:?}") };
            assert!(text.contains(fragment), "{text}");
        }
    }
}
