//! Writers that send a workload to a source, and one that alters the tables meanwhile; for a number of transactions, or
//! until they are stopped. A source that dies and comes back is written again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use tokio::task::JoinHandle;

use super::{
    ddl::Alterations,
    tables::{Can, Table},
    workload::{self, Means, Transaction, Writer},
};
use crate::support::{release::Release, servers::Server};

/// Sessions are begun anew after so many transactions.
const SESSION: usize = 12;

/// What is sent.
pub struct Load {
    pub can: Can,
    pub seed: u64,
    pub tables: Arc<Vec<Table>>,
    pub writers: u64,
    /// Transactions of each writer; None: until stopped.
    pub length: Option<usize>,
    pub ddl: bool,
}

/// Counts of what the source took and refused (by error number).
#[derive(Default, Debug)]
pub struct Told {
    pub taken: u64,
    pub refused: BTreeMap<u16, u64>,
}

/// What all writers share.
struct Shared {
    opts: OptsBuilder,
    stop: AtomicBool,
    told: Mutex<Told>,
    /// Holds the file of LOAD DATA.
    folder: tempfile::TempDir,
    /// Milliseconds between two transactions of a writer, and between two alterations.
    pauses: (u64, u64),
}

/// Running writers.
pub struct Traffic {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
    alterations: Option<JoinHandle<()>>,
}

/// The schema `r` and its tables.
pub async fn create(source: &Server, tables: &[Table]) {
    let mut conn = source.conn().await;
    for sql in ["CREATE DATABASE r DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "USE r"] {
        conn.query_drop(sql).await.unwrap();
    }
    for table in tables {
        conn.query_drop(&table.create).await.unwrap_or_else(|e| panic!("{e}\n{}", table.create));
    }
    // What a trigger writes comes as rows; the trigger itself stays on the source.
    conn.query_drop(
        "CREATE TRIGGER noted AFTER INSERT ON uniq FOR EACH ROW INSERT INTO log (n, v) VALUES (NEW.id, 'noted')",
    )
    .await
    .unwrap();
}

impl Traffic {
    pub fn start(source: &Server, load: Load) -> Traffic {
        let folder = tempfile::Builder::new().prefix("dm-rows-").tempdir().unwrap();
        let file = folder.path().join("rows");
        std::fs::write(&file, workload::file_of_rows(load.seed)).unwrap();
        open_to_all(folder.path());
        let (stop, told) = (AtomicBool::new(false), Mutex::new(Told::default()));
        // Traffic without an end mustn't outgrow what one lane of a debug build can follow; TiDB's DDL takes its time.
        let pauses = match (load.length, load.can.target) {
            (Some(_), _) => (0, 100),
            (None, Release::Tidb) => (150, 2000),
            (None, _) => (60, 100),
        };
        let shared = Arc::new(Shared { opts: source.opts(), stop, told, folder, pauses });
        let writer = |number| {
            let endless = load.length.is_none();
            let file = (!endless).then(|| shared.folder.path().join("rows").display().to_string());
            let means = Means { two_phases: !endless, dies: endless, file, many: if endless { 20 } else { 120 } };
            let writer = Writer::new(load.seed, number, load.can, load.tables.clone(), means);
            tokio::spawn(write(shared.clone(), writer, load.length.unwrap_or(usize::MAX)))
        };
        let writers = (0..load.writers).map(writer).collect();
        let alterations = load.ddl.then(|| {
            let alterations = Alterations::new(load.seed, load.can, load.tables.clone());
            tokio::spawn(alter(shared.clone(), alterations))
        });
        Traffic { shared, writers, alterations }
    }

    /// Waits until each writer has sent its number of transactions.
    pub async fn ended(self) -> Told {
        for writer in self.writers {
            writer.await.unwrap();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(alterations) = self.alterations {
            alterations.await.unwrap();
        }
        Arc::into_inner(self.shared).unwrap().told.into_inner().unwrap()
    }

    /// Ends the writers where they are between two transactions.
    pub async fn stop(self) -> Told {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.ended().await
    }
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A session that said its settings; None when the source is away.
    async fn session(&self, settings: &[String]) -> Option<Conn> {
        let mut conn = Conn::new(self.opts.clone().db_name(Some("r"))).await.ok()?;
        for sql in settings {
            self.send(&mut conn, std::slice::from_ref(sql)).await.ok()?;
        }
        Some(conn)
    }

    /// Sends statements up to the first that is refused; Ok(false) then, Err when the source is lost.
    async fn send(&self, conn: &mut Conn, statements: &[String]) -> Result<bool, mysql_async::Error> {
        for sql in statements {
            match conn.query_drop(sql).await {
                Ok(()) => self.told.lock().unwrap().taken += 1,
                Err(mysql_async::Error::Server(error)) if error.code != 1053 => {
                    if std::env::var_os("DM_REPLICATION_SHOW").is_some() {
                        eprintln!("refused {}: {}\n    {sql:.300}", error.code, error.message);
                    }
                    *self.told.lock().unwrap().refused.entry(error.code).or_default() += 1;
                    return Ok(false);
                }
                Err(lost) => return Err(lost),
            }
        }
        Ok(true)
    }

    async fn transact(&self, conn: &mut Conn, transaction: Transaction) -> Result<(), mysql_async::Error> {
        if !self.send(conn, &transaction.statements).await? {
            for undo in transaction.undo {
                match conn.query_drop(undo).await {
                    Ok(()) | Err(mysql_async::Error::Server(_)) => {}
                    Err(lost) => return Err(lost),
                }
            }
        }
        Ok(())
    }
}

async fn write(shared: Arc<Shared>, mut writer: Writer, length: usize) {
    let mut conn = None;
    let mut made = 0;
    while made < length && !shared.is_stopped() {
        if made % SESSION == 0 {
            conn = None;
        }
        if conn.is_none() {
            conn = shared.session(&writer.session()).await;
        }
        let Some(open) = &mut conn else {
            moment(100).await;
            continue;
        };
        if shared.transact(open, writer.transaction()).await.is_err() {
            conn = None;
        }
        made += 1;
        if length == usize::MAX {
            moment(shared.pauses.0).await;
        }
    }
}

async fn alter(shared: Arc<Shared>, mut alterations: Alterations) {
    let mut conn = None;
    while !shared.is_stopped() {
        if conn.is_none() {
            conn = shared.session(&["SET lock_wait_timeout = 10".to_owned()]).await;
        }
        for sql in alterations.next() {
            let Some(open) = &mut conn else { break };
            if shared.send(open, &[sql]).await.is_err() {
                conn = None;
            }
        }
        moment(shared.pauses.1).await;
    }
}

async fn moment(milliseconds: u64) {
    let _ = tokio::time::timeout(Duration::from_millis(milliseconds), std::future::pending::<()>()).await;
}

/// The server may run under another account than the test.
fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
