//! The worker's process ends itself at named places of dump, load and sync (`DM_FAILPOINTS=place=n:exit`), and is started
//! again: nothing is lost, nothing doubled, with and without a key. Every day at a few places; `make test-long` at all.

use std::time::Duration;

use dm::units::failpoint::Place;

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{self, Server},
    wait::until,
};

const TASK: &str = "flow";
const WORKER: &str = "worker1";
const TABLES: &str = "CREATE TABLE keyed (id INT PRIMARY KEY, v VARCHAR(60), n BIGINT, UNIQUE KEY (n));
    CREATE TABLE keyless (a INT, b VARCHAR(30));
    INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (2, 'y'); INSERT INTO keyed VALUES (1, 'a', 1), (2, 'b', 2);";
/// What `failpoint` exits with.
const EXIT: i32 = 86;

/// How a process comes to a place.
enum Way {
    /// While rows and statements flow.
    Flow,
    /// The same, behind a transaction whose outcome is unknown.
    Unknown,
    /// A task that begins.
    Begin,
}

fn way(place: Place) -> Way {
    match place {
        Place::LaneBeforeSettle | Place::LaneAfterSettle => Way::Unknown,
        Place::StartBeforeFirstStore | Place::StartWithinFirstStore | Place::StartAfterFirstStore => Way::Begin,
        place if place.is_of_sync() => Way::Flow,
        _ => Way::Begin,
    }
}

struct Exits {
    cluster: Cluster,
    source: Server,
    target: Server,
}

impl Exits {
    async fn new(source: Server, target: Server, gtid: bool) -> Exits {
        source.exec(&format!("CREATE DATABASE {TASK}; USE {TASK}; {TABLES}")).await;
        let cluster = Cluster::with_workers(1, 3);
        cluster.create_source("src-1", &source, gtid);
        let exits = Exits { cluster, source, target };
        let task = exits.task(TASK, "logical");
        exits.cluster.dmctl_ok(&["start-task", &task]);
        exits.equal(TASK).await;
        exits
    }

    /// A task of schema and name `name`.
    fn task(&self, name: &str, import: &str) -> String {
        let folder = self.cluster.folder.path().display();
        let yaml = format!(
            "name: {name}\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \
             \"123456\"}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l, \
             syncer-config-name: s}}\nblock-allow-list:\n  b: {{do-dbs: [{name}]}}\nloaders:\n  l: {{dir: \
             \"{folder}/{name}\", import-mode: {import}}}\nsyncers:\n  s: {{worker-count: 4, batch: 3, checkpoint-flush-interval: 1}}\n",
            self.target.port
        );
        self.cluster.file(&format!("{name}.yaml"), &yaml)
    }

    async fn equal(&self, schema: &str) {
        until(&format!("equal rows in {schema}"), Duration::from_secs(90), || async {
            let (mut a, mut b) = (self.source.conn().await, self.target.conn().await);
            let found = compare::schema_differences(&mut a, schema, &mut b, schema).await;
            if found.is_empty() { Ok(()) } else { Err(format!("{found:?}\n{}", self.cluster.logs_tail())) }
        })
        .await;
    }

    /// Waits until the worker has ended itself, and starts it again.
    async fn ends_and_returns(&mut self, place: Place, start: Option<&str>) {
        let end = std::time::Instant::now() + Duration::from_secs(90);
        let code = loop {
            if let Some(code) = self.cluster.node(WORKER).ended() {
                break code;
            }
            assert!(std::time::Instant::now() < end, "{place:?} did not strike:\n{}", self.cluster.logs_tail());
            if let Some(file) = start {
                // Refused until the worker is back, and when it was started before.
                self.cluster.dmctl_output(&["start-task", file]);
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()).await;
        };
        assert_eq!(code, EXIT, "{place:?}:\n{}", self.cluster.logs_tail());
        self.cluster.node(WORKER).up();
    }

    async fn at(&mut self, round: usize, place: Place) {
        let passes = 1 + round % 2;
        self.cluster.node(WORKER).kill();
        match way(place) {
            Way::Flow | Way::Unknown => {
                let unknown =
                    if matches!(way(place), Way::Unknown) { format!("{TASK}/lane-lost=1,") } else { String::new() };
                let once =
                    place.name().starts_with("start-") || place == Place::SourceBeforeOpen || !unknown.is_empty();
                let passes = if once { 1 } else { passes };
                let points = format!("{unknown}{TASK}/{}={passes}:exit", place.name());
                self.cluster.node(WORKER).up_to_fail(&points);
                self.source.exec(&workload(round)).await;
                self.ends_and_returns(place, None).await;
                self.equal(TASK).await;
            }
            Way::Begin => {
                let name = format!("begin{round}");
                self.source.exec(&format!("CREATE DATABASE {name}; USE {name}; {TABLES}")).await;
                let import = if place.name().starts_with("stream-") { "stream" } else { "logical" };
                let file = self.task(&name, import);
                self.cluster.node(WORKER).up_to_fail(&format!("{name}/{}=1:exit", place.name()));
                self.ends_and_returns(place, Some(&file)).await;
                let more =
                    format!("USE {name}; INSERT INTO keyless VALUES (3, 'z'), (3, 'z'); UPDATE keyed SET n = n + 10");
                self.source.exec(&more).await;
                self.equal(&name).await;
                self.cluster.dmctl_ok(&["stop-task", &name]);
            }
        }
    }
}

fn workload(round: usize) -> String {
    format!(
        "USE {TASK}; INSERT INTO keyless VALUES ({round}, 'x'), ({round}, 'x'), ({round}, 'y');
         INSERT INTO keyed (id, v, n) VALUES (1{round:03}, 'a', 1{round:03}), (2{round:03}, 'b', 2{round:03});
         BEGIN; UPDATE keyed SET n = -1 WHERE id = 1; UPDATE keyed SET n = 1 WHERE id = 2; UPDATE keyed SET n = 2 WHERE id = 1;
         UPDATE keyed SET n = -1 WHERE id = 2; UPDATE keyed SET n = 1 WHERE id = 1; UPDATE keyed SET n = 2 WHERE id = 2; COMMIT;
         DELETE FROM keyless WHERE b = 'y' LIMIT 1; UPDATE keyless SET b = 'z' WHERE a = {round} LIMIT 1;
         ALTER TABLE keyed ADD COLUMN c{round} INT DEFAULT {round}; UPDATE keyed SET c{round} = c{round} + 1;
         CREATE TABLE t{round} (id INT PRIMARY KEY); INSERT INTO t{round} VALUES (1), (2); RENAME TABLE t{round} TO r{round};
         INSERT INTO r{round} VALUES (3); ALTER TABLE keyed DROP COLUMN c{round}; INSERT INTO keyless VALUES (-{round}, 'end')"
    )
}

async fn exits(source: Server, target: Server, gtid: bool, places: &[Place]) {
    let mut exits = Exits::new(source, target, gtid).await;
    for (round, place) in places.iter().enumerate() {
        let begun = std::time::Instant::now();
        exits.at(round, *place).await;
        eprintln!("{place:?} (gtid {gtid}): {:.1} s", begun.elapsed().as_secs_f64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_a_named_place_goes_on_there() {
    let places = [Place::LaneCommitted, Place::DdlAfterRun, Place::LoadCommitted, Place::StreamCommitted];
    exits(servers::mysql(), servers::mariadb(), false, &places).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-long"]
async fn a_process_that_ends_at_any_place_goes_on_there() {
    exits(servers::mariadb(), servers::mysql(), true, Place::ALL).await;
    exits(servers::mysql(), servers::mariadb(), false, Place::ALL).await;
}
