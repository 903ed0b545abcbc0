//! A server under test: a session that runs statements, one that looks, one that runs the rewritten statements, and the
//! server's own binlog, because that is what the sync unit reads.

use std::time::Duration;

use dm::{
    error::Scope,
    mysql::{
        self, BinlogPosition, ConnectOptions, ServerInfo as Product,
        binlog::{BinlogStream, Event, EventBody, StartPoint, StreamOptions},
        connect, show_master_status,
    },
    schema::load::{self, Session},
};
use mysql_async::{Conn, Row, prelude::Queryable};

use crate::support::servers::Server;

/// What a server said to a statement.
pub type Answer = Result<(), String>;

/// One server with everything the test does there.
pub struct Rig {
    pub label: String,
    pub session: Session,
    /// Shows tables; its SQL mode is empty, its names are utf8mb4.
    pub look: Conn,
    /// Runs rewritten statements, as a target's session.
    pub copy: Conn,
    /// Writes rows. Only it and the session under test write the binlog.
    pub rows: Conn,
    product: Product,
    conn: Conn,
    stream: BinlogStream,
    charset: String,
    server: Server,
}

impl Rig {
    pub async fn new(label: &str, server: Server) -> Rig {
        let config = server.db_config();
        let mut look = connect(&config, Scope::Upstream, ConnectOptions::default()).await.unwrap();
        look.query_drop("SET sql_mode='', foreign_key_checks=0, sql_log_bin=0, lock_wait_timeout=10").await.unwrap();
        let product = Product::detect(&mut look, Scope::Upstream).await.unwrap();
        let session = load::fetch_session(&mut look).await.unwrap();
        let copy = target_session(&server).await;
        let end = show_master_status(&mut look, &product).await.unwrap().position;
        let options = StreamOptions { read_timeout: Duration::from_secs(60), ..Default::default() };
        let stream =
            BinlogStream::open(&config, 77_004, product.flavor, StartPoint::Position(end), options).await.unwrap();
        let conn = server.conn().await;
        let mut rows = server.conn().await;
        rows.query_drop("SET sql_mode='', foreign_key_checks=0, lock_wait_timeout=10").await.unwrap();
        Rig {
            label: label.to_owned(),
            session,
            look,
            copy,
            rows,
            product,
            conn,
            stream,
            charset: String::new(),
            server,
        }
    }

    /// Begins with a new session, as a client that just connected.
    pub async fn renew(&mut self) {
        let fresh = self.server.conn().await;
        let _ = std::mem::replace(&mut self.conn, fresh).disconnect().await;
        let fresh = target_session(&self.server).await;
        let _ = std::mem::replace(&mut self.copy, fresh).disconnect().await;
        self.charset.clear();
    }

    /// Runs a statement in the session under test. `SET NAMES` also says how later texts are sent.
    pub async fn run(&mut self, sql: &str) -> Answer {
        let bytes = self.encoded(sql).await;
        if let Some(name) = sql.strip_prefix("SET NAMES ") {
            let name = name.split(' ').next().unwrap_or("").to_ascii_lowercase();
            self.charset =
                if matches!(&*name, "utf8mb4" | "utf8" | "utf8mb3" | "binary") { String::new() } else { name };
        }
        answer(self.conn.query_drop(bytes).await)
    }

    /// The statement as a client with the session's character set sends it; the server itself converts.
    async fn encoded(&mut self, sql: &str) -> Vec<u8> {
        if self.charset.is_empty() || sql.is_ascii() {
            return sql.as_bytes().to_vec();
        }
        let query = format!("SELECT HEX(CONVERT(_utf8mb4 X'{}' USING {}))", hex(sql.as_bytes()), self.charset);
        let digits: String = self.look.query_first(query).await.unwrap().unwrap();
        let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(digit).collect()
    }

    /// Everything that was logged since the last call.
    pub async fn logged(&mut self) -> Vec<Event> {
        let end: BinlogPosition = show_master_status(&mut self.look, &self.product).await.unwrap().position;
        let mut events = Vec::new();
        while *self.stream.position() < end {
            let event = self.stream.next().await.unwrap();
            if !matches!(event.body, EventBody::Heartbeat { .. }) {
                events.push(event);
            }
        }
        events
    }

    /// True for MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.session.server.is_mariadb()
    }

    /// The version as in executable comments.
    pub fn version(&self) -> u32 {
        self.session.server.version
    }

    /// The version as a reader writes it: `8.0.46`.
    pub fn product(&self) -> String {
        let (major, minor, patch) = self.product.version;
        format!("{} {major}.{minor}.{patch}", if self.is_mariadb() { "MariaDB" } else { "MySQL" })
    }

    /// Rows of a query as texts; NULL is None.
    pub async fn query(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows: Vec<Row> =
            self.look.query(sql).await.unwrap_or_else(|error| panic!("{}: {error}\n{sql}", self.label));
        rows.into_iter().map(texts).collect()
    }
}

/// A row's cells as text.
pub fn texts(row: Row) -> Vec<Option<String>> {
    let cell = |value: mysql_async::Value| match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(mysql_async::from_value::<String>(other)),
    };
    row.unwrap().into_iter().map(cell).collect()
}

/// A session like the sync unit's on a target.
async fn target_session(server: &Server) -> Conn {
    let mut conn = server.conn().await;
    conn.query_drop("SET NAMES utf8mb4").await.unwrap();
    conn.query_drop("SET sql_mode='', foreign_key_checks=0, time_zone='+00:00', sql_log_bin=0").await.unwrap();
    // As the sync unit has it; only MariaDB knows it.
    let _ = conn.query_drop("SET system_versioning_alter_history=KEEP").await;
    conn
}

/// The server's refusal as text; a lost connection ends the test.
pub fn answer(result: mysql_async::Result<()>) -> Answer {
    match result {
        Ok(()) => Ok(()),
        Err(mysql_async::Error::Server(error)) => Err(format!("{}: {}", error.code, error.message)),
        Err(other) => panic!("the server is lost: {other}"),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The statements among events; BEGIN and COMMIT around rows are none.
pub fn statements(events: &[Event]) -> Vec<mysql::binlog::QueryEvent> {
    let query = |event: &Event| match &event.body {
        EventBody::Query(query) => Some(query.clone()),
        _ => None,
    };
    let around = |query: &mysql::binlog::QueryEvent| {
        let head: Vec<u8> = query.sql.iter().take(9).map(u8::to_ascii_uppercase).collect();
        ["BEGIN", "COMMIT", "SAVEPOINT", "XA ", "ROLLBACK"].iter().any(|word| head.starts_with(word.as_bytes()))
    };
    events.iter().filter_map(query).filter(|query| !around(query)).collect()
}
