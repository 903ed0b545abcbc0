//! What lies in the dump folder, and where it goes on the target.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    store::FileRow,
    terms::{self, AllTerms, Terms},
};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result},
    rules::{BlockAllow, ExtraColumn, Router},
    schema::model::quote_name,
    units::dump::{
        DumpLocation, Metadata,
        files::{self, FileFacts, Manifest},
        names::{self, FileKind},
    },
};

/// A schema or table to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaFile {
    pub path: PathBuf,
    pub name: String,
    /// Of the source.
    pub schema: String,
    pub target_schema: String,
    /// Empty: CREATE DATABASE.
    pub target_table: String,
}

/// A file of rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataFile {
    pub path: PathBuf,
    pub row: FileRow,
    /// The source's table, quoted, for people.
    pub table: String,
    /// Columns that the route adds.
    pub extra: Vec<ExtraColumn>,
    /// What the dump's manifest says of it.
    pub facts: Option<FileFacts>,
    /// How its fields are written, of a file of LOAD DATA.
    pub terms: Option<Arc<Terms>>,
}

/// The folder's content, allowed and routed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Folder {
    pub schemas: Vec<SchemaFile>,
    pub tables: Vec<SchemaFile>,
    pub data: Vec<DataFile>,
    /// None: a dump without metadata (load modes only).
    pub metadata: Option<Metadata>,
    /// Names this dump: another dump in the same folder has another id.
    pub dump_id: String,
    pub views: Vec<SchemaFile>,
    pub sequences: Vec<SchemaFile>,
}

/// What is known of files beside their names.
struct FileHas<'a> {
    facts: Option<&'a Manifest>,
    terms: &'a AllTerms,
}

impl Folder {
    /// Reads the folder of a subtask. 34014 when it isn't there.
    pub fn read(config: &SubtaskConfig) -> Result<Folder> {
        let dir = Path::new(&config.loader.dir);
        if !dir.is_dir() {
            return Err(DmError::new(Code::LoadUnitDumpDirNotFound)
                .msg(format!("the dump directory {} doesn't exist", dir.display()))
                .workaround(
                    "Please check `dir` in the loader configuration; if the files are lost, start the task again with `--remove-meta`.",
                ));
        }
        let rename = |code: Code| move |e: DmError| DmError::new(code).msg(e.message()).cause(e.raw_cause());
        let lists = BlockAllow::new(&config.block_allow_list, config.case_sensitive)
            .map_err(rename(Code::LoadUnitGenBAList))?;
        let router =
            Router::new(&config.routes, config.case_sensitive).map_err(rename(Code::LoadUnitGenTableRouter))?;
        let mut listed = files::list(dir).map_err(|e| unreadable(dir, e))?;
        refuse_unread(&listed, &lists)?;
        let manifest = files::manifest(dir);
        if let Some(manifest) = &manifest {
            agree(dir, &listed, manifest)?;
        }
        let mut folder = Folder::default();
        let mut digest = Sha256::new();
        // Ours has INSERTs or CSV.
        let terms = match &manifest {
            Some(_) => AllTerms::new(),
            None => terms::take(&mut listed, &lists, &mut digest)?,
        };
        for (path, kind) in listed {
            let has = FileHas { facts: manifest.as_ref(), terms: &terms };
            folder.add(config, &lists, &router, (path, kind), &has, &mut digest)?;
        }
        let files = digest.finalize();
        let mut digest = Sha256::new();
        // A dump folder without metadata is only allowed when it isn't our own.
        folder.metadata = match std::fs::read_to_string(dir.join("metadata")) {
            Ok(text) => {
                digest.update(text.as_bytes());
                Metadata::parse(&text, "metadata").ok()
            }
            Err(_) => None,
        };
        let both = digest.finalize().iter().take(16).chain(files.iter().take(16)).map(|b| format!("{b:02x}")).collect();
        folder.dump_id = both;
        Ok(folder)
    }

    fn add(
        &mut self,
        config: &SubtaskConfig,
        lists: &BlockAllow,
        router: &Router,
        (path, kind): (PathBuf, FileKind),
        has: &FileHas<'_>,
        digest: &mut Sha256,
    ) -> Result<()> {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        match kind {
            FileKind::SchemaCreate { schema } if lists.allows_schema(&schema) => {
                let (target_schema, _) = router.route(&schema, "")?;
                self.schemas.push(SchemaFile { path, name, schema, target_schema, target_table: String::new() });
            }
            FileKind::TableCreate { schema, table } if lists.allows(&schema, &table) => {
                let (target_schema, target_table) = router.route(&schema, &table)?;
                self.tables.push(SchemaFile { path, name, schema, target_schema, target_table });
            }
            FileKind::Data { schema, table, .. } if lists.allows(&schema, &table) => {
                let (target_schema, target_table) = router.route(&schema, &table)?;
                let size = std::fs::metadata(&path).map_err(|e| unreadable(&path, e))?.len();
                digest.update(format!("{name}\0{size}\0").as_bytes());
                let extra = router.extra_columns(&schema, &table, &config.source_id)?;
                let facts = has.facts.and_then(|manifest| manifest.get(&name)).copied();
                let terms = has.terms.get(&name).cloned();
                if terms.is_none() && names::is_fields(&name) {
                    return Err(terms::without(&path));
                }
                let row = FileRow {
                    file: name,
                    target_schema,
                    target_table,
                    // Places in a file are those of its text.
                    size: facts.map_or(size, |facts| facts.text_size),
                    position: 0,
                    done: false,
                    was_empty: false,
                    snapshot: None,
                };
                let table = format!("{}.{}", quote_name(&schema), quote_name(&table));
                self.data.push(DataFile { path, row, table, extra, facts, terms });
            }
            FileKind::ViewCreate { schema, table } if lists.allows(&schema, &table) => {
                let (target_schema, target_table) = router.route(&schema, &table)?;
                self.views.push(SchemaFile { path, name, schema, target_schema, target_table });
            }
            FileKind::SequenceCreate { schema, table } if lists.allows(&schema, &table) => {
                let (target_schema, target_table) = router.route(&schema, &table)?;
                self.sequences.push(SchemaFile { path, name, schema, target_schema, target_table });
            }
            _ => {}
        }
        Ok(())
    }

    /// Of a table whose rows are of a newer snapshot than the first one, given by its schema file: that one's place.
    pub fn later_place(&self, file: &str) -> Option<DumpLocation> {
        let FileKind::TableCreate { schema, table } = names::parse(file) else { return None };
        let later = self.metadata.as_ref()?.later.iter();
        later.rev().find(|later| later.schema == schema && later.table == table).map(|later| later.at.clone())
    }

    /// The error of a folder whose files are others than when the load of this dump began.
    pub fn changed(&self, config: &SubtaskConfig, known: &[FileRow]) -> DmError {
        let now: BTreeMap<&str, u64> = self.data.iter().map(|file| (file.row.file.as_str(), file.row.size)).collect();
        let known: BTreeMap<&str, u64> =
            known.iter().filter(|row| row.size > 0).map(|row| (row.file.as_str(), row.size)).collect();
        let missing = known.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("{name} is missing"));
        let others = now.iter().filter(|(name, size)| known.get(*name) != Some(size));
        let others = others.map(|(name, _)| format!("{name} is new or has another size"));
        let all: Vec<String> = missing.chain(others).take(10).collect();
        DmError::new(Code::LoadTaskCheckPointNotMatch)
            .msg(format!("the files in {} are not those that the load began with: {}", config.loader.dir, all.join(", ")))
            .workaround(
                "Please put the dump's files back as they were and resume the task, or empty its target tables and start it again \
                 with `--remove-meta`.",
            )
    }
}

/// An error when rows of the task are in files that aren't read: without them the tables would be half full.
fn refuse_unread(listed: &[(PathBuf, FileKind)], lists: &BlockAllow) -> Result<()> {
    let others = listed.iter().filter(|(_, kind)| *kind == FileKind::Other);
    for (path, _) in others {
        let Some((schema, table, form)) = path.file_name().and_then(|n| n.to_str()).and_then(names::unread) else {
            continue;
        };
        if lists.allows_schema(&schema) && (table.is_empty() || lists.allows(&schema, &table)) {
            return Err(DmError::new(Code::LoadUnitInvalidFileEnding)
                .msg(format!("{} is {form}, which is not read here; nothing of the dump was loaded", path.display()))
                .workaround(
                    "Please dump INSERT statements (`.sql`), plain or compressed with gzip (`.gz`), Zstandard (`.zst`) or Snappy (`.snappy`); or load \
                     these files by other means, move them out of the folder, and resume the task.",
                ));
        }
    }
    Ok(())
}

/// The dump itself, whatever files it has: the first half of a dump's id.
pub fn same_metadata(a: &str, b: &str) -> bool {
    a.len() == 64 && a.get(..32) == b.get(..32)
}

/// An error when the folder's data files are not those that the dump wrote: one is missing, cut, grown, or of somebody else.
fn agree(dir: &Path, listed: &[(PathBuf, FileKind)], manifest: &Manifest) -> Result<()> {
    let mut left: BTreeSet<&str> = manifest.keys().map(String::as_str).collect();
    for (path, kind) in listed {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if !matches!(kind, FileKind::Data { .. }) {
            continue;
        }
        let size = std::fs::metadata(path).map_err(|e| unreadable(path, e))?.len();
        match manifest.get(name) {
            None => return Err(not_the_dumps(path, "is not of this dump")),
            Some(facts) if facts.size != size => {
                return Err(not_the_dumps(path, &format!("has {size} bytes, the dump wrote {}", facts.size)));
            }
            Some(_) => _ = left.remove(name),
        }
    }
    match left.first() {
        Some(missing) => Err(not_the_dumps(&dir.join(missing), "is missing, the dump wrote it")),
        None => Ok(()),
    }
}

/// An error when the file's bytes are not those that the dump wrote. Reads all of it.
pub fn agree_in_content(path: &Path, facts: &FileFacts) -> Result<()> {
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(path, e)),
        }
    }
    if hash.digest() == facts.hash { Ok(()) } else { Err(not_the_dumps(path, "has other bytes than the dump wrote")) }
}

fn not_the_dumps(path: &Path, what: &str) -> DmError {
    DmError::new(Code::LoadUnitInvalidFileEnding)
        .msg(format!("{} {what}; nothing of it was loaded", path.display()))
        .workaround(
            "Please put the dump's files back as they were, or dump again (start the task with `--remove-meta`).",
        )
}

/// A file or folder that can't be read.
pub fn unreadable(path: &Path, e: std::io::Error) -> DmError {
    DmError::new(Code::LoadUnitDispatchSQLFromFile)
        .msg(format!("cannot read {}", path.display()))
        .cause(e)
        .workaround("Please check that the file is there and readable for the worker's user, then resume the task.")
}
