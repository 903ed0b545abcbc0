//! Tasks of many tables: what they ask a server for doesn't grow by one query a table. `DM_TABLES=n` makes it more.

use std::time::{Duration, Instant};

use dm::{config::subtask::TaskMode, units::check};
use mysql_async::{Row, prelude::Queryable};

use crate::{
    support::{
        servers::{self, Server},
        wait,
    },
    units_sync::{Running, subtask},
};

/// Tables whose structures may be asked for one by one, with the others read ahead (see `units::sync::lookup`).
const ONE_BY_ONE: u64 = 40;

fn count() -> usize {
    std::env::var("DM_TABLES").ok().and_then(|text| text.parse().ok()).unwrap_or(90)
}

/// Statements for every table, many a packet.
async fn for_each(server: &Server, statement: impl Fn(usize) -> String) {
    let mut conn = server.conn().await;
    let numbers: Vec<usize> = (0..count()).collect();
    for chunk in numbers.chunks(100) {
        let sql: Vec<String> = chunk.iter().map(|number| statement(*number)).collect();
        conn.query_drop(sql.join(";")).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

async fn shown(server: &Server) -> u64 {
    let mut conn = server.conn().await;
    let row: Option<Row> = conn.query_first("SHOW GLOBAL STATUS LIKE 'Com_show_create_table'").await.unwrap();
    row.and_then(|mut row| row.take::<String, _>(1)).unwrap().parse().unwrap()
}

async fn rows(server: &Server) -> u64 {
    let mut conn = server.conn().await;
    let mut rows = 0;
    let numbers: Vec<usize> = (0..count()).collect();
    for chunk in numbers.chunks(50) {
        let parts: Vec<String> = chunk.iter().map(|i| format!("SELECT COUNT(*) n FROM many.t{i}")).collect();
        let sql = format!("SELECT CAST(SUM(n) AS UNSIGNED) FROM ({}) every_table", parts.join(" UNION ALL "));
        rows += conn.query_first::<u64, _>(sql).await.unwrap().unwrap();
    }
    rows
}

fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    (pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096) >> 20
}

#[tokio::test]
async fn many_tables_are_not_asked_for_one_by_one() {
    for (source, target) in [(servers::mysql(), servers::mariadb()), (servers::mariadb(), servers::mysql())] {
        let table = |i: usize| {
            format!(
                "CREATE TABLE many.t{i} (id INT PRIMARY KEY, a VARCHAR(20) NOT NULL DEFAULT 'x', b DECIMAL(20,4), UNIQUE k (a))"
            )
        };
        for server in [&source, &target] {
            server.exec("CREATE DATABASE many CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci").await;
            for_each(server, table).await;
        }
        let mut config = subtask(&source, &target, true);
        config.mode = TaskMode::Incremental;
        let before = shown(&source).await;
        let started = Instant::now();
        let report = check::run(std::slice::from_ref(&config), Default::default()).await.unwrap();
        let report = report.to_text();
        assert!(!report.contains("`many`"), "{report}");
        assert_eq!(shown(&source).await, before, "the check asks for tables one by one");
        let checked = started.elapsed();
        let running = Running::start(&config, 1).started(&target).await;
        let (at_source, at_target, memory) = (shown(&source).await, shown(&target).await, resident_mib());
        let started = Instant::now();
        for_each(&source, |i| format!("INSERT INTO many.t{i} (id, b) VALUES ({i}, {i}.25)")).await;
        let last = format!("SELECT COUNT(*) FROM many.t{}", count() - 1);
        wait::until("the last table's row", Duration::from_secs(600), || async {
            let have = target.text(&last).await;
            if have == "1" || running.is_finished() { Ok(()) } else { Err(have) }
        })
        .await;
        running.stop().await.unwrap();
        eprintln!(
            "{} tables, {:?}: check {checked:?}, first rows {:?}, memory {memory} to {} MiB",
            count(),
            source.release,
            started.elapsed(),
            resident_mib()
        );
        let asked = [shown(&source).await - at_source, shown(&target).await - at_target];
        let allowed = ONE_BY_ONE.max(count() as u64 / 50);
        assert!(asked.iter().all(|asked| (1..=allowed).contains(asked)), "{asked:?} tables were asked for one by one");
        assert_eq!(rows(&target).await, count() as u64);
    }
}
