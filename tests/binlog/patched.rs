//! Events of a type that nobody knows, sent by real servers out of a binlog file that was changed on disk.

use std::time::Duration;

use dm::config::subtask::Meta;

use crate::{
    support::servers::{Kind, Server, mariadb},
    units_sync::{Running, TABLES, subtask, until_equal},
};

const HEADER: usize = 19;
/// A type that no server writes.
const UNKNOWN: u8 = 200;
const MAY_BE_IGNORED: u8 = 0x80;

/// Gives all events of type `from` in a binlog file without checksums another type, and sets or clears their mark.
fn patch(server: &Server, name: &str, from: u8, may_be_ignored: bool) -> usize {
    let path = server.binlog_file(name);
    let mut file = std::fs::read(&path).unwrap();
    let (mut at, mut patched) = (4, 0);
    while at + HEADER <= file.len() {
        let size = u32::from_le_bytes(file[at + 9..at + 13].try_into().unwrap()) as usize;
        if file[at + 4] == from {
            file[at + 4] = UNKNOWN;
            file[at + 17] &= !MAY_BE_IGNORED;
            file[at + 17] |= if may_be_ignored { MAY_BE_IGNORED } else { 0 };
            patched += 1;
        }
        at += size;
    }
    std::fs::write(&path, file).unwrap();
    patched
}

async fn unknown_events(kind: Kind) {
    // The statement of rows, as its own event: MySQL's Rows_query, MariaDB's Annotate_rows.
    let (option, event) = match kind {
        Kind::Mysql => ("--binlog-rows-query-log-events=ON", 29),
        _ => ("--binlog-annotate-row-events=ON", 160),
    };
    let (source, target) = (Server::start(kind, &["--binlog-checksum=NONE", option]), mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    for may_be_ignored in [true, false] {
        source.exec("FLUSH BINARY LOGS").await;
        let (name, pos, binlog_gtid) = source.binlog_end().await;
        source
            .exec(&format!("INSERT INTO d.keyless (a) VALUES ({}), (2); FLUSH BINARY LOGS", i32::from(may_be_ignored)))
            .await;
        assert_eq!(patch(&source, &name, event, may_be_ignored), 1, "{kind:?}");
        let mut config = subtask(&source, &target, true);
        config.name = format!("p{may_be_ignored}");
        config.meta = Some(Meta { binlog_name: name, binlog_pos: pos.parse().unwrap(), binlog_gtid });
        let running = Running::start(&config, 1);
        if may_be_ignored {
            until_equal(&source, &target, &["d"], &running).await;
            running.stop().await.unwrap();
        } else {
            let ended = tokio::time::timeout(Duration::from_secs(30), running.error()).await;
            let error = ended.unwrap_or_else(|_| panic!("{kind:?}: an unknown event was passed"));
            assert!(error.message().contains("an event of type 200"), "{kind:?}: {error}");
            assert_eq!(target.text("SELECT COUNT(*) FROM d.keyless").await, "2", "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_an_unknown_type_are_ignored_only_where_marked() {
    unknown_events(Kind::Mysql).await;
    unknown_events(Kind::Mariadb).await;
}
