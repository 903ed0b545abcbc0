use super::*;
use crate::config::version;

fn args(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn run<T: std::fmt::Debug>(parsed: Result<Parsed<T>>) -> T {
    match parsed.unwrap() {
        Parsed::Run(config) => *config,
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn get_config_master_prints_what_the_original_prints() {
    let toml = file(
        "name = \"master1\"\nmaster-addr = \"127.0.0.1:49685\"\npeer-urls = \"127.0.0.1:35959\"\ndata-dir = \"WORK/master1.data\"\n",
    );
    let path = toml.path().to_str().unwrap();
    let config = run(MasterConfig::from_args(&args(&format!("--config {path} -log-file=WORK/master1.log"))));
    let expected = "log-level = \"info\"\nlog-file = \"WORK/master1.log\"\nlog-format = \"text\"\nlog-rotate = \"\"\nrpc-timeout = \"30s\"\nrpc-rate-limit = 10.0\nrpc-rate-burst = 40\nmaster-addr = \"127.0.0.1:49685\"\nadvertise-addr = \"127.0.0.1:49685\"\nconfig-file = \"WORK/master1.toml\"\nname = \"master1\"\ndata-dir = \"WORK/master1.data\"\npeer-urls = \"http://127.0.0.1:35959\"\nadvertise-peer-urls = \"http://127.0.0.1:35959\"\ninitial-cluster = \"master1=http://127.0.0.1:35959\"\ninitial-cluster-state = \"new\"\njoin = \"\"\nmax-txn-ops = 2048\nmax-request-bytes = 1572864\nauto-compaction-mode = \"periodic\"\nauto-compaction-retention = \"1h\"\nquota-backend-bytes = 2147483648\nopenapi = false\nv1-sources-path = \"\"\nssl-ca = \"\"\nssl-cert = \"\"\nssl-key = \"\"\nssl-ca-base64 = \"\"\nssl-key-base64 = \"\"\nssl-cert-base64 = \"\"\nsecret-key-path = \"\"\n\n[experimental]\n";
    assert_eq!(config.to_toml().replace(path, "WORK/master1.toml"), expected);
    assert_eq!(MasterConfig::from_toml("again", &config.to_toml()).unwrap(), config);
}

#[test]
fn get_config_worker_prints_what_the_original_prints() {
    let config = run(WorkerConfig::from_args(&args(
        "-name worker1 -log-file WORK/worker1.log -join http://127.0.0.1:49685 -worker-addr 127.0.0.1:52003",
    )));
    let expected = "name = \"worker1\"\nlog-level = \"info\"\nlog-file = \"WORK/worker1.log\"\nlog-format = \"text\"\nlog-rotate = \"\"\nredact-info-log = false\njoin = \"http://127.0.0.1:49685\"\nworker-addr = \"127.0.0.1:52003\"\nadvertise-addr = \"127.0.0.1:52003\"\nconfig-file = \"\"\nkeepalive-ttl = 60\nrelay-keepalive-ttl = 1800\nrelay-dir = \"\"\nssl-ca = \"\"\nssl-cert = \"\"\nssl-key = \"\"\nssl-ca-base64 = \"\"\nssl-key-base64 = \"\"\nssl-cert-base64 = \"\"\n";
    assert_eq!(config.to_toml(), expected);
    assert_eq!(config.masters(), ["127.0.0.1:49685"]);
}

#[test]
fn flags_win_over_the_file_and_take_every_go_form() {
    let toml =
        file("worker-addr = \"1.1.1.1:1\"\njoin = \"2.2.2.2:2\"\nlog-level = \"warn\"\ncert-allowed-cn = [\"file\"]\n");
    let path = toml.path().to_str().unwrap();
    let line = format!(
        "-config={path} --join 3.3.3.3:3 --keepalive-ttl=7 -redact-info-log -cert-allowed-cn a --cert-allowed-cn=b"
    );
    let config = run(WorkerConfig::from_args(&args(&line)));
    assert_eq!((config.worker_addr.as_str(), config.join.as_str()), ("1.1.1.1:1", "3.3.3.3:3"));
    assert_eq!((config.keepalive_ttl, config.redact_info_log, config.log_level.as_str()), (7, true, "warn"));
    assert_eq!(config.security.cert_allowed_cn, ["a", "b"]);
    assert_eq!(config.name, "1.1.1.1:1");
    assert!(config.name_is_default);
    let config = run(WorkerConfig::from_args(&args(&format!("-config {path} -redact-info-log=false"))));
    assert_eq!(config.security.cert_allowed_cn, ["file"]);
}

#[test]
fn switches() {
    assert_eq!(MasterConfig::from_args(&args("-V")).unwrap(), Parsed::PrintVersion);
    assert_eq!(WorkerConfig::from_args(&args("--print-sample-config")).unwrap(), Parsed::PrintSample);
    let Parsed::Help(text) = MasterConfig::from_args(&args("-h")).unwrap() else { panic!() };
    assert!(text.starts_with("Usage of dm-master:\n"), "{text}");
    assert!(
        text.contains("  -L string\n    \tlog level: debug, info, warn, error, fatal (default \"info\")\n"),
        "{text}"
    );
    assert!(text.contains("  -V\tprints version and exit\n"), "{text}");
    assert!(version::block().contains(version::RELEASE));
}

#[test]
fn codes_of_bad_masters() {
    for (line, code) in [
        ("-nope", Code::MasterConfigParseFlagSet),
        ("-name", Code::MasterConfigParseFlagSet),
        ("-max-txn-ops x", Code::MasterConfigParseFlagSet),
        ("-openapi=perhaps", Code::MasterConfigParseFlagSet),
        ("---x", Code::MasterConfigParseFlagSet),
        ("-master-addr 1.1.1.1:1 extra", Code::MasterConfigInvalidFlag),
        ("", Code::MasterHostPortNotValid),
        ("-master-addr host", Code::MasterHostPortNotValid),
        ("-master-addr host:port", Code::MasterHostPortNotValid),
        ("-master-addr :8261", Code::MasterHostPortNotValid),
        ("-master-addr 0.0.0.0:8261", Code::MasterHostPortNotValid),
        ("-master-addr :8261 -advertise-addr host", Code::MasterAdvertiseAddrNotValid),
        ("-master-addr :8261 -advertise-addr 0.0.0.0:1", Code::MasterAdvertiseAddrNotValid),
        ("-master-addr h:1 -peer-urls http://", Code::MasterParseURLFail),
        ("-master-addr h:1 -ssl-ca /nonexistent", Code::MasterTLSConfigNotValid),
        ("-master-addr h:1 -secret-key-path /nonexistent", Code::ConfigSecretKeyPath),
        ("-config /nonexistent", Code::MasterConfigTomlTransform),
    ] {
        assert_eq!(MasterConfig::from_args(&args(line)).unwrap_err().code(), code, "{line}");
    }
    let config =
        run(MasterConfig::from_args(&args("-master-addr :8261 -advertise-addr h:8261 -quota-backend-bytes 1")));
    assert_eq!((config.quota_backend_bytes, config.warnings.len()), (500 << 20, 1));
    assert!(config.name.starts_with("dm-master-") && config.data_dir == format!("default.{}", config.name));
}

#[test]
fn bad_files_name_file_line_key_and_what_is_allowed() {
    for (text, code, shown) in [
        (
            "a = 1\nname = \"x\"\n[b]\nc = 1",
            Code::MasterConfigUnknownItem,
            "m.toml has unknown keys: a,b,b.c (line 1, 3, 4)",
        ),
        (
            "[experimental]\nother = true",
            Code::MasterConfigUnknownItem,
            "m.toml has unknown keys: experimental.other (line 2)",
        ),
        (
            "name = \"x\"\n\nrpc-rate-burst = \"4\"",
            Code::MasterConfigTomlTransform,
            "line 3: key rpc-rate-burst can't be a string (allowed: a whole number)",
        ),
        (
            "max-txn-ops = -1",
            Code::MasterConfigTomlTransform,
            "line 1: key max-txn-ops can't be a integer (allowed: a whole number, not negative)",
        ),
        ("openapi = 1", Code::MasterConfigTomlTransform, "(allowed: true, false)"),
        ("cert-allowed-cn = [1]", Code::MasterConfigTomlTransform, "(allowed: a list of texts in quotes)"),
        ("name = x", Code::MasterConfigTomlTransform, "line 1"),
        ("name = \"a\"\nname = \"b\"", Code::MasterConfigTomlTransform, "line 2"),
        (
            "master-addr = \"h:1\"\nrpc-timeout = \"soon\"",
            Code::MasterConfigTimeoutParse,
            "rpc-timeout \"soon\" is not a duration",
        ),
        (
            "master-addr = \"h:1\"\nssl-ca-base64 = \"?\"",
            Code::MasterTLSConfigNotValid,
            "ssl-ca-base64 is not base64 text",
        ),
    ] {
        let error = MasterConfig::from_toml("m.toml", text).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(shown), "{text}: {error}");
    }
    let with_section = "master-addr = \"h:1\"\nrpc-rate-limit = 5\n[experimental]\nopenapi = true";
    let config = MasterConfig::from_toml("m.toml", with_section).unwrap();
    assert!(config.openapi && config.rpc_rate_limit == 5.0);
}

#[test]
fn codes_of_bad_workers() {
    for (line, code) in [
        ("-nope", Code::WorkerParseFlagSet),
        ("x", Code::WorkerInvalidFlag),
        ("-join h:1", Code::WorkerHostPortNotValid),
        ("-join h:1 -worker-addr :8262", Code::WorkerHostPortNotValid),
        ("-join h:1 -worker-addr :8262 -advertise-addr :1", Code::WorkerHostPortNotValid),
        ("-worker-addr h:1", Code::WorkerFailConnectMaster),
        ("-worker-addr h:1 -join h:2 -ssl-key /nonexistent", Code::WorkerTLSConfigNotValid),
    ] {
        assert_eq!(WorkerConfig::from_args(&args(line)).unwrap_err().code(), code, "{line}");
    }
    assert_eq!(WorkerConfig::from_toml("w", "x = 1").unwrap_err().code(), Code::WorkerUndecodedItemFromFile);
    assert_eq!(WorkerConfig::from_toml("w", "x =").unwrap_err().code(), Code::WorkerDecodeConfigFromFile);
}

#[test]
fn standalone_needs_no_flag() {
    let config = run(StandaloneConfig::from_args(&[]));
    let (master, worker) = (config.master().unwrap(), config.worker().unwrap());
    assert_eq!((master.master_addr.as_str(), master.data_dir.as_str()), ("127.0.0.1:8261", "./dm-data/master"));
    assert_eq!((worker.worker_addr.as_str(), worker.join.as_str()), ("127.0.0.1:8262", "127.0.0.1:8261"));
    let config = run(StandaloneConfig::from_args(&args("--data-dir /x -L debug --master-addr 127.0.0.1:1")));
    assert_eq!((config.worker().unwrap().join.as_str(), config.log_level.as_str()), ("127.0.0.1:1", "debug"));
    assert!(StandaloneConfig::from_args(&args("--worker-addr nowhere")).is_err());
}

#[test]
fn dmctl_file() {
    let config = DmctlConfig::from_toml("c", "master-addr = \"http://a:1, b:2\"\nrpc-timeout = \"30s\"").unwrap();
    assert_eq!(config.masters(), ["a:1", "b:2"]);
    assert_eq!(config.timeout().unwrap().as_secs(), 30);
    for text in ["x = 1", "rpc-timeout = \"0s\"", "rpc-timeout = 5", "master-addr"] {
        assert_eq!(DmctlConfig::from_toml("c", text).unwrap_err().code(), Code::ConfigTomlTransform, "{text}");
    }
}
