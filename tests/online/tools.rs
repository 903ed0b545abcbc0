//! The tools themselves, with writers at work. pt-online-schema-change comes with `scripts/servers.sh pt-osc`; gh-ost is
//! taken from the PATH (or `DM_GHOST`), where somebody has put it.

use std::{path::Path, process::Command, time::Duration};

use mysql_async::{Conn, prelude::Queryable};
use tokio::sync::oneshot;

use super::config;
use crate::{
    support::{
        compare,
        release::Release,
        servers::{self, PASSWORD, Server, USER},
        wait::until,
        writer::{self, Writers},
    },
    units_sync::Running,
};

/// Runs a tool to its end without holding up the runtime.
async fn tool(program: String, args: Vec<String>) -> (bool, String) {
    tokio::task::spawn_blocking(move || {
        let out = Command::new(&program).args(&args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), text)
    })
    .await
    .unwrap()
}

async fn pt_osc(source: &Server, table: &str, alter: &str, more: &[&str]) {
    let dsn = format!("h=127.0.0.1,P={},u={USER},p={PASSWORD},D=busy,t={table},A=utf8mb4", source.port);
    let mut args: Vec<String> =
        ["--execute", "--recursion-method=none", "--no-version-check", "--chunk-size=40", "--alter", alter]
            .map(String::from)
            .to_vec();
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args.push(dsn);
    let (ok, text) = tool("pt-online-schema-change".into(), args).await;
    assert!(ok, "{text}");
}

async fn equal(source: &Server, target: &Server, running: &mut Running) {
    let same = until("equal data", Duration::from_secs(90), || async {
        let (mut from, mut to) = (source.conn().await, target.conn().await);
        let found = compare::schema_differences(&mut from, "busy", &mut to, "busy").await;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:#?}")) }
    });
    tokio::select! {
        () = same => {}
        error = running.ended() => panic!("the unit ended: {error}"),
    }
    assert_eq!(super::structure(source, "busy").await, super::structure(target, "busy").await);
}

/// Keeps `keyed` and `uniq` busy until told to stop. No REPLACE and no UPDATE IGNORE: pt-online-schema-change's triggers
/// lose some of their changes, so that its copy differs from the table on the source itself.
async fn write_plainly(source: mysql_async::Opts, mut stop: oneshot::Receiver<()>) -> u32 {
    let mut conn = Conn::new(source).await.unwrap();
    let mut beat = tokio::time::interval(Duration::from_millis(3));
    let mut taken = 0;
    for n in 0.. {
        tokio::select! {
            _ = &mut stop => break,
            _ = beat.tick() => {}
        }
        let id = n * 7919 % 300;
        let sql = match n % 5 {
            0 | 1 => {
                format!("INSERT INTO busy.keyed (id, v, n) VALUES ({id}, 'v{n}', {n}) ON DUPLICATE KEY UPDATE n = {n}")
            }
            2 => format!("UPDATE busy.keyed SET n = n + 1, v = 'u{n}' WHERE id BETWEEN {id} AND {}", id + 3),
            3 => format!("DELETE FROM busy.keyed WHERE id = {id}"),
            _ if n % 2 == 0 => format!("INSERT INTO busy.uniq (name, n) VALUES ('name{}', {n})", n % 40),
            _ => format!("DELETE FROM busy.uniq WHERE name = 'NAME{}' OR n = {n} - 50", n % 40),
        };
        // A name that is taken and a deadlock with the tool's copying are no changes.
        taken += u32::from(conn.query_drop(sql).await.is_ok());
    }
    taken
}

const ROWS: &str = "INSERT INTO busy.keyed SELECT seq + 1000, CONCAT('v', seq), seq FROM mysql.seq_1_to_400";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_online_schema_change_with_writers() {
    let (source, target) = (servers::mariadb(), servers::mysql());
    let mut config = config(&source, &target, true);
    config.block_allow_list.do_dbs = vec!["busy".into()];
    let mut running = Running::start(&config, 1).started(&target).await;
    source.exec(writer::TABLES).await;
    source.exec(ROWS).await;
    source.exec("USE busy; CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES keyed (id)); INSERT INTO child VALUES (1, 1001)").await;
    let (stop, stopped) = oneshot::channel();
    let writer = tokio::spawn(write_plainly(source.opts().into(), stopped));
    pt_osc(&source, "uniq", "ADD COLUMN c INT NOT NULL DEFAULT 3, ADD KEY (n)", &[]).await;
    pt_osc(
        &source,
        "keyed",
        "ADD COLUMN w VARCHAR(9), MODIFY n BIGINT NOT NULL DEFAULT 0",
        &["--alter-foreign-keys-method=rebuild_constraints"],
    )
    .await;
    pt_osc(&source, "uniq", "DROP COLUMN c", &["--no-drop-old-table"]).await;
    stop.send(()).unwrap();
    assert!(writer.await.unwrap() > 100);
    source.exec("DROP TABLE busy._uniq_old").await;
    equal(&source, &target, &mut running).await;
    running.stop().await.unwrap();
}

fn gh_ost_args(source: &Server, folder: &Path, table: &str, alter: &str) -> Vec<String> {
    let mut args: Vec<String> = [
        "--execute",
        "--allow-on-master",
        "--initially-drop-ghost-table",
        "--initially-drop-old-table",
        "--initially-drop-socket-file",
        "--assume-rbr",
        "--skip-metadata-lock-check",
        "--chunk-size=40",
        "--default-retries=20",
        "--cut-over-lock-timeout-seconds=3",
        "--host=127.0.0.1",
        "--database=busy",
    ]
    .map(String::from)
    .to_vec();
    args.extend([
        format!("--port={}", source.port),
        format!("--user={USER}"),
        format!("--password={PASSWORD}"),
        format!("--table={table}"),
        format!("--alter={alter}"),
        format!("--serve-socket-file={}", folder.join("ghost.sock").display()),
        format!("--panic-flag-file={}", folder.join("panic").display()),
    ]);
    args
}

/// MySQL 8.0 and MariaDB as sources: a run to its end, one that is given up by its panic flag and cleaned by hand, and one
/// more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tool: gh-ost on the PATH, or its path in DM_GHOST"]
async fn gh_ost_with_writers() {
    let program = std::env::var("DM_GHOST").unwrap_or_else(|_| "gh-ost".into());
    for (source, target) in [
        (Server::of(Release::Mysql80, &["--default-authentication-plugin=mysql_native_password"]), servers::mariadb()),
        // An older MariaDB lacks a variable that gh-ost reads.
        (Server::of(Release::Mariadb118, &[]), servers::mysql()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&source, &target, true);
        config.block_allow_list.do_dbs = vec!["busy".into()];
        let mut running = Running::start(&config, 1).started(&target).await;
        source.exec(writer::TABLES).await;
        let writers = Writers::start(&source, 2, Duration::from_millis(10), 12);
        let run = |alter: &'static str, more: &'static [&'static str]| {
            let mut args = gh_ost_args(&source, folder.path(), "keyed", alter);
            args.extend(more.iter().map(|arg| (*arg).to_owned()));
            tool(program.clone(), args)
        };
        let (ok, text) = run("ADD COLUMN c INT NOT NULL DEFAULT 3, ADD KEY (n)", &["--ok-to-drop-table"]).await;
        assert!(ok, "{text}");
        // Given up in the middle: the flag file makes gh-ost panic, its tables stay.
        std::fs::write(folder.path().join("panic"), "").unwrap();
        let (ok, text) = run("ADD COLUMN never INT", &[]).await;
        assert!(!ok, "{text}");
        std::fs::remove_file(folder.path().join("panic")).unwrap();
        source.exec("DROP TABLE IF EXISTS busy._keyed_gho, busy._keyed_ghc, busy._keyed_del").await;
        let (ok, text) =
            run("DROP COLUMN c, MODIFY v VARCHAR(80)", &["--cut-over=two-step", "--ok-to-drop-table"]).await;
        assert!(ok, "{text}");
        writers.stop().await;
        equal(&source, &target, &mut running).await;
        running.stop().await.unwrap();
    }
}
