//! The DDL corpus as live traffic into TiDB. What TiDB takes must arrive, with the rows written behind it. What it refuses
//! must stop the task at that statement with an error that names the command to go on with; that command is run, and the
//! tables that differ since leave the source. Everything else is wrong.
//!
//! Every day a few topics out of MySQL 9.7; `DM_REPLICATION_SEEDS` all, out of MariaDB 11.8 too; `DM_DDL_TOPICS=keys` one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    corpus::{ENDS_MYSQL_56, SESSION, differences, rows_that_differ, write_rows},
    variable,
};
use crate::{
    schema::corpus::{self, Topic},
    support::{
        compare,
        nodes::Cluster,
        release::Release::{self, *},
        servers::Server,
    },
};

const TASK: &str = "ddl";
/// Every day's.
const TOPICS: [&str; 2] = ["alter_columns", "keys"];

struct Rig {
    source: Server,
    target: Server,
    cluster: Cluster,
    marks: u32,
}

/// What became of the statements that the source took.
#[derive(Default)]
struct Told {
    accepted: u32,
    /// TiDB's own error by statement.
    refused: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Rig {
    fn start(release: Release) -> Rig {
        let (source, target) = (Server::of(release, &[]), Server::of(Tidb, &[]));
        let cluster = Cluster::standalone();
        cluster.create_source("src-1", &source, true);
        let yaml = format!(
            "name: {TASK}\ntask-mode: incremental\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \
             \"123456\"}}\nmysql-instances:\n- {{source-id: src-1, syncer-config-name: s, block-allow-list: b}}\nblock-allow-list:\n  b: {{ignore-dbs: [sys, test]}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1}}\n",
            target.port
        );
        cluster.dmctl_ok(&["start-task", &cluster.file("task.yaml", &yaml)]);
        Rig { source, target, cluster, marks: 0 }
    }

    /// Waits until everything written up to now arrived; skips what fails meanwhile. The first failure, if there was one.
    async fn arrived(&mut self, conn: &mut Conn) -> Result<Option<String>, String> {
        self.marks += 1;
        conn.query_drop(format!("INSERT INTO m.marks VALUES ({})", self.marks)).await.unwrap();
        let seen = format!("SELECT COUNT(*) FROM m.marks WHERE n = {}", self.marks);
        let (end, mut first) = (Instant::now() + Duration::from_secs(90), None);
        let mut looks = 0;
        while Instant::now() < end {
            if self.target.answer(&seen).await.is_ok_and(|n| n == "1") {
                return Ok(first);
            }
            looks += 1;
            if looks % 4 == 0
                && let Some(error) = self.failure()
            {
                let said = |key: &str| error[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                let text = said("RawCause").or_else(|| said("Message")).unwrap_or_default();
                let workaround = error["Workaround"].as_str().unwrap_or_default();
                let Some(skip) = workaround.split('`').find(|part| part.starts_with("binlog skip")) else {
                    return Err(format!("no command resolves it: {error}"));
                };
                first.get_or_insert(text);
                self.cluster.dmctl_ok(&skip.split(' ').collect::<Vec<_>>());
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
        }
        Err(format!("nothing arrives: {}", self.cluster.logs_tail()))
    }

    fn failure(&self) -> Option<serde_json::Value> {
        let (stage, _, reply) = self.cluster.subtask(TASK, "src-1");
        let error = &reply["sources"][0]["subTaskStatus"][0]["result"]["errors"][0];
        (stage == "Paused" && !error.is_null()).then(|| error.clone())
    }

    async fn follow(&mut self, topic: &Topic, told: &mut Told) {
        let (mut conn, mut rows) = (self.source.conn().await, self.source.conn().await);
        conn.query_drop("CREATE DATABASE d; USE d; SET foreign_key_checks = 0").await.unwrap();
        rows.query_drop(SESSION).await.unwrap();
        let mut locked = false;
        for sql in &topic.statements {
            // Rows of BLACKHOLE are in the binlog only; TiDB, which has no such engine, keeps them. A schema B3 beside b3 is refused, and
            // what is left out of it then is nobody's aim (`operate::refused`).
            let ends = self.source.release == Mysql56 && sql == ENDS_MYSQL_56;
            if ends || sql.contains("ENGINE=BLACKHOLE") || sql.contains("B3") {
                continue;
            }
            let taken = conn.query_drop(sql).await.is_ok();
            locked = corpus::locks(sql).unwrap_or(locked);
            if !taken || locked || corpus::is_setting(sql) {
                continue;
            }
            write_rows(&mut rows).await;
            match self.arrived(&mut rows).await {
                Err(why) => return told.wrong.push(format!("{}: {sql}: {why}", topic.name)),
                Ok(Some(refusal)) => {
                    told.refused.push((format!("{}: {sql}", topic.name), refusal));
                    if let Err(why) = self.without_what_differs(&mut rows).await {
                        return told.wrong.push(format!("{}: {sql}: afterwards {why}", topic.name));
                    }
                }
                Ok(None) => match self.settled().await {
                    Ok(()) => told.accepted += 1,
                    Err(why) => {
                        // A row that TiDB refuses may come behind the mark, which goes another way.
                        match self.arrived(&mut rows).await {
                            Ok(Some(refusal)) => told.refused.push((format!("{}: row of {sql}", topic.name), refusal)),
                            _ => told.wrong.push(format!("{}: {sql}: {why}", topic.name)),
                        }
                        let _ = self.without_what_differs(&mut rows).await;
                    }
                },
            }
        }
        // What it holds (HANDLER, XA) would keep its tables from being dropped.
        conn.disconnect().await.unwrap();
        let schemas: Vec<String> = rows.query(SCHEMAS).await.unwrap();
        for schema in schemas {
            let _ = rows.query_drop(format!("DROP DATABASE `{schema}`")).await;
        }
        if let Err(why) = self.arrived(&mut rows).await {
            told.wrong.push(format!("{}: the end: {why}", topic.name));
        }
    }

    /// Both sides are equal, or will be.
    async fn settled(&self) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let found = differences(&self.source, &self.target).await;
            if found.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                let rows = rows_that_differ(&self.source, &self.target).await;
                return Err(format!("{}: {}", found.join("; "), rows.join("; ")));
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()).await;
        }
    }

    /// Drops what differs since a statement was left out.
    async fn without_what_differs(&mut self, conn: &mut Conn) -> Result<(), String> {
        let _ = self.settled_soon().await;
        let schemas: Vec<String> = conn.query(SCHEMAS).await.unwrap();
        let mut to = self.target.conn().await;
        for schema in schemas {
            for table in compare::tables(conn, &schema).await {
                if compare::difference(conn, (&schema, &table), &mut to, (&schema, &table)).await.is_some() {
                    let _ = conn.query_drop(format!("DROP TABLE `{schema}`.`{}`", table.replace('`', "``"))).await;
                }
            }
            for table in compare::tables(&mut to, &schema).await {
                let there = compare::tables(conn, &schema).await;
                if !there.iter().any(|name| name.eq_ignore_ascii_case(&table)) {
                    let _ = to.query_drop(format!("DROP TABLE `{schema}`.`{}`", table.replace('`', "``"))).await;
                }
            }
        }
        self.arrived(conn).await.map(drop)
    }

    async fn settled_soon(&self) -> bool {
        for _ in 0..10 {
            if differences(&self.source, &self.target).await.is_empty() {
                return true;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
        }
        false
    }
}

const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', \
                       'test', 'm', 'information_schema', 'performance_schema')";

/// Refusals that aren't TiDB's own answer.
const KNOWN: [&str; 7] = [
    // TiDB prints such members of an ENUM as `'x\'` and `'z''\'`, so that its SHOW CREATE TABLE is no statement.
    r"ENUM('x\','y')",
    r"ENUM('x\y', 'z''\')",
    // Of a statement that isn't sent, for TiDB has seven character sets.
    "Unsupported collation: no character set ",
    // Of a name that differs by case only from another one.
    "of the source would be one on the target",
    // Rows as text in the binlog.
    "only the ROW binlog format is supported",
    "CREATE TABLE stmt_select AS SELECT 1 AS a",
    "a sequence is not supported: ",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn the_ddl_corpus_runs_into_tidb() {
    let long = variable::<u64>("DM_REPLICATION_SEEDS").is_some();
    let wanted: Option<String> = variable("DM_DDL_TOPICS");
    let is_wanted = |topic: &Topic| match &wanted {
        Some(names) => names.split(',').any(|name| name == topic.name),
        None => long || TOPICS.contains(&topic.name.as_str()),
    };
    let mut wrong = Vec::new();
    let releases = match long {
        true => vec![Mysql97, Mariadb118, Mysql80, Mariadb1011, Mysql57, Mariadb105, Mysql56],
        false => vec![Mysql97],
    };
    let only: Option<String> = variable("DM_DDL_RELEASES");
    let is_meant = |release: &Release| {
        only.as_ref().is_none_or(|only| only.split(',').any(|name| name == format!("{release:?}").to_lowercase()))
    };
    for release in releases.into_iter().filter(is_meant) {
        let mut rig = tokio::task::spawn_blocking(move || Rig::start(release)).await.unwrap();
        rig.source.exec("CREATE DATABASE m; CREATE TABLE m.marks (n INT PRIMARY KEY)").await;
        let mut all = Told::default();
        for topic in corpus::topics().iter().filter(|topic| is_wanted(topic)) {
            let (begun, mut told) = (Instant::now(), Told::default());
            rig.follow(topic, &mut told).await;
            let counts = (told.accepted, told.refused.len(), told.wrong.len(), begun.elapsed().as_secs());
            eprintln!(
                "{release:?} {}: {} accepted, {} refused, {} wrong, {} s",
                topic.name, counts.0, counts.1, counts.2, counts.3
            );
            told.wrong.iter().for_each(|why| eprintln!("wrong: {why:.1500}"));
            all.accepted += told.accepted;
            all.refused.extend(told.refused);
            all.wrong.extend(told.wrong);
        }
        let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (sql, error) in all.refused {
            reasons.entry(error.chars().take(40).collect()).or_default().push(format!("{sql:.160} -> {error:.500}"));
        }
        for refused in reasons.values() {
            eprintln!("{release:?} refused {}: {}", refused.len(), refused[0]);
            // What isn't TiDB's own answer, or known of it before it is asked, has no business here.
            let own = refused[0].contains("-> Error ")
                || refused.iter().all(|one| KNOWN.iter().any(|known| one.contains(known)));
            wrong.extend((!own).then(|| refused.join("\n")));
        }
        eprintln!(
            "{release:?}: {} accepted, {} kinds of refusals, {} wrong",
            all.accepted,
            reasons.len(),
            all.wrong.len()
        );
        wrong.extend(all.wrong.into_iter().map(|why| format!("{release:?} {why:.1500}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
