//! Which table a name means. RENAME TABLE and EXCHANGE PARTITION give a name other rows and leave its structure as it was, and a SELECT by
//! name follows them, whatever the snapshot.
//!
//! Identities are read before the snapshot begins. A reader that has read a table keeps others from such statements until its transaction
//! ends (a metadata lock, all engines); whether it came in time is asked behind that, over a connection without a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use mysql_async::{Conn, Row};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    plan::{TablePlan, rows, text},
    snapshot,
};
use crate::{
    config::DbConfig,
    error::{Code, Result, Scope},
    mysql::RowConn,
    schema::{ServerInfo, model::quote_text},
    units::link,
};

/// Tells a table from every other one that could take its name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// CREATE_TIME, in UTC, whole seconds.
    created: String,
    /// That time is one of a file, which RENAME TABLE touches. Its server gives no number twice.
    stamped: bool,
    /// No other table that takes the name has that time.
    tells: bool,
    /// InnoDB's numbers of the table, or of its partitions; none: another engine, or not for this user.
    numbers: Vec<u64>,
    /// The newest number that the source had given.
    newest: u64,
}

/// What a name means, in comparison with before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Means {
    Same,
    Other,
    /// The source doesn't tell.
    Untold,
}

impl Identity {
    /// What the name means `now`. TRUNCATE makes no other table of it: rows change, which sync follows.
    pub fn means(&self, now: &Identity) -> Means {
        let known = !self.created.is_empty() && !now.created.is_empty();
        let same_time = known && self.created == now.created;
        if let ([_, ..], [_, ..]) = (&self.numbers[..], &now.numbers[..]) {
            let same = match self.numbers == now.numbers {
                true => self.stamped || same_time,
                false => self.tells && same_time && now.numbers.iter().all(|number| *number > self.newest),
            };
            return if same { Means::Same } else { Means::Other };
        }
        match (known, same_time) {
            (true, false) => Means::Other,
            (true, true) if self.tells => Means::Same,
            _ => Means::Untold,
        }
    }

    /// Whether there is something to compare.
    pub fn is_told(&self) -> bool {
        self.tells || !self.numbers.is_empty()
    }
}

/// The identities of these tables, in their order, of when the plan was read.
///
/// The time of creation: MariaDB, and MySQL before 8, take it from a file that RENAME TABLE touches; of later ones it moves with the table,
/// and two tables may have been made in the same second. No partition's rows are told by it.
pub async fn read(conn: &mut Conn, server: &ServerInfo, tables: &[TablePlan]) -> Result<Vec<Identity>> {
    let all: Vec<&TablePlan> = tables.iter().collect();
    let numbers = numbers(conn, server, &all).await?;
    let newest = newest(conn, server, &numbers).await?;
    let mut of_time: BTreeMap<&str, usize> = BTreeMap::new();
    for table in tables {
        *of_time.entry(table.created.as_str()).or_default() += 1;
    }
    let identity = |table: &TablePlan| {
        let alone = is_stamped(server) || of_time.get(table.created.as_str()) == Some(&1);
        Identity {
            created: table.created.clone(),
            stamped: is_stamped(server),
            tells: table.is_settled && alone && !table.is_partitioned(),
            numbers: numbers.of(server, table),
            newest,
        }
    };
    Ok(tables.iter().map(identity).collect())
}

/// What people are told of tables that nothing is known of.
pub fn untold(tables: &[TablePlan], identities: &[Identity]) -> Option<String> {
    let untold: Vec<&TablePlan> =
        tables.iter().zip(identities).filter(|(_, identity)| !identity.is_told()).map(|(table, _)| table).collect();
    let (first, count) = (untold.first()?, untold.len());
    Some(format!(
        "{count} tables ({} is one) can't be told from others of their structure (PROCESS on the source tells most): let none of them \
         change places by RENAME TABLE or EXCHANGE PARTITION while they are copied",
        first.name()
    ))
}

/// The first table whose name means another one now.
pub async fn other<'a>(
    conn: &mut Conn,
    server: &ServerInfo,
    tables: impl IntoIterator<Item = (&'a TablePlan, &'a Identity)>,
) -> Result<Option<&'a TablePlan>> {
    let told: Vec<_> = tables.into_iter().filter(|(_, then)| then.is_told()).collect();
    let plans: Vec<&TablePlan> = told.iter().map(|(table, _)| *table).collect();
    let numbers = numbers(conn, server, &plans).await?;
    let mut doubtful = Vec::new();
    for (table, then) in told {
        let now = numbers.of(server, table);
        if then.numbers.is_empty() || then.numbers != now {
            doubtful.push((table, then, now));
        }
    }
    for some in doubtful.chunks(AT_ONCE) {
        let created = created(conn, some.iter().map(|(table, ..)| *table)).await?;
        for (at, (table, then, numbers)) in some.iter().enumerate() {
            let created = created.get(&at).cloned().unwrap_or_default();
            let now = Identity { created, numbers: numbers.clone(), ..Identity::default() };
            // What had numbers has them, unless it is gone.
            if then.means(&now) == Means::Other || (now.numbers.is_empty() && !then.numbers.is_empty()) {
                return Ok(Some(table));
            }
        }
    }
    Ok(None)
}

/// Keeps the table from being renamed until the reader's transaction ends.
pub async fn hold(conn: &mut RowConn, table: &TablePlan) -> Result<()> {
    let sql = format!("SELECT 1 FROM {} LIMIT 0", table.name());
    let held = conn.rows(&sql).await;
    held.map(|_| ()).map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, &sql, &e))
}

/// Not for this user, or not in this release.
const REFUSED: [&str; 3] = ["Error 1227 ", "Error 1142 ", "Error 1109 "];

/// Names in one question.
const AT_ONCE: usize = 32;
const NUMBERS_AT_ONCE: usize = 500;

/// Whether the time of a table's creation changes with RENAME TABLE: it is that of a file.
fn is_stamped(server: &ServerInfo) -> bool {
    server.is_mariadb() || server.version < 80_000
}

/// InnoDB's numbers by the names that it has.
struct Numbers(BTreeMap<String, Vec<u64>>);

impl Numbers {
    fn of(&self, server: &ServerInfo, table: &TablePlan) -> Vec<u64> {
        let own = inner_name(server, table).and_then(|name| self.0.get(&name));
        own.cloned().unwrap_or_default()
    }

    fn add(&mut self, rows: &[Row]) {
        for row in rows {
            let name = text(row, 0);
            // Of a partition: behind the table's name, in capitals on older releases.
            let table = name.split("#P#").next().unwrap_or_default().split("#p#").next().unwrap_or_default();
            self.0.entry(table.to_owned()).or_default().extend(text(row, 1).parse::<u64>());
        }
    }
}

/// InnoDB's numbers of these tables; none: not for this user.
///
/// MySQL from 8.0: of the tables' files, of which the data dictionary has an index by name. INNODB_TABLES has all, but asking it waits for
/// every table that a statement waits to change, such as for a reader's transaction to end. Others: of the tables, by a look at all.
async fn numbers(conn: &mut Conn, server: &ServerInfo, tables: &[&TablePlan]) -> Result<Numbers> {
    let questions: Vec<String> = match is_stamped(server) {
        true => vec![number_of_tables(server, tables)],
        false => tables.chunks(NUMBERS_AT_ONCE).map(|some| number_of_files(server, some)).collect(),
    };
    let mut out = Numbers(BTreeMap::new());
    for sql in questions {
        match rows(conn, &sql).await {
            Err(e) if REFUSED.iter().any(|refused| e.raw_cause().starts_with(refused)) => {
                tracing::info!(error = %e, "InnoDB's numbers of tables are not for this user");
                return Ok(Numbers(BTreeMap::new()));
            }
            found => out.add(&found?),
        }
    }
    Ok(out)
}

/// The question before MySQL 8.0: about all tables where many are asked for, which is no more work.
fn number_of_tables(server: &ServerInfo, tables: &[&TablePlan]) -> String {
    let mut only = String::new();
    if tables.len() < NUMBERS_AT_ONCE {
        let names = tables.iter().filter_map(|table| inner_name(server, table)).map(|name| quote_text(&name));
        let names: Vec<String> = names.chain(["NULL".to_owned()]).collect();
        only = format!("WHERE SUBSTRING_INDEX(SUBSTRING_INDEX(NAME, '#P#', 1), '#p#', 1) IN ({})", names.join(", "));
    }
    format!("SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES {only} ORDER BY NAME")
}

/// The question from MySQL 8.0 on.
fn number_of_files(server: &ServerInfo, tables: &[&TablePlan]) -> String {
    let of_table = |table: &&TablePlan| {
        let name = inner_name(server, table)?;
        // `$` is next to `#`.
        let [first, last] = ["#p#", "#p$"].map(|end| quote_text(&format!("{name}{end}")));
        Some(match table.is_partitioned() {
            true => format!("NAME BETWEEN {first} AND {last}"),
            false => format!("NAME = {}", quote_text(&name)),
        })
    };
    let names: Vec<String> = tables.iter().filter_map(of_table).chain(["FALSE".to_owned()]).collect();
    format!(
        "SELECT NAME, SPACE FROM information_schema.INNODB_TABLESPACES_BRIEF WHERE {} ORDER BY NAME",
        names.join(" OR ")
    )
}

/// The newest number; without any known the question isn't asked.
async fn newest(conn: &mut Conn, server: &ServerInfo, known: &Numbers) -> Result<u64> {
    if known.0.is_empty() {
        return Ok(0);
    }
    let sql = if is_stamped(server) {
        "SELECT MAX(TABLE_ID) FROM information_schema.INNODB_SYS_TABLES"
    } else {
        // The server's own have numbers beyond all others. They are texts.
        "SELECT MAX(CAST(SPACE AS UNSIGNED)) FROM information_schema.INNODB_TABLESPACES_BRIEF WHERE NAME LIKE '%/%'"
    };
    let found = rows(conn, sql).await?;
    Ok(found.first().and_then(|row| text(row, 0).parse().ok()).unwrap_or(u64::MAX))
}

/// The times of creation, by the table's place.
async fn created<'a>(conn: &mut Conn, tables: impl Iterator<Item = &'a TablePlan>) -> Result<BTreeMap<usize, String>> {
    let of_table = |(at, table): (usize, &TablePlan)| {
        format!(
            "SELECT {at}, IFNULL(CREATE_TIME, ''), TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            quote_text(&table.schema),
            quote_text(&table.table)
        )
    };
    let tables: Vec<&TablePlan> = tables.collect();
    let sql: Vec<String> = tables.iter().copied().enumerate().map(of_table).collect();
    let found = rows(conn, &sql.join(" UNION ALL ")).await?;
    // Names that differ in case only may be told together.
    let own = |row: &Row| {
        let at: usize = text(row, 0).parse().ok()?;
        let is_own = tables.get(at).is_some_and(|table| table.schema == text(row, 2) && table.table == text(row, 3));
        is_own.then(|| (at, text(row, 1)))
    };
    Ok(found.iter().filter_map(own).collect())
}

/// `db/table` as InnoDB has it. MySQL from 8.0: as it is. Others: all but ASCII letters, digits and `_` as `@` and four hexadecimal digits;
/// None: letters of other scripts, which have a code of their own.
fn inner_name(server: &ServerInfo, table: &TablePlan) -> Option<String> {
    if !is_stamped(server) {
        return Some(format!("{}/{}", table.schema, table.table));
    }
    let mut out = String::new();
    for (at, name) in [&table.schema, &table.table].into_iter().enumerate() {
        if at > 0 {
            out.push('/');
        }
        for c in name.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => out.push(c),
                c if c.is_ascii() => out.push_str(&format!("@{:04x}", c as u32)),
                _ => return None,
            }
        }
    }
    Some(out)
}

/// Asks for the readers of a dump, not too often.
pub struct Names {
    db: DbConfig,
    server: ServerInfo,
    /// Of the plan's tables, from before the snapshot.
    known: Vec<Identity>,
    asking: Mutex<Asking>,
}

#[derive(Default)]
struct Asking {
    conn: Option<Conn>,
    last: Option<(Instant, Duration)>,
}

/// Tables of a reader that are worth a question, and how long others wait for it.
const WORTH: usize = 32;
/// For fewer of them: a crash costs what waits. Parts of a cut table are many rows; small tables are read again in no time, and 5,000 of
/// them took a seventh longer with the shorter pause.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_OF_PARTS: Duration = Duration::from_millis(20);
/// Of the time at most one part in so many goes into questions, but for the last ones of a run.
const SHARE: u32 = 10;

impl Names {
    /// Nothing was asked yet.
    pub fn new(db: &DbConfig, server: &ServerInfo, known: Vec<Identity>) -> Names {
        Names { db: db.clone(), server: *server, known, asking: Mutex::default() }
    }

    /// Whether to ask now, of so many tables, of which some were cut into `parts`.
    pub fn is_due(&self, tables: usize, parts: bool) -> bool {
        let Ok(asking) = self.asking.try_lock() else { return false };
        let Some((end, took)) = asking.last else { return true };
        end.elapsed() >= took * (SHARE - 1)
            && (tables >= WORTH || end.elapsed() >= if parts { PAUSE_OF_PARTS } else { PAUSE })
    }

    /// The first of these tables of the plan whose name means another one than before the snapshot.
    pub async fn other<'a>(&'a self, plan: &'a [TablePlan], tables: &BTreeSet<usize>) -> Result<Option<&'a TablePlan>> {
        let mut asking = self.asking.lock().await;
        let begin = Instant::now();
        let asked = |at: &usize| Some((plan.get(*at)?, self.known.get(*at)?));
        let mut conn = match asking.conn.take() {
            Some(conn) => conn,
            None => snapshot::another(&self.db, &self.server).await?,
        };
        let found = match other(&mut conn, &self.server, tables.iter().filter_map(asked)).await {
            // It may have been idle for a pause of the task.
            Err(e) if link::is_passing(&e) => {
                conn = snapshot::another(&self.db, &self.server).await?;
                other(&mut conn, &self.server, tables.iter().filter_map(asked)).await
            }
            found => found,
        }?;
        asking.conn = Some(conn);
        asking.last = Some((Instant::now(), begin.elapsed()));
        Ok(found)
    }

    /// Nothing is asked for a while: the connection ends.
    pub async fn rest(&self) {
        if let Some(conn) = self.asking.lock().await.conn.take() {
            // It was idle: nothing is lost with it.
            let _ = tokio::time::timeout(Duration::from_secs(1), conn.disconnect()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(created: &str, tells: bool, numbers: &[u64], newest: u64) -> Identity {
        Identity { created: created.into(), stamped: false, tells, numbers: numbers.into(), newest }
    }

    #[test]
    fn names_as_innodb_has_them() {
        let name = |version, table: &str| {
            let plan = TablePlan { schema: "d-1".into(), table: table.into(), ..TablePlan::default() };
            inner_name(&ServerInfo { version, ..ServerInfo::default() }, &plan)
        };
        assert_eq!(name(50_700, "a b.c").as_deref(), Some("d@002d1/a@0020b@002ec"));
        assert_eq!(name(50_700, "é"), None);
        assert_eq!(name(80_000, "é b").as_deref(), Some("d-1/é b"));
    }

    #[test]
    fn many_tables_are_asked_for_at_once_whatever_their_names() {
        let old = ServerInfo { version: 50_700, ..ServerInfo::default() };
        let table = |name: &str| TablePlan { schema: "d".into(), table: name.into(), ..TablePlan::default() };
        let mut plans = vec![table("t"); NUMBERS_AT_ONCE];
        plans[7] = table("é");
        let all: Vec<&TablePlan> = plans.iter().collect();
        assert!(!number_of_tables(&old, &all).contains("WHERE"));
        assert!(number_of_tables(&old, &all[7..9]).contains("IN ('d/t', NULL)"));
    }

    #[test]
    fn other_numbers_are_another_table_unless_it_was_truncated() {
        for (then, now, want) in [
            (identity("1", true, &[5], 9), identity("1", true, &[5], 12), Means::Same),
            (identity("1", true, &[5], 9), identity("1", true, &[7], 12), Means::Other),
            // TRUNCATE; made anew, or renamed, after that.
            (identity("1", true, &[5], 9), identity("1", true, &[10], 12), Means::Same),
            (identity("1", true, &[5], 9), identity("2", true, &[10], 12), Means::Other),
            (identity("1", false, &[5], 9), identity("1", false, &[10], 12), Means::Other),
            // A number that was given again after a restart.
            (identity("1", true, &[5], 5), identity("2", true, &[5], 5), Means::Other),
            (identity("1", false, &[5, 6], 9), identity("1", false, &[7, 6], 9), Means::Other),
            (identity("1", true, &[], 0), identity("1", true, &[], 0), Means::Same),
            (identity("1", true, &[5], 9), identity("1", true, &[], 0), Means::Same),
            (identity("1", false, &[], 0), identity("1", false, &[], 0), Means::Untold),
            (identity("1", false, &[], 0), identity("2", false, &[], 0), Means::Other),
            (Identity::default(), identity("1", true, &[5], 9), Means::Untold),
        ] {
            assert_eq!(then.means(&now), want, "{then:?} {now:?}");
        }
        // There and back.
        let then = Identity { stamped: true, ..identity("1", true, &[5], 9) };
        assert_eq!(then.means(&identity("2", true, &[5], 9)), Means::Same);
    }
}
