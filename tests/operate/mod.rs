//! What an operator does to a running task: failed events, tracked structures, status and metrics.

mod errors;
pub(crate) mod failures;
mod into_tidb;
mod keys;
mod refused;
mod resumed;
mod settings;
mod situations;
mod stalls;
mod status;
mod tracked;

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{Kind, Release, Server},
    wait::until,
};

const TASK: &str = "op";

/// A task from the source's present position, with schema `d` going to `e`.
pub struct Rig {
    pub cluster: Cluster,
    pub source: Server,
    pub target: Server,
}

impl Rig {
    pub async fn start(source: Server, target: Server, gtid: bool, tables: &str) -> Rig {
        source.exec(&format!("CREATE DATABASE d; USE d; {tables}")).await;
        Rig::over(source, target, gtid, tables).await
    }

    /// Over a source that has its tables.
    pub async fn over(source: Server, target: Server, gtid: bool, tables: &str) -> Rig {
        target.exec(&format!("CREATE DATABASE e; USE e; {tables}")).await;
        let yaml = format!(
            "name: {TASK}\ntask-mode: incremental\ntarget-database: {{host: 127.0.0.1, port: {{target_port}}, user: root, \
             password: \"123456\"}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b, route-rules: [r], \
             syncer-config-name: s}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\nroutes:\n  r: {{schema-pattern: d, \
             target-schema: e}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1}}\n"
        );
        Rig::of_task(source, target, gtid, "", &yaml).await
    }

    /// A task of the caller's, with more keys of the source's connection. `{target_port}` is filled in.
    pub async fn of_task(source: Server, target: Server, gtid: bool, from: &str, yaml: &str) -> Rig {
        let cluster = Cluster::standalone();
        cluster.create_source_with("src-1", &source, gtid, from);
        let rig = Rig { cluster, source, target };
        rig.start_task(yaml);
        rig.stage_is("Running").await;
        rig
    }

    /// Starts a task of this text.
    pub fn start_task(&self, yaml: &str) {
        self.start_with(yaml, &[]);
    }

    /// The same with flags; gives the reply (with a report of checks it isn't quite JSON).
    pub fn start_with(&self, yaml: &str, flags: &[&str]) -> String {
        let file = self.task_file(yaml);
        let mut args = vec!["start-task", &file];
        args.extend(flags);
        let reply = self.cluster.dmctl(&args);
        assert!(reply.contains("\"result\": true"), "{reply}");
        reply
    }

    /// The task as a file.
    pub fn task_file(&self, yaml: &str) -> String {
        self.cluster.file("task.yaml", &yaml.replace("{target_port}", &self.target.port.to_string()))
    }

    pub async fn stage_is(&self, wanted: &str) -> Value {
        until(&format!("the subtask is {wanted}"), Duration::from_secs(60), || async {
            let (stage, unit, reply) = self.cluster.subtask(TASK, "src-1");
            let there = stage == wanted && unit == "Sync";
            if there { Ok(reply) } else { Err(format!("{reply:#}\n{}", self.cluster.logs_tail())) }
        })
        .await
    }

    /// Waits for an error whose text holds `part`; gives the error.
    pub async fn fails_with(&self, part: &str) -> Value {
        until(&format!("the task fails with {part}"), Duration::from_secs(60), || async {
            let (stage, _, reply) = self.cluster.subtask(TASK, "src-1");
            let error = reply["sources"][0]["subTaskStatus"][0]["result"]["errors"][0].clone();
            let there = stage == "Paused" && error.to_string().contains(part);
            if there { Ok(error) } else { Err(format!("{reply:#}\n{}", self.cluster.logs_tail())) }
        })
        .await
    }

    /// Waits until the target's query gives this text.
    pub async fn target_has(&self, sql: &str, wanted: &str) {
        until(&format!("{sql} is {wanted}"), Duration::from_secs(60), || async {
            let found = self.target.text(sql).await;
            if found == wanted { Ok(()) } else { Err(format!("{found:?}\n{}", self.cluster.logs_tail())) }
        })
        .await;
    }

    /// Waits until the rows of both sides are equal.
    pub async fn rows_are_equal(&self) {
        until("both sides hold the same rows", Duration::from_secs(60), || async {
            let (mut a, mut b) = (self.source.conn().await, self.target.conn().await);
            let found = compare::schema_differences(&mut a, "d", &mut b, "e").await;
            if found.is_empty() { Ok(()) } else { Err(format!("{found:?}\n{}", self.cluster.logs_tail())) }
        })
        .await;
    }

    /// The part of the only source in a reply: result and msg.
    pub fn dmctl(&self, args: &[&str]) -> (bool, String) {
        let reply = self.cluster.dmctl_json(args);
        assert_eq!(reply["result"], true, "{reply:#}");
        let source = &reply["sources"][0];
        (source["result"] == true, source["msg"].as_str().unwrap().to_owned())
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let (result, msg) = self.dmctl(args);
        assert!(result, "dmctl {args:?}: {msg}\n{}", self.cluster.logs_tail());
        msg
    }

    pub fn refused(&self, args: &[&str]) -> String {
        let (result, msg) = self.dmctl(args);
        assert!(!result, "dmctl {args:?} was not refused: {msg}");
        msg
    }

    /// Where the next transaction begins at the source, as `-b` takes it.
    pub async fn next_position(&self) -> String {
        let sql = match self.source.kind {
            Kind::Mysql if self.source.release == Release::Mysql97 => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        };
        use mysql_async::prelude::Queryable;
        let row: mysql_async::Row = self.source.conn().await.query_first(sql).await.unwrap().unwrap();
        format!("{}:{}", row.get::<String, _>(0).unwrap(), row.get::<u64, _>(1).unwrap())
    }
}
