//! What a node is told: a TOML file and flags, flags win (config facts 2 and 3, command line facts 1-3).

pub mod dmctl;
mod flags;
mod master;
mod settings;
mod standalone;
#[cfg(test)]
mod tests;
mod worker;

pub use dmctl::DmctlConfig;
pub use master::MasterConfig;
pub use standalone::StandaloneConfig;
pub use worker::{WorkerConfig, addresses};

use self::settings::{FileError, Setting, Slot, setting};
use crate::{
    config::subtask::Security,
    error::{Code, DmError, Result},
};

/// What a command line asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Parsed<T> {
    Run(Box<T>),
    /// `-V`: print [`crate::config::version::block`] and exit with 0.
    PrintVersion,
    /// `-print-sample-config`: print the sample and exit with 0.
    PrintSample,
    /// `-h`: print this to stderr and exit with 0.
    Help(String),
}

/// Switches that end the program at once, and the file to read.
#[derive(Default)]
struct Common {
    version: bool,
    print_sample: bool,
    config_file: String,
}

/// The codes of one program's start errors.
struct StartCodes {
    flags: Code,
    positional: Code,
    syntax: Code,
    unknown: Code,
}

/// A program that is configured by a file and flags.
trait NodeConfig: Default + Clone {
    const PROGRAM: &'static str;
    const CODES: StartCodes;
    /// Tables of the file whose keys are settings.
    const SECTIONS: &'static [(&'static str, &'static [&'static str])] = &[];

    fn settings(&mut self) -> Vec<Setting<'_>>;
    fn set_config_file(&mut self, path: &str);
    /// Derives what was not given, and checks.
    fn adjust(&mut self) -> Result<()>;
}

fn common_settings(common: &mut Common) -> Vec<Setting<'_>> {
    vec![
        setting("", "V", "prints version and exit", Slot::Bool(&mut common.version)),
        setting("", "print-sample-config", "print sample config file and exit", Slot::Bool(&mut common.print_sample)),
        setting("", "config", "path to config file", Slot::Text(&mut common.config_file)),
    ]
}

fn log_settings<'a>(
    level: &'a mut String,
    file: &'a mut String,
    format: &'a mut String,
    rotate: &'a mut String,
) -> Vec<Setting<'a>> {
    vec![
        setting("log-level", "L", "log level: debug, info, warn, error, fatal", Slot::Text(level)),
        setting("log-file", "log-file", "log file path, stdout when empty", Slot::Text(file)),
        setting("log-format", "log-format", "log format: text or json", Slot::Text(format)),
        setting("log-rotate", "", "", Slot::Text(rotate)),
    ]
}

fn tls_settings<'a>(security: &'a mut Security, inline: &'a mut InlineTls) -> Vec<Setting<'a>> {
    const ALLOWED_CN: &str = "common name a client's certificate may have, may repeat";
    vec![
        setting("ssl-ca", "ssl-ca", "file with trusted certificate authorities", Slot::Text(&mut security.ssl_ca)),
        setting("ssl-cert", "ssl-cert", "file with this node's certificate", Slot::Text(&mut security.ssl_cert)),
        setting("ssl-key", "ssl-key", "file with this node's private key", Slot::Text(&mut security.ssl_key)),
        setting("cert-allowed-cn", "cert-allowed-cn", ALLOWED_CN, Slot::List(&mut security.cert_allowed_cn)),
        setting("ssl-ca-bytes", "", "", Slot::Bytes(&mut security.ssl_ca_bytes)),
        setting("ssl-key-bytes", "", "", Slot::Bytes(&mut security.ssl_key_bytes)),
        setting("ssl-cert-bytes", "", "", Slot::Bytes(&mut security.ssl_cert_bytes)),
        setting("ssl-ca-base64", "", "", Slot::Text(&mut inline.ca)),
        setting("ssl-key-base64", "", "", Slot::Text(&mut inline.key)),
        setting("ssl-cert-base64", "", "", Slot::Text(&mut inline.cert)),
    ]
}

/// Flags, then the file, then the flags again so that they win, then the checks.
fn from_args<T: NodeConfig>(args: &[String]) -> Result<Parsed<T>> {
    let mut config = T::default();
    let mut common = Common::default();
    let rest = {
        let mut all = common_settings(&mut common);
        all.extend(config.settings());
        match flags::parse(args, &mut all) {
            Ok(rest) => rest,
            Err(flags::FlagError::Help) => {
                return Ok(Parsed::Help(help::<T>()));
            }
            Err(flags::FlagError::Bad(reason)) => return Err(DmError::new(T::CODES.flags).cause(reason)),
        }
    };
    if common.version {
        return Ok(Parsed::PrintVersion);
    }
    if common.print_sample {
        return Ok(Parsed::PrintSample);
    }
    if !common.config_file.is_empty() {
        config = T::default();
        read_file(&common.config_file, &mut config)?;
        let mut ignored = Common::default();
        let mut all = common_settings(&mut ignored);
        all.extend(config.settings());
        // The same arguments were accepted above.
        flags::parse(args, &mut all).ok();
    }
    config.set_config_file(&common.config_file);
    if let Some(extra) = rest.first() {
        return Err(
            DmError::new(T::CODES.positional).msg(format!("{extra:?} is an invalid flag: no argument is expected"))
        );
    }
    config.adjust()?;
    Ok(Parsed::Run(Box::new(config)))
}

fn help<T: NodeConfig>() -> String {
    let (mut config, mut common) = (T::default(), Common::default());
    let mut all = common_settings(&mut common);
    all.extend(config.settings());
    flags::usage(T::PROGRAM, &all)
}

fn read_file<T: NodeConfig>(path: &str, config: &mut T) -> Result<()> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| DmError::new(T::CODES.syntax).msg(format!("config file {path} can't be read")).cause(e))?;
    read_text(path, &text, config)
}

fn read_text<T: NodeConfig>(path: &str, text: &str, config: &mut T) -> Result<()> {
    settings::read_toml(text, &mut config.settings(), T::SECTIONS).map_err(|e| match e {
        FileError::Decode(reason) => {
            DmError::new(T::CODES.syntax).msg(format!("config file {path} is not valid")).cause(reason)
        }
        FileError::Unknown(keys) => {
            DmError::new(T::CODES.unknown).msg(format!("config file {path} has unknown keys: {keys}"))
        }
    })
}

/// `host:port`, `:port` or `[v6]:port`; the host may be empty, the port must be there.
pub fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let known = port.parse::<u16>().is_ok();
    (known && !host.contains(['/', ' '])).then_some((host, port))
}

/// What others can dial: a real host and a port.
fn is_dialable(address: &str) -> bool {
    split_host_port(address).is_some_and(|(host, _)| !host.is_empty() && host != "0.0.0.0" && host != "::")
}

/// TLS files are readable and complete: a CA, and certificate with key or neither.
fn check_tls(code: Code, security: &Security) -> Result<()> {
    let fail = |reason: String| Err(DmError::new(code).cause(reason));
    for (key, path) in [("ssl-ca", &security.ssl_ca), ("ssl-cert", &security.ssl_cert), ("ssl-key", &security.ssl_key)]
    {
        if !path.is_empty()
            && let Err(e) = std::fs::File::open(path)
        {
            return fail(format!("{key} {path}: {e}"));
        }
    }
    let has = |path: &str, bytes: &[u8]| !path.is_empty() || !bytes.is_empty();
    let ca = has(&security.ssl_ca, &security.ssl_ca_bytes);
    let cert = has(&security.ssl_cert, &security.ssl_cert_bytes);
    let key = has(&security.ssl_key, &security.ssl_key_bytes);
    if cert != key {
        return fail("ssl-cert and ssl-key must be given together".into());
    }
    if cert && !ca {
        return fail("ssl-ca must be given with ssl-cert and ssl-key".into());
    }
    Ok(())
}

/// Inline certificates written in base64; decoded into the byte form.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct InlineTls {
    pub ca: String,
    pub cert: String,
    pub key: String,
}

impl std::fmt::Debug for InlineTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InlineTls")
    }
}

impl InlineTls {
    /// Moves decoded certificates into `security`.
    fn apply(&self, code: Code, security: &mut Security) -> Result<()> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        for (key, text, bytes) in [
            ("ssl-ca-base64", &self.ca, &mut security.ssl_ca_bytes),
            ("ssl-cert-base64", &self.cert, &mut security.ssl_cert_bytes),
            ("ssl-key-base64", &self.key, &mut security.ssl_key_bytes),
        ] {
            if !text.is_empty() {
                *bytes = STANDARD
                    .decode(text.split_whitespace().collect::<String>())
                    .map_err(|_| DmError::new(code).cause(format!("{key} is not base64 text")))?;
            }
        }
        Ok(())
    }
}
