//! `dm-node standalone`: master and worker in one process, everything it keeps in one folder.

use std::path::Path;

use super::{
    InlineTls, MasterConfig, NodeConfig, Parsed, StartCodes, WorkerConfig, from_args,
    master::SECRET_KEY,
    settings::{Setting, Slot, setting},
    tls_settings,
};
use crate::{
    config::Security,
    error::{Code, DmError, Result},
};

/// Workers of one standalone node at most.
const MAX_WORKERS: u64 = 64;

/// Settings of a standalone node. Its file (`-config`) takes the same names as its flags.
#[derive(Clone, PartialEq, Debug)]
pub struct StandaloneConfig {
    /// The cluster's state is in `master` below it, relay and dumped files in `worker`.
    pub data_dir: String,
    pub master_addr: String,
    pub worker_addr: String,
    /// How many sources the node can serve at once: a worker serves one.
    pub workers: u64,
    pub log_level: String,
    pub log_file: String,
    pub log_format: String,
    /// Of both ports; the cluster port is on the loopback interface.
    pub security: Security,
    inline_tls: InlineTls,
    pub secret_key_path: String,
    config_file: String,
}

impl Default for StandaloneConfig {
    fn default() -> Self {
        StandaloneConfig {
            data_dir: "./dm-data".into(),
            master_addr: "127.0.0.1:8261".into(),
            worker_addr: "127.0.0.1:8262".into(),
            workers: 4,
            log_level: "info".into(),
            log_file: String::new(),
            log_format: "text".into(),
            security: Security::default(),
            inline_tls: InlineTls::default(),
            secret_key_path: String::new(),
            config_file: String::new(),
        }
    }
}

impl StandaloneConfig {
    /// Reads the arguments behind `standalone`.
    pub fn from_args(args: &[String]) -> Result<Parsed<StandaloneConfig>> {
        from_args(args)
    }

    /// The text for `-h`.
    pub fn help() -> String {
        super::help::<StandaloneConfig>()
    }

    /// The master half.
    pub fn master(&self) -> Result<MasterConfig> {
        let mut config = MasterConfig {
            name: "master-1".into(),
            master_addr: self.master_addr.clone(),
            data_dir: self.below("master"),
            log_level: self.log_level.clone(),
            log_file: self.log_file.clone(),
            log_format: self.log_format.clone(),
            config_file: self.config_file.clone(),
            openapi: true,
            security: self.security.clone(),
            inline_tls: self.inline_tls.clone(),
            secret_key_path: self.secret_key_path.clone(),
            ..MasterConfig::default()
        };
        config.adjust()?;
        Ok(config)
    }

    /// The worker half; it joins the master of this process.
    pub fn worker(&self) -> Result<WorkerConfig> {
        let master = self.master()?;
        let mut config = WorkerConfig {
            name: "worker-1".into(),
            worker_addr: self.worker_addr.clone(),
            join: master.advertise_addr,
            relay_dir: self.below("worker/relay"),
            security: self.security.clone(),
            inline_tls: self.inline_tls.clone(),
            log_level: self.log_level.clone(),
            log_file: self.log_file.clone(),
            log_format: self.log_format.clone(),
            config_file: self.config_file.clone(),
            ..WorkerConfig::default()
        };
        config.adjust()?;
        Ok(config)
    }

    fn below(&self, name: &str) -> String {
        Path::new(&self.data_dir).join(name).to_string_lossy().into_owned()
    }
}

impl NodeConfig for StandaloneConfig {
    const PROGRAM: &'static str = "dm-node standalone";
    const CODES: StartCodes = StartCodes {
        flags: Code::MasterConfigParseFlagSet,
        positional: Code::MasterConfigInvalidFlag,
        syntax: Code::MasterConfigTomlTransform,
        unknown: Code::MasterConfigUnknownItem,
    };

    fn settings(&mut self) -> Vec<Setting<'_>> {
        use Slot::*;
        let mut all = vec![
            setting("data-dir", "data-dir", "folder for everything the node keeps", Text(&mut self.data_dir)),
            setting("master-addr", "master-addr", "address for dmctl and HTTP", Text(&mut self.master_addr)),
            setting("worker-addr", "worker-addr", "address of the worker half", Text(&mut self.worker_addr)),
            setting("workers", "workers", "how many sources it can serve at once", Uint(&mut self.workers)),
            setting("log-level", "L", "log level: debug, info, warn, error, fatal", Text(&mut self.log_level)),
            setting("log-file", "log-file", "log file path, stdout when empty", Text(&mut self.log_file)),
            setting("log-format", "log-format", "log format: text or json", Text(&mut self.log_format)),
        ];
        all.extend(tls_settings(&mut self.security, &mut self.inline_tls));
        all.push(setting("secret-key-path", "secret-key-path", SECRET_KEY, Text(&mut self.secret_key_path)));
        all
    }

    fn set_config_file(&mut self, path: &str) {
        self.config_file = path.to_owned();
    }

    /// The halves are checked where they are made, with the codes of their programs.
    fn adjust(&mut self) -> Result<()> {
        if !(1..=MAX_WORKERS).contains(&self.workers) {
            return Err(DmError::new(Code::MasterConfigInvalidFlag)
                .msg(format!("workers is {}, it must be between 1 and {MAX_WORKERS}", self.workers)));
        }
        self.master()?;
        self.worker().map(drop)
    }
}
