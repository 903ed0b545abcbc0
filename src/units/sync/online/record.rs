//! What is kept of the shadow tables of online schema changes: DM's table `<task>_onlineddl`, in memory and as SQL.
//!
//! The JSON is DM's (`schema`, `table`, `ddls`) with members of ours that DM passes over.

use mysql_async::{Conn, prelude::Queryable};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    config::SubtaskConfig,
    error::{Code, DmError},
    schema::model::{TableId, quote_text},
    units::sync::{progress::MetaTables, target::Target},
};

/// Bytes that DM's column holds.
const MOST_BYTES: usize = 65_535;

/// What was done to one shadow table.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The real table, as far as the shadow table's name tells.
    pub schema: String,
    pub table: String,
    /// In plain SQL, about the shadow table under its full name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub ddls: Vec<String>,
    /// The run was seen from the shadow table's CREATE. DM keeps nothing else, and doesn't say so.
    #[serde(default = "yes")]
    pub created: bool,
    /// Where in the binlog the last of `ddls` stands; empty in DM's rows.
    #[serde(default)]
    pub at: String,
    /// A DROP or RENAME of the real table, held back until it is known whether it is half of the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
    /// In a row of DM: how many of `ddls` came (or could have come) again in this run.
    #[serde(skip)]
    again: usize,
}

fn yes() -> bool {
    true
}

/// DM writes an empty list as null.
fn null_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(from)?.unwrap_or_default())
}

impl Record {
    /// Adds a statement; false when it is there already.
    fn add(&mut self, ddl: String, at: &str) -> bool {
        if self.at.is_empty() && self.created {
            // DM stores a statement at once, and its checkpoint later: what it stored may come once more.
            if let Some(known) = self.ddls.iter().skip(self.again).position(|known| *known == ddl) {
                self.again += known + 1;
                return false;
            }
            self.again = self.ddls.len() + 1;
        } else if self.at == at {
            return false;
        }
        self.ddls.push(ddl);
        // A row of DM stays one, until the run that took it over has passed what DM had read.
        if !self.is_of_dm() {
            self.at = at.to_owned();
        }
        true
    }

    fn is_of_dm(&self) -> bool {
        self.at.is_empty() && self.created
    }
}

/// All records of a source.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Records {
    /// By shadow table.
    entries: Vec<(TableId, Record)>,
    /// Names of tables don't tell cases apart at the source.
    folds: bool,
    /// The quoted name of the table that stores them.
    stored_in: String,
    source_id: String,
}

impl Records {
    /// No records yet. `lower_case_table_names` is the source's variable.
    pub fn new(stored_in: &str, source_id: &str, lower_case_table_names: u8) -> Records {
        let (stored_in, source_id) = (stored_in.to_owned(), source_id.to_owned());
        Records { folds: lower_case_table_names > 0, stored_in, source_id, ..Records::default() }
    }

    /// What is stored; nothing when the task doesn't follow online schema changes. Error 36039.
    pub async fn open(
        conn: &mut Conn,
        target: &Target,
        tables: &MetaTables,
        config: &SubtaskConfig,
        lower_case_table_names: u8,
    ) -> Result<Records, DmError> {
        let records = Records::new(&tables.online, &config.source_id, lower_case_table_names);
        if !config.online_ddl {
            return Ok(records);
        }
        let sql = tables.create_online();
        conn.query_drop(&sql).await.map_err(|error| target.exec_error(&sql, &error))?;
        records.load(conn, target).await
    }

    /// Reads what is stored. Error 36039: a row that isn't understood.
    async fn load(mut self, conn: &mut Conn, target: &Target) -> Result<Records, DmError> {
        let sql = format!(
            "SELECT ghost_schema, ghost_table, COALESCE(ddls, '') FROM {} WHERE id = {}",
            self.stored_in,
            quote_text(&self.source_id)
        );
        let rows: Vec<(String, String, String)> =
            conn.query(&sql).await.map_err(|error| target.query_error(&sql, &error))?;
        for (schema, table, json) in rows {
            let shadow = TableId::new(schema, table);
            let record = serde_json::from_str(&json).map_err(|error| self.malformed(&shadow, error))?;
            self.entries.push((shadow, record));
        }
        Ok(self)
    }

    fn malformed(&self, shadow: &TableId, cause: impl std::fmt::Display) -> DmError {
        DmError::new(Code::SyncerUnitOnlineDDLInvalidMeta)
            .msg(format!("the row of {shadow} in {} is malformed", self.stored_in))
            .cause(cause)
            .workaround(format!(
                "Please delete the row of {shadow} from {}, and resume the task; if the online schema change is still \
                 under way, execute its ALTER on the target by hand before it ends.",
                self.stored_in
            ))
    }

    /// A shadow table was created: whatever was kept under its name is over. Returns what is to be stored.
    pub fn begin(&mut self, shadow: &TableId, real: &str, ddls: Vec<String>, at: &str) -> Result<String, DmError> {
        self.remove(shadow);
        let record = Record {
            schema: shadow.schema.clone(),
            table: real.to_owned(),
            ddls,
            created: true,
            at: at.to_owned(),
            ..Record::default()
        };
        let sql = self.store(shadow, &record)?;
        self.entries.push((shadow.clone(), record));
        Ok(sql)
    }

    /// A shadow table was altered. Returns what is to be stored; None when it is stored already.
    pub fn keep(&mut self, shadow: &TableId, real: &str, ddl: String, at: &str) -> Result<Option<String>, DmError> {
        let place = match self.place(shadow) {
            Some(place) => place,
            None => {
                let (schema, table) = (shadow.schema.clone(), real.to_owned());
                self.entries.push((shadow.clone(), Record { schema, table, ..Record::default() }));
                self.entries.len() - 1
            }
        };
        let Some((stored, record)) = self.entries.get_mut(place) else { return Ok(None) };
        if !record.add(ddl, at) {
            return Ok(None);
        }
        let (stored, record) = (stored.clone(), record.clone());
        self.store(&stored, &record).map(Some)
    }

    /// The record of a shadow table, which is over, and what removes it from the target.
    pub fn take(&mut self, shadow: &TableId) -> Option<(Record, String)> {
        let sql = self.entries.get(self.place(shadow)?).map(|(stored, _)| self.delete(stored))?;
        Some((self.remove(shadow)?, sql))
    }

    /// Holds back a statement that takes the name from a real table. None: no online schema change of it is known.
    pub fn hold(&mut self, real: &TableId, sql: &str) -> Result<Option<String>, DmError> {
        let Some(place) = self.of(real) else { return Ok(None) };
        let Some((shadow, record)) = self.entries.get_mut(place) else { return Ok(None) };
        record.gone = Some(sql.to_owned());
        let (shadow, record) = (shadow.clone(), record.clone());
        self.store(&shadow, &record).map(Some)
    }

    /// The statement that is held back for a real table.
    pub fn held(&self, real: &TableId) -> Option<&str> {
        self.entries.get(self.of(real)?).and_then(|(_, record)| record.gone.as_deref())
    }

    /// The real table has its name back: nothing is held back any more. Returns what is to be stored.
    pub fn returned(&mut self, real: &TableId) -> Result<Option<String>, DmError> {
        let Some((shadow, record)) = self.of(real).and_then(|place| self.entries.get_mut(place)) else {
            return Ok(None);
        };
        record.gone = None;
        let (shadow, record) = (shadow.clone(), record.clone());
        self.store(&shadow, &record).map(Some)
    }

    /// The held statement of a real table whose online schema change is over without a switch: the statement, and what
    /// removes the record.
    pub fn release(&mut self, real: &TableId) -> Option<(String, String)> {
        let place = self.of(real)?;
        self.entries.get(place)?.1.gone.as_ref()?;
        let (shadow, record) = self.entries.remove(place);
        Some((record.gone?, self.delete(&shadow)))
    }

    /// A schema was dropped. Returns what removes its records, if there are any.
    pub fn schema_dropped(&mut self, schema: &str) -> Option<String> {
        let before = self.entries.len();
        let folds = self.folds;
        self.entries.retain(|(shadow, _)| !same(folds, &shadow.schema, schema));
        (self.entries.len() < before).then(|| {
            let (table, id) = (&self.stored_in, quote_text(&self.source_id));
            format!("DELETE FROM {table} WHERE id = {id} AND ghost_schema = {}", quote_text(schema))
        })
    }

    /// What is held back, for the status.
    pub fn held_back(&self) -> Vec<(TableId, String)> {
        let held = |(shadow, record): &(TableId, Record)| Some((shadow.clone(), record.gone.clone()?));
        self.entries.iter().filter_map(held).collect()
    }

    fn place(&self, shadow: &TableId) -> Option<usize> {
        let is = |known: &TableId| {
            same(self.folds, &known.schema, &shadow.schema) && same(self.folds, &known.name, &shadow.name)
        };
        self.entries.iter().position(|(known, _)| is(known))
    }

    /// The newest record that is of a real table: its name in the record, or the beginning that a tool left of a long one.
    fn of(&self, real: &TableId) -> Option<usize> {
        let is = |(shadow, record): &(TableId, Record)| {
            let told = record.table.trim_start_matches('_');
            let shortened = shadow.name.len() >= 60 && !told.is_empty() && real.name.starts_with(told);
            same(self.folds, &shadow.schema, &real.schema)
                && (same(self.folds, &record.table, &real.name) || same(self.folds, told, &real.name) || shortened)
        };
        self.entries.iter().rposition(is)
    }

    fn remove(&mut self, shadow: &TableId) -> Option<Record> {
        self.place(shadow).map(|place| self.entries.remove(place).1)
    }

    fn store(&self, shadow: &TableId, record: &Record) -> Result<String, DmError> {
        let json = ascii(&serde_json::to_string(record).map_err(|error| self.malformed(shadow, error))?);
        if json.len() > MOST_BYTES {
            return Err(DmError::new(Code::SyncerUnitOnlineDDLInvalidMeta)
                .msg(format!(
                    "what was done to {shadow} takes {} bytes, {} holds {MOST_BYTES}",
                    json.len(),
                    self.stored_in
                ))
                .workaround(
                    "Please let the online schema change end, execute its ALTER on the target by hand, skip this \
                     statement (`binlog skip`) and resume the task.",
                ));
        }
        Ok(format!(
            "REPLACE INTO {} (id, ghost_schema, ghost_table, ddls) VALUES ({}, {}, {}, {})",
            self.stored_in,
            quote_text(&self.source_id),
            quote_text(&shadow.schema),
            quote_text(&shadow.name),
            quote_text(&json)
        ))
    }

    fn delete(&self, shadow: &TableId) -> String {
        format!(
            "DELETE FROM {} WHERE id = {} AND ghost_schema = {} AND ghost_table = {}",
            self.stored_in,
            quote_text(&self.source_id),
            quote_text(&shadow.schema),
            quote_text(&shadow.name)
        )
    }
}

fn same(folds: bool, a: &str, b: &str) -> bool {
    a == b || folds && a.to_lowercase() == b.to_lowercase()
}

/// JSON in ASCII: DM's column has the character set of its schema.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        Records::new("`m`.`t_onlineddl`", "s1", 0)
    }

    fn id(name: &str) -> TableId {
        TableId::new("d", name)
    }

    fn ddls(records: &Records, shadow: &str) -> Vec<String> {
        records.place(&id(shadow)).map(|place| records.entries[place].1.ddls.clone()).unwrap_or_default()
    }

    #[test]
    fn a_run_is_kept_and_taken() {
        let mut all = records();
        let shadow = id("_t_gho");
        let sql = all.begin(&shadow, "t", Vec::new(), "a").unwrap();
        assert!(sql.starts_with(
            "REPLACE INTO `m`.`t_onlineddl` (id, ghost_schema, ghost_table, ddls) VALUES ('s1', 'd', '_t_gho', "
        ));
        assert!(all.keep(&shadow, "t", "A".into(), "b").unwrap().is_some());
        assert!(all.keep(&shadow, "t", "A".into(), "c").unwrap().is_some(), "a second one with the same text");
        assert!(all.keep(&shadow, "t", "A".into(), "c").unwrap().is_none(), "read once more");
        let (record, delete) = all.take(&shadow).unwrap();
        assert_eq!((record.ddls, record.created), (vec!["A".to_owned(), "A".to_owned()], true));
        assert_eq!(
            delete,
            "DELETE FROM `m`.`t_onlineddl` WHERE id = 's1' AND ghost_schema = 'd' AND ghost_table = '_t_gho'"
        );
        assert!(all.take(&shadow).is_none());
        all.keep(&shadow, "t", "B".into(), "d").unwrap();
        assert!(!all.take(&shadow).unwrap().0.created, "its beginning was not seen");
        all.keep(&shadow, "t", "B".into(), "d").unwrap();
        all.begin(&shadow, "t", Vec::new(), "e").unwrap();
        assert!(ddls(&all, "_t_gho").is_empty(), "a new run forgets an abandoned one");
    }

    /// DM stores at once, its checkpoint is behind: what comes again is not added, what is new is.
    #[test]
    fn what_dm_stored_comes_once_more() {
        for (again, expected) in [
            (&["A", "B", "C"][..], &["A", "B", "C"][..]),
            (&["B", "C"], &["A", "B", "C"]),
            (&["C", "A"], &["A", "B", "C", "A"]),
        ] {
            let mut all = records();
            let json = r#"{"schema":"d","table":"t","ddls":["A","B"]}"#;
            all.entries.push((id("_t_gho"), serde_json::from_str(json).unwrap()));
            for ddl in again {
                all.keep(&id("_t_gho"), "t", (*ddl).into(), "x").unwrap();
            }
            assert_eq!(ddls(&all, "_t_gho"), expected, "{again:?}");
        }
        let empty: Record = serde_json::from_str(r#"{"schema":"d","table":"t","ddls":null}"#).unwrap();
        assert!(empty.ddls.is_empty() && empty.created);
    }

    #[test]
    fn what_is_stored_is_ascii_and_reads_back() {
        let record = Record { ddls: vec!["COMMENT 'né 😀'".into()], gone: Some("g".into()), ..Record::default() };
        let json = ascii(&serde_json::to_string(&record).unwrap());
        assert!(json.is_ascii() && json.contains("n\\u00e9 \\ud83d\\ude00"));
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn statements_are_held_back_by_the_real_tables_name() {
        let mut all = records();
        assert!(all.hold(&id("t"), "DROP").unwrap().is_none(), "nothing is known");
        all.begin(&id("__t_new"), "_t", Vec::new(), "a").unwrap();
        assert!(all.hold(&id("t"), "DROP").unwrap().is_some());
        assert_eq!(all.held(&id("t")), Some("DROP"));
        assert_eq!(all.held_back(), vec![(id("__t_new"), "DROP".to_owned())]);
        all.returned(&id("t")).unwrap();
        assert!(all.release(&id("t")).is_none() && all.held(&id("t")).is_none());
        all.hold(&id("t"), "DROP").unwrap();
        assert_eq!(all.release(&id("t")).unwrap().0, "DROP");
        let long = "a".repeat(62);
        all.begin(&id(&format!("_{}_gho", "a".repeat(59))), &"a".repeat(59), Vec::new(), "a").unwrap();
        assert!(all.hold(&id(&long), "x").unwrap().is_some());
        assert!(all.schema_dropped("other").is_none() && all.schema_dropped("d").is_some());
        let mut folded = Records::new("x", "s", 1);
        folded.begin(&id("_T_gho"), "T", Vec::new(), "a").unwrap();
        assert!(folded.take(&id("_t_GHO")).is_some());
    }
}
