//! The checks of one source server: version, binlog, privileges.

use std::collections::BTreeSet;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    grants::Grants,
    report::Outcome,
    rights,
    tables::{Tables, rows, text},
};
use crate::{
    config::SubtaskConfig,
    error::{Code, Result, Scope},
    schema::{ServerInfo, model::quote_name},
    units::{
        dump::{DumpOptions, options::Consistency},
        link,
    },
};

/// A source under check.
pub struct Source<'a> {
    pub config: &'a SubtaskConfig,
    pub conn: Conn,
    pub server: ServerInfo,
    pub version: String,
    /// For the outcomes' `extra`.
    pub address: String,
}

impl<'a> Source<'a> {
    /// Connects and asks for the version.
    pub async fn connect(config: &'a SubtaskConfig) -> Result<Source<'a>> {
        let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
        let version = rows(&mut conn, Scope::Upstream, "SELECT VERSION()").await?;
        let version = version.first().map(|row| text(row, 0)).unwrap_or_default();
        let address = format!("address of db instance - {}:{}", config.from.host, config.from.port);
        Ok(Source { config, conn, server: ServerInfo::parse(&version).unwrap_or_default(), version, address })
    }

    async fn variable(&mut self, name: &str) -> Result<Option<String>> {
        let sql = format!("SHOW GLOBAL VARIABLES LIKE '{name}'");
        let found = rows(&mut self.conn, Scope::Upstream, &sql).await?;
        Ok(found.first().map(|row| text(row, 1)))
    }

    fn outcome(&self, name: &str, desc: &str) -> Outcome {
        Outcome::new(name, desc, self.address.clone())
    }

    /// `version`.
    pub fn check_version(&self) -> Outcome {
        let mut out = self.outcome("mysql_version", "check whether mysql version is satisfied");
        let (number, text) = (self.server.version, &self.version);
        if text.to_ascii_lowercase().contains("tidb") {
            out.warn("TiDB is not supported as a source of incremental data.", "Please use TiCDC for data of TiDB.");
        } else if self.server.is_mariadb() {
            let advice = "It is recommended that you upgrade MariaDB to 10.1.2 or a later version.";
            out.warn("Migrating from MariaDB is still experimental.", advice);
        } else if !(50_600..80_500).contains(&number) {
            out.warn(
                format!("version suggested at least 5.6.0 and less than 8.5.0 but got {text}"),
                "It is recommended that you select a database version that meets the requirements before performing data \
                 migration. Otherwise data inconsistency or task exceptions might occur.",
            );
        }
        out
    }

    /// `server_id`.
    pub async fn check_server_id(&mut self) -> Result<Outcome> {
        let mut out = self.outcome("mysql_server_id", "check whether mysql server_id has been greater than 0");
        match self.variable("server_id").await?.as_deref() {
            None | Some("" | "0") => {
                out.fail("server_id is 0", "Please set server_id greater than 0 in the source's configuration.")
            }
            Some(_) => {}
        }
        Ok(out)
    }

    /// `binlog_enable`.
    pub async fn check_binlog_enable(&mut self) -> Result<Outcome> {
        let mut out = self.outcome("mysql_binlog_enable", "check whether mysql binlog is enabled");
        let value = self.variable("log_bin").await?.unwrap_or_default();
        if !value.eq_ignore_ascii_case("ON") {
            out.fail(
                format!("log_bin is {value}, and should be ON"),
                "Please switch the binlog on: set log_bin (for example log-bin=mysql-bin) in the source's configuration \
                 file and restart it.",
            );
        }
        Ok(out)
    }

    /// `binlog_format`.
    pub async fn check_binlog_format(&mut self) -> Result<Outcome> {
        let mut out = self.outcome("mysql_binlog_format", "check whether mysql binlog_format is ROW");
        let value = self.variable("binlog_format").await?;
        // A server that no longer has the variable writes rows only.
        if value.as_deref().is_some_and(|v| !v.eq_ignore_ascii_case("ROW")) {
            out.fail(
                format!("binlog_format is {}, and should be ROW", value.unwrap_or_default()),
                "Please execute 'set global binlog_format=ROW;' on the source, set it in its configuration file, and \
                 reconnect the applications.",
            );
        }
        Ok(out)
    }

    /// `binlog_row_image`.
    pub async fn check_binlog_row_image(&mut self) -> Result<Outcome> {
        let mut out = self.outcome("mysql_binlog_row_image", "check whether mysql binlog_row_image is FULL");
        let value = self.variable("binlog_row_image").await?;
        if value.as_deref().is_some_and(|v| !v.eq_ignore_ascii_case("FULL")) {
            // Unlike the original, changes without all columns are applied.
            out.warn(
                format!("binlog_row_image is {}, and should be FULL", value.unwrap_or_default()),
                "Tables with more than one unique key are migrated more slowly, and neither tables with expression filters nor \
                 keys that only the target has can be migrated at all. If that matters, please execute 'set global \
                 binlog_row_image = FULL;' on the source, set it in its configuration file, and reconnect the applications.",
            );
        }
        Ok(out)
    }

    /// What tells where the binlog stands.
    pub fn status_command(&self) -> &'static str {
        let newer = crate::units::dump::snapshot::has_newer_command(&self.server);
        if newer { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
    }

    /// `binlog_db`.
    pub async fn check_binlog_db(&mut self, tables: &Tables) -> Result<Outcome> {
        let mut out = self.outcome("binlog_do_db/binlog_ignore_db check", "check binlog_do_db/binlog_ignore_db");
        let command = self.status_command();
        let found = rows(&mut self.conn, Scope::Upstream, command).await?;
        let Some(row) = found.first() else { return Ok(out) };
        let list = |at: usize| -> BTreeSet<String> {
            text(row, at).split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
        };
        let (do_db, ignore_db) = (list(2), list(3));
        let schemas: BTreeSet<&String> = tables.keys().map(|(schema, _)| schema).collect();
        let missing: Vec<&str> = schemas
            .into_iter()
            .filter(|s| (!do_db.is_empty() && !do_db.contains(*s)) || (do_db.is_empty() && ignore_db.contains(*s)))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            out.fail(
                format!("these schemas are not written to the binlog: {}", missing.join(", ")),
                "Please make binlog_do_db and binlog_ignore_db of the source let all migrated schemas into the binlog.",
            );
        }
        Ok(out)
    }

    /// `meta_position`: the place where the task is to begin is still in the source's binlog.
    pub async fn check_meta_position(&mut self) -> Result<Outcome> {
        let mut out = self.outcome("meta position check", "check whether meta position is valid for db");
        let Some(meta) = &self.config.meta else { return Ok(out) };
        let advice =
            "Please set a position (or GTID set) in the task's `meta` that the source still has: see SHOW BINARY LOGS.";
        if self.config.enable_gtid && !meta.binlog_gtid.is_empty() {
            if !self.server.is_mariadb() {
                let sql = "SELECT GTID_SUBSET(@@GLOBAL.gtid_purged, ?)";
                let covered: Option<Option<u8>> = self
                    .conn
                    .exec_first(sql, (&meta.binlog_gtid,))
                    .await
                    .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &e))?;
                if covered.flatten() == Some(0) {
                    out.fail("the source has purged transactions that are not in the task's binlog-gtid", advice);
                }
            }
            return Ok(out);
        }
        let logs: Vec<Row> = rows(&mut self.conn, Scope::Upstream, "SHOW BINARY LOGS").await?;
        match logs.iter().find(|row| text(row, 0) == meta.binlog_name) {
            None => out.fail(format!("the source has no binlog file {}", meta.binlog_name), advice),
            Some(row) => {
                let size: u64 = text(row, 1).parse().unwrap_or(u64::MAX);
                if u64::from(meta.binlog_pos) > size {
                    out.fail(
                        format!("position {} is behind the end of {} ({size})", meta.binlog_pos, meta.binlog_name),
                        advice,
                    );
                }
            }
        }
        Ok(out)
    }

    /// `online_ddl`: a ghost table that is there already can't be followed.
    pub fn check_online_ddl(&self, tables: &Tables) -> Outcome {
        let mut out = self.outcome("online ddl checker", "check if in online ddl phase");
        let rules: Vec<regex::Regex> =
            self.config.shadow_table_rules.iter().filter_map(|rule| regex::Regex::new(rule).ok()).collect();
        for (schema, table) in tables.keys().filter(|(_, table)| rules.iter().any(|rule| rule.is_match(table))) {
            out.warn(
                format!(
                    "{}.{} looks like the shadow table of an online DDL that is under way",
                    quote_name(schema),
                    quote_name(table)
                ),
                "Please wait for the end of the online DDL, or drop its left-over tables, before the task starts.",
            );
        }
        out
    }

    /// The user's grants, those of active roles included.
    pub async fn grants(&mut self) -> Result<Grants> {
        read_grants(&mut self.conn, &self.server, Scope::Upstream).await
    }

    /// `dump_privilege`.
    pub async fn check_dump_privilege(&mut self, grants: &Grants, tables: &Tables) -> Outcome {
        let mut out = self.outcome("source db dump privilege checker", "check dump privileges of source DB");
        let user = &self.config.from.user;
        let mut missing = Vec::new();
        let consistency = DumpOptions::new(&self.config.mydumper, &self.config.from).map(|o| o.consistency);
        let consistency = consistency.unwrap_or_default();
        let schemas: BTreeSet<&String> = tables.keys().map(|(schema, _)| schema).collect();
        let locks_each = schemas.iter().all(|schema| grants.on_schema(&["LOCK TABLES"], schema));
        let locks_all = matches!(consistency, Consistency::None | Consistency::Lock)
            || grants.global(&["RELOAD"])
            || rights::still_missing(self, vec![("RELOAD", "*.*".to_owned())], tables).await.is_empty();
        let reload = format!("GRANT RELOAD ON *.* TO '{user}'@'%';");
        match consistency {
            Consistency::None => {}
            Consistency::Lock if !locks_each => missing.push(("LOCK TABLES", "*.*".to_owned())),
            Consistency::Auto if !locks_all && locks_each => {
                out.warn("lack of RELOAD global (*.*) privilege: the dump will lock each table instead", reload);
            }
            Consistency::Auto if !locks_all && self.config.streams() => {
                out.warn("lack of RELOAD global (*.*) privilege: the snapshot will be taken without a lock", reload);
            }
            _ if !locks_all => missing.push(("RELOAD", "*.*".to_owned())),
            _ => {}
        }
        if !grants.global(&["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"]) {
            missing.push(("REPLICATION CLIENT", "*.*".to_owned()));
        }
        missing.extend(missing_select(grants, tables));
        let missing = rights::still_missing(self, missing, tables).await;
        self.lacking(&mut out, grants, &missing);
        out
    }

    /// `replication_privilege`.
    pub async fn check_replication_privilege(&mut self, grants: &Grants, tables: &Tables) -> Outcome {
        let mut out =
            self.outcome("source db replication privilege checker", "check replication privileges of source DB");
        let mut missing = Vec::new();
        if !grants.global(&["REPLICATION SLAVE", "REPLICATION REPLICA"]) {
            missing.push(("REPLICATION SLAVE", "*.*".to_owned()));
        }
        if !grants.global(&["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"]) {
            missing.push(("REPLICATION CLIENT", "*.*".to_owned()));
        }
        let missing = rights::still_missing(self, missing, tables).await;
        self.lacking(&mut out, grants, &missing);
        out
    }

    /// Says what to grant. When some grants could not be understood they may contain what is missing: then it is a
    /// warning only.
    fn lacking(&self, out: &mut Outcome, grants: &Grants, missing: &[(&str, String)]) {
        if missing.is_empty() {
            return;
        }
        let user = &self.config.from.user;
        let named: Vec<String> = missing.iter().map(|(privilege, on)| format!("{privilege} on {on}")).collect();
        let advice: Vec<String> = missing.iter().map(|(p, on)| format!("GRANT {p} ON {on} TO '{user}'@'%';")).collect();
        let (text, advice) = (format!("lack of privileges: {}", named.join("; ")), advice.join(" "));
        match grants.unknown {
            0 => out.fail(text, advice),
            _ => out.warn(format!("{text} (some grants could not be understood)"), advice),
        }
    }
}

/// At most ten schemas with tables that may not be read.
fn missing_select(grants: &Grants, tables: &Tables) -> Vec<(&'static str, String)> {
    const MOST: usize = 10;
    let unreadable = tables.keys().filter(|(schema, table)| !grants.on_table(&["SELECT"], schema, table));
    let names: BTreeSet<String> = unreadable.map(|(schema, _)| format!("{}.*", quote_name(schema))).collect();
    names.into_iter().take(MOST).map(|name| ("SELECT", name)).collect()
}

/// Reads SHOW GRANTS of the connection's user and of its active roles.
pub async fn read_grants(conn: &mut Conn, server: &ServerInfo, scope: Scope) -> Result<Grants> {
    let lines = |found: &[Row]| found.iter().map(|row| text(row, 0)).collect::<Vec<String>>();
    // A server that was started without grant tables has none to show: an unknown line, and rights are tried.
    let mut all = match rows(conn, scope, "SHOW GRANTS").await {
        Ok(found) => lines(&found),
        Err(e) if e.raw_cause().starts_with("Error 1141 ") || e.raw_cause().starts_with("Error 1290 ") => {
            vec![String::new()]
        }
        Err(e) => return Err(e),
    };
    let role: Option<String> =
        conn.query_first::<Option<String>, _>("SELECT CURRENT_ROLE()").await.ok().flatten().flatten();
    if let Some(role) = role.filter(|role| !role.is_empty() && role != "NONE") {
        let sql = if server.is_mariadb() {
            format!("SHOW GRANTS FOR {}", quote_name(&role))
        } else {
            format!("SHOW GRANTS FOR CURRENT_USER() USING {role}")
        };
        if let Ok(found) = rows(conn, scope, &sql).await {
            all.extend(lines(&found));
        }
    }
    Ok(Grants::parse(all.iter().map(String::as_str)))
}
