//! What every role does first: log, panics, metrics, TLS provider, and the lines that say what runs.

use std::{net::SocketAddr, panic, time::Duration};

use serde_json::Value;

use crate::{
    actors::node::Node,
    config::{Security, secret, subtask::Secret},
    error::{Code, DmError, Result},
    observe::{self, events::NodeStarted},
};

/// `-print-sample-config` of each program.
pub const MASTER_SAMPLE: &str = include_str!("../../configs/dm-master.toml");
pub const WORKER_SAMPLE: &str = include_str!("../../configs/dm-worker.toml");
pub const STANDALONE_SAMPLE: &str = "\
# A whole cluster in one process. Every key can also be given as a flag, which wins.

# The folder for everything the node keeps: the cluster's state, dumped files, relay.
data-dir = \"./dm-data\"
# Where dmctl and HTTP clients connect.
master-addr = \"127.0.0.1:8261\"
# Status and metrics of the worker half.
worker-addr = \"127.0.0.1:8262\"

# debug, info, warn, error, fatal
log-level = \"info\"
# Without it to stdout.
log-file = \"\"
# text or json
log-format = \"text\"
";

/// The cookie of a cluster's connections: proved in the handshake, never sent.
const COOKIE: &str = "dm-cluster";

/// How long the actors of a node may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Process-wide set-up, once, before any connection. A second call in one process (tests) changes nothing.
fn process() {
    // The only provider we link; an error means that one is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let earlier = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        // Not the panic's text: it may show a value that was being worked on.
        tracing::error!(place, thread, "a part of the program panicked");
        if cfg!(debug_assertions) {
            earlier(info);
        }
    }));
}

/// The first two lines of a log: what program, which settings. `toml` has no secrets.
pub fn welcome(program: &str, role: &'static str, toml: &str) {
    observe::metrics::install();
    observe::metrics::add_role(role);
    NodeStarted { program, config: &json(toml).to_string() }.emit();
}

fn json(toml: &str) -> Value {
    toml::from_str(toml).unwrap_or(Value::Null)
}

/// Starts the log and the rest of the process; the exit code when the log can't be.
pub fn log(level: &str, file: &str, format: &str) -> Result<(), i32> {
    if let Err(e) = observe::log::init(level, file, format) {
        return Err(super::end(&mut std::io::stdout(), &format!("init logger error {e}"), super::EXIT_START));
    }
    process();
    Ok(())
}

/// Stops a node's actors. Units end at a safe point within 10 s; a node that hangs all the same is left behind.
pub async fn stop(node: &Node) {
    if tokio::time::timeout(STOP_LIMIT, node.stop()).await.is_err() {
        tracing::warn!(seconds = STOP_LIMIT.as_secs(), "the node did not stop in time, it is left behind");
    }
}

/// What is wrong with the certificates is said before anything runs.
pub async fn check_tls(code: Code, security: &Security) -> Result<()> {
    let checked = crate::actors::node::check_tls(security).await;
    checked.map_err(|why| {
        DmError::new(code)
            .msg("the TLS settings can't be used")
            .cause(why)
            .workaround("Please give ssl-ca, ssl-cert and ssl-key together, all in PEM and readable.")
    })
}

/// What `cluster-secret` says of a cluster port that is open on purpose.
const OPEN: &str = "none";

/// A cluster port that others reach needs TLS or a secret (or its owner's word that it is to be open): 38037.
pub fn check_guard(listen: SocketAddr, configured: &str, security: &Security) -> Result<()> {
    if !configured.is_empty() || listen.ip().is_loopback() || crate::transport::tls::wanted(security) {
        return Ok(());
    }
    Err(DmError::new(Code::MasterGenEmbedEtcdConfigFail)
        .msg(format!("the cluster port {listen} is reached from other machines, and has neither TLS nor a `cluster-secret`"))
        .workaround(
            "Please write the same `cluster-secret` (a text, ${NAME} or file:PATH) into the configuration of every master \
             and worker, or set ssl-ca, ssl-cert and ssl-key. `cluster-secret = \"none\"` lets everybody in who reaches the port.",
        ))
}

/// The secret of a cluster's connections: `cluster-secret`, of which a `${NAME}` or `file:PATH` is looked up. Without
/// one it is the same everywhere, and whoever reaches the port can be a node, unless TLS keeps it out.
pub fn cookie(configured: &str, security: &Security) -> Result<String> {
    if configured.is_empty() || configured == OPEN {
        if configured == OPEN && !crate::transport::tls::wanted(security) {
            tracing::warn!("`cluster-secret` is \"none\": whoever reaches the cluster port can join the cluster");
        }
        return Ok(COOKIE.to_owned());
    }
    // Never the text itself: it must not be found in a dump of what was sent, nor be short.
    let secret = secret::reveal(&Secret(configured.to_owned()))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("dm-node:{secret}").as_bytes());
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Parsed, StandaloneConfig};

    #[test]
    fn the_standalone_sample_has_the_defaults() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), STANDALONE_SAMPLE).expect("written");
        let read = |args: &[String]| match StandaloneConfig::from_args(args) {
            Ok(Parsed::Run(config)) => (config.data_dir, config.master_addr, config.worker_addr, config.log_level),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&["-config".to_owned(), file.path().display().to_string()]), read(&[]));
    }

    #[test]
    fn a_port_for_other_machines_needs_a_guard() {
        let (here, everywhere) = (([127, 0, 0, 1], 8291).into(), ([0, 0, 0, 0], 8291).into());
        let none = Security::default();
        assert!(check_guard(here, "", &none).is_ok());
        let error = check_guard(everywhere, "", &none).expect_err("open").to_string();
        assert!(error.starts_with("[code=38037") && error.contains("cluster-secret"), "{error}");
        for said in ["a secret", OPEN] {
            assert!(check_guard(everywhere, said, &none).is_ok());
        }
        assert_eq!(cookie(OPEN, &none).expect("open"), COOKIE);
    }

    #[test]
    fn a_secret_is_looked_up_and_never_shown() {
        let none = Security::default();
        assert_eq!(cookie("", &none).expect("the default"), COOKIE);
        let given = cookie("a secret", &none).expect("given");
        assert!(given.len() == 64 && !given.contains("a secret"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "a secret\n").expect("written");
        assert_eq!(cookie(&format!("file:{}", file.path().display()), &none).expect("looked up"), given);
        assert!(cookie("file:/nowhere/at/all", &none).is_err());
    }
}
