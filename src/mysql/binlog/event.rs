//! What a binlog holds: one event each, decoded as far as the units need it.

use std::sync::Arc;

use bytes::Bytes;

use super::{rows::RowsEvent, table_map::TableMap};
use crate::mysql::gtid::{Gtid, GtidSet};

/// The 19 bytes before each event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventHeader {
    /// Seconds since 1970 when the statement began at its origin; 0 in artificial events.
    pub timestamp: u32,
    /// The raw type; see [`super::consts`].
    pub event_type: u8,
    /// The server the event comes from at first.
    pub server_id: u32,
    /// Header and checksum included.
    pub event_size: u32,
    /// The low 32 bits of the offset behind the event; 0 in artificial events.
    pub log_pos: u32,
    pub flags: u16,
}

impl EventHeader {
    /// The server made this event up for the connection; it stands in no file.
    pub fn is_artificial(&self) -> bool {
        self.flags & super::consts::FLAG_ARTIFICIAL != 0
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub header: EventHeader,
    pub body: EventBody,
    /// The offset behind the event in its file. Of the events out of a compressed transaction only the last has the end of
    /// the whole, those before have its beginning; artificial events have the end of the event before.
    pub end: u64,
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum EventBody {
    /// The next event is in this file (`fake`: the server tells where the stream stands; no file ends here).
    Rotate {
        name: String,
        pos: u64,
        fake: bool,
    },
    /// First event of each file.
    FormatDescription(FormatDescription),
    /// MySQL: what was executed before this file.
    PreviousGtids(GtidSet),
    /// MariaDB: the same.
    GtidList(GtidSet),
    /// A transaction begins (or a DDL follows). MySQL's anonymous transactions come with no id.
    Gtid(GtidEvent),
    /// DDL, `BEGIN`, `COMMIT`, `SAVEPOINT ..`, and statements of statement format.
    Query(QueryEvent),
    /// The layout of the rows that follow.
    TableMap(Arc<TableMap>),
    Rows(RowsEvent),
    /// The transaction commits.
    Xid(u64),
    /// An XA transaction is prepared (or, with `one_phase`, commits); `xid` as statements write it (`X'61',X'62',7`).
    XaPrepare {
        one_phase: bool,
        xid: String,
    },
    /// Nothing to send for a while; the source stands at this place.
    Heartbeat {
        name: String,
        pos: u64,
    },
    /// The statement behind the rows that follow; empty unless the reader asked for texts.
    RowsQuery(Bytes),
    /// A compressed transaction begins; its events follow one by one.
    TransactionPayload,
    /// Statement format: values for the statement that follows.
    StatementContext,
    /// The source may have lost events.
    Incident {
        code: u16,
        message: String,
    },
    /// The server stopped in an orderly way.
    Stop,
    /// MariaDB: the file is encrypted from here on disk (the stream is not).
    StartEncryption,
    /// A type this reader does not know, or that carries nothing for us. `ignorable`: the source says it may be skipped.
    Unknown {
        ignorable: bool,
    },
}

impl EventBody {
    /// Events that open a file or name it carry the time when the file was begun: they say nothing of how late changes are.
    pub fn is_about_the_file(&self) -> bool {
        use EventBody::{FormatDescription, GtidList, PreviousGtids, Rotate};
        matches!(self, FormatDescription(_) | Rotate { .. } | PreviousGtids(_) | GtidList(_))
    }
}

/// Facts about the file's events.
#[derive(Clone, Debug)]
pub struct FormatDescription {
    pub binlog_version: u16,
    pub server_version: String,
    /// Each event has a CRC32 behind it.
    pub checksum: bool,
}

/// The beginning of a transaction.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GtidEvent {
    /// `None`: anonymous.
    pub gtid: Option<Gtid>,
    /// MariaDB: the transaction is one DDL statement. MySQL does not tell.
    pub is_ddl: bool,
    /// MariaDB: one event follows, and no XID or COMMIT.
    pub standalone: bool,
    /// MariaDB: all its tables can roll back. MySQL does not tell (true).
    pub transactional: bool,
    /// MariaDB: it ends with XA PREPARE.
    pub xa: bool,
    /// MySQL: it holds only rows, or only DDL that has no rows.
    pub rows_only: bool,
    /// MySQL's logical clock: transactions with the same value may run in parallel.
    pub last_committed: i64,
    pub sequence_number: i64,
    /// Microseconds since 1970, at the first server that committed it; MySQL 8 and later.
    pub original_commit_timestamp: Option<u64>,
    pub immediate_commit_timestamp: Option<u64>,
    /// Bytes of all its events, this one included; MySQL 8 and later.
    pub transaction_length: Option<u64>,
}

/// A statement.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct QueryEvent {
    /// The session's default schema; may be empty.
    pub schema: String,
    /// In the session's client charset (see `charset_client`).
    pub sql: Bytes,
    pub thread_id: u32,
    /// Seconds it ran.
    pub exec_time: u32,
    /// The error it ended with at the source; 0 is none.
    pub error_code: u16,
    pub status: StatusVars,
}

impl QueryEvent {
    /// The statement as text, when its bytes are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.sql).ok()
    }
}

/// The session a statement ran in, as far as the event says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StatusVars {
    /// `flags2`: bit 26 foreign_key_checks off, bit 27 unique_checks off, bit 14 autocommit off.
    pub flags2: Option<u32>,
    pub sql_mode: Option<u64>,
    pub charset_client: Option<u16>,
    pub collation_connection: Option<u16>,
    pub collation_server: Option<u16>,
    pub charset_database: Option<u16>,
    pub auto_increment_increment: Option<u16>,
    pub auto_increment_offset: Option<u16>,
    pub time_zone: Option<String>,
    pub default_collation_utf8mb4: Option<u16>,
    /// MariaDB 11.3 and later: the session's `character_set_collations`, each as the numbers of the collation that the
    /// character set was built with and of the one it has instead. Written when the statement may need it.
    pub charset_collations: Option<Vec<(u16, u16)>>,
    /// MariaDB with `binlog_alter_two_phase`: an ALTER is written when it begins and again when it ends.
    pub alter_phase: Option<AlterPhase>,
    pub sql_require_primary_key: Option<bool>,
    pub explicit_defaults_for_timestamp: Option<bool>,
}

/// Which of the two records of an ALTER this is (MariaDB's `binlog_alter_two_phase`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlterPhase {
    /// It begins: rows still have the structure before.
    Start,
    /// It took effect here.
    Commit,
    /// It failed: nothing changed.
    Rollback,
}
