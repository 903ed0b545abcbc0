//! A source of the API and a source file: one as the other.

use serde_json::{Value, json};

use super::{Fault, common};
use crate::{
    config::{MASK, Secret, Security, SourceConfig},
    coordinator::state::ClusterState,
};

/// A text member; empty when it is absent or null.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// A number member that fits its place.
pub fn number<T: TryFrom<i64>>(value: &Value, name: &str, otherwise: T) -> Result<T, Fault> {
    match value[name].as_i64() {
        None if value.get(name).is_none_or(Value::is_null) => Ok(otherwise),
        number => {
            let fits = number.and_then(|number| T::try_from(number).ok());
            fits.ok_or_else(|| common(format!("{name} is {}, which is out of range", value[name])))
        }
    }
}

/// A switch member.
pub fn switch(value: &Value, name: &str, otherwise: bool) -> bool {
    value[name].as_bool().unwrap_or(otherwise)
}

/// A list of texts.
pub fn texts(value: &Value, name: &str) -> Vec<String> {
    let items = value[name].as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Certificates by their contents.
pub fn security(value: &Value) -> Option<Security> {
    let given = value.get("security").filter(|given| !given.is_null())?;
    Some(Security {
        ssl_ca_bytes: text(given, "ssl_ca_content").into_bytes(),
        ssl_cert_bytes: text(given, "ssl_cert_content").into_bytes(),
        ssl_key_bytes: text(given, "ssl_key_content").into_bytes(),
        cert_allowed_cn: texts(given, "cert_allowed_cn"),
        ..Security::default()
    })
}

/// The other way, with the key.
pub fn security_json(security: Option<&Security>) -> Value {
    let Some(security) = security else { return Value::Null };
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "ssl_ca_content": shown(&security.ssl_ca_bytes),
        "ssl_cert_content": shown(&security.ssl_cert_bytes),
        "ssl_key_content": shown(&security.ssl_key_bytes),
        "cert_allowed_cn": security.cert_allowed_cn,
    })
}

/// Puts what the API says over a source file; a password that is absent, and a secret that is masked, stay.
pub fn merge(source: &mut SourceConfig, value: &Value) -> Result<(), Fault> {
    source.source_id = text(value, "source_name");
    source.from.host = text(value, "host");
    source.from.port = number(value, "port", 0)?;
    source.from.user = text(value, "user");
    if let Some(password) = value["password"].as_str().filter(|password| *password != MASK) {
        source.from.password = Secret(password.to_owned());
    }
    source.enable_gtid = switch(value, "enable_gtid", false);
    source.enable = switch(value, "enable", true);
    source.flavor = text(value, "flavor");
    let mut given = security(value);
    if let Some(security) = given.as_mut().filter(|security| security.ssl_key_bytes == MASK.as_bytes()) {
        let stored = source.from.security.take().unwrap_or_default();
        security.ssl_key_bytes = stored.ssl_key_bytes;
    }
    source.from.security = given;
    let purge = &value["purge"];
    source.purge.interval = number(purge, "interval", 3600)?;
    source.purge.expires = number(purge, "expires", 0)?;
    source.purge.remain_space = number(purge, "remain_space", 15)?;
    let relay = &value["relay_config"];
    source.enable_relay = switch(relay, "enable_relay", false);
    source.relay_binlog_name = text(relay, "relay_binlog_name");
    source.relay_binlog_gtid = text(relay, "relay_binlog_gtid");
    if let Some(dir) = relay["relay_dir"].as_str() {
        source.relay_dir = dir.to_owned();
    }
    Ok(())
}

/// A stored source as the API shows it.
pub fn shown(source: &SourceConfig, state: &ClusterState) -> Value {
    let tasks: Vec<&String> = state
        .tasks
        .iter()
        .filter(|(_, task)| task.subtasks.contains_key(&source.source_id))
        .map(|(name, _)| name)
        .collect();
    let mut security = security_json(source.from.security.as_ref());
    if source.from.security.as_ref().is_some_and(|security| !security.ssl_key_bytes.is_empty()) {
        security["ssl_key_content"] = MASK.into();
    }
    json!({
        "source_name": source.source_id,
        "host": source.from.host,
        "port": source.from.port,
        "user": source.from.user,
        "password": MASK,
        "enable_gtid": source.enable_gtid,
        "enable": source.enable,
        "flavor": source.flavor,
        "task_name_list": tasks,
        "security": security,
        "purge": {
            "interval": source.purge.interval,
            "expires": source.purge.expires,
            "remain_space": source.purge.remain_space,
        },
        "relay_config": {
            "enable_relay": source.enable_relay,
            "relay_binlog_name": source.relay_binlog_name,
            "relay_binlog_gtid": source.relay_binlog_gtid,
            "relay_dir": source.relay_dir,
        },
    })
}
