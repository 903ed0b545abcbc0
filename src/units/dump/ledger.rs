//! What of a dump is in whole files, kept beside them: a dump whose connections are gone goes on from here, under a newer snapshot.
//!
//! `.dm-chunks` has a record a line, XXH3 (64 bits, hexadecimal) of the JSON, tab, JSON: first [`Begun`], then a [`Done`] for each chunk
//! that is complete. The first line is forced to the disk. The others are left to the operating system, as the files they tell of: a line
//! that a crash of the machine took, or tore, costs its chunk, and a file that is not as its line says does, too.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    files::{self, FileFacts},
    identity::Identity,
    metadata::{DumpLocation, Later, Metadata},
    plan::DumpPlan,
};
use crate::error::Result;

/// The ledger's file, and its name until it is complete.
pub const LEDGER: &str = ".dm-chunks";
pub const PARTIAL: &str = ".dm-chunks.partial";

/// What the dump is of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Begun {
    /// Which server: a place in the binlog is of one server.
    pub server: String,
    /// When the first snapshot was taken, and where it stands.
    pub started: String,
    pub location: DumpLocation,
    /// Up to where chunks may be newer.
    pub exit: Option<DumpLocation>,
    /// CREATE statements by schema, and by schema and name.
    pub schemas: Vec<(String, String)>,
    pub views: Vec<(String, String, String)>,
    pub sequences: Vec<(String, String, String)>,
    pub tables: Vec<Table>,
}

/// A table of the first snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub table: String,
    pub create_sql: String,
    pub identity: Identity,
    /// The source's guesses.
    pub rows: u64,
    pub bytes: u64,
    /// Of each chunk; an empty one: all rows.
    pub conditions: Vec<String>,
    /// The place of the newer snapshot that a table was read under whose rows can't be told apart.
    pub later: Option<DumpLocation>,
}

/// A chunk that is complete.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// Index into the tables.
    pub table: usize,
    /// Index into the table's conditions.
    pub number: usize,
    pub rows: u64,
    pub files: Vec<(String, FileFacts)>,
}

/// The ledger of a dump that is under way.
#[derive(Debug)]
pub struct Ledger(File);

impl Begun {
    /// A dump under its first snapshot.
    pub fn new(
        server: String,
        meta: &Metadata,
        plan: &DumpPlan,
        conditions: Vec<Vec<String>>,
        identities: Vec<Identity>,
    ) -> Begun {
        let tables = plan.tables.iter().zip(conditions).zip(identities).map(|((table, conditions), identity)| Table {
            schema: table.schema.clone(),
            table: table.table.clone(),
            create_sql: table.create_sql.clone(),
            identity,
            rows: table.estimated_rows,
            bytes: table.estimated_bytes,
            conditions,
            later: None,
        });
        Begun {
            server,
            started: meta.started.clone(),
            location: meta.location.clone(),
            exit: meta.exit.clone(),
            schemas: plan.schemas.clone(),
            views: plan.views.clone(),
            sequences: plan.sequences.clone(),
            tables: tables.collect(),
        }
    }

    /// The metadata of the dump, without its end.
    pub fn metadata(&self, newer_command: bool) -> Metadata {
        let later = |t: &Table| Some(Later { schema: t.schema.clone(), table: t.table.clone(), at: t.later.clone()? });
        Metadata {
            started: self.started.clone(),
            finished: None,
            location: self.location.clone(),
            exit: self.exit.clone(),
            newer_command,
            later: self.tables.iter().filter_map(later).collect(),
        }
    }
}

impl Ledger {
    /// Writes a new one in the place of any other. What another worker, which lost its source, still writes into the old one is lost.
    pub fn create(dir: &Path, begun: &Begun, done: &[Done]) -> Result<Ledger> {
        let written = || {
            let mut file = File::create(dir.join(PARTIAL))?;
            let mut text = line(begun)?;
            for done in done {
                text.push_str(&line(done)?);
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(dir.join(PARTIAL), dir.join(LEDGER))?;
            File::open(dir)?.sync_all()?;
            Ok(Ledger(file))
        };
        written().map_err(|e| files::unusable(dir, "cannot write the dump's list of chunks into", e))
    }

    /// One more chunk is complete.
    pub fn add(&mut self, dir: &Path, done: &Done) -> Result<()> {
        let written = line(done).and_then(|line| self.0.write_all(line.as_bytes()));
        written.map_err(|e| files::unusable(dir, "cannot write the dump's list of chunks into", e))
    }
}

/// A line begins with its break: what a full disk left of the one before doesn't spoil it.
fn line<T: Serialize>(record: &T) -> io::Result<String> {
    let json = serde_json::to_string(record)?;
    Ok(format!("\n{:016x}\t{json}\n", xxh3_64(json.as_bytes())))
}

/// The ledger in `dir`; None: there is none that can be read.
pub fn read(dir: &Path) -> Option<(Begun, Vec<Done>)> {
    let bytes = fs::read(dir.join(LEDGER)).ok()?;
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let begun: Begun = record(lines.next()?)?;
    let is_known = |done: &Done| begun.tables.get(done.table).is_some_and(|table| done.number < table.conditions.len());
    let done = lines.filter_map(record).filter(is_known).collect();
    Some((begun, done))
}

fn record<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (hash, json) = (line.get(..16)?, line.get(17..)?);
    let hash = u64::from_str_radix(std::str::from_utf8(hash).ok()?, 16).ok()?;
    if hash == xxh3_64(json) { serde_json::from_slice(json).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_cost_their_chunks_only() {
        let dir = tempfile::tempdir().unwrap();
        let table = Table { table: "a\nb".into(), conditions: vec![String::new(); 4], ..Table::default() };
        let begun = Begun { server: "s".into(), tables: vec![table], ..Begun::default() };
        let done = |number| Done { number, files: vec![("f".into(), FileFacts::default())], ..Done::default() };
        assert_eq!(read(dir.path()), None);
        let mut ledger = Ledger::create(dir.path(), &begun, &[done(0)]).unwrap();
        ledger.add(dir.path(), &done(1)).unwrap();
        // The beginning of a line; one that belongs to no chunk; bytes that are none.
        ledger.0.write_all(b"\n0123456789abcdef\t{\"table\":0,\"nu").unwrap();
        ledger.add(dir.path(), &done(9)).unwrap();
        ledger.0.write_all(b"\n\xff\0\n").unwrap();
        ledger.add(dir.path(), &done(3)).unwrap();
        assert_eq!(read(dir.path()), Some((begun.clone(), vec![done(0), done(1), done(3)])));
        // What goes into the old file is lost.
        Ledger::create(dir.path(), &begun, &[done(2)]).unwrap();
        ledger.add(dir.path(), &done(1)).unwrap();
        assert_eq!(read(dir.path()), Some((begun, vec![done(2)])));
        let text = fs::read_to_string(dir.path().join(LEDGER)).unwrap();
        fs::write(dir.path().join(LEDGER), text.replacen("\"server\":\"s\"", "\"server\":\"t\"", 1)).unwrap();
        assert_eq!(read(dir.path()), None);
    }
}
