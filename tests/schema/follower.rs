//! One statement at a time: the server executes it, the tracker follows what the server logged, and both must tell the
//! same about every table that the statement touched. After a difference both go on from what the server has.

use std::collections::{BTreeMap, BTreeSet};

use dm::schema::{TableId, TableInfo, Tracker, load, table_info};
use mysql_async::{Row, prelude::Queryable};

use super::{
    catalogue,
    facts::{self, ColumnFacts, Given, TableFacts},
    layout, oracle,
    rig::{Rig, answer, statements},
    subject::{self, Sides},
    tracked,
};

/// MariaDB's bit of `sql_mode`.
const ORACLE_MODE: u64 = 1 << 9;

/// What became of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The server refuses it.
    RefusedByServer(String),
    /// Nothing is in the binlog: it changes nothing, or nothing that is migrated.
    NotLogged,
    Tracked,
    /// Sent as text, and nothing that the model knows changes.
    PassedThrough,
    Skipped,
    /// Code and reason.
    Refused(String),
}

/// The tracker and the server.
pub struct Follower {
    pub rig: Rig,
    pub tracker: Tracker,
    sides: Sides,
    /// Rows of defaults that were written and compared.
    pub rows_compared: usize,
    schemas: Vec<String>,
    /// Tables that the code under test refuses to know.
    blind: BTreeSet<TableId>,
    /// What was equal when the table was last looked at.
    seen: BTreeMap<TableId, (TableInfo, TableFacts)>,
    /// Expressions that the server confirmed.
    confirmed: BTreeSet<String>,
    /// Problems of this topic.
    told: BTreeSet<String>,
    sql_mode: u64,
}

impl Follower {
    pub async fn new(mut rig: Rig) -> Follower {
        let session = rig.session;
        let mut tracker = Tracker::new(session.server, session.lower_case_table_names);
        tracker.set_explicit_defaults_for_timestamp(session.explicit_defaults_for_timestamp);
        for (schema, charset) in load::fetch_schemas(&mut rig.look).await.unwrap() {
            tracker.put_schema(&schema, charset);
        }
        let sides = Sides::of(&mut rig.look, session.server).await;
        Follower {
            rig,
            tracker,
            sides,
            rows_compared: 0,
            schemas: Vec::new(),
            blind: BTreeSet::new(),
            seen: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            told: BTreeSet::new(),
            sql_mode: 0,
        }
    }

    /// Executes a statement and compares. Problems are added to the list.
    pub async fn step(&mut self, sql: &str, problems: &mut Vec<String>) -> Verdict {
        let answer = self.rig.run(sql).await;
        let events = statements(&self.rig.logged().await);
        if events.is_empty() {
            return answer.err().map_or(Verdict::NotLogged, Verdict::RefusedByServer);
        }
        if sql.to_ascii_uppercase().contains("DATABASE") || sql.to_ascii_uppercase().contains("SCHEMA") {
            self.see_schemas().await;
        }
        let before = self.tracker.clone();
        let mut touched = Vec::new();
        let mut rewritten = Vec::new();
        let mut skipped = 0;
        let mut changed = false;
        for event in &events {
            self.sql_mode = event.status.sql_mode.unwrap_or_default();
            match self.sides.follow(&mut self.tracker, event) {
                Ok(followed) => {
                    touched.extend(followed.touched);
                    rewritten.extend(followed.rewritten.into_iter().map(|sql| (followed.session.clone(), sql)));
                    skipped += followed.skipped;
                    changed |= followed.changed;
                    problems.extend(followed.problems);
                }
                Err(error) => {
                    let reason = format!("{}: {}", error.code() as u16, error.raw_cause());
                    self.start_over().await;
                    return Verdict::Refused(format!("{reason} [{}]", error.message()));
                }
            }
        }
        // A view, a temporary table or a sequence, which the target never got: the task stops with the target's error.
        let known = |id: &TableId| [&before, &self.tracker].iter().any(|t| t.get(&id.schema, &id.name).is_some());
        let unknown = !touched.iter().all(known);
        let missing = |error: &str| unknown && (error.starts_with("1146:") || error.starts_with("1017:"));
        // Types of MariaDB's Oracle mode go as they are written.
        let oracle = self.sql_mode & ORACLE_MODE != 0;
        let refused = |error: &str| missing(error) || (oracle && error.starts_with("1064:"));
        for (session, sql) in &rewritten {
            match answer_of_copy(&mut self.rig, session, sql).await {
                Err(error) if refused(&error) => {
                    self.start_over().await;
                    return Verdict::Refused(error);
                }
                Err(error) => problems.push(format!("[rewrite] the target refuses: {sql}\n    {error}")),
                Ok(()) => {}
            }
        }
        touched.sort();
        touched.dedup();
        self.compare(&touched, problems).await;
        match (rewritten.is_empty() && skipped > 0, changed) {
            (true, _) => Verdict::Skipped,
            (_, true) => Verdict::Tracked,
            (_, false) => Verdict::PassedThrough,
        }
    }

    /// Compares every tracked table.
    pub async fn compare_all(&mut self, problems: &mut Vec<String>) {
        let all: Vec<TableId> = self.tracker.tables().map(|table| table.id()).collect();
        self.seen.clear();
        self.compare(&all, problems).await;
        self.compare_bulk(problems).await;
    }

    /// All tables read at once must be those that were read one at a time.
    async fn compare_bulk(&mut self, problems: &mut Vec<String>) {
        let read = load::bulk(&mut self.rig.look, None, &self.schemas, &|_, _| true).await.unwrap();
        let unreadable = read.unreadable.iter().map(|(id, error)| format!("[bulk] {id}: {error}"));
        problems.extend(unreadable.filter(|_| self.blind.is_empty()));
        let there: BTreeSet<TableId> = read.tables.iter().map(TableInfo::id).collect();
        problems.extend(self.seen.keys().filter(|id| !there.contains(id)).map(|id| format!("[bulk] finds no {id}")));
        for table in read.tables {
            let id = table.id();
            let Some((tracked, facts)) = self.seen.get(&id).cloned() else { continue };
            let mut found = Vec::new();
            self.differences("[bulk]", &id, &tracked::table(&table), &facts, &mut found).await;
            if table.row_key() != tracked.row_key() || table.columns.len() != tracked.columns.len() {
                found.push(format!("[bulk] row key {:?}, tracked {:?}", table.row_key(), tracked.row_key()));
            }
            problems.extend(found.into_iter().map(|problem| format!("{problem}    ({id})")));
        }
    }

    /// Drops every schema of the last topic and begins with an empty one.
    pub async fn clear(&mut self) {
        self.rig.renew().await;
        self.see_schemas().await;
        let known = std::mem::take(&mut self.schemas);
        for schema in known {
            self.tracker.remove_schema(&schema);
            for name in [schema.clone(), format!("r_{schema}")] {
                let drop = format!("DROP DATABASE IF EXISTS `{}`", name.replace('`', "``"));
                self.rig.look.query_drop(drop).await.unwrap();
            }
        }
        self.blind.clear();
        self.seen.clear();
        self.told.clear();
        let mut problems = Vec::new();
        for sql in ["CREATE DATABASE d", "USE d"] {
            self.step(sql, &mut problems).await;
        }
        assert!(problems.is_empty(), "{problems:?}");
    }

    async fn see_schemas(&mut self) {
        let all = self.rig.query("SHOW DATABASES").await;
        let names = all.into_iter().filter_map(|row| row.into_iter().next().flatten());
        let own = ["information_schema", "mysql", "performance_schema", "sys"];
        self.schemas = names.filter(|name| !own.contains(&&**name) && !name.starts_with("r_")).collect();
    }

    async fn server_tables(&mut self) -> BTreeSet<TableId> {
        let schemas: Vec<&str> = self.schemas.iter().map(String::as_str).collect();
        let tables = catalogue::tables(&mut self.rig, &schemas).await;
        tables.into_iter().map(|(schema, name)| TableId::new(schema, name)).collect()
    }

    /// After a refusal nobody knows what the statement did: everything is read again, and what can't be read is left
    /// out from now on.
    async fn start_over(&mut self) {
        self.see_schemas().await;
        let server = self.server_tables().await;
        let tracked: Vec<TableId> = self.tracker.tables().map(|table| table.id()).collect();
        for id in tracked.iter().filter(|id| !server.contains(id)) {
            self.tracker.remove(&id.schema, &id.name);
        }
        for (schema, charset) in load::fetch_schemas(&mut self.rig.look).await.unwrap() {
            self.tracker.put_schema(&schema, charset);
        }
        self.blind.clear();
        for id in server {
            self.take_from_server(&id).await;
        }
    }

    async fn take_from_server(&mut self, id: &TableId) {
        self.seen.remove(id);
        match load::fetch_table(&mut self.rig.look, &id.schema, &id.name).await {
            Ok(Some(table)) => self.tracker.put(table),
            _ => {
                self.tracker.remove(&id.schema, &id.name);
                self.blind.insert(id.clone());
            }
        }
        self.copy_from_server(id).await;
    }

    /// Makes the target's table as the source's.
    async fn copy_from_server(&mut self, id: &TableId) {
        let (schema, name) = subject::routed(&id.schema, &id.name);
        let copy = TableId::new(schema.clone(), name);
        let row: Option<Row> = self.rig.look.query_first(format!("SHOW CREATE TABLE {id}")).await.unwrap_or_default();
        // A default of bytes that are no text stands in it as it is.
        let Some(sql) = row.and_then(|row| row.get::<Vec<u8>, _>(1)) else { return };
        let schema = schema.replace('`', "``");
        for statement in [
            format!("CREATE DATABASE IF NOT EXISTS `{schema}`").into_bytes(),
            format!("USE `{schema}`").into_bytes(),
            format!("DROP TABLE IF EXISTS {copy}").into_bytes(),
            sql,
        ] {
            let _ = self.rig.copy.query_drop(statement).await;
        }
    }

    async fn compare(&mut self, touched: &[TableId], problems: &mut Vec<String>) {
        let server = self.server_tables().await;
        self.blind.retain(|id| server.contains(id));
        let tracked: BTreeSet<TableId> = self.tracker.tables().map(|table| table.id()).collect();
        for id in tracked.difference(&server) {
            problems.push(format!("[tracker] {id} is tracked, but not on the server"));
            self.tracker.remove(&id.schema, &id.name);
        }
        for id in server.difference(&tracked).filter(|id| !self.blind.contains(id)).cloned().collect::<Vec<_>>() {
            problems.push(format!("[tracker] {id} is on the server, but not tracked"));
            self.take_from_server(&id).await;
        }
        for id in touched.iter().filter(|id| server.contains(id) && tracked.contains(id)) {
            self.compare_table(id, problems).await;
        }
    }

    async fn compare_table(&mut self, id: &TableId, problems: &mut Vec<String>) {
        let Some(info) = self.tracker.get(&id.schema, &id.name) else { return };
        let info = TableInfo::clone(&info);
        let Some(server) = catalogue::table(&mut self.rig, &id.schema, &id.name).await else { return };
        let unchanged = self.seen.get(id).is_some_and(|(seen, facts)| *seen == info && *facts == server);
        let mut found = Vec::new();
        self.compare_copy(id, &server, &mut found).await;
        if !unchanged {
            self.differences("[tracker]", id, &tracked::table(&info), &server, &mut found).await;
            self.compare_readings(id, &info, &server, &mut found).await;
            if self.seen.get(id).is_none_or(|(_, facts)| facts.columns != server.columns)
                && let Some(rows) = layout::check(&mut self.rig, &info).await
            {
                self.rows_compared += 1;
                found.extend(rows.iter().map(|problem| format!("[layout] {problem}")));
            }
        }
        if found.is_empty() {
            self.seen.insert(id.clone(), (info, server));
        } else {
            for problem in found {
                // What the loader doesn't read right either would be told after every statement.
                if self.told.insert(format!("{problem}{id}")) {
                    problems.push(format!("{problem}    ({id})"));
                }
            }
            self.take_from_server(id).await;
        }
    }

    /// The rewritten statement must have made the same table.
    async fn compare_copy(&mut self, id: &TableId, server: &TableFacts, found: &mut Vec<String>) {
        let (schema, name) = subject::routed(&id.schema, &id.name);
        let Some(mut copy) = catalogue::table(&mut self.rig, &schema, &name).await else {
            found.push(format!("[rewrite] there is no `{schema}`.`{name}`"));
            return;
        };
        copy.lines = copy.lines.iter().map(|line| line.replace("-> r_", "-> ")).collect();
        let heads = |facts: &TableFacts| {
            facts.columns.iter().map(|column| format!("{column:?}").replace("`r_", "`")).collect::<Vec<_>>()
        };
        lines_differ("[rewrite]", heads(&copy).iter(), heads(server).iter(), found);
        lines_differ("[rewrite]", copy.lines.iter(), server.lines.iter(), found);
    }

    /// What the loader reads, and what the JSON of `table_info` keeps.
    async fn compare_readings(&mut self, id: &TableId, info: &TableInfo, server: &TableFacts, found: &mut Vec<String>) {
        match load::fetch_table(&mut self.rig.look, &id.schema, &id.name).await {
            Ok(Some(read)) => {
                self.differences("[load]", id, &tracked::table(&read), server, found).await;
                let names = |table: &TableInfo| table.indexes.iter().map(|i| i.name.clone()).collect::<Vec<_>>();
                if names(&read) != names(info) {
                    found.push(format!("[tracker] order of keys: {:?}, read: {:?}", names(info), names(&read)));
                }
            }
            Ok(None) => found.push("[load] finds no table".to_owned()),
            Err(error) => found.push(format!("[load] {error}: {}", error.raw_cause())),
        }
        let bare = TableInfo { create_sql: None, ..info.clone() };
        let back = table_info::to_json(&bare).and_then(|json| table_info::from_json(&id.schema, &json));
        match back {
            Ok(Some(back)) if back == bare => {}
            Ok(back) => found.push(format!("[tracker] table_info: {bare:?} comes back as {back:?}")),
            Err(error) => found.push(format!("[tracker] table_info: {error}")),
        }
    }

    async fn differences(
        &mut self,
        who: &str,
        id: &TableId,
        ours: &TableFacts,
        server: &TableFacts,
        found: &mut Vec<String>,
    ) {
        let heads = |facts: &TableFacts| facts.columns.iter().map(ColumnFacts::head).collect::<Vec<_>>();
        let hidden = |column: &ColumnFacts| column.is_hidden() && !server.columns.iter().any(|c| c.name == column.name);
        let ours = &TableFacts {
            columns: ours.columns.iter().filter(|column| !hidden(column)).cloned().collect(),
            lines: ours.lines.clone(),
        };
        let (our_heads, server_heads) = (heads(ours), heads(server));
        lines_differ(who, our_heads.iter(), server_heads.iter(), found);
        lines_differ(who, ours.lines.iter(), server.lines.iter(), found);
        if our_heads != server_heads {
            if our_heads.iter().collect::<BTreeSet<_>>() == server_heads.iter().collect::<BTreeSet<_>>() {
                found.push(format!("{who} order of columns: {our_heads:?}, server {server_heads:?}"));
            }
            return;
        }
        for (ours, theirs) in ours.columns.iter().zip(&server.columns) {
            if !texts_agree(ours, theirs) {
                self.ask(who, id, ours, theirs, found).await;
            }
        }
    }

    async fn ask(
        &mut self,
        who: &str,
        id: &TableId,
        ours: &ColumnFacts,
        theirs: &ColumnFacts,
        found: &mut Vec<String>,
    ) {
        let question = format!("{ours:?} {theirs:?}");
        if self.confirmed.contains(&question) {
            return;
        }
        let tell = |column: &ColumnFacts| format!("default {:?} generated {:?}", column.default, column.generated);
        let difference = format!("{who} column {}: {}, server {}", ours.name, tell(ours), tell(theirs));
        match oracle::same(&mut self.rig, (&id.schema, &id.name), ours, theirs, self.sql_mode).await {
            Ok(true) => drop(self.confirmed.insert(question)),
            Ok(false) => found.push(difference),
            Err(error) => found.push(format!("{difference}; asked: {error}")),
        }
    }
}

async fn answer_of_copy(rig: &mut Rig, session: &[String], sql: &str) -> Result<(), String> {
    for setting in session {
        match rig.copy.query_drop(setting).await {
            // Old servers can't set explicit_defaults_for_timestamp.
            Err(mysql_async::Error::Server(_)) | Ok(()) => {}
            Err(lost) => panic!("{}: {lost}", rig.label),
        }
    }
    answer(rig.copy.query_drop(sql).await)
}

/// Lines that only one of them has.
fn lines_differ<'a>(
    who: &str,
    ours: impl Iterator<Item = &'a String>,
    server: impl Iterator<Item = &'a String>,
    found: &mut Vec<String>,
) {
    let (ours, server): (BTreeSet<_>, BTreeSet<_>) = (ours.collect(), server.collect());
    let only =
        |a: &BTreeSet<&String>, b: &BTreeSet<&String>| a.difference(b).map(|s| s.to_string()).collect::<Vec<_>>();
    let (got, expected) = (only(&ours, &server), only(&server, &ours));
    if !got.is_empty() || !expected.is_empty() {
        let join = |lines: Vec<String>| lines.join("\n            ");
        found.push(format!("{who} got     {}\n    expected {}", join(got), join(expected)));
    }
}

fn texts_agree(ours: &ColumnFacts, theirs: &ColumnFacts) -> bool {
    let expressions = match (&ours.generated, &theirs.generated) {
        (None, None) => true,
        (Some((ours, _)), Some((theirs, _))) => facts::folded(ours) == facts::folded(theirs),
        _ => false,
    };
    let defaults = match (&ours.default, &theirs.default) {
        (Given::Expression(ours), Given::Expression(theirs)) => facts::folded(ours) == facts::folded(theirs),
        (ours, theirs) => ours == theirs,
    };
    expressions && defaults
}
