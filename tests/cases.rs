//! A folder below tests/cases/ is a scenario; adding one needs no code.
//!
//! | file | meaning |
//! |---|---|
//! | case.toml | `source` (list of `mariadb`, `mysql`), `gtid` (list), optional `target` (`mariadb`) and `targets` (further ones, also `mysql57`), `end` (`Sync`, `Finished`, `Paused`), `expect` (fragments of query-status when Paused), `notes` (fragments of a source's `msg` in the end), `not_tidb` (why it can't have that target) |
//! | source.sql, target.sql | run before the task starts |
//! | source.yaml | more keys of the source file |
//! | before-start.sql | run on the source after its position was taken for `{binlog_*}` |
//! | task.yaml | the task; `{target_port}`, `{binlog_name}`, `{binlog_pos}`, `{binlog_gtid}` are filled in |
//! | after.sql | run on the source once the task is in Sync |
//! | heal.sql | run on the target once the task is Paused as expected; then the task is resumed; without the file that is the end |
//! | task-healed.yaml | the task that is started instead once it is Paused as expected |
//! | compare.txt | lines `db -> db` or `db.table -> db.table` that must be equal in the end |
//!
//! One scenario alone: `DM_CASE=name cargo test --test integration cases`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{Kind, Release, Server},
    wait::until,
};

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    source: Vec<String>,
    gtid: Vec<bool>,
    #[serde(default = "mariadb")]
    target: String,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default = "sync")]
    end: String,
    #[serde(default)]
    expect: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
    /// Why the scenario can't have TiDB as its target.
    not_tidb: Option<String>,
}

fn mariadb() -> String {
    "mariadb".into()
}

fn sync() -> String {
    "Sync".into()
}

fn release(name: &str) -> Release {
    match name {
        "mysql" => Release::Mysql97,
        "mysql57" => Release::Mysql57,
        "mariadb" => Release::Mariadb1011,
        "tidb" => Release::Tidb,
        other => panic!("unknown server {other}"),
    }
}

/// Folders in name order, those whose name contains DM_CASE if that is set.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let wanted = std::env::var("DM_CASE").unwrap_or_default();
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.join("case.toml").exists() && p.display().to_string().contains(&wanted));
    all.sort();
    assert!(!all.is_empty(), "no scenario matches DM_CASE={wanted}");
    all
}

/// Two halves, so that the harness runs them side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_with_mariadb_sources() {
    none_failed(run_all(Kind::Mariadb, None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_with_mysql_sources() {
    none_failed(run_all(Kind::Mysql, None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn tidb_scenarios() {
    let mut failed = run_all(Kind::Mariadb, Some("tidb")).await;
    failed.extend(run_all(Kind::Mysql, Some("tidb")).await);
    none_failed(failed);
}

fn none_failed(failed: Vec<String>) {
    assert!(failed.is_empty(), "failed scenarios: {failed:?}");
}

/// Runs the scenarios of a source; with another target than theirs, those that can have it. Tells which failed.
async fn run_all(source: Kind, target: Option<&str>) -> Vec<String> {
    let (mut failed, mut ran, mut rigs) = (Vec::new(), 0, BTreeMap::new());
    for folder in folders() {
        let mut case: Case = toml::from_str(&fs::read_to_string(folder.join("case.toml")).unwrap()).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !case.source.iter().any(|s| release(s).kind() == source) {
            continue;
        }
        if let Some(target) = target {
            if let Some(why) = &case.not_tidb {
                eprintln!("scenario {name} is not for TiDB: {why}");
                continue;
            }
            case.target = target.to_owned();
            case.targets.clear();
        }
        let mut targets = vec![case.target.clone()];
        targets.append(&mut case.targets);
        for (gtid, to) in case.gtid.iter().flat_map(|gtid| targets.iter().map(|to| (*gtid, to.clone()))) {
            ran += 1;
            let (folder, case, rig, target) = (folder.clone(), case.clone(), rigs.remove(&to), to.clone());
            let what = format!("{name} ({source:?} to {to}, gtid {gtid})");
            let started = std::time::Instant::now();
            let scenario = async move {
                let rig = rig.unwrap_or_else(|| Rig::start(source, &target));
                let rig = run(&folder, &case, rig, gtid).await;
                rig.clear().await;
                rig
            };
            match tokio::spawn(scenario).await {
                Ok(rig) => drop(rigs.insert(to, rig)),
                Err(_) => failed.push(what.clone()),
            }
            eprintln!("scenario {what}: {:.1} s", started.elapsed().as_secs_f64());
        }
    }
    assert!(ran > 0 || std::env::var_os("DM_CASE").is_some(), "no scenario for {source:?}");
    failed
}

/// A source, a target and a node: for one scenario after the other, as long as none fails.
struct Rig {
    source: Server,
    target: Server,
    cluster: Cluster,
}

impl Rig {
    fn start(source: Kind, target: &str) -> Rig {
        Rig {
            source: Server::start(source, &[]),
            target: Server::of(release(target), &[]),
            cluster: Cluster::standalone(),
        }
    }

    /// As if it were new: no source, no databases.
    async fn clear(&self) {
        self.cluster.dmctl_ok(&["operate-source", "stop", "src-1"]);
        for server in [&self.source, &self.target] {
            let own = "SELECT GROUP_CONCAT('DROP DATABASE `', schema_name, '`' SEPARATOR ';') FROM information_schema.schemata \
                       WHERE LOWER(schema_name) NOT IN ('information_schema', 'metrics_schema', 'mysql', 'performance_schema', 'sys', 'test')";
            let drops = server.text(own).await;
            if !drops.is_empty() {
                server.exec(&format!("SET foreign_key_checks = 0; {drops}")).await;
            }
        }
        self.cluster.await_free_workers(1);
    }
}

struct Run<'a> {
    folder: &'a Path,
    source: Server,
    target: Server,
    cluster: Cluster,
    task: String,
    /// Binlog file, position and GTID set that tasks start from.
    start: (String, String, String),
}

/// Runs a scenario and gives its rig back.
async fn run(folder: &Path, case: &Case, rig: Rig, gtid: bool) -> Rig {
    let Rig { source, target, cluster } = rig;
    let mut run = Run { folder, source, target, cluster, task: String::new(), start: Default::default() };
    run.sql("source.sql", &run.source).await;
    run.sql("target.sql", &run.target).await;
    run.cluster.create_source_with("src-1", &run.source, gtid, &run.text("source.yaml").unwrap_or_default());
    run.start_task().await;
    if case.end == "Paused" {
        run.paused(case).await;
        let heals = ["heal.sql", "task-healed.yaml"].iter().any(|file| run.text(file).is_some());
        if !heals {
            run.cluster.dmctl_ok(&["stop-task", &run.task]);
            return run.rig();
        }
        run.healed().await;
    } else {
        run.reaches(&case.end).await;
    }
    run.sql("after.sql", &run.source).await;
    run.equal().await;
    let (_, _, reply) = run.cluster.subtask(&run.task, "src-1");
    let told = reply["sources"][0]["msg"].as_str().unwrap_or_default();
    assert!(case.notes.iter().all(|note| told.contains(note.as_str())), "{told:?} does not say {:?}", case.notes);
    run.cluster.dmctl_ok(&["stop-task", &run.task]);
    run.rig()
}

impl Run<'_> {
    fn rig(self) -> Rig {
        Rig { source: self.source, target: self.target, cluster: self.cluster }
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    async fn sql(&self, file: &str, server: &Server) {
        if let Some(sql) = self.text(file) {
            server.exec(&sql).await;
        }
    }

    async fn start_task(&mut self) {
        self.start = self.source.binlog_end().await;
        self.sql("before-start.sql", &self.source).await;
        self.start_file("task.yaml");
    }

    fn start_file(&mut self, file: &str) {
        let (name, pos, gtid) = &self.start;
        let yaml = self.text(file).unwrap();
        let yaml = yaml
            .replace("{target_port}", &self.target.port.to_string())
            .replace("{binlog_name}", name)
            .replace("{binlog_pos}", pos)
            .replace("{binlog_gtid}", gtid);
        self.task = yaml.lines().find_map(|l| l.strip_prefix("name: ")).unwrap().trim_matches('"').to_owned();
        let path = self.cluster.file("task.yaml", &yaml);
        self.cluster.dmctl_ok(&["start-task", &path]);
    }

    /// Waits until the subtask is in unit Sync, or Finished.
    async fn reaches(&self, end: &str) {
        until(&format!("{} reaches {end}", self.task), Duration::from_secs(60), || async {
            let (stage, unit, reply) = self.cluster.subtask(&self.task, "src-1");
            assert_ne!(stage, "Paused", "{reply:#}\n{}", self.cluster.logs_tail());
            if stage == end || (stage == "Running" && unit == end) { Ok(()) } else { Err(format!("{stage} {unit}")) }
        })
        .await;
    }

    /// Heals the target and resumes, or starts the corrected task.
    async fn healed(&mut self) {
        self.sql("heal.sql", &self.target).await;
        if self.text("task-healed.yaml").is_some() {
            self.cluster.dmctl_ok(&["stop-task", &self.task]);
            self.start_file("task-healed.yaml");
        } else {
            self.cluster.dmctl_ok(&["resume-task", &self.task]);
        }
        self.reaches("Sync").await;
    }

    /// Waits for the expected error.
    async fn paused(&self, case: &Case) {
        until(&format!("{} pauses", self.task), Duration::from_secs(60), || async {
            let (stage, _, reply) = self.cluster.subtask(&self.task, "src-1");
            let text = reply.to_string();
            match case.expect.iter().find(|f| !text.contains(f.as_str())) {
                None if stage == "Paused" => Ok(()),
                missing => Err(format!("stage {stage}, missing {missing:?} in {reply:#}")),
            }
        })
        .await;
    }

    /// Waits until everything in compare.txt is equal.
    async fn equal(&self) {
        let list = self.text("compare.txt").unwrap();
        until(&format!("{} has equal data", self.task), Duration::from_secs(60), || async {
            let (mut a, mut b) = (self.source.conn().await, self.target.conn().await);
            let mut found = Vec::new();
            for line in list.lines().filter(|l| !l.trim().is_empty()) {
                let (from, to) = line.split_once(" -> ").unwrap();
                match (from.split_once('.'), to.split_once('.')) {
                    (Some(from), Some(to)) => found.extend(compare::difference(&mut a, from, &mut b, to).await),
                    _ => found.extend(compare::schema_differences(&mut a, from, &mut b, to).await),
                }
            }
            let (stage, _, reply) = self.cluster.subtask(&self.task, "src-1");
            assert_ne!(stage, "Paused", "{reply:#}\n{}", self.cluster.logs_tail());
            if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
        })
        .await;
    }
}
