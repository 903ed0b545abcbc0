//! The differential value test: every type of every server release, its extremes and random values, written on the server,
//! carried by dump and load (text protocol, files) and by sync (row images), with and without a key, and compared exactly.
//!
//! `DM_VALUE_SEEDS=n` runs n seeds with more rows each; a failure names type, seed, row and both values.

use std::{sync::Arc, time::Duration};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{BlockAllowList, RouteRule, TaskMode},
    },
    error::DmError,
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv},
};
use futures::future::join_all;
use mysql_async::{Conn, Row, Value, prelude::Queryable};
use rand::{SeedableRng, rngs::StdRng};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    values_kinds::{Column, Random, families},
    values_lone::lone,
};
use crate::support::{
    compare,
    servers::{Kind, Release, Server},
    wait,
};

/// The way a row takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Load,
    Sync,
}

impl Way {
    /// The schema it ends in, one for each source and way.
    fn schema(self, source: &Server) -> String {
        format!("{}_{}", if self == Way::Load { "loaded" } else { "synced" }, source.port)
    }
}

pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    keyed: bool,
}

impl Table {
    fn create(&self, schema: &str) -> String {
        let columns: Vec<String> =
            self.columns.iter().enumerate().map(|(i, c)| format!("c{i} {}", nullable(&c.sql))).collect();
        let head = if self.keyed { "id INT PRIMARY KEY" } else { "n INT" };
        format!("CREATE TABLE {schema}.{} ({head}, {})", self.name, columns.join(", "))
    }

    /// At least `least` rows, and all extremes.
    fn rows(&self, rng: &mut StdRng, least: usize) -> Vec<String> {
        let most = self.columns.iter().map(|c| c.extremes.len()).max().unwrap_or(0);
        if self.name.starts_with("lone") {
            let twice = self.columns.iter().flat_map(|c| c.extremes.iter().chain(&c.extremes));
            return twice.map(|value| format!("(0, {value})")).collect();
        }
        let rows = most.max(least);
        (0..rows)
            .map(|row| {
                let value = |c: &Column| c.extremes.get(row).cloned().unwrap_or_else(|| c.random.draw(rng));
                let values: Vec<String> = self.columns.iter().map(value).collect();
                format!("({}, {})", if self.keyed { row } else { 0 }, values.join(", "))
            })
            .collect()
    }
}

fn nullable(sql: &str) -> String {
    if sql.ends_with(" NULL") { sql.to_owned() } else { format!("{sql} NULL") }
}

/// A family's columns with a key and without one, as far as the target has such types.
pub(super) fn tables(source: Release, target: Release) -> Vec<Table> {
    let mut out = Vec::new();
    for keyed in [true, false] {
        let alike = if keyed { Vec::new() } else { lone(source, target) };
        for (name, columns) in families(source, target).into_iter().chain(alike) {
            let name = format!("{name}_{}", if keyed { "keyed" } else { "keyless" });
            out.push(Table { name, columns, keyed });
        }
    }
    out
}

fn subtask(name: &str, source: &Server, target: &Server, way: Way) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: name.into(),
        mode: if way == Way::Load { TaskMode::Full } else { TaskMode::Incremental },
        source_id: "s1".into(),
        server_id: 4243,
        flavor: if source.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb },
        from: source.db_config(),
        to: target.db_config(),
        routes: vec![RouteRule {
            schema_pattern: "d".into(),
            target_schema: way.schema(source),
            ..RouteRule::default()
        }],
        block_allow_list: BlockAllowList { do_dbs: vec!["d".into()], ..BlockAllowList::default() },
        ..SubtaskConfig::default()
    };
    config.syncer.checkpoint_flush_interval = 1;
    config.clean_dump_file = false;
    config
}

fn env(config: &SubtaskConfig) -> UnitEnv {
    UnitEnv {
        config: Arc::new(config.clone()),
        fence: Fence { cluster_id: 7, epoch: 1 },
        worker: "w".into(),
        unsaved: Default::default(),
        parked: Default::default(),
    }
}

async fn session(server: &Server) -> Conn {
    let mut conn = server.conn().await;
    conn.query_drop("SET NAMES utf8mb4, time_zone = '+05:30', sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
        .await
        .unwrap();
    conn
}

async fn write(conn: &mut Conn, table: &Table, rows: &[String]) {
    let mut statements = vec![format!("INSERT INTO d.{} VALUES {}", table.name, rows.join(", "))];
    if table.keyed {
        statements.push(format!("UPDATE d.{} SET id = id + 100000 WHERE id % 3 = 1", table.name));
        statements.push(format!("DELETE FROM d.{} WHERE id % 7 = 5", table.name));
    } else {
        // Every row is found by all its values. Which rows are taken must only be the same in source and target.
        for limit in [2, 3] {
            statements.push(format!("UPDATE d.{} SET n = n + 1 LIMIT {}", table.name, rows.len() / limit));
        }
        statements.push(format!("DELETE FROM d.{} WHERE n = 1 LIMIT {}", table.name, rows.len() / 4));
    }
    for sql in statements {
        conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {}", shorten(&sql)));
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(3000).collect()
}

/// Names and types of the source's columns.
async fn kinds(conn: &mut Conn, table: &Table) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = 'd' AND table_name = '{}' ORDER BY ordinal_position",
        table.name
    );
    conn.query(sql).await.unwrap()
}

/// The table's rows in an exact form, one text a value, sorted. `kinds` are those of the source, also for the target.
/// `typed`: both servers are MySQL, whose JSON has types that its text doesn't show.
async fn contents(
    conn: &mut Conn,
    schema: &str,
    table: &Table,
    kinds: &[(String, String)],
    typed: bool,
) -> Vec<Vec<String>> {
    let exact = |(name, kind): &(String, String)| match kind.as_str() {
        // Their bits, by the binary protocol.
        "float" | "double" | "int" => name.clone(),
        "bit" => format!("CAST({name} + 0 AS CHAR)"),
        "json" if typed => format!("CONCAT(CAST({name} AS CHAR), ' #', {})", json_types(name)),
        "set" => format!("CAST(CAST({name} AS UNSIGNED) AS CHAR)"),
        "enum" => format!("CONCAT({name} + 0, ' ', HEX({name}))"),
        "decimal" | "tinyint" | "smallint" | "mediumint" | "bigint" | "year" | "date" | "time" | "datetime"
        | "timestamp" | "inet4" | "inet6" | "uuid" | "json" => format!("CAST({name} AS CHAR)"),
        _ => format!("HEX({name})"),
    };
    let list: Vec<String> = kinds.iter().map(exact).collect();
    let sql = format!("SELECT {} FROM {schema}.{}", list.join(", "), table.name);
    let rows: Vec<Row> = conn.exec(&sql, ()).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    let mut out: Vec<Vec<String>> = rows.into_iter().map(|row| row.unwrap().iter().map(shown).collect()).collect();
    out.sort_by_key(|row| (row.first().cloned().unwrap_or_default().parse::<i64>().unwrap_or(-1), row.clone()));
    out
}

/// The types of a document and of the first scalars and containers in it.
fn json_types(name: &str) -> String {
    let first = |path: &str| {
        let one = |at| format!("IFNULL(JSON_TYPE(JSON_EXTRACT(JSON_EXTRACT({name}, '{path}'), '$[{at}]')), '-')");
        (0..8).map(one).collect::<Vec<_>>().join(", ")
    };
    format!("CONCAT_WS(',', JSON_TYPE({name}), {}, {})", first("$**.*"), first("$**[*]"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Float(v) => format!("{v:?} {:08x}", v.to_bits()),
        Value::Double(v) => format!("{v:?} {:016x}", v.to_bits()),
        Value::Int(v) => v.to_string(),
        other => other.as_sql(true),
    }
}

/// The first value that differs, for people.
fn difference(table: &Table, seed: u64, source: &[Vec<String>], target: &[Vec<String>]) -> Option<String> {
    let missing: Vec<&Vec<String>> = source.iter().filter(|row| !target.contains(row)).collect();
    let added: Vec<&Vec<String>> = target.iter().filter(|row| !source.contains(row)).collect();
    if missing.is_empty() && added.is_empty() && source.len() == target.len() {
        return None;
    }
    let mut out = format!(
        "{} (seed {seed}): {} of {} source rows missing, {} of {} target rows strange",
        table.name,
        missing.len(),
        source.len(),
        added.len(),
        target.len()
    );
    let mut seen = std::collections::HashSet::new();
    for row in missing {
        let near = added.iter().max_by_key(|other| other.iter().zip(row).filter(|(a, b)| a == b).count());
        let Some(near) = near else { continue };
        for (i, (a, b)) in row.iter().zip(near.iter()).enumerate().filter(|(_, (a, b))| a != b) {
            if seen.len() < 5 && seen.insert(i) {
                let kind = cut(if i == 0 { "key" } else { &table.columns[i - 1].sql });
                out.push_str(&format!("\n    row {} {kind}: {} became {}", row[0], cut(a), cut(b)));
            }
        }
    }
    Some(out)
}

/// What releases print in different ways: zero padding of display widths, doubles of JSON in MySQL 5.7, its hours of JSON
/// times.
fn same_print(text: &str, old_json: bool) -> String {
    if !old_json {
        return text.to_owned();
    }
    if let Some((text, types)) = text.rsplit_once(" #") {
        return format!("{} #{types}", same_print(text, old_json));
    }
    let text = &compare::exact::whole_doubles_as_integers(text);
    let scalar = text.strip_suffix(".0").filter(|rest| rest.parse::<i64>().is_ok()).unwrap_or(text);
    scalar.replace(".0,", ",").replace(".0]", "]").replace(".0}", "}")
}

fn cut(text: &str) -> String {
    if text.len() < 150 { text.to_owned() } else { format!("{}...", text.chars().take(150).collect::<String>()) }
}

/// Begins what couldn't be compared.
const UNREAD: &str = "can't be read yet: ";

async fn differences(source: &Server, target: &Server, way: Way, tables: &[Table], seed: u64) -> Vec<String> {
    let (mut from, mut to) = (session(source).await, session(target).await);
    let mut out = Vec::new();
    for table in tables {
        let (mut a, mut b) = if target.release == Release::Tidb {
            let (from_name, to_name) = (("d", table.name.as_str()), (&*way.schema(source), table.name.as_str()));
            match compare::exact_tables(&mut from, from_name, &mut to, to_name).await {
                Ok(both) => both,
                // Its tables are being made anew: a statement of DDL takes a moment there.
                Err(why) => {
                    out.push(format!("{UNREAD}{}: {why}", table.name));
                    continue;
                }
            }
        } else {
            let kinds = kinds(&mut from, table).await;
            let typed = source.kind == Kind::Mysql && target.kind == Kind::Mysql;
            let a = contents(&mut from, "d", table, &kinds, typed).await;
            (a, contents(&mut to, &way.schema(source), table, &kinds, typed).await)
        };
        if source.release != target.release {
            for value in a.iter_mut().chain(&mut b).flatten() {
                *value = same_print(value, source.release == Release::Mysql57);
                // The newest MariaDB 10.11 has no negative zero.
                if target.release == Release::Mariadb1011 && value.starts_with("-0.0 80000000") {
                    *value = value.replacen("-0.0 8", "0.0 0", 1);
                }
            }
        }
        out.extend(difference(table, seed, &a, &b));
    }
    let _ = from.disconnect().await;
    let _ = to.disconnect().await;
    out
}

async fn load(name: &str, source: &Server, target: &Server) -> Result<(), DmError> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = subtask(name, source, target, Way::Load);
    config.loader.dir = dir.path().join("dump").display().to_string();
    for kind in [UnitType::Dump, UnitType::Load] {
        assert_eq!(units::build(kind, env(&config))?.run(CancellationToken::new()).await?, Ended::Finished);
    }
    Ok(())
}

/// A sync unit at work.
struct Sync {
    stop: CancellationToken,
    running: JoinHandle<Result<Ended, DmError>>,
}

impl Sync {
    /// Starts it and waits for the checkpoint that the start writes.
    async fn start(name: &str, source: &Server, target: &Server) -> Sync {
        let unit = units::build(UnitType::Sync, env(&subtask(name, source, target, Way::Sync))).unwrap();
        let stop = CancellationToken::new();
        let child = stop.clone();
        let running = tokio::spawn(async move { unit.run(child).await });
        let stored = format!("SELECT COUNT(*) FROM dm_meta.{name}_syncer_checkpoint WHERE is_global = 1");
        wait::until("the first checkpoint", Duration::from_secs(60), || async {
            let mut conn = target.conn().await;
            let there: Result<Option<u8>, _> = conn.query_first(&stored).await;
            if matches!(there, Ok(Some(1))) || running.is_finished() { Ok(()) } else { Err("none".into()) }
        })
        .await;
        Sync { stop, running }
    }

    async fn end(self) -> Result<Ended, DmError> {
        self.stop.cancel();
        self.running.await.unwrap()
    }
}

/// Empty tables on both sides.
async fn create(source: &Server, target: &Server, tables: &[Table]) {
    let (mut at_source, mut at_target) = (session(source).await, session(target).await);
    at_source.query_drop("DROP DATABASE IF EXISTS d; CREATE DATABASE d CHARACTER SET utf8mb4").await.unwrap();
    for schema in [Way::Load, Way::Sync].map(|way| way.schema(source)) {
        let sql = format!("DROP DATABASE IF EXISTS {schema}; CREATE DATABASE {schema} CHARACTER SET utf8mb4");
        at_target.query_drop(sql).await.unwrap();
        for table in tables {
            let sql = table.create(&schema);
            at_target.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
    }
    for table in tables {
        let sql = table.create("d");
        at_source.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
}

/// One source and one target (which may be the same server): everything through both ways. Returns what went wrong.
pub(super) async fn pair(source: &Server, target: &Server, tables: Vec<Table>, seed: u64, rows: usize) -> Vec<String> {
    let name = format!("v{}_{}", source.port, target.port);
    create(source, target, &tables).await;
    let sync = Sync::start(&format!("{name}_s"), source, target).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut at_source = session(source).await;
    for table in &tables {
        let rows = table.rows(&mut rng, rows);
        write(&mut at_source, table, &rows).await;
    }
    let title = format!("{} to {}", source.release.title(), target.release.title());
    let mut out: Vec<String> = match load(&format!("{name}_l{seed}"), source, target).await {
        Ok(()) => differences(source, target, Way::Load, &tables, seed).await,
        Err(e) => vec![e.to_string()],
    };
    out.iter_mut().for_each(|d| *d = format!("{title}, load: {d}"));
    let left = synced(source, target, &tables, seed, &sync.running).await;
    out.extend(left.into_iter().map(|d| format!("{title}, sync: {d}")));
    if let Err(e) = sync.end().await {
        out.push(format!("{title}, sync: {e}"));
    }
    out
}

/// Differences that remain when the target has not changed for a while.
async fn synced(
    source: &Server,
    target: &Server,
    tables: &[Table],
    seed: u64,
    running: &JoinHandle<Result<Ended, DmError>>,
) -> Vec<String> {
    let last = std::sync::Mutex::new((Vec::new(), 0));
    wait::until("sync to settle", Duration::from_secs(90), || async {
        let now = differences(source, target, Way::Sync, tables, seed).await;
        let mut last = last.lock().unwrap();
        let same = last.0 == now && !now.iter().any(|one| one.starts_with(UNREAD));
        *last = if same { (now, last.1 + 1) } else { (now, 0) };
        if last.0.is_empty() || last.1 >= 4 || running.is_finished() { Ok(()) } else { Err(last.0.join("\n")) }
    })
    .await;
    last.into_inner().unwrap().0
}

/// Sources and their targets: each release as its own, so that every literal is read by every server that wrote it (but
/// 5.6, whose keys are too short for the meta tables); newer releases; the other flavor for the types both have.
const PAIRS: [(Release, &[Release]); 7] = [
    (Release::Mysql56, &[Release::Mysql57, Release::Mariadb1011]),
    (Release::Mysql57, &[Release::Mysql57, Release::Mysql97]),
    (Release::Mysql80, &[Release::Mysql80, Release::Mysql97, Release::Mariadb118]),
    (Release::Mysql97, &[Release::Mysql97, Release::Mysql80, Release::Mariadb1011]),
    (Release::Mariadb105, &[Release::Mariadb105, Release::Mariadb1011]),
    (Release::Mariadb1011, &[Release::Mariadb1011, Release::Mysql97]),
    (Release::Mariadb118, &[Release::Mariadb118, Release::Mysql97, Release::Mysql57]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 7)]
async fn every_value_of_every_release_arrives_exactly() {
    let seeds: Option<u64> = std::env::var("DM_VALUE_SEEDS").ok().and_then(|n| n.parse().ok());
    let start =
        |release| tokio::task::spawn_blocking(move || Arc::new(Server::of(release, &["--max-allowed-packet=64M"])));
    let servers = join_all(Release::ALL.map(start)).await;
    let servers: Vec<Arc<Server>> = servers.into_iter().map(Result::unwrap).collect();
    let of = |release| servers.iter().find(|server| server.release == release).unwrap().clone();
    let runs = PAIRS.map(|(source, targets)| {
        let (source, targets) = (of(source), targets.iter().map(|t| of(*t)).collect::<Vec<_>>());
        tokio::spawn(async move {
            let mut out = Vec::new();
            for seed in 0..=seeds.unwrap_or(0) {
                // Every day the first target of each and the last.
                let chosen = |at: &usize| seeds.is_some() || *at == 0 || *at + 1 == targets.len();
                for target in (0..targets.len()).filter(chosen).map(|at| &targets[at]) {
                    let tables = tables(source.release, target.release);
                    out.extend(pair(&source, target, tables, seed, if seed == 0 { 24 } else { 200 }).await);
                }
            }
            out
        })
    });
    let wrong: Vec<String> = join_all(runs).await.into_iter().flat_map(Result::unwrap).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Updates that the source logs as changes of parts of documents (`binlog_row_value_options=PARTIAL_JSON`).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_of_parts_of_documents_arrive_whole() {
    let column = |sql: &str| Column { sql: sql.into(), extremes: Vec::new(), random: Random::Json };
    let columns = || vec![column("JSON"), column("VARCHAR(20)"), column("JSON")];
    let table = |keyed: bool| Table {
        name: if keyed { "parts_keyed".into() } else { "parts_keyless".into() },
        columns: columns(),
        keyed,
    };
    let tables = [table(true), table(false)];
    let document =
        "JSON_OBJECT('a', 1, 'b', JSON_ARRAY(1.10, 'x', JSON_OBJECT('c d', TRUE)), 'long', REPEAT('y', 500))";
    let changes = [
        "c0 = JSON_REPLACE(c0, '$.a', 70000)",
        "c0 = JSON_SET(c0, '$.b[1]', 'other', '$.\"n\\\\\"ew\"', CAST('2024-02-29' AS DATE))",
        "c0 = JSON_REMOVE(c0, '$.b[0]'), c2 = JSON_SET(c2, '$.b[2].\"c d\"', NULL)",
        "c0 = JSON_SET(c0, '$.b[9]', 1.5, '$.b[1].k', JSON_ARRAY(1, 2))",
        "c1 = 'text', c2 = JSON_REMOVE(c2, '$.long')",
        "c0 = JSON_REPLACE(c0, '$.long', REPEAT('z', 400)), c2 = NULL",
        "c0 = '[]', c2 = c0",
    ];
    for release in [Release::Mysql80, Release::Mysql97] {
        let server = Server::of(release, &["--binlog-row-value-options=PARTIAL_JSON"]);
        create(&server, &server, &tables).await;
        let sync = Sync::start("parts", &server, &server).await;
        let mut conn = session(&server).await;
        for table in &tables {
            let values: Vec<String> = (0..3).map(|i| format!("({i}, {document}, NULL, {document})")).collect();
            conn.query_drop(format!("INSERT INTO d.{} VALUES {}", table.name, values.join(", "))).await.unwrap();
            for change in changes {
                let key = if table.keyed { "id" } else { "n" };
                let sql = format!("UPDATE d.{} SET {change} WHERE {key} < 2", table.name);
                conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
            }
        }
        let left = synced(&server, &server, &tables, 0, &sync.running).await;
        let ended = sync.end().await;
        assert!(left.is_empty() && ended.is_ok(), "{}: {ended:?}\n{}", release.title(), left.join("\n"));
    }
}

/// Columns in MariaDB's form of before 10.1, whose fractions the binlog doesn't describe.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn times_in_their_old_form_arrive_exactly() {
    for release in [Release::Mariadb105, Release::Mariadb1011] {
        let server = Server::of(release, &["--mysql56-temporal-format=OFF"]);
        let times =
            |table: &Table| ["dates", "times", "lone_time", "lone_date"].iter().any(|n| table.name.starts_with(n));
        let tables = tables(release, release).into_iter().filter(times).collect();
        let wrong = pair(&server, &server, tables, 1, 60).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
