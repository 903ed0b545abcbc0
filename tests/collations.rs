//! Character sets and collations between servers that don't share them: every collation of one side in tables of the
//! other, defaults that differ, and whether what a mapping holds equal is equal there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{BlockAllowList, TaskMode},
    },
    error::Scope,
    pb::UnitType,
    schema::{
        charset::CharsetPair,
        collation::{Catalog, CollationPolicy},
    },
    units::{self, Ended, Fence, UnitEnv, check},
};
use mysql_async::prelude::Queryable;
use tokio_util::sync::CancellationToken;

use crate::support::{
    release::Release,
    servers::{Kind, Server},
    wait,
};

/// Columns of one table: rows of this many short texts fit into a page.
const COLUMNS: usize = 90;

fn subtask(source: &Server, target: &Server, mode: TaskMode) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: "t".into(),
        mode,
        source_id: "s1".into(),
        server_id: 4243,
        flavor: if source.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb },
        from: source.db_config(),
        to: target.db_config(),
        ..SubtaskConfig::default()
    };
    config.block_allow_list = BlockAllowList { do_dbs: vec!["~^c_".into()], ..BlockAllowList::default() };
    config.syncer.checkpoint_flush_interval = 1;
    config.clean_dump_file = false;
    config
}

fn unit(kind: UnitType, config: &SubtaskConfig) -> Box<dyn units::Unit> {
    let fence = Fence { cluster_id: 7, epoch: 1 };
    units::build(
        kind,
        UnitEnv {
            config: Arc::new(config.clone()),
            fence,
            worker: "w".into(),
            unsaved: Default::default(),
            parked: Default::default(),
        },
    )
    .unwrap()
}

async fn catalog(server: &Server) -> Catalog {
    Catalog::fetch(&mut server.conn().await, Scope::Upstream).await.unwrap()
}

async fn policy(target: &Server, config: &SubtaskConfig) -> CollationPolicy {
    CollationPolicy::of_task(catalog(target).await, config).unwrap()
}

/// Tables whose columns have every collation of the source that the target can stand for.
fn all_collations(source: &Catalog, policy: &CollationPolicy) -> Vec<String> {
    let usable = |name: &&str| {
        let pair = source.pair(name).unwrap();
        pair.charset != "binary" && policy.mapping(&pair).is_ok()
    };
    let names: Vec<&str> = source.collations().filter(usable).collect();
    assert!(names.len() > 180, "only {} collations", names.len());
    let table = |(number, names): (usize, &[&str])| {
        let column = |(i, name): (usize, &&str)| {
            let charset = source.spelled_charset(&source.pair(name).unwrap().charset).to_owned();
            format!("c{i} VARCHAR(5) CHARACTER SET {charset} COLLATE {}", source.spelled(name))
        };
        let columns: Vec<String> = names.iter().enumerate().map(column).collect();
        format!("CREATE TABLE c_all.t{number} (id INT PRIMARY KEY, {}) CHARSET latin1", columns.join(", "))
    };
    names.chunks(COLUMNS).enumerate().map(table).collect()
}

/// Statements that rely on defaults. `{charset}` is what the second database has.
const DEFAULTS: [&str; 20] = [
    "CREATE DATABASE c_server",
    "CREATE DATABASE c_latin2 CHARACTER SET latin2",
    "CREATE DATABASE c_bin CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE c_server.plain (id INT PRIMARY KEY, v VARCHAR(10), n NCHAR(3), b CHAR(3) BINARY, e ENUM('a', 'b'))",
    "CREATE TABLE c_server.said (id INT PRIMARY KEY, v VARCHAR(10), w TEXT CHARACTER SET utf8mb4, x TEXT CHARACTER SET latin1) \
     CHARSET=utf8mb4",
    "CREATE TABLE c_server.old (id INT PRIMARY KEY, v VARCHAR(10)) DEFAULT CHARACTER SET = utf8",
    "CREATE TABLE c_latin2.plain (id INT PRIMARY KEY, v VARCHAR(10))",
    "CREATE TABLE c_bin.plain (id INT PRIMARY KEY, v VARCHAR(10) UNIQUE)",
    "CREATE TABLE c_bin.copied LIKE c_server.said",
    "ALTER TABLE c_latin2.plain ADD w VARCHAR(10), ADD x VARCHAR(10) CHARACTER SET utf8mb4 AFTER id",
    "ALTER TABLE c_server.old CONVERT TO CHARACTER SET utf8mb4",
    "ALTER TABLE c_server.said CONVERT TO CHARACTER SET DEFAULT",
    "ALTER TABLE c_bin.plain DEFAULT CHARSET utf8mb4",
    "ALTER TABLE c_bin.plain ADD later VARCHAR(10), MODIFY v VARCHAR(20)",
    "ALTER DATABASE c_latin2 CHARACTER SET utf8mb4",
    "CREATE TABLE c_latin2.newer (id INT PRIMARY KEY, v VARCHAR(10))",
    "ALTER DATABASE c_bin CHARACTER SET latin1 COLLATE latin1_bin",
    "CREATE TABLE c_bin.newer (id INT PRIMARY KEY, v VARCHAR(10) UNIQUE)",
    "INSERT INTO c_bin.newer (id, v) VALUES (1, 'a'), (2, 'A')",
    "INSERT INTO c_server.plain (id, v, n) VALUES (1, 'ab', 'cd')",
];

type Found = BTreeMap<String, CharsetPair>;

/// Every column, table and database of ours with its collation.
async fn collations(server: &Server, known: &Catalog) -> Found {
    let mut conn = server.conn().await;
    let sql = "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME), COLLATION_NAME FROM information_schema.COLUMNS \
               WHERE TABLE_SCHEMA LIKE 'c\\_%' AND COLLATION_NAME IS NOT NULL UNION ALL \
               SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), TABLE_COLLATION FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA LIKE 'c\\_%' UNION ALL \
               SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'c\\_%'";
    let rows: Vec<(String, String)> = conn.query(sql).await.unwrap();
    conn.disconnect().await.unwrap();
    rows.into_iter().map(|(what, name)| (what, known.pair(&name).unwrap_or_else(|| panic!("{name}")))).collect()
}

/// What differs from what the policy says.
async fn differences(source: &Server, target: &Server, policy: &CollationPolicy) -> Vec<String> {
    let from = collations(source, &catalog(source).await).await;
    let to = collations(target, &policy.target).await;
    let mut out = Vec::new();
    for (what, pair) in &from {
        let wanted = policy.pair(pair).unwrap();
        if to.get(what) != Some(&wanted) {
            let found = to.get(what).map_or("nothing", |pair| pair.collation.as_str());
            out.push(format!("{what}: {} should be {}, is {found}", pair.collation, wanted.collation));
        }
    }
    out.extend(to.keys().filter(|what| !from.contains_key(*what)).map(|what| format!("{what} is only on the target")));
    out
}

/// Whether anything that can be had needs a mapping.
fn maps(source: &Catalog, policy: &CollationPolicy) -> bool {
    source.collations().any(|name| matches!(policy.mapping(&source.pair(name).unwrap()), Ok(Some(_))))
}

async fn synced(source: &Server, target: &Server) {
    let config = subtask(source, target, TaskMode::Incremental);
    let policy = policy(target, &config).await;
    let unit = unit(UnitType::Sync, &config);
    let stop = CancellationToken::new();
    let status = Arc::new(unit);
    let task = tokio::spawn({
        let (unit, stop) = (status.clone(), stop.clone());
        async move { unit.run(stop).await }
    });
    let stored = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 't_lane_progress'";
    wait::until("the start", Duration::from_secs(30), || async {
        let there = target.text(stored).await == "1"
            && target.text("SELECT COUNT(*) FROM dm_meta.t_syncer_checkpoint").await != "0";
        if there || task.is_finished() { Ok(()) } else { Err("not started".into()) }
    })
    .await;
    source.exec("CREATE DATABASE c_all").await;
    for sql in all_collations(&catalog(source).await, &policy).iter().map(String::as_str).chain(DEFAULTS) {
        source.exec(sql).await;
    }
    wait::until("equal collations", Duration::from_secs(60), || async {
        if task.is_finished() {
            return Ok(());
        }
        let mut found = differences(source, target, &policy).await;
        if found.is_empty() && target.text("SELECT COUNT(*) FROM c_server.plain").await != "1" {
            found.push("the last row is missing".to_owned());
        }
        if found.is_empty() { Ok(()) } else { Err(format!("{found:#?}")) }
    })
    .await;
    let finished = task.is_finished();
    stop.cancel();
    let ended = task.await.unwrap();
    assert!(!finished, "{:?}", ended.map_err(|error| error.to_string()));
    assert_eq!(target.text("SELECT COUNT(*) FROM c_bin.newer").await, "2", "a and A are two values");
    let mapped = status.notes().iter().any(|note| note.contains(" -> "));
    assert_eq!(mapped, maps(&catalog(source).await, &policy), "{:#?}", status.notes());
}

/// The tables that a sync left on the source are dumped and loaded into an empty target, and checked before that.
async fn loaded(source: &Server, target: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = subtask(source, target, TaskMode::Full);
    config.loader.dir = folder.path().join("dump").display().to_string();
    let policy = policy(target, &config).await;
    let report = check::run(std::slice::from_ref(&config), check::CheckOptions { error_limit: -1, warn_limit: -1 });
    let report = report.await.unwrap().to_text();
    let there = collations(source, &catalog(source).await).await;
    let mapped = there.values().any(|pair| matches!(policy.mapping(pair), Ok(Some(_))));
    assert_eq!(report.contains("collation mapping check"), mapped, "{report}");
    for kind in [UnitType::Dump, UnitType::Load] {
        assert_eq!(unit(kind, &config).run(CancellationToken::new()).await.unwrap(), Ended::Finished);
    }
    let found = differences(source, target, &policy).await;
    assert!(found.is_empty(), "{found:#?}");
}

/// Values that collations hold equal or not.
const VARIANTS: [&str; 12] = ["a", "A", "á", "Á", "a ", "A ", "b", "B", "ab", "AB", "o", "ö"];

/// For each collation: which pairs of variants are equal, as a text of bits.
async fn equalities(server: &Server, names: &BTreeSet<String>, known: &Catalog) -> BTreeMap<String, Vec<bool>> {
    let mut conn = server.conn().await;
    conn.query_drop("SET NAMES utf8mb4").await.unwrap();
    let mut out = BTreeMap::new();
    for name in names {
        let charset = known.spelled_charset(&known.pair(name).unwrap().charset).to_owned();
        let value = |text: &str| format!("CONVERT(_utf8mb4'{text}' USING {charset}) COLLATE {}", known.spelled(name));
        let mut pairs = Vec::new();
        for (i, a) in VARIANTS.iter().enumerate() {
            pairs.extend(VARIANTS[i + 1..].iter().map(|b| format!("{} = {}", value(a), value(b))));
        }
        let bits: String = conn.query_first(format!("SELECT CONCAT({})", pairs.join(", "))).await.unwrap().unwrap();
        out.insert(name.clone(), bits.bytes().map(|bit| bit == b'1').collect());
    }
    conn.disconnect().await.unwrap();
    out
}

/// Where a mapping is not called coarser, nothing becomes equal; where nothing is called different, all is the same.
async fn mappings_keep_their_word(source: &Server, target: &Server) {
    let policy = policy(target, &subtask(source, target, TaskMode::Full)).await;
    let known = catalog(source).await;
    let mut mappings = BTreeMap::new();
    for name in known.collations() {
        if let Ok(Some(mapping)) = policy.mapping(&known.pair(name).unwrap()) {
            mappings.insert(name.to_owned(), mapping);
        }
    }
    let from: BTreeSet<String> = mappings.keys().cloned().collect();
    let to: BTreeSet<String> = mappings.values().map(|mapping| mapping.to.collation.to_string()).collect();
    let (from, to) = (equalities(source, &from, &known).await, equalities(target, &to, &policy.target).await);
    let mut wrong = Vec::new();
    for (name, mapping) in &mappings {
        let (a, b) = (&from[name], &to[&*mapping.to.collation]);
        let collide = a.iter().zip(b).any(|(a, b)| !a && *b);
        let differ = a.iter().zip(b).any(|(a, b)| *a && !b);
        let difference = &mapping.difference;
        if collide && !difference.is_coarser() && !difference.language {
            wrong.push(format!("{} makes values equal", mapping.text()));
        }
        if differ && !difference.finer && !difference.language {
            wrong.push(format!("{} tells values apart", mapping.text()));
        }
    }
    assert!(wrong.is_empty(), "{} -> {}: {wrong:#?}", source.release.title(), target.release.title());
}

async fn both_ways(a: Release, b: Release) {
    let (first, second) = (Server::of(a, &[]), Server::of(b, &[]));
    mappings_keep_their_word(&first, &second).await;
    mappings_keep_their_word(&second, &first).await;
    synced(&first, &second).await;
    // The other way with what has come: a dump of the mapped tables, into an emptied server.
    let drop: Vec<String> =
        ["c_all", "c_server", "c_latin2", "c_bin", "dm_meta"].map(|d| format!("DROP DATABASE {d}")).into();
    first.exec("DROP DATABASE c_all; DROP DATABASE c_server; DROP DATABASE c_latin2; DROP DATABASE c_bin").await;
    loaded(&second, &first).await;
    first.exec("DROP DATABASE c_all; DROP DATABASE c_server; DROP DATABASE c_latin2; DROP DATABASE c_bin; DROP DATABASE dm_meta").await;
    second.exec(&drop.join("; ")).await;
    synced(&second, &first).await;
}

#[tokio::test]
async fn between_mysql_9_and_mariadb_10_5() {
    both_ways(Release::Mysql97, Release::Mariadb105).await;
}

#[tokio::test]
async fn between_mariadb_11_8_and_mysql_8() {
    both_ways(Release::Mariadb118, Release::Mysql80).await;
}

#[tokio::test]
async fn between_mysql_5_7_and_mariadb_10_11() {
    both_ways(Release::Mysql57, Release::Mariadb1011).await;
}
