//! Transactions that were rolled back, wholly or to a savepoint, and stand in the binlog all the same.

use crate::{
    support::servers::{self, Release, Server},
    units_sync::{Running, subtask, until_equal},
};

const TRANSACTIONS: &str = "USE d;
    BEGIN; INSERT INTO t VALUES (1, 'a'); DROP TEMPORARY TABLE IF EXISTS tt; ROLLBACK;
    BEGIN; INSERT INTO t VALUES (2, 'a'); CREATE TEMPORARY TABLE tt (id INT); ROLLBACK;
    BEGIN; INSERT INTO t VALUES (3, 'a'); INSERT INTO m VALUES (3); ROLLBACK;
    BEGIN; INSERT INTO t VALUES (4, 'a'); SAVEPOINT One; INSERT INTO t VALUES (5, 'b'); INSERT INTO n VALUES (1), (1);
    DROP TEMPORARY TABLE IF EXISTS tt; ROLLBACK TO one; INSERT INTO t VALUES (6, 'b'); COMMIT;
    BEGIN; SAVEPOINT a; INSERT INTO t VALUES (7, 'c'); SAVEPOINT b; DELETE FROM t; SAVEPOINT c; INSERT INTO m VALUES (8);
    INSERT INTO t VALUES (8, 'd'); ROLLBACK TO b; INSERT INTO t VALUES (9, 'e'); COMMIT;
    BEGIN; UPDATE t SET v = 'f'; SAVEPOINT a; UPDATE t SET id = id + 100; SAVEPOINT a; DROP TEMPORARY TABLE IF EXISTS tt;
    DELETE FROM t WHERE id < 105; ROLLBACK TO a; COMMIT;
    INSERT INTO t VALUES (1, 'now'), (8, 'now'); INSERT INTO n VALUES (2)";

const LARGE: &str = "USE d;
    BEGIN; INSERT INTO log VALUES (REPEAT('a', 3000000)); INSERT INTO log VALUES (REPEAT('b', 3000000));
    DROP TEMPORARY TABLE IF EXISTS tt; COMMIT;
    BEGIN; INSERT INTO log VALUES (REPEAT('c', 3000000)); INSERT INTO log VALUES (REPEAT('d', 3000000));
    DROP TEMPORARY TABLE IF EXISTS tt; ROLLBACK;
    BEGIN; INSERT INTO log VALUES (REPEAT('e', 3000000)); SAVEPOINT a; INSERT INTO log VALUES (REPEAT('f', 3000000));
    SAVEPOINT b; DELETE FROM log; INSERT INTO m VALUES (100); ROLLBACK TO b; INSERT INTO log VALUES (REPEAT('g', 4));
    SAVEPOINT c; INSERT INTO log VALUES (REPEAT('h', 3000000)); DROP TEMPORARY TABLE IF EXISTS tt; ROLLBACK TO c;
    INSERT INTO log VALUES (REPEAT('i', 3000000)); COMMIT;
    BEGIN; INSERT INTO log VALUES (REPEAT('j', 3000000)); SAVEPOINT a; DELETE FROM log; INSERT INTO m VALUES (101);
    ROLLBACK TO a; ROLLBACK; INSERT INTO n VALUES (3)";
const EXPECTED: &str = "a3000000,b3000000,e3000000,f3000000,g4,i3000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_rolled_back_do_not_arrive() {
    let all = Release::ALL;
    for release in Release::chosen(&[Release::Mariadb118, Release::Mysql57, Release::Mysql97], &all) {
        let gtid = release.kind() == servers::Kind::Mariadb;
        let options: &[&str] = if gtid { &[] } else { &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"] };
        let source = Server::of(release, options);
        let target = servers::mariadb();
        let tables =
            "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9)); CREATE TABLE n (id INT);
                    CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM; CREATE TABLE log (v LONGTEXT)";
        source.exec(tables).await;
        target.exec(tables).await;
        let running = Running::start(&subtask(&source, &target, gtid), 1).started(&target).await;
        source.exec(TRANSACTIONS).await;
        until_equal(&source, &target, &["d"], &running).await;
        // More than is kept in memory: counted to its end, then read again.
        source.exec(LARGE).await;
        until_equal(&source, &target, &["d"], &running).await;
        assert_eq!(target.text("SELECT GROUP_CONCAT(LEFT(v, 1), LENGTH(v) ORDER BY v) FROM d.log").await, EXPECTED);
        running.stop().await.unwrap();
    }
}
