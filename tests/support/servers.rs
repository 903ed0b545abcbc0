//! Real MySQL and MariaDB servers, each with its own datadir and port. A server dies with its test process
//! (see leash.rs).

use std::{
    fs,
    io::Read,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

pub use super::release::Release;

use super::leash::{Leashed, signal};

pub const USER: &str = "root";
pub const PASSWORD: &str = "123456";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Mariadb,
    Mysql,
    Tidb,
}

/// A running server. Dropping it ends it and removes its folder.
pub struct Server {
    pub kind: Kind,
    pub release: Release,
    pub port: u16,
    /// TiDB's second port.
    status_port: u16,
    folder: tempfile::TempDir,
    extra: Vec<String>,
    process: Option<Leashed>,
}

/// A fresh MariaDB with a row binlog.
pub fn mariadb() -> Server {
    Server::start(Kind::Mariadb, &[])
}

/// A fresh MySQL 9.7 with a row binlog and GTIDs.
pub fn mysql() -> Server {
    Server::start(Kind::Mysql, &[])
}

/// A port that nobody listens on now. A process draws each of them once, from a beginning of its own on: one that is free now may
/// belong to a node that is down for a moment, or to another process that is about to use it.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    /// Below those that systems give to clients.
    const PORTS: std::ops::Range<u32> = 10_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(0x9e37_79b1) >> 8;
    loop {
        let at = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        let port = (PORTS.start + at) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// Starts MariaDB 10.11 or MySQL 9.7 with further `--option=value` arguments.
    pub fn start(kind: Kind, extra: &[&str]) -> Server {
        match kind {
            Kind::Mariadb => Server::of(Release::Mariadb1011, extra),
            Kind::Mysql => Server::of(Release::Mysql97, extra),
            Kind::Tidb => Server::of(Release::Tidb, extra),
        }
    }

    /// Starts a server of a release with further `--option=value` arguments.
    pub fn of(release: Release, extra: &[&str]) -> Server {
        let template = release.template();
        let folder = tempfile::Builder::new().prefix("dm-server-").tempdir().unwrap();
        if release == Release::Tidb {
            let sql = format!("ALTER USER 'root'@'%' IDENTIFIED BY '{PASSWORD}';\n");
            fs::write(folder.path().join("init.sql"), sql).unwrap();
        }
        if let Some(template) = template {
            let copied = Command::new("cp").arg("-a").arg(template).arg(folder.path().join("data")).status().unwrap();
            assert!(copied.success(), "cannot copy the template datadir");
        }
        let mut server = Server {
            kind: release.kind(),
            release,
            port: free_port(),
            status_port: if release == Release::Tidb { free_port() } else { 0 },
            folder,
            extra: extra.iter().map(|s| s.to_string()).collect(),
            process: None,
        };
        server.up();
        server
    }

    fn command_line(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        let port = self.port;
        if self.kind == Kind::Tidb {
            let line = format!(
                "{} -store unistore -path {folder}/data -host 127.0.0.1 -P {port} -status {} -log-file {folder}/log.err -socket {folder}/s.sock \
                 -initialize-sql-file {folder}/init.sql {}",
                self.release.command(),
                self.status_port,
                self.extra.join(" ")
            );
            return line.split_whitespace().map(String::from).collect();
        }
        let user = if is_root() { "--user=root" } else { "" };
        let line = format!(
            "{} {user} --datadir={folder}/data --socket={folder}/s.sock --pid-file={folder}/pid --tmpdir={folder} \
             --log-error={folder}/log.err --port={port} --bind-address=127.0.0.1 --server-id={port} \
             --log-bin={folder}/data/mysql-bin --binlog-format=ROW --binlog-row-image=FULL --max-connections=400 \
             --innodb-buffer-pool-size=128M --sync-binlog=0 --innodb-flush-log-at-trx-commit=2 {}",
            self.release.command(),
            self.extra.join(" ")
        );
        line.split_whitespace().map(String::from).collect()
    }

    /// Starts the process (again) and waits until it answers.
    pub fn up(&mut self) {
        assert!(self.process.is_none(), "the server already runs");
        // a killed server leaves its lock behind, and its pid may live on in another test's server
        let _ = fs::remove_file(self.folder.path().join("s.sock.lock"));
        let log = self.folder.path().join("out");
        self.process = Some(Leashed::start(&self.command_line(), self.folder.path(), &log));
        let end = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let log = || fs::read_to_string(self.folder.path().join("log.err")).unwrap_or_default();
            assert!(Instant::now() < end, "{:?} on port {} did not start:\n{}", self.release, self.port, log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// True when the server sends its greeting.
    fn answers(&self) -> bool {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut head = [0u8; 5];
        stream.read_exact(&mut head).is_ok() && head[4] == 10
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// `kill -9`, then a start on the same data.
    pub fn crash(&mut self) {
        self.kill();
        self.up();
    }

    /// `kill -9`, then a start on the same data with other options.
    pub fn restart(&mut self, extra: &[&str]) {
        self.extra = extra.iter().map(|s| s.to_string()).collect();
        self.crash();
    }

    /// Stops the process where it is (SIGSTOP) or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let process = self.process.as_ref().unwrap();
        signal(if frozen { "-STOP" } else { "-CONT" }, process.pid);
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().pid
    }

    /// TiDB's answer to a GET on its second port; it closes the connection behind it.
    pub fn status_text(&self, path: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.status_port)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{head}\n{body}");
        body.to_owned()
    }

    pub fn opts(&self) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(USER))
            .pass(Some(PASSWORD))
            .prefer_socket(false)
    }

    /// A connection as root.
    pub async fn conn(&self) -> Conn {
        Conn::new(self.opts()).await.unwrap()
    }

    /// Runs statements separated by `;` (several per call are fine).
    pub async fn exec(&self, sql: &str) {
        let mut conn = self.conn().await;
        conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{:?}: {e}\n{sql}", self.kind));
        conn.disconnect().await.unwrap();
    }

    /// The first column of the first row as text.
    pub async fn text(&self, sql: &str) -> String {
        self.answer(sql).await.unwrap_or_else(|e| panic!("{:?}: {e}\n{sql}", self.kind))
    }

    /// The same where the server may refuse, as while a table isn't there yet.
    pub async fn answer(&self, sql: &str) -> mysql_async::Result<String> {
        let mut conn = self.conn().await;
        let row: Option<mysql_async::Row> = conn.query_first(sql).await?;
        conn.disconnect().await?;
        Ok(row.and_then(|mut r| r.take::<Option<String>, _>(0)).flatten().unwrap_or_default())
    }

    /// Binlog name, position and GTID set of a source now.
    pub async fn binlog_end(&self) -> (String, String, String) {
        let sql = match self.release {
            Release::Mysql97 => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        };
        let mut conn = self.conn().await;
        let mut row: mysql_async::Row = conn.query_first(sql).await.unwrap().unwrap();
        let name = row.take::<String, _>(0).unwrap();
        let pos = row.take::<u64, _>(1).unwrap().to_string();
        let gtid = match self.kind {
            Kind::Mysql => row.take::<String, _>(4).unwrap(),
            Kind::Mariadb | Kind::Tidb => self.text("SELECT @@gtid_binlog_pos").await,
        };
        (name, pos, gtid.replace('\n', ""))
    }

    /// Removes the binlog's files before `file`. MariaDB keeps one that recovery would need, until its own thread has noted that it
    /// doesn't any more; any server one that somebody reads.
    pub async fn purge_up_to(&self, file: &str) {
        super::wait::until("the binlog's files are gone", Duration::from_secs(60), || async {
            self.exec(&format!("PURGE BINARY LOGS TO '{file}'")).await;
            let first = self.text("SHOW BINARY LOGS").await;
            if first == file { Ok(()) } else { Err(first) }
        })
        .await;
    }

    /// Replicates from another server by GTID.
    pub async fn follows(&self, source: &Server) {
        let port = source.port;
        let sql = match self.release {
            Release::Mysql97 => format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{USER}', \
                 SOURCE_PASSWORD='{PASSWORD}', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
            ),
            _ => {
                let by_gtid = if self.kind == Kind::Mysql { "AUTO_POSITION=1" } else { "USE_GTID=slave_pos" };
                format!(
                    "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{USER}', \
                     MASTER_PASSWORD='{PASSWORD}', MASTER_{by_gtid}; START SLAVE"
                )
            }
        };
        self.exec(&sql).await;
    }

    /// Waits until a replica has applied what another server has now.
    pub async fn catches_up_with(&self, source: &Server) {
        let (_, _, gtid) = source.binlog_end().await;
        let sql = match self.kind {
            Kind::Mysql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtid}', 60)"),
            _ => format!("SELECT MASTER_GTID_WAIT('{gtid}', 60)"),
        };
        assert_eq!(self.text(&sql).await, "0", "the replica did not catch up");
    }

    /// A file of its binlog.
    pub fn binlog_file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// As a unit's connection setting.
    pub fn db_config(&self) -> dm::config::DbConfig {
        dm::config::DbConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            user: USER.into(),
            password: dm::config::Secret(PASSWORD.into()),
            ..Default::default()
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"))
}
