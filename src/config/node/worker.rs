//! dm-worker: TOML keys and flags.

use super::{
    InlineTls, NodeConfig, Parsed, StartCodes, check_tls, from_args, is_dialable, log_settings,
    master::{MAX_CONNECTIONS, MAX_REQUEST_RATE, usual_when_zero},
    settings::{Setting, Slot, setting, to_toml},
    split_host_port, tls_settings,
};
use crate::{
    config::{mask::MASK, subtask::Security},
    error::{Code, DmError, Result},
};

const NAME: &str = "name of this worker, advertise-addr when empty";
const ADVERTISE: &str = "address told to others, worker-addr when empty";
const KEEPALIVE: &str = "seconds after which a silent worker loses its source";
const RELAY_TTL: &str = "the same while it pulls relay";
const LEASE: &str = "seconds after which a silent worker loses its sources; keepalive-ttl is its upper bound";
const MAX_SOURCES: &str = "sources that this worker takes at most; 0: as many as needed, 1: as DM";
/// A failed worker's sources go on within a few seconds by default.
const LEASE_TTL: u64 = 3;

/// A worker's settings.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkerConfig {
    pub name: String,
    pub log_level: String,
    pub log_file: String,
    pub log_format: String,
    pub log_rotate: String,
    /// No row values in info logs (there are none in ours at any level).
    pub redact_info_log: bool,
    /// Addresses of masters, comma list.
    pub join: String,
    pub worker_addr: String,
    pub advertise_addr: String,
    pub config_file: String,
    /// Seconds without a sign of life after which the scheduler gives the source to another worker.
    pub keepalive_ttl: i64,
    /// Another upper bound (in DM it holds while pulling relay), seconds.
    pub relay_keepalive_ttl: i64,
    /// Ours: the same for every worker, seconds. The ttls above are upper bounds of it.
    pub lease_ttl: u64,
    /// Ours: what every node of the cluster must know to use the cluster port. As written.
    pub cluster_secret: String,
    /// Ours: how many sources this worker takes at most; 0 as many as needed, 1 as in DM.
    pub max_sources: u64,
    /// Ours: open connections to the port, and requests a second of one of them.
    pub max_connections: u64,
    pub max_request_rate: u64,
    pub relay_dir: String,
    pub security: Security,
    /// True when `name` was not given and is the advertised address (a notice is printed).
    pub name_is_default: bool,
    pub(crate) inline_tls: InlineTls,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            name: String::new(),
            log_level: "info".into(),
            log_file: String::new(),
            log_format: "text".into(),
            log_rotate: String::new(),
            redact_info_log: false,
            join: String::new(),
            worker_addr: String::new(),
            advertise_addr: String::new(),
            config_file: String::new(),
            keepalive_ttl: 60,
            relay_keepalive_ttl: 1800,
            lease_ttl: LEASE_TTL,
            max_sources: 0,
            max_connections: MAX_CONNECTIONS,
            max_request_rate: MAX_REQUEST_RATE,
            cluster_secret: String::new(),
            relay_dir: String::new(),
            security: Security::default(),
            name_is_default: false,
            inline_tls: InlineTls::default(),
        }
    }
}

impl WorkerConfig {
    /// Reads the arguments behind the program's name.
    pub fn from_args(args: &[String]) -> Result<Parsed<WorkerConfig>> {
        from_args(args)
    }

    /// Reads a file's text without flags; `path` is for messages.
    pub fn from_toml(path: &str, text: &str) -> Result<WorkerConfig> {
        let mut config = WorkerConfig::default();
        super::read_text(path, text, &mut config)?;
        config.adjust()?;
        Ok(config)
    }

    /// The text for `-h`.
    pub fn help() -> String {
        super::help::<WorkerConfig>()
    }

    /// What `get-config worker` prints; inline keys are hidden.
    pub fn to_toml(&self) -> String {
        let mut copy = self.clone();
        if !copy.inline_tls.key.is_empty() {
            copy.inline_tls.key = MASK.into();
        }
        // Our own keys are shown where they were set: the rest is what DM prints.
        let hidden = [
            ("lease-ttl", copy.lease_ttl == LEASE_TTL),
            ("max-sources", copy.max_sources == 0),
            ("max-connections", copy.max_connections == MAX_CONNECTIONS),
            ("max-request-rate", copy.max_request_rate == MAX_REQUEST_RATE),
            ("cluster-secret", true),
        ];
        let mut settings = copy.settings();
        settings.retain(|s| !hidden.iter().any(|(key, hide)| *key == s.key && *hide));
        to_toml(&settings)
    }

    /// Masters to dial, without schemes.
    pub fn masters(&self) -> Vec<String> {
        addresses(&self.join)
    }
}

/// A comma list of addresses; `http://` and `https://` are dropped.
pub fn addresses(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .map(|item| item.strip_prefix("http://").or_else(|| item.strip_prefix("https://")).unwrap_or(item))
        .map(|item| item.trim_end_matches('/').to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

impl NodeConfig for WorkerConfig {
    const PROGRAM: &'static str = "dm-worker";
    const CODES: StartCodes = StartCodes {
        flags: Code::WorkerParseFlagSet,
        positional: Code::WorkerInvalidFlag,
        syntax: Code::WorkerDecodeConfigFromFile,
        unknown: Code::WorkerUndecodedItemFromFile,
    };

    fn settings(&mut self) -> Vec<Setting<'_>> {
        use Slot::*;
        let mut all = vec![setting("name", "name", NAME, Text(&mut self.name))];
        all.extend(log_settings(&mut self.log_level, &mut self.log_file, &mut self.log_format, &mut self.log_rotate));
        all.extend([
            setting("redact-info-log", "redact-info-log", "hide row values in logs", Bool(&mut self.redact_info_log)),
            setting("join", "join", "addresses of masters, comma list", Text(&mut self.join)),
            setting("worker-addr", "worker-addr", "address to listen on", Text(&mut self.worker_addr)),
            setting("advertise-addr", "advertise-addr", ADVERTISE, Text(&mut self.advertise_addr)),
            setting("config-file", "", "", Text(&mut self.config_file)),
            setting("keepalive-ttl", "keepalive-ttl", KEEPALIVE, Int(&mut self.keepalive_ttl)),
            setting("relay-keepalive-ttl", "relay-keepalive-ttl", RELAY_TTL, Int(&mut self.relay_keepalive_ttl)),
            setting("lease-ttl", "lease-ttl", LEASE, Uint(&mut self.lease_ttl)),
            setting("max-sources", "max-sources", MAX_SOURCES, Uint(&mut self.max_sources)),
            setting("max-connections", "", "", Uint(&mut self.max_connections)),
            setting("max-request-rate", "", "", Uint(&mut self.max_request_rate)),
            setting("cluster-secret", "", "", Text(&mut self.cluster_secret)),
            setting("relay-dir", "", "", Text(&mut self.relay_dir)),
        ]);
        all.extend(tls_settings(&mut self.security, &mut self.inline_tls));
        all
    }

    fn set_config_file(&mut self, path: &str) {
        if !path.is_empty() {
            self.config_file = path.to_owned();
        }
    }

    fn adjust(&mut self) -> Result<()> {
        let invalid = |message: String| Err(DmError::new(Code::WorkerHostPortNotValid).msg(message));
        if split_host_port(&self.worker_addr).is_none() {
            return invalid(format!("worker-addr {:?} must be host:port or :port", self.worker_addr));
        }
        if self.advertise_addr.is_empty() {
            if !is_dialable(&self.worker_addr) {
                return invalid(format!(
                    "worker-addr {:?} has no host that others can dial, and advertise-addr is not set",
                    self.worker_addr
                ));
            }
            self.advertise_addr = self.worker_addr.clone();
        } else if !is_dialable(&self.advertise_addr) {
            return invalid(format!(
                "advertise-addr {:?} must be host:port with a host others can dial",
                self.advertise_addr
            ));
        }
        if self.masters().is_empty() {
            return Err(DmError::new(Code::WorkerFailConnectMaster)
                .msg("join is not set: a worker needs the address of at least one master"));
        }
        if self.lease_ttl == 0 {
            self.lease_ttl = LEASE_TTL;
        }
        usual_when_zero(&mut self.max_connections, &mut self.max_request_rate);
        if self.name.is_empty() {
            self.name = self.advertise_addr.clone();
            self.name_is_default = true;
        }
        self.inline_tls.clone().apply(Code::WorkerTLSConfigNotValid, &mut self.security)?;
        check_tls(Code::WorkerTLSConfigNotValid, &self.security)
    }
}
