//! The dump unit: a consistent snapshot of the source's tables as SQL files in DM's names (meta table facts, 8).
//!
//! `attempt` is the whole story: plan, snapshot, chunks, metadata. The metadata is written last; a folder with it is a
//! complete dump. Any other is emptied and dumped again, unless the snapshot's connections live (`work`).

pub(in crate::units) mod bounds;
mod csv;
pub mod document;
pub mod files;
mod filter;
pub(in crate::units) mod keys;
mod lock;
pub mod metadata;
pub mod names;
pub(in crate::units) mod options;
mod output;
pub use options::DumpOptions;
pub(in crate::units) mod plan;
pub mod progress;
pub(in crate::units) mod row;
pub(in crate::units) mod snapshot;
mod untouched;
mod work;
mod write;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use self::{
    files::Manifest,
    plan::{DumpPlan, TablePlan},
    progress::Counters,
    work::Unfinished,
    write::Chunk,
};
use super::{
    Ended, Unit, UnitEnv,
    failpoint::{self, Place},
    load::{self, verb},
};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, Result},
    pb,
    rules::BlockAllow,
    schema::model::quote_name,
};

pub use metadata::{DumpLocation, Metadata};
pub use work::Parked;

/// A dump that meets a DDL statement begins again this many times.
const ATTEMPTS: usize = 3;

/// The unit of the dump phase.
pub struct DumpUnit {
    env: UnitEnv,
    counters: Arc<Counters>,
    notes: Mutex<Vec<String>>,
}

impl DumpUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(DumpUnit { env, counters: Arc::new(Counters::default()), notes: Mutex::default() })
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from(&self.env.config.loader.dir)
    }

    fn note(&self, text: String) {
        tracing::info!(task = %self.env.config.name, source = %self.env.config.source_id, "{text}");
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    async fn dump(&self, stop: &CancellationToken) -> Result<Ended> {
        let config = &self.env.config;
        let options = DumpOptions::new(&config.mydumper, &config.from)?;
        let lists = BlockAllow::new(&config.block_allow_list, config.case_sensitive)
            .map_err(|e| DmError::new(Code::DumpUnitGenBAList).msg(e.message()).cause(e.raw_cause()))?;
        for attempt in 1.. {
            let kept = self.left_over(attempt == 1).await;
            match self.attempt(kept, &options, &lists, stop).await {
                Err(Failure::StructureChanged(table)) if attempt < ATTEMPTS => {
                    tracing::warn!(task = %config.name, %table, "a DDL statement met the dump, which begins again");
                }
                Err(Failure::StructureChanged(table)) => {
                    return Err(DmError::new(Code::DumpUnitRuntime)
                        .msg(format!("the structure of {table} changed while it was dumped, {ATTEMPTS} times"))
                        .workaround("Please resume the task when no DDL statements run on the source."));
                }
                Err(Failure::Stopped) => return Ok(Ended::Stopped),
                Err(Failure::Other(e)) => return Err(e),
                Ok(()) => break,
            }
        }
        Ok(Ended::Finished)
    }

    async fn attempt(
        &self,
        kept: Option<Unfinished>,
        options: &DumpOptions,
        lists: &BlockAllow,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut work = match kept {
            Some(work) => work,
            None => tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Failure::Stopped),
                begun = self.begin(options, lists) => begun?,
            },
        };
        let done = work.run(stop).await;
        match done {
            Ok(()) => Ok(self.complete(work)?),
            Err(Failure::StructureChanged(table)) => Err(Failure::StructureChanged(table)),
            Err(early) => {
                if !work.readers.is_empty() {
                    self.env.parked.put(work);
                }
                Err(early)
            }
        }
    }

    /// The dump that an earlier run left, when its snapshot is still there.
    async fn left_over(&self, first: bool) -> Option<Unfinished> {
        let Some(mut work) = self.env.parked.take() else {
            if first && files::is_begun(&self.dir(), &signature(&self.env.config)) {
                self.note(
                    "the dump begins again with a new snapshot: the worker, or the run, that held the last one is gone"
                        .into(),
                );
            }
            return None;
        };
        let all = work.plan_chunks();
        if !work.is_in_folder(&self.dir(), &signature(&self.env.config)) {
            self.note(
                "the dump begins again with a new snapshot: what the last run wrote is not in the folder as it was"
                    .into(),
            );
            return None;
        }
        work.keep_living_readers().await;
        if work.readers.is_empty() {
            self.note(
                "the dump begins again with a new snapshot: the source closed the connections of the last one".into(),
            );
            return None;
        }
        self.counters.publish(&self.env.config.name, &self.env.config.source_id);
        self.counters.go_on(&work.counters);
        self.counters.held(work.readers.len(), &work.meta.started);
        work.counters = self.counters.clone();
        let done = all.saturating_sub(work.chunks.len());
        self.note(format!(
            "the dump goes on within its snapshot of {} UTC: {done} of {all} chunks were there",
            work.meta.started
        ));
        Some(work)
    }

    /// Prepares the folder, takes the snapshot, writes the structures and cuts the tables.
    async fn begin(&self, options: &DumpOptions, lists: &BlockAllow) -> Result<Unfinished, Failure> {
        let config = &self.env.config;
        let dir = self.dir();
        files::prepare(&dir, &signature(config))?;
        failpoint::pass(&config.name, Place::DumpBeforeSnapshot)?;
        let (mut control, server) = snapshot::control(&config.from).await?;
        let plan = plan::read(&config.from, &mut control, &server, lists, options).await?;
        for name in &plan.skipped {
            tracing::warn!(task = %config.name, %name, "not migrated: only tables are");
        }
        let rows = plan.tables.iter().map(|t| t.estimated_rows).sum();
        let bytes = plan.tables.iter().map(|t| t.estimated_bytes).sum();
        if !config.ignore_checking_items.iter().any(|item| item == "free_space" || item == "all") {
            files::enough_space(&dir, options.compression.packed(bytes))?;
        }
        self.counters.publish(&config.name, &config.source_id);
        self.counters.begin(plan.tables.len() as u64, rows, bytes);
        let readers = snapshot::Readers {
            count: options.threads.min(plan.tables.len().max(1) * 4),
            consistency: options.consistency,
            apart: verb::lets_snapshots_differ(config),
            limit: options.read_limit,
        };
        let started = now();
        let mut taken = snapshot::take(&config.from, &mut control, &server, readers, &plan.tables).await?;
        drop(control);
        if taken.location.binlog_name.is_empty() && config.mode == TaskMode::All {
            return Err(DmError::from(Code::NoMasterStatus)
                .workaround("Please switch the source's binlog on (log_bin), which incremental replication needs.")
                .into());
        }
        failpoint::pass(&config.name, Place::DumpAfterSnapshot)?;
        self.counters.held(taken.readers.len(), &started);
        write_schemas(&plan, &dir)?;
        let (chunks, left) = cut(&mut taken.readers, &plan, options).await?;
        self.counters.cut(chunks.len() as u64);
        let meta = Metadata {
            started,
            finished: None,
            location: taken.location,
            exit: taken.exit,
            newer_command: taken.newer_command,
        };
        Ok(Unfinished {
            signature: signature(config),
            task: config.name.clone(),
            dir,
            plan: Arc::new(plan),
            options: Arc::new(options.clone()),
            meta,
            readers: taken.readers,
            chunks,
            left: Arc::new(left),
            files: Manifest::new(),
            counters: self.counters.clone(),
        })
    }

    /// All rows are in files: the manifest and, last, the metadata say so.
    fn complete(&self, mut work: Unfinished) -> Result<()> {
        let (config, dir) = (&self.env.config, self.dir());
        files::remove_strays(&dir, &work.files)?;
        files::write_manifest(&dir, &work.files)?;
        failpoint::pass(&config.name, Place::DumpBeforeMetadata)?;
        work.meta.finished = Some(now());
        write_metadata(&dir, &work.meta)?;
        failpoint::pass(&config.name, Place::DumpAfterMetadata)?;
        self.counters.finish();
        Ok(())
    }
}

/// The chunks of all tables, the largest tables first, and how many each table has.
async fn cut(
    readers: &mut [crate::mysql::RowConn],
    plan: &DumpPlan,
    options: &DumpOptions,
) -> Result<(VecDeque<Chunk>, Vec<AtomicUsize>), Failure> {
    let Some(reader) = readers.first_mut() else { return Ok(Default::default()) };
    let mut order: Vec<usize> = (0..plan.tables.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(plan.tables.get(*at).map_or(0, |table| table.estimated_bytes)));
    let mut chunks = VecDeque::new();
    let left: Vec<AtomicUsize> = plan.tables.iter().map(|_| AtomicUsize::new(0)).collect();
    for at in order {
        let (Some(table), Some(left)) = (plan.tables.get(at), left.get(at)) else { continue };
        let conditions = match plan::chunk_conditions(reader, table, options).await {
            Err(e) if is_structure_change(&e) => return Err(changed_structure(table)),
            conditions => conditions?,
        };
        left.store(conditions.len(), std::sync::atomic::Ordering::Release);
        let numbered = conditions.into_iter().enumerate();
        chunks.extend(numbered.map(|(number, condition)| Chunk { table: at, number, condition, tries: 0 }));
    }
    Ok((chunks, left))
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
    /// The user wants to stop.
    Stopped,
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
    for (schema, name, sql) in &plan.sequences {
        write::write_small(dir, &names::sequence_file(schema, name), &write::schema_text(sql))?;
    }
    for (schema, name, sql) in &plan.views {
        write::write_small(dir, &names::view_file(schema, name), &write::schema_text(sql))?;
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
        if config.mode == TaskMode::Dump {
            return Ok(complete);
        }
        Ok((complete && load::is_being_loaded(config).await?) || load::rows_are_loaded(config).await?)
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        self.dump(&stop).await
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Dump(self.counters.status())
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
