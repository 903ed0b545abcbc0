//! dmctl's config file (command line facts 5).

use super::{
    settings::{FileError, Slot, read_toml, setting},
    worker::addresses,
};
use crate::{
    config::{duration::GoDuration, subtask::Security},
    error::{Code, DmError, Result},
};

/// What dmctl reads from `--config`; its flags win over it.
#[derive(Clone, PartialEq, Debug)]
pub struct DmctlConfig {
    /// Comma list as written.
    pub master_addr: String,
    pub rpc_timeout: String,
    pub security: Security,
}

impl Default for DmctlConfig {
    fn default() -> Self {
        DmctlConfig { master_addr: String::new(), rpc_timeout: "10m".into(), security: Security::default() }
    }
}

impl DmctlConfig {
    /// Reads the file's text; `path` is for messages. Errors are 20002 with line, key and what is allowed.
    pub fn from_toml(path: &str, text: &str) -> Result<DmctlConfig> {
        let mut config = DmctlConfig::default();
        let security = &mut config.security;
        let mut settings = [
            setting("master-addr", "", "", Slot::Text(&mut config.master_addr)),
            setting("rpc-timeout", "", "", Slot::Text(&mut config.rpc_timeout)),
            setting("ssl-ca", "", "", Slot::Text(&mut security.ssl_ca)),
            setting("ssl-cert", "", "", Slot::Text(&mut security.ssl_cert)),
            setting("ssl-key", "", "", Slot::Text(&mut security.ssl_key)),
            setting("cert-allowed-cn", "", "", Slot::List(&mut security.cert_allowed_cn)),
        ];
        read_toml(text, &mut settings, &[]).map_err(|e| {
            let cause = match e {
                FileError::Decode(reason) => reason,
                FileError::Unknown(keys) => format!("unknown keys: {keys}"),
            };
            DmError::new(Code::ConfigTomlTransform).msg(format!("config file {path} is not valid")).cause(cause)
        })?;
        config.timeout()?;
        Ok(config)
    }

    /// The masters to dial in turn, without schemes.
    pub fn masters(&self) -> Vec<String> {
        addresses(&self.master_addr)
    }

    /// The RPC timeout; it must be positive.
    pub fn timeout(&self) -> Result<std::time::Duration> {
        match self.rpc_timeout.parse::<GoDuration>() {
            Ok(duration) if duration.0 > 0 => Ok(duration.to_std()),
            _ => Err(DmError::new(Code::ConfigTomlTransform).msg(format!(
                "rpc-timeout {:?} is not a positive duration (allowed: such as 30s or 10m)",
                self.rpc_timeout
            ))),
        }
    }
}
