//! Bytes that are no text of their columns' character sets come to the target's columns of text as they are: loaded from
//! files, streamed, and synced.

use dm::{
    config::{Flavor, SubtaskConfig, subtask::TaskMode},
    pb::UnitType,
    schema::model::TableId,
    units::{self, Ended, ill_formed::Keeper},
};

use mysql_async::prelude::Queryable;

use crate::{
    support::{
        servers::{Kind, Release, Server},
        wait,
    },
    units_load::{run, subtask},
    units_sync::{self, Running},
};

/// Writes rows with such bytes, which no statement of a client does.
async fn write(server: &Server, sql: &str) {
    let own = TableId::new("own", "w");
    let mut keeper = Keeper::new(server.conn().await, server.conn().await, &own).await.unwrap().unwrap();
    let mut affected = Vec::new();
    keeper.run(sql.as_bytes(), &mut affected).await.unwrap_or_else(|e| panic!("{:?}: {e}", server.release));
}

/// Tables with a key of numbers, with one of such text, and without one.
fn tables(source: Release, targets: &[Server]) -> String {
    // MySQL 5.7 as a target refuses such VARCHARs beside generated columns (decision 38).
    let refuse = targets.iter().any(|target| target.release == Release::Mysql57);
    let computed = match source {
        Release::Mysql56 | Release::Mysql57 => "",
        _ if refuse => "",
        _ => ", bytes INT AS (LENGTH(v)) STORED, also INT AS (LENGTH(v)) VIRTUAL, KEY (also)",
    };
    let text = "v VARCHAR(20) CHARACTER SET utf8mb4, c CHAR(9) CHARACTER SET utf8mb4, t TEXT CHARACTER SET utf8mb4, \
                l LONGTEXT CHARACTER SET utf8mb3, g VARCHAR(9) CHARACTER SET gbk, b TEXT CHARACTER SET big5, \
                s VARCHAR(90) CHARACTER SET sjis, a VARCHAR(9) CHARACTER SET ascii";
    format!(
        "CREATE DATABASE own; CREATE DATABASE d; \
         CREATE TABLE d.one (id INT PRIMARY KEY, n INT, {text}{computed}, at TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP); \
         CREATE TABLE d.two (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, n INT, \
                             u CHAR(5) CHARACTER SET gbk, UNIQUE KEY (u)); \
         CREATE TABLE d.bare (n INT, v VARCHAR(20) CHARACTER SET utf8mb4, t TEXT CHARACTER SET gbk)"
    )
}

/// Rows from number `from` on.
fn rows(from: u32) -> String {
    let columns = "(`id`,`n`,`v`,`c`,`t`,`l`,`g`,`b`,`s`,`a`)";
    let (utf8, gbk) = ("_utf8mb4 x'61ff62' /*T! COLLATE ascii_bin */", "_gbk x'6181ff'");
    let long = format!("_utf8mb4 x'{}ff'", "61".repeat(3000));
    let ascii = "_ascii x'61ff' /*!80000 COLLATE utf8mb4_bin */";
    let (a, b, c) = (from, from + 1, from + 2);
    format!(
        "BEGIN; INSERT INTO `d`.`one` {columns} VALUES \
         ({a},1,{utf8},{utf8},{utf8},{utf8},{gbk},_big5 x'6181ff',_sjis x'6181ff',{ascii}),\
         ({b},1,'it''s; \u{e9}',NULL,{long},'x','\u{4e2d}',NULL,NULL,'a'),\
         ({c},1,_utf8mb4 x'eda080',NULL,NULL,_utf8mb4 x'f09f9880ff',{gbk},NULL,NULL,NULL); \
         INSERT INTO `d`.`two` (`k`,`n`,`u`) VALUES (_utf8mb4 x'ff{a:02x}',1,_gbk x'81ff{a:02x}'),('t{a}',2,_gbk x'81fe{a:02x}'); \
         INSERT INTO `d`.`bare` (`n`,`v`,`t`) VALUES ({a},{utf8},{gbk}),({a},{utf8},{gbk}),({b},'x','y'),({c},{utf8},NULL); \
         COMMIT"
    )
}

/// All that the tables hold.
async fn contents(server: &Server) -> Vec<String> {
    let one = "CONCAT_WS('|', id, n, HEX(v), HEX(c), SHA2(CAST(t AS BINARY), 256), HEX(l), HEX(g), HEX(b), HEX(s), HEX(a), at IS NULL)";
    let mut out = Vec::new();
    for (table, row) in [
        ("one", one),
        ("two", "CONCAT_WS('|', HEX(k), n, HEX(u))"),
        ("bare", "CONCAT_WS('|', n, HEX(v), IFNULL(HEX(t), 'N'))"),
    ] {
        // Not sorted by the server: MySQL 9.7 cuts such a TEXT in what it sorts.
        let sql = format!("SELECT CONVERT({row} USING latin1) FROM d.{table}");
        let mut rows = server.conn().await.query::<String, _>(sql).await.unwrap_or_default();
        rows.sort();
        out.extend(rows);
    }
    out
}

async fn is_there(source: &Server, target: &Server, what: &str) {
    let wanted = contents(source).await;
    wait::until(what, std::time::Duration::from_secs(30), || async {
        let found = contents(target).await;
        if found == wanted { Ok(()) } else { Err(format!("{found:#?} instead of {wanted:#?}")) }
    })
    .await;
}

/// Panics with the unit's error when it ends by itself.
async fn ended(unit: &Running) {
    wait::until("the unit ends", std::time::Duration::from_secs(60), || async {
        unit.goes_on();
        Err("it runs".to_owned())
    })
    .await
}

/// Both loads; the rows of the second stay.
async fn loads(source: &Server, target: &Server, dir: &std::path::Path) {
    let pair = format!("{:?} -> {:?}", source.release, target.release);
    for mode in ["logical", "stream"] {
        let mut config = subtask(source, target, dir, TaskMode::Full);
        (config.name, config.flavor, config.loader.import_mode) =
            (format!("{mode}{}", source.port), flavor(source), mode.into());
        let loaded = run(UnitType::Load, &config, 1).await.unwrap_or_else(|e| panic!("{pair}, {mode}: {e}"));
        assert_eq!(loaded, Ended::Finished);
        is_there(source, target, &format!("{pair}, {mode}")).await;
        units::remove_meta(&SubtaskConfig { mode: TaskMode::Incremental, ..config }).await.unwrap();
        let left = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'dm_meta'";
        assert_eq!(target.text(left).await, "0", "{pair}");
        if mode == "logical" {
            target.exec("DROP DATABASE d").await;
        }
    }
}

fn flavor(source: &Server) -> Flavor {
    if source.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb }
}

/// From one source to several targets.
async fn goes_through(source: &Server, targets: &[Server]) {
    // TiDB has UTF-8 and ASCII.
    let tidb = targets.iter().any(|target| target.kind == Kind::Tidb);
    let plain = |sql: String| {
        let others = ["gbk", "big5", "sjis"].into_iter().filter(|_| tidb);
        let sql = if tidb { sql.replace("UNIQUE KEY (u)", "KEY (u)") } else { sql };
        others.fold(sql, |sql, other| {
            sql.replace(&format!("_{other} "), "_utf8mb4 ").replace(&format!("SET {other}"), "SET utf8mb4")
        })
    };
    source.exec(&plain(tables(source.release, targets))).await;
    write(source, &plain(rows(1))).await;
    let dir = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for target in targets {
        let mut config = subtask(source, target, dir.path(), TaskMode::Full);
        config.flavor = flavor(source);
        if units.is_empty() {
            run(UnitType::Dump, &config, 1).await.unwrap();
        }
        loads(source, target, dir.path()).await;
        let lists = config.block_allow_list;
        let mut config = SubtaskConfig { block_allow_list: lists, ..units_sync::subtask(source, target, false) };
        // A source ends the connection of a replica when another comes with its number.
        config.server_id += units.len() as u32;
        units.push((target, Running::start(&config, 1).started(target).await));
    }
    let changes = "UPDATE d.one SET n = n + 1 WHERE id IN (1, 10); UPDATE d.one SET id = 20 WHERE id = 11; \
                   UPDATE d.two SET n = n + 1; UPDATE d.bare SET n = n + 100 LIMIT 1; DELETE FROM d.bare WHERE n = 1 LIMIT 1; \
                   DELETE FROM d.two WHERE n = 2 LIMIT 1; UPDATE d.one SET v = 'mended' WHERE id = 1";
    let ill = "BEGIN; UPDATE `d`.`one` SET `v`=_utf8mb4 x'ffff',`t`=_utf8mb4 x'ff' WHERE `id`=2; \
               UPDATE `d`.`two` SET `k`=_utf8mb4 x'feff' WHERE `k`='t10'; COMMIT";
    for step in ["inserted", "changed"] {
        if step == "inserted" {
            write(source, &plain(rows(10))).await;
        } else {
            source.exec(changes).await;
            write(source, ill).await;
        }
        for (target, unit) in &units {
            let what = format!("{:?} -> {:?}, {step}", source.release, target.release);
            tokio::select! { () = is_there(source, target, &what) => {} () = ended(unit) => {} }
        }
    }
    for (target, unit) in units {
        unit.goes_on();
        unit.stop().await.unwrap();
        target.exec("DROP DATABASE d; DROP DATABASE dm_meta").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ill_formed_text_comes_as_it_is() {
    // MySQL 5.6 can't change a row whose primary key is such text (error 1032), as a source or a target.
    let (_, newer) = Release::ALL.split_first().unwrap();
    let targets = Release::chosen(&[Release::Mysql97, Release::Mariadb1011], newer);
    let targets = targets.into_iter().map(|release| Server::of(release, &[]));
    let (old, new): (Vec<Server>, Vec<Server>) = targets.partition(|target| target.release == Release::Mysql57);
    for release in Release::chosen(&[Release::Mariadb1011], newer) {
        for targets in [new.as_slice(), &old].into_iter().filter(|targets| !targets.is_empty()) {
            goes_through(&Server::of(release, &[]), targets).await;
        }
    }
}

/// The task says which right it lacks, and goes on once it has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_the_right_for_it_is_told_which() {
    let source = Server::of(Release::Mariadb1011, &[]);
    source.exec("CREATE DATABASE own; CREATE DATABASE d").await;
    source.exec("CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4)").await;
    for (release, right) in [(Release::Mysql97, "REPLICATION_APPLIER"), (Release::Mariadb1011, "BINLOG REPLAY")] {
        let target = Server::of(release, &[]);
        target
            .exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4)")
            .await;
        let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, PROCESS";
        target.exec(&format!("CREATE USER plain IDENTIFIED BY 'plain'; GRANT {rights} ON *.* TO plain")).await;
        let mut config = units_sync::subtask(&source, &target, false);
        // Not the tables of ours that `write` makes on the source.
        config.block_allow_list =
            subtask(&source, &target, std::path::Path::new(""), TaskMode::Incremental).block_allow_list;
        config.to.user = "plain".into();
        config.to.password = dm::config::Secret("plain".into());
        let unit = Running::start(&config, 1).started(&target).await;
        write(&source, "INSERT INTO `d`.`t` (`id`,`v`) VALUES (1,_utf8mb4 x'61ff62' /*T! COLLATE ascii_bin */)").await;
        let error = unit.error().await.to_string();
        assert!(error.contains(&format!("GRANT {right} ON *.*")), "{release:?}: {error}");
        target.exec(&format!("GRANT {right} ON *.* TO plain")).await;
        let unit = Running::start(&config, 2);
        wait::until("the row arrives", std::time::Duration::from_secs(30), || async {
            unit.goes_on();
            let found = target.text("SELECT IFNULL(MAX(CONCAT(id, HEX(v))), '') FROM d.t").await;
            if found == "161FF62" { Ok(()) } else { Err(found) }
        })
        .await;
        unit.stop().await.unwrap();
        source.exec("DELETE FROM d.t").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn ill_formed_text_comes_into_tidb_as_it_is() {
    let target = Server::of(Release::Tidb, &[]);
    // Its collation would take one for the other.
    target
        .exec("CREATE DATABASE u; CREATE TABLE u.t (id INT PRIMARY KEY, c CHAR(5) COLLATE utf8mb4_general_ci UNIQUE)")
        .await;
    let own = TableId::new("u", "w");
    let mut keeper = Keeper::new(target.conn().await, target.conn().await, &own).await.unwrap().unwrap();
    let two = b"REPLACE INTO `u`.`t` (`id`,`c`) VALUES (1,_utf8mb4 x'81ff'),(2,_utf8mb4 x'81fe')";
    let refused = keeper.run(two, &mut Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("in a unique key"), "{refused}");
    let targets = [target];
    for release in Release::chosen(&[Release::Mariadb1011, Release::Mysql80], &Release::ALL[1..]) {
        goes_through(&Server::of(release, &[]), &targets).await;
    }
}
