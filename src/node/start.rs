//! What every role does first: log, panics, metrics, TLS provider, and the lines that say what runs.

use std::{panic, time::Duration};

use serde_json::Value;

use crate::{
    actors::node::Node,
    config::subtask::Security,
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

/// This version's own connections have no TLS yet: refused rather than silently in the clear.
pub fn refuse_tls(code: Code, security: &Security) -> Result<()> {
    let given = !security.ssl_ca.is_empty() || !security.ssl_cert.is_empty() || !security.ssl_ca_bytes.is_empty();
    if !given {
        return Ok(());
    }
    Err(DmError::new(code)
        .msg("TLS between nodes and for dmctl is not built yet, so ssl-ca, ssl-cert and ssl-key can't be kept")
        .workaround("Please remove them, and let the nodes talk over a private network until then."))
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

/// The secret of a cluster's connections.
pub fn cookie() -> String {
    COOKIE.to_owned()
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
    fn tls_settings_are_refused_not_ignored() {
        assert!(refuse_tls(Code::MasterTLSConfigNotValid, &Security::default()).is_ok());
        let set = Security { ssl_ca: "ca.pem".into(), ..Security::default() };
        let error = refuse_tls(Code::WorkerTLSConfigNotValid, &set).expect_err("refused");
        assert_eq!(error.code(), Code::WorkerTLSConfigNotValid);
    }
}
