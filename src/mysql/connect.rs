//! Opening connections to sources and targets.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use mysql_async::{ClientIdentity, Conn, OptsBuilder, SslOpts};
use tokio::time::timeout;

use super::{error::cause, ident::quote_text};
use crate::{
    config::{DbConfig, Security, secret},
    error::{Code, DmError, Result, Scope},
};

/// How a connection is used.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Session variables beyond those of the configuration; they win over it. Text values are quoted here.
    pub session: BTreeMap<String, String>,
    /// Limit of connecting and logging in.
    pub connect_timeout: Duration,
    /// Default schema.
    pub schema: Option<String>,
    /// Affected rows count matched rows, not changed ones.
    pub found_rows: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            session: BTreeMap::new(),
            connect_timeout: Duration::from_secs(30),
            schema: None,
            found_rows: false,
        }
    }
}

impl ConnectOptions {
    /// With one more session variable.
    pub fn with_session(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.session.insert(name.into(), value.into());
        self
    }
}

/// Packets are at most this large unless `max-allowed-packet` says otherwise.
const DEFAULT_MAX_ALLOWED_PACKET: usize = 64 << 20;

/// Opens a connection: utf8mb4, the session variables of `cfg` and `options`, TLS if configured.
///
/// Several statements may go in one query (`a; b; c`): the server runs them in order and stops at the first that fails.
/// `query_drop` and `query_iter(..).drop_result()` read all results and return that error, whichever statement it came
/// from; what ran before it stays done unless the transaction is rolled back.
///
/// Errors: 10001 with the address, the user and the driver's cause.
pub async fn connect(cfg: &DbConfig, side: Scope, options: ConnectOptions) -> Result<Conn> {
    let failed = |cause: String| connect_error(cfg, side, cause);
    let addresses = resolve(cfg, options.connect_timeout).await.map_err(&failed)?;
    let password = secret::reveal(&cfg.password)?;
    let init = set_statement(cfg, &options.session)?;
    let mut builder = OptsBuilder::default()
        .ip_or_hostname(cfg.host.clone())
        .tcp_port(cfg.port)
        .resolved_ips(Some(addresses))
        .user(Some(cfg.user.clone()))
        .pass(Some(password))
        .db_name(options.schema.clone())
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true)
        .client_found_rows(options.found_rows)
        .max_allowed_packet(Some(packet_size(cfg)))
        .wait_timeout(Some(28_800))
        .init(init.into_iter().collect::<Vec<_>>());
    if let Some(ssl) = cfg.security.as_ref().and_then(ssl_options) {
        // A password may only be told in clear to whom it is encrypted for.
        builder = builder.ssl_opts(ssl).enable_cleartext_plugin(true);
    }
    match timeout(options.connect_timeout, Conn::new(builder)).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => Err(failed(dial_cause(cfg, &error))),
        Err(_) => Err(failed(format!("dial tcp {}: i/o timeout", address(cfg)))),
    }
}

/// Waits for an answer at most `limit` (see [`DbConfig::answer_limit`]); later it counts as a lost connection, whose
/// outcome is unknown. The caller must not use the connection again after that: the answer may still come.
pub async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = std::result::Result<T, mysql_async::Error>>,
) -> std::result::Result<T, mysql_async::Error> {
    match timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

fn packet_size(cfg: &DbConfig) -> usize {
    match cfg.max_allowed_packet {
        Some(size) if size > 0 => (size as usize).clamp(1024, 1 << 30),
        _ => DEFAULT_MAX_ALLOWED_PACKET,
    }
}

/// `host:port`, IPv6 addresses in brackets.
pub(super) fn address(cfg: &DbConfig) -> String {
    if cfg.host.contains(':') { format!("[{}]:{}", cfg.host, cfg.port) } else { format!("{}:{}", cfg.host, cfg.port) }
}

/// Code 10001, naming the address and the user beside the cause.
pub(super) fn connect_error(cfg: &DbConfig, side: Scope, cause: String) -> DmError {
    let error = DmError::new(Code::DBDriverError).scope(side).cause(cause);
    let message = format!("{}: cannot connect to {} as user '{}'", error.message(), address(cfg), cfg.user);
    error.msg(message)
}

/// The server's addresses, in the order to try them.
pub(super) async fn resolve(cfg: &DbConfig, limit: Duration) -> std::result::Result<Vec<IpAddr>, String> {
    if let Ok(ip) = cfg.host.parse() {
        return Ok(vec![ip]);
    }
    let lookup = timeout(limit, tokio::net::lookup_host((cfg.host.as_str(), cfg.port))).await;
    let found: Vec<IpAddr> = match lookup {
        Ok(Ok(addresses)) => addresses.map(|a| a.ip()).collect(),
        Ok(Err(_)) => Vec::new(),
        Err(_) => return Err(format!("dial tcp: lookup {}: i/o timeout", cfg.host)),
    };
    if found.is_empty() { Err(format!("dial tcp: lookup {}: no such host", cfg.host)) } else { Ok(found) }
}

/// The cause of a failed dial, in the driver's words.
fn dial_cause(cfg: &DbConfig, error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Io(mysql_async::IoError::Io(io)) => io_dial_cause(cfg, io),
        mysql_async::Error::Driver(mysql_async::DriverError::UnknownAuthPlugin { name }) => unknown_login(name),
        other => cause(other),
    }
}

/// What is said of a login that can't be done.
pub(super) fn unknown_login(plugin: &str) -> String {
    format!(
        "the server wants the login plugin `{plugin}` for this user, which is not supported: give the user one of \
         caching_sha2_password, mysql_native_password, ed25519 or parsec"
    )
}

/// `dial tcp host:port: connect: connection refused`.
pub(super) fn io_dial_cause(cfg: &DbConfig, error: &std::io::Error) -> String {
    use std::io::ErrorKind::*;
    let reason = match error.kind() {
        ConnectionRefused => "connect: connection refused",
        HostUnreachable => "connect: no route to host",
        NetworkUnreachable => "connect: network is unreachable",
        TimedOut => "i/o timeout",
        UnexpectedEof | ConnectionReset | BrokenPipe => return "invalid connection".into(),
        _ => return error.to_string(),
    };
    format!("dial tcp {}: {reason}", address(cfg))
}

/// One SET for all session variables; `extra` wins. A name that can't be a variable is error 10001.
pub(super) fn set_statement(cfg: &DbConfig, extra: &BTreeMap<String, String>) -> Result<Option<String>> {
    let mut all = cfg.session.clone();
    all.extend(extra.iter().map(|(name, value)| (name.to_lowercase(), value.clone())));
    let mut items = Vec::with_capacity(all.len());
    for (name, value) in &all {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
        let bare = name.strip_prefix('@').unwrap_or(name);
        if bare.is_empty() || !bare.bytes().all(allowed) {
            return Err(DmError::new(Code::DBDriverError).msg(format!(
                "`{name}` is not the name of a session variable: correct `session` of the database config"
            )));
        }
        items.push(format!("{name} = {}", session_value(value)));
    }
    Ok((!items.is_empty()).then(|| format!("SET {}", items.join(", "))))
}

/// Numbers stay bare, as numeric variables take no strings; quotes around a value are the user's, not part of it.
fn session_value(value: &str) -> String {
    let bare = value.trim();
    let digits = bare.strip_prefix('-').unwrap_or(bare);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 20;
    if is_number {
        return bare.to_owned();
    }
    let unquoted = ['\'', '"'].iter().find_map(|q| bare.strip_prefix(*q)?.strip_suffix(*q));
    quote_text(unquoted.unwrap_or(value))
}

/// Bytes win over a path; `None` when neither is given.
fn pem_source<T: From<Vec<u8>> + From<PathBuf>>(bytes: &[u8], path: &str) -> Option<T> {
    match (bytes.is_empty(), path.is_empty()) {
        (false, _) => Some(bytes.to_vec().into()),
        (true, false) => Some(PathBuf::from(path).into()),
        (true, true) => None,
    }
}

/// TLS of a connection; `None` when nothing is configured. Without a CA the server's certificate is not checked, as
/// there is nothing to check it against; with one, chain and host name are.
fn ssl_options(security: &Security) -> Option<SslOpts> {
    let cert = pem_source(&security.ssl_cert_bytes, &security.ssl_cert);
    let key = pem_source(&security.ssl_key_bytes, &security.ssl_key);
    let ca = pem_source(&security.ssl_ca_bytes, &security.ssl_ca);
    if ca.is_none() && cert.is_none() && key.is_none() {
        return None;
    }
    let mut options = SslOpts::default();
    options = match ca {
        Some(ca) => options.with_root_certs(vec![ca]).with_disable_built_in_roots(true),
        None => options.with_danger_accept_invalid_certs(true),
    };
    if let (Some(cert), Some(key)) = (cert, key) {
        options = options.with_client_identity(Some(ClientIdentity::new(cert, key)));
    }
    Some(options)
}
