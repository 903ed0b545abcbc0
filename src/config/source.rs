//! The source file: one upstream server (config facts: section 4).

use std::collections::BTreeMap;

use super::{
    duration::GoDuration,
    mask,
    subtask::{DbConfig, FilterRule, Flavor},
    yaml::{Decoder, Node, Yaml, YamlValue, from_yaml, yaml_struct},
};
use crate::error::{Code, DmError, Result};

/// Source ids are kept in columns of this width.
const MAX_SOURCE_ID: usize = 32;

/// One source as its owner wrote it. Nothing is detected here: an empty flavor and a zero server id stay.
#[derive(Clone, PartialEq, Debug)]
pub struct SourceConfig {
    pub enable: bool,
    pub enable_gtid: bool,
    pub auto_fix_gtid: bool,
    pub relay_dir: String,
    pub meta_dir: String,
    /// Empty (to be detected), `mysql` or `mariadb`.
    pub flavor: String,
    pub charset: String,
    pub enable_relay: bool,
    pub relay_binlog_name: String,
    pub relay_binlog_gtid: String,
    pub source_id: String,
    pub from: DbConfig,
    pub purge: PurgeConfig,
    pub checker: CheckerConfig,
    /// Zero: to be chosen when the source is created.
    pub server_id: u32,
    pub tracer: Tracer,
    pub case_sensitive: bool,
    pub filters: Vec<FilterRule>,
}

/// When relay files are removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgeConfig {
    /// Seconds; 0 stops the background purge.
    pub interval: i64,
    /// Hours; 0 is off.
    pub expires: i64,
    /// GiB; 0 is off.
    pub remain_space: i64,
}

/// How failed subtasks are resumed.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckerConfig {
    pub check_enable: bool,
    pub backoff_rollback: GoDuration,
    pub backoff_max: GoDuration,
    pub check_interval: GoDuration,
    pub backoff_min: GoDuration,
    pub backoff_jitter: bool,
    pub backoff_factor: f64,
}

/// An old key: accepted with anything in it, never kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tracer;

impl YamlValue for Tracer {
    fn decode(_: &Node, _: &mut Decoder) -> Option<Self> {
        Some(Tracer)
    }

    fn encode(&self) -> Yaml {
        Yaml::Map(Vec::new())
    }
}

yaml_struct!(PurgeConfig, "config.PurgeConfig", {
    "interval" => interval,
    "expires" => expires,
    "remain-space" => remain_space,
});

yaml_struct!(CheckerConfig, "config.CheckerConfig", {
    "check-enable" => check_enable,
    "backoff-rollback" => backoff_rollback,
    "backoff-max" => backoff_max,
    "check-interval" => check_interval,
    "backoff-min" => backoff_min,
    "backoff-jitter" => backoff_jitter,
    "backoff-factor" => backoff_factor,
});

yaml_struct!(SourceConfig, "config.SourceConfig", {
    "enable" => enable,
    "enable-gtid" => enable_gtid,
    "auto-fix-gtid" => auto_fix_gtid,
    "relay-dir" => relay_dir,
    "meta-dir" => meta_dir,
    "flavor" => flavor,
    "charset" => charset,
    "enable-relay" => enable_relay,
    "relay-binlog-name" => relay_binlog_name,
    "relay-binlog-gtid" => relay_binlog_gtid,
    "source-id" => source_id,
    "from" => from,
    "purge" => purge,
    "checker" => checker,
    "server-id" => server_id,
    "tracer" => tracer,
    "case-sensitive" => case_sensitive,
    "filters" => filters,
});

impl Default for PurgeConfig {
    fn default() -> Self {
        PurgeConfig { interval: 3600, expires: 0, remain_space: 15 }
    }
}

impl Default for CheckerConfig {
    fn default() -> Self {
        CheckerConfig {
            check_enable: true,
            backoff_rollback: GoDuration::from_secs(300),
            backoff_max: GoDuration::from_secs(300),
            check_interval: GoDuration::from_secs(5),
            backoff_min: GoDuration::from_secs(1),
            backoff_jitter: true,
            backoff_factor: 2.0,
        }
    }
}

impl Default for SourceConfig {
    fn default() -> Self {
        SourceConfig {
            enable: true,
            enable_gtid: false,
            auto_fix_gtid: false,
            relay_dir: "relay-dir".into(),
            meta_dir: String::new(),
            flavor: String::new(),
            charset: String::new(),
            enable_relay: false,
            relay_binlog_name: String::new(),
            relay_binlog_gtid: String::new(),
            source_id: String::new(),
            from: DbConfig::default(),
            purge: PurgeConfig::default(),
            checker: CheckerConfig::default(),
            server_id: 0,
            tracer: Tracer,
            case_sensitive: false,
            filters: Vec::new(),
        }
    }
}

impl SourceConfig {
    /// Reads a source file strictly (20003) and checks it (see [`SourceConfig::validate`]).
    pub fn from_yaml(text: &str) -> Result<SourceConfig> {
        let mut config: SourceConfig = from_yaml(text)
            .map_err(|e| DmError::new(Code::ConfigYamlTransform).msg("decode source config").cause(e))?;
        config.adjust();
        config.validate().map_err(|e| super::with_line(e, text))?;
        Ok(config)
    }

    /// Like [`SourceConfig::from_yaml`], and an error also names the file.
    pub fn from_yaml_file(path: &str, text: &str) -> Result<SourceConfig> {
        Self::from_yaml(text).map_err(|e| super::in_file(e, path))
    }

    /// Every key, in the original's order, with the password as it is: for storing.
    pub fn to_yaml(&self) -> String {
        self.encode().to_text()
    }

    /// The same with the password hidden: for showing.
    pub fn to_yaml_masked(&self) -> String {
        let mut yaml = self.encode();
        if let Some(from) = yaml.get_mut("from") {
            mask::connection(from);
        }
        yaml.to_text()
    }

    /// How to reach the source.
    pub fn db(&self) -> DbConfig {
        self.from.clone()
    }

    /// The binlog dialect; `None` until it is written or detected.
    pub fn flavor(&self) -> Option<Flavor> {
        match self.flavor.as_str() {
            "mysql" => Some(Flavor::Mysql),
            "mariadb" => Some(Flavor::Mariadb),
            _ => None,
        }
    }

    /// Keys without effect get the values that the original gives them.
    fn adjust(&mut self) {
        self.auto_fix_gtid = false;
        let fixed = CheckerConfig::default();
        self.checker.check_interval = fixed.check_interval;
        self.checker.backoff_min = fixed.backoff_min;
        self.checker.backoff_jitter = fixed.backoff_jitter;
        self.checker.backoff_factor = fixed.backoff_factor;
        let session = std::mem::take(&mut self.from.session);
        self.from.session = lower_keys(session);
    }

    /// 40005, 40006, 40007, 11010 and 20043.
    pub fn validate(&self) -> Result<()> {
        if self.source_id.is_empty() {
            return Err(DmError::new(Code::WorkerNeedSourceID));
        }
        if self.source_id.len() > MAX_SOURCE_ID {
            return Err(DmError::new(Code::WorkerTooLongSourceID).msg(format!(
                "source-id {:?} has {} bytes, {MAX_SOURCE_ID} are allowed",
                self.source_id,
                self.source_id.len()
            )));
        }
        if !self.relay_binlog_name.is_empty() && !is_binlog_name(&self.relay_binlog_name) {
            return Err(DmError::new(Code::WorkerRelayBinlogName).msg(format!(
                "relay-binlog-name {:?} is not a binlog file name (such as mysql-bin.000001)",
                self.relay_binlog_name
            )));
        }
        if !self.flavor.is_empty() && self.flavor().is_none() {
            return Err(DmError::new(Code::NotSupportedFlavor).msg(format!(
                "flavor {:?} of source {:?} is not supported (allowed: mysql, mariadb)",
                self.flavor, self.source_id
            )));
        }
        if self.checker.backoff_max < self.checker.backoff_min {
            return Err(DmError::new(Code::ConfigCheckerMaxTooSmall).msg(format!(
                "checker.backoff-max {} is less than checker.backoff-min {}",
                self.checker.backoff_max, self.checker.backoff_min
            )));
        }
        Ok(())
    }
}

/// Session variables are compared without case.
pub(super) fn lower_keys(session: BTreeMap<String, String>) -> BTreeMap<String, String> {
    session.into_iter().map(|(key, value)| (key.to_lowercase(), value)).collect()
}

/// `prefix.number`; the prefix may hold dots.
fn is_binlog_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(prefix, number)| {
        !prefix.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "enable: true\nenable-gtid: true\nauto-fix-gtid: false\nrelay-dir: relay-dir\nmeta-dir: \"\"\nflavor: mariadb\ncharset: \"\"\nenable-relay: false\nrelay-binlog-name: \"\"\nrelay-binlog-gtid: \"\"\nsource-id: mysql-01\nfrom:\n  host: 127.0.0.1\n  port: 3407\n  user: root\n  password: '******'\n  max-allowed-packet: null\n  session: {}\n  security: null\npurge:\n  interval: 3600\n  expires: 0\n  remain-space: 15\nchecker:\n  check-enable: true\n  backoff-rollback: 5m0s\n  backoff-max: 5m0s\n  check-interval: 5s\n  backoff-min: 1s\n  backoff-jitter: true\n  backoff-factor: 2\nserver-id: 429527115\ntracer: {}\ncase-sensitive: false\nfilters: []\n";

    #[test]
    fn a_source_is_shown_as_the_original_shows_it() {
        let written = "source-id: mysql-01\nflavor: mariadb\nenable-gtid: true\nauto-fix-gtid: true\nserver-id: 429527115\nfrom:\n  host: 127.0.0.1\n  port: 3407\n  user: root\n  password: s3cret\n";
        let source = SourceConfig::from_yaml(written).unwrap();
        assert_eq!(source.to_yaml_masked(), SHOWN);
        assert_eq!(source.to_yaml(), SHOWN.replace("'******'", "s3cret"));
        assert_eq!(SourceConfig::from_yaml(&source.to_yaml()).unwrap(), source);
        assert!(!format!("{source:?}").contains("s3cret"));
    }

    #[test]
    fn an_unknown_key_is_reported_as_the_original_reports_it() {
        let error = SourceConfig::from_yaml("source-id: mysql-01\nfoo: 1\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "[code=20003:class=config:scope=internal:level=medium], Message: decode source config, RawCause: yaml: unmarshal errors:\n  line 2: field foo not found in type config.SourceConfig, Workaround: Please check the configuration file has correct YAML format."
        );
    }

    #[test]
    fn every_mistake_names_line_key_and_what_is_allowed() {
        let text = "source-id: a\nenable-gtid: maybe\nfrom:\n  port: many\n  port: 1\n  password: [x]\nchecker:\n  backoff-max: 5\nfilters: none\n";
        let cause = SourceConfig::from_yaml(text).unwrap_err().raw_cause().to_owned();
        for part in [
            "line 2: cannot unmarshal !!str `maybe` into bool (key enable-gtid: allowed: true, false)",
            "line 4: cannot unmarshal !!str `many` into int (key from.port: allowed: a whole number from 0 to 65535)",
            "line 5: field port already set in type config.DBConfig",
            "line 6: cannot unmarshal !!seq into string (key from.password: allowed: text)",
            "line 8: cannot unmarshal !!int `5` into config.Duration (key checker.backoff-max: allowed: a duration",
            "line 9: cannot unmarshal !!str `none` into []string (key filters: allowed: a list)",
        ] {
            assert!(cause.contains(part), "{part}\n{cause}");
        }
        let named = SourceConfig::from_yaml_file("s1.yaml", "foo: 1").unwrap_err();
        assert_eq!(named.message(), "decode source config (file s1.yaml)");
    }

    #[test]
    fn codes_of_bad_values() {
        let long = format!("source-id: {}", "x".repeat(33));
        for (text, code) in [
            ("flavor: mysql", Code::WorkerNeedSourceID),
            (long.as_str(), Code::WorkerTooLongSourceID),
            ("source-id: a\nrelay-binlog-name: binlog", Code::WorkerRelayBinlogName),
            ("source-id: a\nrelay-binlog-name: mysql-bin.00x", Code::WorkerRelayBinlogName),
            ("source-id: a\nflavor: oracle", Code::NotSupportedFlavor),
            ("source-id: a\nchecker: {backoff-max: 10ms}", Code::ConfigCheckerMaxTooSmall),
            ("source-id: [", Code::ConfigYamlTransform),
            ("- a", Code::ConfigYamlTransform),
            ("", Code::WorkerNeedSourceID),
        ] {
            assert_eq!(SourceConfig::from_yaml(text).unwrap_err().code(), code, "{text}");
        }
        assert!(SourceConfig::from_yaml("source-id: a\nrelay-binlog-name: mysql.bin.000001\ntracer: {x: [1]}").is_ok());
    }
}
