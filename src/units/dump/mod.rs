//! The dump unit: a consistent snapshot of the source's tables as SQL files in DM's names (meta table facts, 8).
//!
//! `run` is the whole story: plan, snapshot, chunks, metadata. The metadata is written last; a folder with it is a
//! complete dump, any other is emptied and dumped again.

pub(in crate::units) mod bounds;
pub mod document;
pub mod files;
pub(in crate::units) mod keys;
pub mod metadata;
pub mod names;
pub(in crate::units) mod options;
pub use options::DumpOptions;
pub(in crate::units) mod plan;
pub mod progress;
pub(in crate::units) mod row;
pub(in crate::units) mod snapshot;
mod write;

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{
    plan::{DumpPlan, TablePlan},
    progress::Counters,
    write::Chunk,
};
use super::{
    Ended, Unit, UnitEnv,
    failpoint::{self, Place},
    load,
};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result},
    mysql::RowConn,
    pb,
    rules::BlockAllow,
    schema::model::quote_name,
};

pub use metadata::{DumpLocation, Metadata};

/// A dump that meets a DDL statement begins again this many times.
const ATTEMPTS: usize = 3;

/// The unit of the dump phase.
pub struct DumpUnit {
    env: UnitEnv,
    counters: Arc<Counters>,
}

impl DumpUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(DumpUnit { env, counters: Arc::new(Counters::default()) })
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from(&self.env.config.loader.dir)
    }

    async fn dump(&self) -> Result<()> {
        let config = &self.env.config;
        let options = DumpOptions::new(&config.mydumper, &config.from)?;
        let lists = BlockAllow::new(&config.block_allow_list, config.case_sensitive)
            .map_err(|e| DmError::new(Code::DumpUnitGenBAList).msg(e.message()).cause(e.raw_cause()))?;
        for attempt in 1.. {
            match self.attempt(&options, &lists).await {
                Err(Failure::StructureChanged(table)) if attempt < ATTEMPTS => {
                    tracing::warn!(task = %config.name, %table, "a DDL statement met the dump, which begins again");
                }
                Err(Failure::StructureChanged(table)) => {
                    return Err(DmError::new(Code::DumpUnitRuntime)
                        .msg(format!("the structure of {table} changed while it was dumped, {ATTEMPTS} times"))
                        .workaround("Please resume the task when no DDL statements run on the source."));
                }
                Err(Failure::Other(e)) => return Err(e),
                Ok(()) => return Ok(()),
            }
        }
        Ok(())
    }

    async fn attempt(&self, options: &DumpOptions, lists: &BlockAllow) -> Result<(), Failure> {
        let config = &self.env.config;
        let dir = self.dir();
        files::prepare(&dir, &signature(config))?;
        failpoint::pass(&config.name, Place::DumpBeforeSnapshot)?;
        let (mut control, server) = snapshot::control(&config.from).await?;
        let started = now();
        let plan = plan::read(&mut control, &server, lists, options).await?;
        for name in &plan.skipped {
            tracing::warn!(task = %config.name, %name, "not migrated: only tables are");
        }
        self.counters.publish(&self.env.config.name, &self.env.config.source_id);
        self.counters.begin(plan.tables.len() as u64, plan.tables.iter().map(|t| t.estimated_rows).sum());
        let readers = snapshot::Readers {
            count: options.threads.min(plan.tables.len().max(1) * 4),
            consistency: options.consistency,
            limit: options.read_limit,
        };
        let mut snapshot = snapshot::take(&config.from, &mut control, &server, readers, &plan.tables).await?;
        drop(control);
        if snapshot.location.binlog_name.is_empty() && config.mode == crate::config::subtask::TaskMode::All {
            return Err(DmError::from(Code::NoMasterStatus)
                .workaround("Please switch the source's binlog on (log_bin), which incremental replication needs.")
                .into());
        }
        failpoint::pass(&config.name, Place::DumpAfterSnapshot)?;
        write_schemas(&plan, &dir)?;
        let readers = std::mem::take(&mut snapshot.readers);
        self.dump_rows(readers, Arc::new(plan), Arc::new(options.clone())).await?;
        failpoint::pass(&config.name, Place::DumpBeforeMetadata)?;
        let meta = Metadata {
            started,
            finished: Some(now()),
            location: snapshot.location,
            exit: snapshot.exit,
            newer_command: snapshot.newer_command,
        };
        write_metadata(&dir, &meta)?;
        failpoint::pass(&config.name, Place::DumpAfterMetadata)?;
        self.counters.finish();
        Ok(())
    }

    async fn dump_rows(
        &self,
        readers: Vec<RowConn>,
        plan: Arc<DumpPlan>,
        options: Arc<DumpOptions>,
    ) -> Result<(), Failure> {
        let mut readers = readers.into_iter();
        let Some(mut first) = readers.next() else { return Ok(()) };
        let mut chunks = VecDeque::new();
        let mut left = Vec::new();
        for (at, table) in plan.tables.iter().enumerate() {
            let conditions = plan::chunk_conditions(&mut first, table, &options).await?;
            left.push(AtomicUsize::new(conditions.len()));
            let numbered = conditions.into_iter().enumerate();
            chunks.extend(numbered.map(|(number, condition)| Chunk { table: at, number, condition }));
        }
        let work = Arc::new(Work {
            task: self.env.config.name.clone(),
            plan,
            options,
            dir: self.dir(),
            counters: Arc::clone(&self.counters),
            chunks: Mutex::new(chunks),
            left,
            names: Mutex::new(BTreeSet::new()),
        });
        let mut workers = JoinSet::new();
        for conn in std::iter::once(first).chain(readers) {
            workers.spawn(Arc::clone(&work).run(conn));
        }
        // The first failure ends the others: dropping the set aborts them.
        while let Some(ended) = workers.join_next().await {
            ended.map_err(|e| DmError::new(Code::DumpUnitRuntime).msg("a dump worker died").cause(e))??;
        }
        let names = std::mem::take(&mut *work.names.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(files::remove_strays(&self.dir(), &names)?)
    }
}

/// What the dump's workers share.
struct Work {
    task: String,
    plan: Arc<DumpPlan>,
    options: Arc<DumpOptions>,
    dir: PathBuf,
    counters: Arc<Counters>,
    chunks: Mutex<VecDeque<Chunk>>,
    /// Chunks of each table that are not dumped yet.
    left: Vec<AtomicUsize>,
    /// Data files written.
    names: Mutex<BTreeSet<String>>,
}

impl Work {
    async fn run(self: Arc<Self>, mut conn: RowConn) -> Result<(), Failure> {
        loop {
            let next = self.chunks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(chunk) = next else { return Ok(()) };
            let table = &self.plan.tables[chunk.table];
            let dumped = write::dump_chunk(&mut conn, &chunk, table, &self.options, &self.dir, &self.counters).await;
            let changed = is_structure_change;
            match dumped {
                Err(e) if changed(&e) => return Err(changed_structure(table)),
                done => self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(done?),
            }
            failpoint::pass(&self.task, Place::DumpAfterChunk)?;
            if self.left[chunk.table].fetch_sub(1, Ordering::AcqRel) == 1 {
                match plan::shown_create(&mut conn, &table.schema, &table.table).await {
                    Ok(now) if plan::same_structure(&now, &table.create_sql) => {}
                    Err(e) if !changed(&e) => return Err(e.into()),
                    _ => return Err(changed_structure(table)),
                }
                self.counters.table_done();
            }
        }
    }
}

/// Whether a read failed because a DDL statement ran: the table was altered after the snapshot (1412), a column (1054) or
/// the table (1146) is gone.
pub(in crate::units) fn is_structure_change(e: &DmError) -> bool {
    ["Error 1412 ", "Error 1054 ", "Error 1146 "].iter().any(|p| e.raw_cause().starts_with(p))
}

fn changed_structure(table: &TablePlan) -> Failure {
    Failure::StructureChanged(format!("{}.{}", quote_name(&table.schema), quote_name(&table.table)))
}

enum Failure {
    /// A DDL statement ran on this table after the dump read its structure.
    StructureChanged(String),
    Other(DmError),
}

impl From<DmError> for Failure {
    fn from(e: DmError) -> Self {
        Failure::Other(e)
    }
}

fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string()
}

fn write_schemas(plan: &DumpPlan, dir: &std::path::Path) -> Result<()> {
    for (schema, sql) in &plan.schemas {
        write::write_small(dir, &names::schema_file(schema), &write::schema_text(sql))?;
    }
    for t in &plan.tables {
        write::write_small(dir, &names::table_file(&t.schema, &t.table), &write::schema_text(&t.create_sql))?;
    }
    Ok(())
}

/// Under another name first, so that a crash leaves no half metadata.
fn write_metadata(dir: &std::path::Path, meta: &Metadata) -> Result<()> {
    write::write_small(dir, "metadata.partial", &meta.to_text())?;
    let sync = || {
        std::fs::File::open(dir.join("metadata.partial"))?.sync_all()?;
        std::fs::rename(dir.join("metadata.partial"), dir.join("metadata"))?;
        std::fs::File::open(dir)?.sync_all()
    };
    sync().map_err(|e| files::unusable(dir, "cannot write the dump's metadata into", e))
}

/// What a dump depends on: a finished dump is used again only when none of it changed.
pub fn signature(config: &SubtaskConfig) -> String {
    let from = (&config.from.host, config.from.port, &config.name, &config.source_id);
    let text = format!("{from:?} {:?} {} {:?}", config.block_allow_list, config.case_sensitive, config.mydumper);
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[async_trait]
impl Unit for DumpUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Dump
    }

    /// The target says that the rows are there already, or that the dump in the folder is the one being loaded. A dump
    /// that nobody began to load may be of any age (a task that was removed left it), so it is made again.
    async fn is_finished(&self) -> Result<bool, DmError> {
        let config = &self.env.config;
        if config.streams() {
            // The load unit reads the source itself.
            return Ok(true);
        }
        let complete = files::is_complete(&self.dir(), &signature(config));
        if config.mode == crate::config::subtask::TaskMode::Dump {
            return Ok(complete);
        }
        Ok((complete && load::is_being_loaded(config).await?) || load::rows_are_loaded(config).await?)
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Ended::Stopped),
            done = self.dump() => done.map(|()| Ended::Finished),
        }
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Dump(self.counters.status())
    }
}
