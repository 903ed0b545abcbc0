//! What lies in the dump folder, and where it goes on the target.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::store::FileRow;
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result},
    rules::{BlockAllow, ExtraColumn, Router},
    schema::model::quote_name,
    units::dump::{Metadata, files, names::FileKind},
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
    /// Views, which are not migrated.
    pub skipped: Vec<String>,
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
        let listed = files::list(dir).map_err(|e| unreadable(dir, e))?;
        let mut folder = Folder::default();
        let mut digest = Sha256::new();
        for (path, kind) in listed {
            folder.add(config, &lists, &router, path, kind, &mut digest)?;
        }
        // A dump folder without metadata is only allowed when it isn't our own.
        folder.metadata = match std::fs::read_to_string(dir.join("metadata")) {
            Ok(text) => {
                digest.update(text.as_bytes());
                Metadata::parse(&text, "metadata").ok()
            }
            Err(_) => None,
        };
        folder.dump_id = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(folder)
    }

    fn add(
        &mut self,
        config: &SubtaskConfig,
        lists: &BlockAllow,
        router: &Router,
        path: PathBuf,
        kind: FileKind,
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
                let row = FileRow {
                    file: name,
                    target_schema,
                    target_table,
                    size,
                    position: 0,
                    done: false,
                    was_empty: false,
                };
                let table = format!("{}.{}", quote_name(&schema), quote_name(&table));
                self.data.push(DataFile { path, row, table, extra });
            }
            FileKind::ViewCreate { .. } => self.skipped.push(name),
            _ => {}
        }
        Ok(())
    }
}

/// A file or folder that can't be read.
pub fn unreadable(path: &Path, e: std::io::Error) -> DmError {
    DmError::new(Code::LoadUnitDispatchSQLFromFile)
        .msg(format!("cannot read {}", path.display()))
        .cause(e)
        .workaround("Please check that the file is there and readable for the worker's user, then resume the task.")
}
