//! A run that ends at any of the places which `failpoint.rs` names goes on exactly there: rows and DDL under way, tables
//! with a key, without one, and with unique values that change places. The list of places is the code's own, so a place
//! that is added there is crashed at here.

use std::time::Duration;

use dm::{
    config::{Flavor, SubtaskConfig, subtask::Meta},
    units::failpoint::{self, Place},
};

use crate::{
    support::{
        proxy::Proxy,
        servers::{self, Server, free_port},
    },
    units_sync::{Running, TABLES, subtask, until_equal},
};

/// How a place is reached, and what it does to the run.
enum Reached {
    /// Rows or DDL pass it: the run ends there.
    Flowing,
    /// The same, but the run goes on by itself.
    Survived,
    /// As the first, after a transaction whose outcome is unknown.
    Settling,
    /// A new run passes it before rows flow.
    Starting,
    /// A new run of a task without a checkpoint passes it.
    Beginning,
}

fn reached(place: Place) -> Reached {
    match place {
        Place::LaneNeverSent | Place::LaneLost => Reached::Survived,
        Place::LaneBeforeSettle | Place::LaneAfterSettle => Reached::Settling,
        Place::StartBeforeRaise | Place::StartInRaise | Place::StartAfterRaise | Place::SourceBeforeOpen => {
            Reached::Starting
        }
        Place::StartBeforeFirstStore | Place::StartWithinFirstStore | Place::StartAfterFirstStore => Reached::Beginning,
        _ => Reached::Flowing,
    }
}

fn workload(round: usize) -> String {
    format!(
        "USE d; INSERT INTO keyless (a, b) VALUES ({round},'x'),({round},'x'),({round},'y');
         INSERT INTO keyed (id, v, n) VALUES ({round},'a',1),(100+{round},'b',2),(200+{round},'c',3);
         REPLACE INTO uniq VALUES (1,'one',{round}),(2,'two',{round}),(3,'three',{round});
         BEGIN; UPDATE uniq SET name='free' WHERE id=1; UPDATE uniq SET name='one' WHERE id=2;
         UPDATE uniq SET name='two' WHERE id=1; INSERT INTO keyless (a, b) VALUES ({round},'x'); COMMIT;
         UPDATE keyed SET id = id + 1000 WHERE id = {round}; DELETE FROM uniq WHERE id=3;
         INSERT INTO uniq VALUES (4,'three',{round}) ON DUPLICATE KEY UPDATE n = n + 1;
         ALTER TABLE keyed ADD COLUMN c{round} INT DEFAULT {round};
         UPDATE keyed SET n = n + 1, c{round} = c{round} + 1; DELETE FROM keyless WHERE b = 'y';
         UPDATE keyless SET b = 'z' WHERE a = {round} LIMIT 1;
         CREATE TABLE t{round} (id INT PRIMARY KEY); INSERT INTO t{round} VALUES (1),(2);
         RENAME TABLE t{round} TO r{round}; INSERT INTO r{round} VALUES (3);
         TRUNCATE TABLE uniq; INSERT INTO uniq VALUES (1,'{round}',1);
         CREATE TABLE x{round} (id INT); CREATE TABLE y{round} (id INT); DROP TABLE x{round}, y{round};
         ALTER TABLE keyed DROP COLUMN c{round}"
    )
}

struct Crashes {
    source: Server,
    /// Another server with the same transactions, and the address that leads to one of the two.
    group: Option<(Server, Proxy)>,
    target: Server,
    config: SubtaskConfig,
    epoch: u64,
}

impl Crashes {
    async fn at(&mut self, round: usize, place: Place, mut running: Running) -> Running {
        let passes = match reached(place) {
            Reached::Starting | Reached::Beginning => 1,
            _ => 1 + round as u64 % 3,
        };
        match reached(place) {
            Reached::Flowing | Reached::Survived => failpoint::arm(&self.config.name, place, passes),
            Reached::Settling => {
                failpoint::arm(&self.config.name, place, passes);
                for unknown in [Place::LaneNeverSent, Place::LaneLost] {
                    failpoint::arm(&self.config.name, unknown, 1);
                }
            }
            Reached::Starting => {
                running.kill().await;
                failpoint::arm(&self.config.name, place, passes);
                self.source.exec(&workload(round)).await;
                running = Running::start(&self.config, self.epoch);
            }
            Reached::Beginning => {
                running.stop().await.unwrap();
                self.config.name = format!("{}x", self.config.name);
                self.config.meta = Some(self.here().await);
                failpoint::arm(&self.config.name, place, passes);
                running = Running::start(&self.config, self.epoch);
            }
        }
        if !matches!(reached(place), Reached::Starting) {
            self.source.exec(&workload(round)).await;
        }
        if matches!(reached(place), Reached::Survived) {
            until_equal(&self.source, &self.target, &["d"], &running).await;
            assert!(!failpoint::is_armed(&self.config.name, place), "{place:?} did not strike");
            return running;
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), running.error()).await;
        let error = ended.unwrap_or_else(|_| panic!("{place:?} did not strike"));
        assert!(error.message().contains(place.name()), "{place:?}: {error}");
        self.switch().await;
        // A run that is resumed keeps its epoch, one on another worker has the next.
        self.epoch += round as u64 % 2;
        let running = Running::start(&self.config, self.epoch);
        until_equal(&self.source, &self.target, &["d"], &running).await;
        running
    }

    /// The address leads to the other server from now on.
    async fn switch(&mut self) {
        if let Some((other, address)) = &mut self.group {
            other.catches_up_with(&self.source).await;
            address.move_to(other.port);
            std::mem::swap(other, &mut self.source);
        }
    }

    async fn here(&self) -> Meta {
        let (name, pos, gtid) = self.source.binlog_end().await;
        let binlog_gtid = if self.config.enable_gtid { gtid } else { String::new() };
        Meta { binlog_name: name, binlog_pos: pos.parse().unwrap(), binlog_gtid }
    }
}

async fn crash_everywhere(source: Server, target: Server, gtid: bool) {
    source.exec(TABLES).await;
    crash_at(Place::ALL.iter().copied().filter(|place| place.is_of_sync()), source, target, gtid, None).await;
}

async fn crash_at(
    places: impl Iterator<Item = Place>,
    source: Server,
    target: Server,
    gtid: bool,
    group: Option<(Server, Proxy)>,
) {
    target.exec(TABLES).await;
    let mut config = subtask(&source, &target, gtid);
    config.name = format!("crash{}", source.port);
    config.syncer.batch = 3;
    if let Some((_, address)) = &group {
        config.from.port = address.port;
    }
    let mut crashes = Crashes { source, group, target, config, epoch: 1 };
    let mut running = Running::start(&crashes.config, 1).started(&crashes.target).await;
    for (round, place) in places.enumerate() {
        let begun = std::time::Instant::now();
        running = crashes.at(round, place, running).await;
        let flavor = crashes.config.flavor == Flavor::Mysql;
        eprintln!("{place:?} (mysql {flavor}, gtid {gtid}): {:.1} s", begun.elapsed().as_secs_f64());
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_every_place_is_survived() {
    let pairs = [(servers::mariadb(), servers::mysql(), true), (servers::mysql(), servers::mariadb(), false)];
    let all = pairs.map(|(source, target, gtid)| tokio::spawn(crash_everywhere(source, target, gtid)));
    for one in all {
        one.await.unwrap();
    }
}

/// After each crash the address leads to the other of two servers that replicate from each other: their binlogs have the
/// same GTIDs in other files.
async fn crash_and_switch(places: impl Iterator<Item = Place>) {
    let [source, other] = [(); 2].map(|()| servers::mysql());
    other
        .exec("SET sql_log_bin = 0; CREATE DATABASE own; SET sql_log_bin = 1; FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        .await;
    other.follows(&source).await;
    source.exec(TABLES).await;
    other.catches_up_with(&source).await;
    source.follows(&other).await;
    let address = Proxy::start(free_port(), source.port);
    crash_at(places, source, servers::mariadb(), true, Some((other, address))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_and_a_switch_of_the_source_are_survived() {
    crash_and_switch([Place::LaneCommitted, Place::DdlAfterRun].into_iter()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-long"]
async fn a_crash_at_every_place_and_a_switch_of_the_source_are_survived() {
    crash_and_switch(Place::ALL.iter().copied().filter(|place| place.is_of_sync())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn tidb_survives_a_crash_at_every_place() {
    crash_everywhere(servers::mysql(), Server::of(servers::Release::Tidb, &[]), true).await;
}
