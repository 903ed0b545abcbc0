//! Writers that keep a source busy: random transactions on a keyed, a unique-keyed and a keyless table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mysql_async::{Conn, prelude::Queryable};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinHandle;

use super::servers::Server;

pub const TABLES: &str = "CREATE DATABASE busy CHARACTER SET utf8mb4; USE busy; \
    CREATE TABLE keyed (id INT PRIMARY KEY, v VARCHAR(60), n BIGINT); \
    CREATE TABLE uniq (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) UNIQUE, n INT); \
    CREATE TABLE keyless (a INT, b VARCHAR(30));";

/// Running writers; `stop` ends them and waits.
pub struct Writers {
    stop: Arc<AtomicBool>,
    pub transactions: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts `count` writers, each pausing `pause` between transactions. A lost connection is made anew,
    /// so a source that is killed and comes back is written again.
    pub fn start(source: &Server, count: u64, pause: Duration, seed: u64) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let transactions = Arc::new(AtomicU64::new(0));
        let tasks = (0..count)
            .map(|i| {
                let (stop, done, opts) = (stop.clone(), transactions.clone(), source.opts());
                let mut rng = StdRng::seed_from_u64(seed * 1000 + i);
                tokio::spawn(async move {
                    let mut beat = tokio::time::interval(pause);
                    let mut conn = None;
                    while !stop.load(Ordering::Relaxed) {
                        beat.tick().await;
                        if conn.is_none() {
                            conn = Conn::new(opts.clone()).await.ok();
                        }
                        let Some(c) = conn.as_mut() else { continue };
                        match transaction(c, &mut rng).await {
                            Ok(()) => _ = done.fetch_add(1, Ordering::Relaxed),
                            Err(mysql_async::Error::Server(_)) => _ = c.query_drop("ROLLBACK").await,
                            Err(_) => conn = None,
                        }
                    }
                })
            })
            .collect();
        Writers { stop, transactions, tasks }
    }

    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.transactions.load(Ordering::Relaxed)
    }
}

async fn transaction(conn: &mut Conn, rng: &mut StdRng) -> mysql_async::Result<()> {
    conn.query_drop("BEGIN").await?;
    for _ in 0..rng.random_range(1..6) {
        conn.query_drop(statement(rng)).await?;
    }
    conn.query_drop("COMMIT").await
}

/// One change. Names in `uniq` come from a small set, so they wander between rows.
fn statement(rng: &mut StdRng) -> String {
    let (id, n, name) = (rng.random_range(0..300), rng.random_range(0..1_000_000), rng.random_range(0..40));
    match rng.random_range(0..11) {
        0 | 1 => format!("REPLACE INTO busy.keyed VALUES ({id}, 'v{n}', {n})"),
        2 => format!("UPDATE busy.keyed SET n = n + 1, v = 'u{n}' WHERE id BETWEEN {id} AND {}", id + 3),
        3 => format!("DELETE FROM busy.keyed WHERE id = {id}"),
        4 => format!("INSERT IGNORE INTO busy.uniq (name, n) VALUES ('name{name}', {n})"),
        5 => format!("DELETE FROM busy.uniq WHERE name = 'NAME{name}'"),
        6 => format!("UPDATE IGNORE busy.uniq SET name = 'name{name}' WHERE n % 13 = {} LIMIT 1", n % 13),
        7 => format!("UPDATE IGNORE busy.keyed SET id = {} WHERE id = {id}", rng.random_range(0..300)),
        8 => format!("INSERT INTO busy.keyless VALUES ({}, 'k{}'), ({0}, 'k{1}')", n % 20, n % 3),
        9 => format!("UPDATE busy.keyless SET b = 'c{}' WHERE a = {} LIMIT 2", n % 4, n % 20),
        _ => format!("DELETE FROM busy.keyless WHERE a = {} LIMIT 1", n % 20),
    }
}
