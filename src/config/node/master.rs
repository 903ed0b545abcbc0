//! dm-master: TOML keys and flags.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    InlineTls, NodeConfig, Parsed, StartCodes, check_tls, from_args, is_dialable, log_settings,
    settings::{Setting, Slot, setting, to_toml},
    split_host_port, tls_settings,
};
use crate::{
    config::{duration::GoDuration, mask::MASK, secret, subtask::Security},
    error::{Code, DmError, Result},
};

/// The smallest quota the original's store accepts.
const MIN_QUOTA: i64 = 500 << 20;
/// Where peers listen when nothing is written.
const DEFAULT_PEER_URLS: &str = "http://127.0.0.1:8291";

/// Without `max-connections` and `max-request-rate`.
pub(super) const MAX_CONNECTIONS: u64 = 2048;
pub(super) const MAX_REQUEST_RATE: u64 = 500;

/// What `heartbeat-interval` may be.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(5);

const HEARTBEAT: &str = "ours: between two heartbeats of the leader; longer than the way between two masters and back";
const ADVERTISE: &str = "address told to others, master-addr when empty";
const NAME: &str = "name of this master, dm-master-<hostname> when empty";
const DATA_DIR: &str = "folder of the cluster's state, default.<name> when empty";
const PEERS: &str = "URLs told to other masters, peer-urls when empty";
const INITIAL: &str = "first members, <name>=<advertise-peer-urls> when empty";
const NO_EFFECT: &str = "accepted for the original's files, without effect";
const V1_SOURCES: &str = "folder of source files of a v1.0 cluster";
pub(super) const SECRET_KEY: &str = "file with the key (64 hexadecimal characters) of encrypted passwords";

/// A master's settings. Texts are kept as written, `adjust` fills in what follows from others.
#[derive(Clone, PartialEq, Debug)]
pub struct MasterConfig {
    pub log_level: String,
    pub log_file: String,
    pub log_format: String,
    pub log_rotate: String,
    pub rpc_timeout: String,
    pub rpc_rate_limit: f64,
    pub rpc_rate_burst: i64,
    pub master_addr: String,
    pub advertise_addr: String,
    pub config_file: String,
    pub name: String,
    pub data_dir: String,
    pub peer_urls: String,
    pub advertise_peer_urls: String,
    pub initial_cluster: String,
    pub initial_cluster_state: String,
    pub join: String,
    pub max_txn_ops: u64,
    pub max_request_bytes: u64,
    pub auto_compaction_mode: String,
    pub auto_compaction_retention: String,
    pub quota_backend_bytes: i64,
    pub openapi: bool,
    pub v1_sources_path: String,
    pub security: Security,
    pub secret_key_path: String,
    /// Ours: what every node of the cluster must know to use the cluster port. As written.
    pub cluster_secret: String,
    /// Ours: between two heartbeats of the leading master, and what a request between masters may take: a duration.
    pub heartbeat_interval: String,
    /// Ours: open connections to the client port, and requests a second of one of them.
    pub max_connections: u64,
    pub max_request_rate: u64,
    /// What that file holds.
    pub secret_keys: SecretKeys,
    /// What the operator should know, to be logged at start.
    pub warnings: Vec<String>,
    pub(crate) inline_tls: InlineTls,
}

/// Keys that never show.
#[derive(Clone, PartialEq, Default)]
pub struct SecretKeys(pub Vec<[u8; secret::KEY]>);

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl Default for MasterConfig {
    fn default() -> Self {
        MasterConfig {
            log_level: "info".into(),
            log_file: String::new(),
            log_format: "text".into(),
            log_rotate: String::new(),
            rpc_timeout: "30s".into(),
            rpc_rate_limit: 10.0,
            rpc_rate_burst: 40,
            master_addr: String::new(),
            advertise_addr: String::new(),
            config_file: String::new(),
            name: String::new(),
            data_dir: String::new(),
            peer_urls: DEFAULT_PEER_URLS.into(),
            advertise_peer_urls: String::new(),
            initial_cluster: String::new(),
            initial_cluster_state: "new".into(),
            join: String::new(),
            max_txn_ops: 2048,
            max_request_bytes: 1_572_864,
            auto_compaction_mode: "periodic".into(),
            auto_compaction_retention: "1h".into(),
            quota_backend_bytes: 2_147_483_648,
            openapi: false,
            v1_sources_path: String::new(),
            security: Security::default(),
            secret_key_path: String::new(),
            cluster_secret: String::new(),
            heartbeat_interval: "150ms".into(),
            max_connections: MAX_CONNECTIONS,
            max_request_rate: MAX_REQUEST_RATE,
            secret_keys: SecretKeys::default(),
            warnings: Vec::new(),
            inline_tls: InlineTls::default(),
        }
    }
}

impl MasterConfig {
    /// Reads the arguments behind the program's name.
    pub fn from_args(args: &[String]) -> Result<Parsed<MasterConfig>> {
        from_args(args)
    }

    /// Reads a file's text without flags; `path` is for messages.
    pub fn from_toml(path: &str, text: &str) -> Result<MasterConfig> {
        let mut config = MasterConfig::default();
        super::read_text(path, text, &mut config)?;
        config.adjust()?;
        Ok(config)
    }

    /// `heartbeat-interval`; zero when it is not a duration.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat_interval.parse::<GoDuration>().map(GoDuration::to_std).unwrap_or_default()
    }

    /// The text for `-h`.
    pub fn help() -> String {
        super::help::<MasterConfig>()
    }

    /// What `get-config master` prints; inline keys are hidden.
    pub fn to_toml(&self) -> String {
        let mut copy = self.clone();
        if !copy.inline_tls.key.is_empty() {
            copy.inline_tls.key = MASK.into();
        }
        let mut settings = copy.settings();
        // Ours: the secret one never, limits where they were set.
        let shown = |key: &str| match key {
            "cluster-secret" | "heartbeat-interval" => false,
            "max-connections" => self.max_connections != MAX_CONNECTIONS,
            "max-request-rate" => self.max_request_rate != MAX_REQUEST_RATE,
            _ => true,
        };
        settings.retain(|s| shown(s.key));
        to_toml(&settings) + "\n[experimental]\n"
    }

    /// How long a call to a worker may take.
    pub fn rpc_timeout(&self) -> std::time::Duration {
        self.rpc_timeout.parse::<GoDuration>().unwrap_or(GoDuration::from_secs(30)).to_std()
    }

    fn adjust_addresses(&mut self) -> Result<()> {
        let Some((host, _)) = split_host_port(&self.master_addr) else {
            return Err(DmError::new(Code::MasterHostPortNotValid)
                .msg(format!("master-addr {:?} must be host:port or :port", self.master_addr)));
        };
        if self.advertise_addr.is_empty() {
            if !is_dialable(&self.master_addr) {
                return Err(DmError::new(Code::MasterHostPortNotValid).msg(format!(
                    "master-addr {:?} listens on {}, which others can't dial, and advertise-addr is not set",
                    self.master_addr,
                    if host.is_empty() { "all addresses" } else { host }
                )));
            }
            self.advertise_addr = self.master_addr.clone();
        } else if !is_dialable(&self.advertise_addr) {
            return Err(DmError::new(Code::MasterAdvertiseAddrNotValid).msg(format!(
                "advertise-addr {:?} must be host:port with a host others can dial",
                self.advertise_addr
            )));
        }
        Ok(())
    }

    fn adjust_peers(&mut self) -> Result<()> {
        let scheme =
            if self.security.ssl_ca.is_empty() && self.security.ssl_ca_bytes.is_empty() { "http" } else { "https" };
        if self.peer_urls.is_empty() {
            self.peer_urls = DEFAULT_PEER_URLS.into();
        }
        self.peer_urls = with_scheme(&self.peer_urls, scheme)?;
        if self.advertise_peer_urls.is_empty() {
            self.advertise_peer_urls = self.peer_urls.clone();
        } else {
            self.advertise_peer_urls = with_scheme(&self.advertise_peer_urls, scheme)?;
        }
        if self.initial_cluster.is_empty() && self.join.is_empty() {
            let urls = self.advertise_peer_urls.split(',');
            self.initial_cluster = urls.map(|url| format!("{}={url}", self.name)).collect::<Vec<_>>().join(",");
        }
        Ok(())
    }

    fn check_secret_key(&mut self) -> Result<()> {
        if self.secret_key_path.is_empty() {
            return Ok(());
        }
        let fail = |reason: String| {
            Err(DmError::new(Code::ConfigSecretKeyPath)
                .msg(format!("secret-key-path {:?} can't be used: {reason}", self.secret_key_path)))
        };
        match secret::read_keys(&self.secret_key_path) {
            Ok(keys) => {
                self.secret_keys = SecretKeys(keys);
                Ok(())
            }
            Err(reason) => fail(reason),
        }
    }
}

/// Limits of 0 are the usual ones: a port that takes nothing is of no use.
pub(super) fn usual_when_zero(connections: &mut u64, rate: &mut u64) {
    for (limit, usual) in [(connections, MAX_CONNECTIONS), (rate, MAX_REQUEST_RATE)] {
        if *limit == 0 {
            *limit = usual;
        }
    }
}

/// A comma list of URLs, each with a scheme (38039).
fn with_scheme(urls: &str, scheme: &str) -> Result<String> {
    let mut out = Vec::new();
    for item in urls.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let text = if item.contains("://") { item.to_owned() } else { format!("{scheme}://{item}") };
        let valid = url::Url::parse(&text).is_ok_and(|url| url.has_host() && url.port_or_known_default().is_some());
        if !valid {
            return Err(DmError::new(Code::MasterParseURLFail)
                .msg(format!("peer URL {item:?} is malformed (allowed: such as http://10.0.0.1:8291)")));
        }
        out.push(text);
    }
    Ok(out.join(","))
}

impl NodeConfig for MasterConfig {
    const PROGRAM: &'static str = "dm-master";
    const CODES: StartCodes = StartCodes {
        flags: Code::MasterConfigParseFlagSet,
        positional: Code::MasterConfigInvalidFlag,
        syntax: Code::MasterConfigTomlTransform,
        unknown: Code::MasterConfigUnknownItem,
    };
    const SECTIONS: &'static [(&'static str, &'static [&'static str])] = &[("experimental", &["openapi"])];

    fn settings(&mut self) -> Vec<Setting<'_>> {
        use Slot::*;
        let mut all = log_settings(&mut self.log_level, &mut self.log_file, &mut self.log_format, &mut self.log_rotate);
        all.extend([
            setting("cluster-secret", "", "", Text(&mut self.cluster_secret)),
            setting("heartbeat-interval", "heartbeat-interval", HEARTBEAT, Text(&mut self.heartbeat_interval)),
            setting("max-connections", "", "", Uint(&mut self.max_connections)),
            setting("max-request-rate", "", "", Uint(&mut self.max_request_rate)),
            setting("rpc-timeout", "", "", Text(&mut self.rpc_timeout)),
            setting("rpc-rate-limit", "", "", Float(&mut self.rpc_rate_limit)),
            setting("rpc-rate-burst", "", "", Int(&mut self.rpc_rate_burst)),
            setting("master-addr", "master-addr", "address to listen on for clients", Text(&mut self.master_addr)),
            setting("advertise-addr", "advertise-addr", ADVERTISE, Text(&mut self.advertise_addr)),
            setting("config-file", "", "", Text(&mut self.config_file)),
            setting("name", "name", NAME, Text(&mut self.name)),
            setting("data-dir", "data-dir", DATA_DIR, Text(&mut self.data_dir)),
            setting("peer-urls", "peer-urls", "URLs to listen on for other masters", Text(&mut self.peer_urls)),
            setting("advertise-peer-urls", "advertise-peer-urls", PEERS, Text(&mut self.advertise_peer_urls)),
            setting("initial-cluster", "initial-cluster", INITIAL, Text(&mut self.initial_cluster)),
            setting("initial-cluster-state", "", "", Text(&mut self.initial_cluster_state)),
            setting("join", "join", "client URLs of a cluster to join", Text(&mut self.join)),
            setting("max-txn-ops", "max-txn-ops", NO_EFFECT, Uint(&mut self.max_txn_ops)),
            setting("max-request-bytes", "max-request-bytes", NO_EFFECT, Uint(&mut self.max_request_bytes)),
            setting("auto-compaction-mode", "auto-compaction-mode", NO_EFFECT, Text(&mut self.auto_compaction_mode)),
            setting(
                "auto-compaction-retention",
                "auto-compaction-retention",
                NO_EFFECT,
                Text(&mut self.auto_compaction_retention),
            ),
            setting("quota-backend-bytes", "quota-backend-bytes", NO_EFFECT, Int(&mut self.quota_backend_bytes)),
            setting("openapi", "openapi", "serve the HTTP API /api/v1", Bool(&mut self.openapi)),
            setting("v1-sources-path", "v1-sources-path", V1_SOURCES, Text(&mut self.v1_sources_path)),
        ]);
        all.extend(tls_settings(&mut self.security, &mut self.inline_tls));
        all.push(setting("secret-key-path", "secret-key-path", SECRET_KEY, Text(&mut self.secret_key_path)));
        all
    }

    fn set_config_file(&mut self, path: &str) {
        if !path.is_empty() {
            self.config_file = path.to_owned();
        }
    }

    fn adjust(&mut self) -> Result<()> {
        self.adjust_addresses()?;
        if let Err(e) = self.rpc_timeout.parse::<GoDuration>() {
            return Err(DmError::new(Code::MasterConfigTimeoutParse)
                .msg(format!("rpc-timeout {:?} is not a duration (allowed: such as 30s or 1m)", self.rpc_timeout))
                .cause(e));
        }
        if !HEARTBEATS.contains(&self.heartbeat()) {
            let text = &self.heartbeat_interval;
            return Err(DmError::new(Code::MasterConfigTimeoutParse)
                .msg(format!("heartbeat-interval {text:?} is not a duration from 50ms to 5s")));
        }
        usual_when_zero(&mut self.max_connections, &mut self.max_request_rate);
        if self.quota_backend_bytes < MIN_QUOTA {
            self.warnings.push(format!("quota-backend-bytes {} is raised to {MIN_QUOTA}", self.quota_backend_bytes));
            self.quota_backend_bytes = MIN_QUOTA;
        }
        if self.name.is_empty() {
            self.name = format!("dm-master-{}", hostname()?);
        }
        if self.data_dir.is_empty() {
            self.data_dir = format!("default.{}", self.name);
        }
        self.inline_tls.clone().apply(Code::MasterTLSConfigNotValid, &mut self.security)?;
        check_tls(Code::MasterTLSConfigNotValid, &self.security)?;
        self.adjust_peers()?;
        self.check_secret_key()
    }
}

/// This machine's name (38036).
fn hostname() -> Result<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let name = kernel.filter(|name| !name.is_empty()).or_else(|| std::env::var("HOSTNAME").ok());
    name.ok_or_else(|| DmError::new(Code::MasterGetHostnameFail).cause("neither the kernel nor HOSTNAME tells a name"))
}
