//! The node daemon: what happens between `main` and the actors, for each role.
//!
//! `role` reads which role is asked for; `master`, `worker` and `standalone` start it, wait for a signal or the end,
//! and stop it; `join` is how a worker finds its cluster.

pub(crate) mod join;
mod ledger;
mod master;
mod port;
pub mod role;
mod signals;
mod standalone;
mod start;
mod worker;

use std::{
    io::Write,
    net::{SocketAddr, ToSocketAddrs},
};

use self::role::{Call, Role, USAGE};
use crate::{
    config::{
        node::{MasterConfig, Parsed, StandaloneConfig, WorkerConfig},
        version,
    },
    error::{Code, DmError, Result},
};

pub use self::{master::run_master, standalone::run_standalone, start::cookie, worker::run_worker};

/// A wrong command line, a failed start of a master, a failed join.
const EXIT_START: i32 = 2;
/// A worker that can't serve.
const EXIT_SERVE: i32 = 1;

/// Runs the program; `argv` begins with its own name. Returns the exit code.
pub async fn main(argv: Vec<String>) -> i32 {
    match role::call(&argv) {
        Call::Run(Role::Master, args) => match read(MasterConfig::from_args(args), start::MASTER_SAMPLE) {
            Ok(config) => run_master(*config).await,
            Err(code) => code,
        },
        Call::Run(Role::Worker, args) => match read(WorkerConfig::from_args(args), start::WORKER_SAMPLE) {
            Ok(config) => run_worker(*config).await,
            Err(code) => code,
        },
        Call::Run(Role::Standalone, args) => match read(StandaloneConfig::from_args(args), start::STANDALONE_SAMPLE) {
            Ok(config) => run_standalone(*config).await,
            Err(code) => code,
        },
        Call::Help => end(&mut std::io::stdout(), USAGE, 0),
        Call::Version => end(&mut std::io::stdout(), &version::block(), 0),
        Call::Unclear(why) => end(&mut std::io::stderr(), &format!("{why}\n\n{USAGE}"), EXIT_START),
    }
}

/// The configuration, or the exit code of a call that ends at once.
fn read<T>(parsed: Result<Parsed<T>>, sample: &str) -> Result<Box<T>, i32> {
    let mut out = std::io::stdout();
    match parsed {
        Ok(Parsed::Run(config)) => Ok(config),
        Ok(Parsed::PrintVersion) => Err(end(&mut out, &version::block(), 0)),
        Ok(Parsed::PrintSample) => Err(end(&mut out, sample, 0)),
        Ok(Parsed::Help(text)) => Err(end(&mut std::io::stderr(), &text, 0)),
        Err(e) => Err(end(&mut out, &format!("parse cmd flags err: {e}"), EXIT_START)),
    }
}

fn end(out: &mut dyn Write, text: &str, code: i32) -> i32 {
    // Nobody listening is no reason to fail.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
    code
}

/// `host:port` of a peer URL such as `http://10.0.0.1:8291`.
fn peer_address(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// Where a master's cluster port listens: the first of `peer-urls`.
fn peer_listen(peer_urls: &str) -> Result<SocketAddr> {
    let first = peer_urls.split(',').next().unwrap_or_default();
    let invalid = || DmError::new(Code::MasterParseURLFail).msg(format!("peer URL {first:?} can't be listened on"));
    let address = peer_address(first).ok_or_else(invalid)?;
    let mut resolved = address.to_socket_addrs().map_err(|e| invalid().cause(e))?;
    resolved.next().ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_urls_give_host_and_port() {
        assert_eq!(peer_address("http://10.0.0.1:8291").as_deref(), Some("10.0.0.1:8291"));
        assert_eq!(peer_address("http://[::1]:8291").as_deref(), Some("[::1]:8291"));
        assert_eq!(peer_address("nonsense"), None);
        let listen = peer_listen("http://127.0.0.1:8291,http://127.0.0.1:8292").expect("an address");
        assert_eq!(listen.to_string(), "127.0.0.1:8291");
        assert_eq!(peer_listen("http://no such host:1").expect_err("no host").code(), Code::MasterParseURLFail);
    }

    #[tokio::test]
    async fn wrong_calls_have_dms_exit_codes() {
        for (line, code) in [
            ("dm-node", 2),
            ("dm-node --help", 0),
            ("dm-node -V", 0),
            ("dm-master -V", 0),
            ("dm-master --no-such-flag", 2),
            ("dm-worker --worker-addr nonsense --join h:1", 2),
            ("dm-worker -print-sample-config", 0),
            ("dm-node standalone --help", 0),
        ] {
            let argv = line.split(' ').map(str::to_owned).collect();
            assert_eq!(main(argv).await, code, "{line}");
        }
    }
}
