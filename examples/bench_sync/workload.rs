//! The workload: four tables of 50,000 rows, and transactions of two updates (one of an indexed column), a delete, and an
//! insert of the deleted id, by eight writers.

use mysql_async::{Conn, prelude::Queryable};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::servers::{Kind, Server};

pub const TABLES: u64 = 4;
pub const ROWS: u64 = 50_000;
const WRITERS: u64 = 8;
/// Rows that end the binlog, so many that every lane gets one: when all are there, all before them is.
pub const MARKERS: u64 = 512;

const COLUMNS: &str = "(id INT PRIMARY KEY AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', \
    pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k))";

/// A workload in a source's binlog.
pub struct Workload {
    /// Row changes, without the markers.
    pub changes: u64,
    pub binlog_bytes: u64,
    /// Where the binlog of the changes begins.
    pub file: String,
    pub pos: u64,
    pub gtid: String,
    pub hot: bool,
}

impl Workload {
    /// Makes the tables and records `changes` row changes.
    pub async fn record(source: &Server, changes: u64, hot: bool) -> Workload {
        create_tables(source, "sbtest", "InnoDB").await;
        fill(source).await;
        source.exec("FLUSH BINARY LOGS").await;
        let (file, pos) = place(source).await;
        let gtid = source.text("SELECT @@gtid_binlog_pos").await;
        let started = std::time::Instant::now();
        let each = changes.div_ceil(4 * WRITERS);
        let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(write(source.opts().into(), w, each, hot))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let seconds = started.elapsed().as_secs_f64();
        let binlog_bytes = place(source).await.1 - pos;
        let changes = each * WRITERS * 4;
        source.exec(&format!("USE sbtest; INSERT INTO marker SELECT seq FROM seq_1_to_{MARKERS}")).await;
        eprintln!("recorded {changes} row changes, {} MB of binlog, in {seconds:.1} s", binlog_bytes / 1_000_000);
        Workload { changes, binlog_bytes, file, pos, gtid, hot }
    }

    /// The tables, and copies of their first rows to begin each turn from.
    pub async fn prepare_target(&self, target: &Server) {
        create_tables(target, "sbtest", "InnoDB").await;
        let mut conn = target.conn().await;
        conn.query_drop("CREATE DATABASE first").await.unwrap();
        for table in 1..=TABLES {
            conn.query_drop(format!("CREATE TABLE first.sbtest{table} {COLUMNS}")).await.unwrap();
            insert_rows(&mut conn, &format!("first.sbtest{table}"), table).await;
        }
        conn.disconnect().await.unwrap();
    }

    /// The state in which the workload began.
    pub async fn reset_target(&self, target: &Server, blackhole: bool) {
        target.exec("DROP DATABASE sbtest").await;
        create_tables(target, "sbtest", if blackhole { "BLACKHOLE" } else { "InnoDB" }).await;
        if !blackhole {
            for table in 1..=TABLES {
                copy(target, table).await;
            }
        }
        if target.kind != Kind::Tidb {
            target.exec("FLUSH TABLES").await;
        }
    }

    /// The task must not be measured on a wrong result.
    pub async fn assert_equal(&self, source: &Server, target: &Server) {
        for table in 1..=TABLES {
            let sql = format!(
                "SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(CONCAT_WS('|', id, k, c, pad)))) FROM sbtest.sbtest{table}"
            );
            assert_eq!(source.text(&sql).await, target.text(&sql).await, "sbtest{table} differs");
        }
    }
}

/// The end of the source's binlog.
pub async fn place(source: &Server) -> (String, u64) {
    let mut conn = source.conn().await;
    let row: mysql_async::Row = conn.query_first("SHOW MASTER STATUS").await.unwrap().unwrap();
    let place = (row.get(0).unwrap(), row.get(1).unwrap());
    conn.disconnect().await.unwrap();
    place
}

async fn create_tables(server: &Server, schema: &str, engine: &str) {
    server.exec(&format!("CREATE DATABASE {schema}")).await;
    for table in 1..=TABLES {
        server.exec(&format!("CREATE TABLE {schema}.sbtest{table} {COLUMNS} ENGINE={engine}")).await;
    }
    server.exec(&format!("CREATE TABLE {schema}.marker (id INT PRIMARY KEY)")).await;
}

async fn fill(source: &Server) {
    for table in 1..=TABLES {
        let mut conn = source.conn().await;
        insert_rows(&mut conn, &format!("sbtest.sbtest{table}"), table).await;
        conn.disconnect().await.unwrap();
    }
}

/// The first rows are the same on every server.
async fn insert_rows(conn: &mut Conn, table: &str, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut id = 1;
    while id <= ROWS {
        let mut sql = format!("INSERT INTO {table} VALUES ");
        for i in 0..1000 {
            let comma = if i > 0 { "," } else { "" };
            let (k, c, pad) = (rng.random_range(1..=ROWS), digits(&mut rng, 10), digits(&mut rng, 5));
            sql.push_str(&format!("{comma}({},{k},'{c}','{pad}')", id + i));
        }
        conn.query_drop(sql).await.unwrap();
        id += 1000;
    }
}

async fn copy(target: &Server, table: u64) {
    let mut id = 1;
    let step = if target.kind == Kind::Tidb { 5_000 } else { ROWS };
    while id <= ROWS {
        let sql = format!(
            "INSERT INTO sbtest.sbtest{table} SELECT * FROM first.sbtest{table} WHERE id BETWEEN {id} AND {}",
            id + step - 1
        );
        target.exec(&sql).await;
        id += step;
    }
}

/// One writer's transactions, each in one packet.
async fn write(opts: mysql_async::Opts, writer: u64, transactions: u64, hot: bool) {
    let mut conn = Conn::new(opts).await.unwrap();
    let mut rng = StdRng::seed_from_u64(1000 + writer);
    let mut done = 0;
    while done < transactions {
        match conn.query_drop(transaction(&mut rng, hot)).await {
            Ok(()) => done += 1,
            // A deadlock or a duplicate key: another writer had the row.
            Err(mysql_async::Error::Server(_)) => conn.query_drop("ROLLBACK").await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
    conn.disconnect().await.unwrap();
}

/// The four statements of a transaction.
pub fn transaction(rng: &mut StdRng, hot: bool) -> String {
    let table = format!("sbtest.sbtest{}", rng.random_range(1..=TABLES));
    let mut id =
        || if hot && rng.random_bool(0.75) { rng.random_range(1..=ROWS / 100) } else { rng.random_range(1..=ROWS) };
    let (first, second, third) = (id(), id(), id());
    let (k, c, pad) = (rng.random_range(1..=ROWS), digits(rng, 10), digits(rng, 5));
    let other = digits(rng, 10);
    format!(
        "BEGIN; UPDATE {table} SET k = k + 1 WHERE id = {first}; UPDATE {table} SET c = '{other}' WHERE id = {second}; \
         DELETE FROM {table} WHERE id = {third}; INSERT INTO {table} VALUES ({third}, {k}, '{c}', '{pad}'); COMMIT"
    )
}

/// Groups of eleven digits.
fn digits(rng: &mut StdRng, groups: usize) -> String {
    let group = |rng: &mut StdRng| format!("{:011}", rng.random_range(0..100_000_000_000u64));
    (0..groups).map(|_| group(rng)).collect::<Vec<_>>().join("-")
}
