//! What `query-status`, `query-status --more` and `/metrics` tell of a running sync unit.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::{Rig, TASK};
use crate::support::{servers, wait::until};

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u (id INT PRIMARY KEY);";

fn sync(reply: &Value) -> Value {
    reply["sources"][0]["subTaskStatus"][0]["sync"].clone()
}

impl Rig {
    pub async fn status_where(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, Duration::from_secs(60), || async {
            let status = sync(&self.cluster.dmctl_json(&["query-status", TASK, "--more"]));
            if wanted(&status) { Ok(status) } else { Err(format!("{status:#}\n{}", self.cluster.logs_tail())) }
        })
        .await
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.cluster.master_addr).unwrap();
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.cluster.master_addr);
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// The fields of DM in DM's order and nothing else, unless more is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_has_the_known_fields_and_more_on_request() {
    for (source, gtid) in [(servers::mysql(), true), (servers::mariadb(), false)] {
        let rig = Rig::start(source, servers::mariadb(), gtid, TABLES).await;
        rig.source
            .exec("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'); UPDATE d.t SET v = 'c'; INSERT INTO d.u VALUES (1)")
            .await;
        rig.rows_are_equal().await;
        let status =
            rig.status_where("synced", |status| status["synced"] == true && status["secondsBehindMaster"] == "0").await;
        assert_eq!(status["totalRows"], "5");
        assert_eq!(status["totalEvents"], "5");
        assert_eq!(status["masterBinlog"], status["syncerBinlog"]);
        assert_eq!(status["masterBinlogGtid"].as_str().unwrap().is_empty(), !gtid, "{status:#}");
        assert_eq!(status["syncerBinlogGtid"], status["masterBinlogGtid"]);
        assert!(status["ioTotalBytes"].as_str().unwrap().parse::<u64>().unwrap() > 500);

        let more = &status["more"];
        assert_eq!(more["lanes"], 16);
        assert_eq!(more["stalledSeconds"], "0");
        let top = &more["topTables"][0];
        assert_eq!((&top["table"], &top["inserts"], &top["updates"]), (&"`e`.`t`".into(), &"2".into(), &"2".into()));
        let parts: Vec<&str> = more["time"].as_array().unwrap().iter().map(|p| p["part"].as_str().unwrap()).collect();
        for part in ["source wait", "network", "decode", "conflict wait", "target commit", "ddl", "checkpoint"] {
            assert!(parts.contains(&part), "{parts:?}");
        }

        let text = rig.cluster.dmctl(&["query-status", TASK]);
        let fields = [
            "totalEvents",
            "totalTps",
            "recentTps",
            "masterBinlog",
            "masterBinlogGtid",
            "syncerBinlog",
            "syncerBinlogGtid",
            "blockingDDLs",
            "unresolvedGroups",
            "synced",
            "binlogType",
            "secondsBehindMaster",
            "blockDDLOwner",
            "conflictMsg",
            "totalRows",
            "totalRps",
            "recentRps",
            "ioTotalBytes",
            "dumpIOTotalBytes",
        ];
        let part = text.split("\"sync\": {").nth(1).unwrap().split("\"validation\"").next().unwrap();
        let found: Vec<&str> =
            part.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
        assert_eq!(found, fields, "{text}");
    }
}

/// What lists and filters take counts as done: the place and the lag follow it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_and_place_follow_what_is_not_migrated() {
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a')").await;
    rig.rows_are_equal().await;
    // Rows of two hours ago in a database that the list leaves out, then a statement of it.
    rig.source.exec("CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY); SET timestamp = UNIX_TIMESTAMP() - 7200; INSERT INTO other.t VALUES (1); INSERT INTO other.t VALUES (2)").await;
    let status = rig.status_where("synced", |status| status["synced"] == true).await;
    assert_eq!(status["totalRows"], "1");
    let behind: i64 = status["secondsBehindMaster"].as_str().unwrap().parse().unwrap();
    assert!(behind <= 2, "{status:#}");
    rig.target.exec("INSERT INTO e.t VALUES (8, 'x'), (9, 'x')").await;
    rig.source.exec("ALTER TABLE d.t ADD UNIQUE KEY (v)").await;
    rig.fails_with("Error 1062").await;
    rig.ok(&["binlog", "skip", TASK]);
    rig.status_where("synced after a skip", |status| status["synced"] == true && status["secondsBehindMaster"] == "0")
        .await;
}

/// A statement that waits on the target: the status says for what, and the lag grows meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_a_task_up_is_shown() {
    use mysql_async::prelude::Queryable;
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    let mut blocker = rig.target.conn().await;
    blocker.query_drop("START TRANSACTION; SELECT COUNT(*) FROM e.u").await.unwrap();
    rig.source.exec("ALTER TABLE d.u ADD COLUMN c INT; INSERT INTO d.t VALUES (5, 'e')").await;
    let status = rig
        .status_where("the statement is shown", |status| {
            status["secondsBehindMaster"] != "0"
                && status["more"]["statement"].as_str().unwrap().contains("ADD COLUMN c")
        })
        .await;
    assert_eq!(status["synced"], false);
    blocker.query_drop("COMMIT").await.unwrap();
    rig.status_where("nothing waits", |status| status["synced"] == true && status["more"]["statement"] == "").await;
}

/// The series of sync in compat's list: type, labels beside task and source_id, and whether a plain run must have fed it.
const SERIES: [(&str, &str, &str, bool); 26] = [
    ("dm_syncer_read_binlog_duration", "histogram", "", true),
    ("dm_syncer_binlog_event_size", "histogram", "worker", true),
    ("dm_syncer_binlog_transform_cost", "histogram", "stage worker", true),
    ("dm_syncer_conflict_detect_duration", "histogram", "", true),
    ("dm_syncer_add_job_duration", "histogram", "type queueNo", true),
    ("dm_syncer_dispatch_binlog_duration", "histogram", "type", true),
    ("dm_syncer_skip_binlog_duration", "histogram", "type", true),
    ("dm_syncer_added_jobs_total", "counter", "type queueNo worker target_schema target_table", true),
    ("dm_syncer_finished_jobs_total", "counter", "type queueNo worker target_schema target_table", true),
    ("dm_syncer_ideal_qps", "gauge", "worker", true),
    ("dm_syncer_queue_size", "gauge", "queue_id", false),
    ("dm_syncer_binlog_pos", "gauge", "node", true),
    ("dm_syncer_binlog_file", "gauge", "node", true),
    ("dm_syncer_binlog_event_row", "histogram", "worker", true),
    ("dm_syncer_txn_duration_time", "histogram", "worker", true),
    ("dm_syncer_query_duration_time", "histogram", "worker", true),
    ("dm_syncer_stmt_duration_time", "histogram", "type -source_id", true),
    ("dm_syncer_exit_with_error_count", "counter", "resumable_err", true),
    ("dm_syncer_replication_lag_gauge", "gauge", "worker", false),
    ("dm_syncer_replication_lag", "histogram", "worker", true),
    ("dm_syncer_remaining_time", "gauge", "worker", false),
    ("dm_syncer_shard_lock_resolving", "gauge", "", false),
    ("dm_syncer_finished_transaction_total", "counter", "worker", true),
    ("dm_syncer_replication_transaction_batch", "histogram", "worker queueNo type", true),
    ("dm_syncer_flush_checkpoints_time_interval", "histogram", "worker", true),
    // Ours.
    ("dm_syncer_stalled_seconds", "gauge", "worker", false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_of_sync_has_its_name_type_labels_and_values() {
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    rig.source
        .exec("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'); UPDATE d.t SET v = 'c'; DELETE FROM d.t WHERE id = 2")
        .await;
    rig.source.exec("ALTER TABLE d.t ADD COLUMN c INT; CREATE DATABASE other; CREATE TABLE other.t (id INT); INSERT INTO other.t VALUES (1)").await;
    rig.rows_are_equal().await;
    rig.target.exec("INSERT INTO e.u VALUES (1)").await;
    rig.source.exec("INSERT INTO d.u VALUES (1)").await;
    rig.fails_with("Error 1062").await;
    rig.target.exec("DELETE FROM e.u").await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.rows_are_equal().await;
    until("every series is fed", Duration::from_secs(30), || async {
        let wrong = wrong_series(&rig.metrics());
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    })
    .await;
    let text = rig.metrics();
    for kind in ["insert", "update", "delete", "ddl"] {
        assert!(text.contains(&format!("dm_syncer_finished_jobs_total{{type=\"{kind}\"")), "no {kind}:\n{text}");
    }
    for queue in ["q_0", "q_7", "dml_worker_input", "causality_input", "compactor_input"] {
        assert!(text.contains(&format!("queue_id=\"{queue}\"")), "no {queue}");
    }
}

fn wrong_series(text: &str) -> Vec<String> {
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples: BTreeMap<&str, Vec<(BTreeSet<&str>, f64)>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("dm_syncer_")) {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            types.insert(name, kind);
        } else if let Some((name, rest)) = line.split_once('{')
            && let Some((labels, value)) = rest.rsplit_once("} ")
        {
            let names = labels.split("\",").filter_map(|label| label.split('=').next()).filter(|name| *name != "le");
            samples.entry(name).or_default().push((names.collect(), value.parse().unwrap_or(f64::NAN)));
        }
    }
    let mut wrong = Vec::new();
    for (name, kind, labels, fed) in SERIES {
        if types.get(name) != Some(&kind) {
            wrong.push(format!("{name} is {:?}", types.get(name)));
            continue;
        }
        let mut expected: BTreeSet<&str> = ["task", "source_id"].into();
        for label in labels.split_whitespace() {
            match label.strip_prefix('-') {
                Some(label) => _ = expected.remove(label),
                None => _ = expected.insert(label),
            }
        }
        let counted = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        let found = samples.get(counted.as_str()).cloned().unwrap_or_default();
        if found.is_empty() || found.iter().any(|(labels, _)| *labels != expected) {
            wrong.push(format!("{name} has {:?} instead of {expected:?}", found.first()));
        }
        if fed && !found.iter().any(|(_, value)| *value > 0.0) {
            wrong.push(format!("{name} is not fed: {found:?}"));
        }
    }
    wrong
}
