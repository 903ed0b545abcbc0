//! Statement format, encrypted and compressed binlogs, as real servers write them.

use std::time::Duration;

use dm::{config::subtask::BlockAllowList, error::Code};

use super::{until_flushed, until_text};
use crate::{
    support::servers::{Kind, Release, Server, mariadb},
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v DOUBLE, s VARCHAR(60)) ENGINE=InnoDB;
    CREATE DATABASE other; CREATE TABLE other.t (id INT AUTO_INCREMENT PRIMARY KEY, v DOUBLE) ENGINE=InnoDB;";

/// INTVAR, RAND and USER_VAR come before their statement, a loaded file in pieces: all of it is refused, but not where the table
/// isn't migrated.
#[tokio::test]
async fn statement_format_is_refused_where_it_is_migrated() {
    for release in [Release::Mysql56, Release::Mysql97, Release::Mariadb1011] {
        let (source, target) = (Server::of(release, &[]), mariadb());
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        source.exec("INSERT INTO d.t VALUES (1, 1, 'a'), (2, 2, 'b')").await;
        let folder = source.text("SELECT @@datadir").await;
        let file = format!("{folder}/rows.txt");
        source.exec(&format!("SELECT id + 10, v FROM d.t INTO OUTFILE '{file}'")).await;
        let statements = [
            "SET @secret = 7; INSERT INTO d.t VALUES (3, @secret, 'x')".to_owned(),
            "UPDATE d.t SET v = RAND()".to_owned(),
            format!("LOAD DATA INFILE '{file}' INTO TABLE d.t (id, v)"),
        ];
        for (run, statement) in statements.iter().enumerate() {
            let mut config = subtask(&source, &target, run % 2 == 0);
            config.name = format!("t{run}");
            config.block_allow_list = BlockAllowList { do_dbs: vec!["d".into()], ..Default::default() };
            let running = Running::start(&config, 1).started(&target).await;
            source
                .exec(&format!(
                    "SET SESSION binlog_format = STATEMENT; INSERT INTO other.t (v) VALUES (RAND()), (1); \
                     LOAD DATA INFILE '{file}' INTO TABLE other.t; {statement}"
                ))
                .await;
            let error = tokio::time::timeout(Duration::from_secs(30), running.error()).await.unwrap();
            assert_eq!(error.code(), Code::SyncUnitDMLStatementFound, "{error}");
            assert!(error.to_string().contains("binlog_format"), "{error}");
            source.exec("DELETE FROM other.t; DELETE FROM d.t WHERE id > 2").await;
        }
    }
}

async fn flows(source: Server, gtid: bool) {
    let target = mariadb();
    let running = Running::start(&subtask(&source, &target, gtid), 1).started(&target).await;
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v INT, s TEXT) ENGINE=InnoDB").await;
    let rows: Vec<String> = (0..3000).map(|i| format!("({i}, {i} % 7, REPEAT('{i}', {}))", i % 60)).collect();
    source
        .exec(&format!(
            "USE d; BEGIN; INSERT INTO t VALUES {}; UPDATE t SET v = v + 1 WHERE v = 3; DELETE FROM t WHERE v = 2; \
             COMMIT; FLUSH BINARY LOGS; ALTER TABLE t ADD w INT DEFAULT 5 COMMENT '{}'; UPDATE t SET w = id",
            rows.join(","),
            "c".repeat(300)
        ))
        .await;
    until_equal(&source, &target, &["d"], &running).await;
    until_flushed(&source, &target, &running).await;
    running.kill().await;
    source.exec("INSERT INTO d.t VALUES (-1, 0, NULL, 1)").await;
    let running = Running::start(&subtask(&source, &target, gtid), 2).started(&target).await;
    until_text(&target, "SELECT COUNT(*) FROM d.t WHERE id = -1", "1", &running).await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

/// The server decrypts what it sends.
#[tokio::test]
async fn encrypted_binlogs_flow() {
    let keys = tempfile::Builder::new().prefix("dm-keys-").tempdir().unwrap();
    let file = keys.path().join("keys.txt");
    std::fs::write(&file, "1;770A8A65DA156D24EE2A093277530142\n").unwrap();
    let option = format!("--file-key-management-filename={}", file.display());
    let options = ["--plugin-load-add=file_key_management", &option, "--encrypt-binlog=1"];
    flows(Server::of(Release::Mariadb118, &options), true).await;
    let option = format!("--keyring-file-data={}", keys.path().join("keyring").display());
    let options = ["--early-plugin-load=keyring_file.so", &option, "--binlog-encryption=ON"];
    flows(Server::of(Release::Mysql80, &options), true).await;
}

#[tokio::test]
async fn compressed_binlogs_flow() {
    flows(Server::of(Release::Mysql97, &["--binlog-transaction-compression=ON"]), true).await;
    flows(Server::of(Release::Mysql80, &["--binlog-transaction-compression=ON"]), false).await;
    flows(Server::of(Release::Mariadb105, &["--log-bin-compress=1", "--log-bin-compress-min-len=10"]), false).await;
}

/// Events without rows, of every kind that a server can be made to write.
#[tokio::test]
async fn events_without_changes_are_passed() {
    let mysql = Server::start(Kind::Mysql, &["--binlog-rows-query-log-events=ON", "--binlog-checksum=NONE"]);
    let annotated = Server::start(Kind::Mariadb, &["--binlog-annotate-row-events=ON", "--binlog-checksum=NONE"]);
    for mut source in [mysql, annotated] {
        let target = mariadb();
        let running = Running::start(&subtask(&source, &target, true), 1).started(&target).await;
        source
            .exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO d.t VALUES (1)")
            .await;
        source
            .exec("BEGIN; INSERT INTO d.t VALUES (2); SAVEPOINT a; INSERT INTO d.t VALUES (3); ROLLBACK TO a; COMMIT")
            .await;
        until_text(&target, "SELECT GROUP_CONCAT(id) FROM d.t", "1,2", &running).await;
        until_flushed(&source, &target, &running).await;
        running.stop().await.unwrap();
        // A start writes a new file; a checksum may begin there.
        source.crash();
        source.exec("SET GLOBAL binlog_checksum = CRC32; INSERT INTO d.t VALUES (4)").await;
        let running = Running::start(&subtask(&source, &target, true), 2).started(&target).await;
        until_text(&target, "SELECT GROUP_CONCAT(id) FROM d.t", "1,2,4", &running).await;
        running.stop().await.unwrap();
    }
}
