//! A connection that brings bytes into columns of text which are no text of their character set (decision 38).
//!
//! Rows go in by the statements that they always go by, with a marker in the place of each such value; what changes the
//! markers to the bytes stands behind the statement, in the same transaction. No statement takes the bytes. What does:
//!
//! - TiDB: the statement as it is, in a session that doesn't look.
//! - MariaDB, and CHAR and the TEXTs of MySQL: BINLOG writes the value into a table of ours with a column of the same type
//!   (MySQL's TEXTs: a VARCHAR), and an UPDATE of the target's table copies it from column to column.
//! - VARCHAR of MySQL, which looks at what it copies there: BINLOG changes the row of the target's table.
//!
//! Each value is compared before the transaction is committed.

use std::{collections::BTreeMap, sync::Arc};

use mysql_async::{Conn, Error, Row, ServerError, prelude::Queryable};

use super::{
    events::{self, Layout, Logged, Rows},
    plan::{Cell, Target},
    statement::{self, Suspect, hex},
};
use crate::{
    error::Result as DmResult,
    mysql::ident::quote_text,
    schema::{
        BaseType, Column, ColumnType, TableInfo,
        charset::max_bytes,
        load::{Session, fetch, fetch_session},
        model::{TableId, quote_name},
    },
};

type Result<T> = std::result::Result<T, Error>;

/// A session that may write such bytes.
pub struct Keeper {
    conn: Conn,
    /// For tables of ours, which must not end the transaction.
    aside: Conn,
    pub(super) session: Session,
    tidb: bool,
    rows: Rows,
    /// Schema, and what the names of our tables begin with.
    stage: TableId,
    tables: BTreeMap<TableId, Arc<TableInfo>>,
    stages: BTreeMap<String, TableId>,
    pub(super) markers: u32,
}

impl Keeper {
    /// Prepares two fresh connections to the target. `task`: the schema of the task's tables there, and its name.
    pub async fn new(mut conn: Conn, aside: Conn, task: &TableId) -> DmResult<Result<Keeper>> {
        let session = fetch_session(&mut conn).await?;
        let version: Option<String> = match conn.query_first("SELECT VERSION()").await {
            Ok(version) => version,
            Err(error) => return Ok(Err(error)),
        };
        let tidb = version.is_some_and(|version| version.to_ascii_lowercase().contains("tidb"));
        let rows = if session.server.is_mariadb() { Rows::V1 } else { Rows::V2 };
        let stage = TableId::new(&task.schema, format!("{}_text_", task.name));
        let mut keeper = Keeper {
            conn,
            aside,
            session,
            tidb,
            rows,
            stage,
            tables: BTreeMap::new(),
            stages: BTreeMap::new(),
            markers: 0,
        };
        let open = keeper.open().await;
        Ok(open.map(|()| keeper))
    }

    /// Whether a table of the task's schema is one of ours.
    pub fn is_stage(task: &str, table: &str) -> bool {
        let number = table.strip_prefix(task).and_then(|rest| rest.strip_prefix("_text_"));
        number.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    async fn open(&mut self) -> Result<()> {
        if self.tidb {
            return self.conn.query_drop("SET tidb_skip_utf8_check = 1, tidb_skip_ascii_check = 1").await;
        }
        // Our tables may be younger than the transaction's first statement.
        self.conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let first = self.conn.query_drop(events::format_description(self.rows)).await;
        first.map_err(|error| self.not_allowed(error))?;
        if !self.session.server.is_mariadb() {
            // The format description took the session for that of a replica.
            let automatic = self.conn.query_drop("SET SESSION gtid_next = 'AUTOMATIC'").await;
            automatic.map_err(|error| self.not_allowed(error))?;
        }
        Ok(())
    }

    /// Runs the statements of a packet, one after the other; `affected` gets the rows of each that was done.
    pub async fn run(&mut self, packet: &[u8], affected: &mut Vec<u64>) -> Result<()> {
        let statements = statement::statements(packet);
        for sql in statements {
            let suspects = statement::suspects(sql);
            if suspects.is_empty() {
                affected.push(self.execute(sql).await?);
                continue;
            }
            if self.tidb {
                self.look_at_keys(sql, &suspects).await?;
                let sql = without_checks(sql, &suspects);
                affected.push(self.execute(&sql).await?);
                continue;
            }
            let plan = self.plan(sql, &suspects).await?;
            for sql in &plan.before {
                self.execute(sql.as_bytes()).await?;
            }
            let found = self.execute(&plan.sql).await?;
            affected.push(found);
            let Some(statement) = statement::read(sql) else { continue };
            let info = self.table(&statement.table, statement::charset(&suspects)).await?;
            for row in plan.rows.iter().filter(|_| !plan.updates || found > 0) {
                self.fill(&info, row, plan.ignores).await?;
            }
        }
        Ok(())
    }

    async fn execute(&mut self, sql: &[u8]) -> Result<u64> {
        let mut result = self.conn.query_iter(sql).await?;
        let affected = result.affected_rows();
        while result.next().await?.is_some() {}
        drop(result);
        Ok(affected)
    }

    pub(super) async fn table(&mut self, id: &TableId, charset: &str) -> Result<Arc<TableInfo>> {
        if let Some(info) = self.tables.get(id) {
            return Ok(info.clone());
        }
        let found = fetch(&mut self.aside, &self.session, id).await;
        let info =
            found.ok().flatten().ok_or_else(|| impossible(charset, "the structure of the table was not understood"))?;
        let info = Arc::new(info);
        self.tables.insert(id.clone(), info.clone());
        Ok(info)
    }

    /// Changes the markers of a row.
    async fn fill(&mut self, info: &TableInfo, row: &Target, ignores: bool) -> Result<()> {
        let table = info.id();
        for cell in &row.cells {
            let Some(column) = info.columns.get(cell.column) else { continue };
            let charset = column.charset.clone().unwrap_or_default();
            let why = |reason: &str| impossible(&charset, reason);
            let name = quote_name(&column.name);
            let marked = format!("{name} = {}", quote_text(&cell.marker));
            let condition = row.key.as_ref().map_or_else(|| marked.clone(), |key| format!("({key}) AND {marked}"));
            let count: Option<u64> =
                self.conn.query_first(format!("SELECT COUNT(*) FROM {table} WHERE {condition}")).await?;
            match count {
                Some(1) => {}
                // The row was there already.
                Some(0) if ignores => continue,
                _ => return Err(why("the row is not found by what the statement says of it")),
            }
            let direct = !self.session.server.is_mariadb() && column.ty.base == BaseType::VarChar;
            let done = match direct {
                true => self.change(info, cell, row.key.is_some(), &condition).await,
                false => self.copy(info, cell, column, &condition).await,
            };
            match done {
                Err(Error::Server(error)) if !matches!(error.code, IMPOSSIBLE | DUPLICATE) => {
                    let allowed = self.not_allowed(Error::Server(error));
                    return Err(match allowed {
                        Error::Server(error) if error.code != IMPOSSIBLE => {
                            why(&format!("BINLOG met error {}", error.code))
                        }
                        other => other,
                    });
                }
                other => other?,
            }
            let same = format!("CAST({name} AS BINARY) = {}", hex(&cell.bytes));
            let kept = row.key.as_ref().map_or_else(|| same.clone(), |key| format!("({key}) AND {same}"));
            let found: Option<u8> =
                self.conn.query_first(format!("SELECT 1 FROM {table} WHERE {kept} LIMIT 1")).await?;
            if found.is_none() {
                return Err(why("the server changed them on the way"));
            }
        }
        Ok(())
    }

    /// By a table of ours, and from column to column.
    async fn copy(&mut self, info: &TableInfo, cell: &Cell, column: &Column, condition: &str) -> Result<()> {
        let charset = column.charset.as_deref().unwrap_or("utf8mb4");
        let mut ty = column.ty.clone();
        if !self.session.server.is_mariadb() && ty.base.is_text() {
            // Of a TEXT BINLOG doesn't take the bytes either.
            let most = 65_000 / max_bytes(charset).max(1);
            if cell.bytes.len() > 65_000 {
                return Err(impossible(charset, "MySQL takes 65,000 of them in a TEXT at most"));
            }
            ty = ColumnType::with_length(BaseType::VarChar, most);
        }
        let collation = column.collation.as_deref().unwrap_or_default();
        let stage = self.stage(&ty, charset, collation).await?;
        let id = u64::from(self.conn.id()) << 24 | u64::from(self.markers & 0xff_ffff);
        let bytes = |base| Column { ty: ColumnType::of(base), ..Column::default() };
        let text = Column { ty: ty.clone(), charset: column.charset.clone(), nullable: true, ..Column::default() };
        let columns = [&bytes(BaseType::BigInt), &text].into_iter().filter_map(Logged::of).collect();
        let row = [(0, id.to_le_bytes().to_vec()), (1, events::string(&cell.bytes, &ty, Some(charset)))];
        let forget = format!("DELETE FROM {stage} WHERE dm_id = {id}");
        self.execute(forget.as_bytes()).await?;
        let write = Layout { table: &stage, columns }.write(self.rows, &row);
        self.execute(write.as_bytes()).await?;
        let table = info.id();
        let mut set = format!("{table}.{} = {stage}.dm_text", quote_name(&column.name));
        for own in info.columns.iter().filter(|c| c.on_update_now) {
            // It stays as the row says.
            let name = quote_name(&own.name);
            set.push_str(&format!(", {table}.{name} = {table}.{name}"));
        }
        let update = format!("UPDATE {table}, {stage} SET {set} WHERE {stage}.dm_id = {id} AND {condition}");
        self.execute(update.as_bytes()).await?;
        self.execute(forget.as_bytes()).await?;
        Ok(())
    }

    /// The table of ours with such a column.
    async fn stage(&mut self, ty: &ColumnType, charset: &str, collation: &str) -> Result<TableId> {
        let text = format!("{} CHARACTER SET {charset} COLLATE {collation}", ty.text());
        if let Some(known) = self.stages.get(&text) {
            return Ok(known.clone());
        }
        let number = text.bytes().fold(0x811c_9dc5u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let stage = TableId::new(&self.stage.schema, format!("{}{number:08x}", self.stage.name));
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {stage} (dm_id BIGINT NOT NULL PRIMARY KEY, dm_text {text} NULL) ENGINE=InnoDB"
        );
        self.aside.query_drop(create).await?;
        self.stages.insert(text, stage.clone());
        Ok(stage)
    }

    /// By changing the row itself.
    async fn change(&mut self, info: &TableInfo, cell: &Cell, by_key: bool, condition: &str) -> Result<()> {
        let why = |reason: &str| impossible("such", reason);
        let simple = |column: &usize| info.columns.get(*column).is_some_and(|c| canonical(c).is_some());
        let key = info.row_key().filter(|key| by_key && key.iter().all(simple)).unwrap_or_else(|| vec![cell.column]);
        let shown: Vec<String> = key.iter().filter_map(|at| canonical(info.columns.get(*at)?)).collect();
        let table = info.id();
        let row: Option<Row> =
            self.conn.query_first(format!("SELECT {} FROM {table} WHERE {condition}", shown.join(", "))).await?;
        let mut before = Vec::new();
        for (place, at) in key.iter().enumerate() {
            let text: Option<String> = row.as_ref().and_then(|row| row.get(place));
            let value = text.zip(info.columns.get(*at)).and_then(|(text, column)| image(&text, column));
            before.push((*at, value.ok_or_else(|| why("the key of the row was not understood"))?));
        }
        before.sort_by_key(|(at, _)| *at);
        let last = before.iter().map(|(at, _)| *at).max().unwrap_or(0).max(cell.column);
        let columns: Option<Vec<Logged>> = info.columns.iter().take(last + 1).map(Logged::of).collect();
        let columns = columns.ok_or_else(|| why("a column has a type that is not known here"))?;
        let Some(column) = info.columns.get(cell.column) else { return Ok(()) };
        let after = [(cell.column, events::string(&cell.bytes, &column.ty, column.charset.as_deref()))];
        let update = Layout { table: &table, columns }.update(self.rows, &before, &after);
        self.execute(update.as_bytes()).await.map(drop)
    }

    /// Says what to grant where BINLOG is refused.
    fn not_allowed(&self, error: Error) -> Error {
        const NOT_ALLOWED: [u16; 3] = [1227, 1142, 1044];
        let Error::Server(refused) = &error else { return error };
        if !NOT_ALLOWED.contains(&refused.code) {
            return error;
        }
        let right = match (self.session.server.is_mariadb(), self.session.server.version) {
            (true, _) => "BINLOG REPLAY",
            (false, 80_000..) => "REPLICATION_APPLIER",
            _ => "SUPER",
        };
        impossible("such", &format!("the user of the task lacks a right on the target: GRANT {right} ON *.*"))
    }
}

/// "Invalid .. character string", as the server said it before: the way out is the same.
const IMPOSSIBLE: u16 = 1300;

/// Said of the bytes as it would be of a text: whoever sent the statement knows what to do.
const DUPLICATE: u16 = 1062;

/// Such bytes can't be brought in. The reason has no apostrophe: errors hide from there on what may be a value.
pub(super) fn impossible(charset: &str, reason: &str) -> Error {
    Error::Server(ServerError {
        code: IMPOSSIBLE,
        message: format!("Invalid {charset} character string, not kept as it is: {reason}"),
        state: "HY000".to_owned(),
    })
}

/// A statement for a session that doesn't look at texts.
fn without_checks(sql: &[u8], suspects: &[Suspect]) -> Vec<u8> {
    let (mut out, mut from) = (Vec::with_capacity(sql.len()), 0);
    for suspect in suspects {
        let before = sql.get(from..suspect.place.start).unwrap_or_default();
        from = suspect.place.end;
        let behind = sql.get(from..).unwrap_or_default();
        if let (Some(head), Some(end)) = (before.strip_suffix(b"CONVERT("), memchr::memchr(b')', behind)) {
            // Converted, other bytes would come out.
            out.extend_from_slice(head);
            out.extend_from_slice(hex(&suspect.bytes).as_bytes());
            from += end + 1;
        } else {
            out.extend_from_slice(before);
            out.extend_from_slice(format!("_{} {}", suspect.charset, hex(&suspect.bytes)).as_bytes());
        }
    }
    out.extend_from_slice(sql.get(from..).unwrap_or_default());
    out
}

/// What shows a value of a key so that `image` reads it; None: not of this type.
fn canonical(column: &Column) -> Option<String> {
    let name = quote_name(&column.name);
    match column.ty.base {
        base if base.is_integer() => Some(format!("CAST({name} AS CHAR)")),
        BaseType::Char | BaseType::VarChar | BaseType::Binary | BaseType::VarBinary => Some(format!("HEX({name})")),
        base if base.is_text() || base.is_blob() => Some(format!("HEX({name})")),
        _ => None,
    }
}

/// A value as a row of the binlog holds it.
fn image(shown: &str, column: &Column) -> Option<Vec<u8>> {
    if let Some(size) = column.ty.base.integer_bytes() {
        let number: i128 = shown.parse().ok()?;
        return Some(number.to_le_bytes().get(..usize::from(size))?.to_vec());
    }
    Some(events::string(&statement::unhex(shown.as_bytes())?, &column.ty, column.charset.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_does_not_look_gets_the_bytes() {
        let sql = "UPDATE `t` SET `a`=_utf8mb4 x'ff' /*T! COLLATE ascii_bin */ WHERE HEX(`v`) = HEX(CONVERT(_utf8mb4 x'61ff' \
                   /*T! COLLATE ascii_bin */ USING utf8mb4)) LIMIT 1";
        let sent = without_checks(sql.as_bytes(), &statement::suspects(sql.as_bytes()));
        let want = "UPDATE `t` SET `a`=_utf8mb4 x'ff' WHERE HEX(`v`) = HEX(x'61ff') LIMIT 1";
        assert_eq!(String::from_utf8(sent).unwrap(), want);
        assert!(Keeper::is_stage("a", "a_text_00ff12ab") && !Keeper::is_stage("a", "a_text_b_text_00ff12ab"));
    }
}
