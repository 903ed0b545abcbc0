//! The dump unit: a consistent snapshot of the source's tables as SQL files in DM's names (meta table facts, 8).
//!
//! `attempt` is the whole story: plan, snapshot, chunks, metadata. The metadata is written last; a folder with it is a
//! complete dump. Any other is emptied and dumped again, unless the snapshot's connections live (`work`).

pub(in crate::units) mod bounds;
mod csv;
mod cut;
pub mod document;
pub mod files;
mod filter;
pub(in crate::units) mod identity;
pub(in crate::units) mod keys;
pub mod ledger;
mod lock;
pub mod metadata;
pub mod names;
mod newer;
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
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use mysql_async::Conn;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use self::{
    files::Manifest,
    identity::Names,
    ledger::{Begun, Ledger},
    newer::Earlier,
    plan::{DumpPlan, TablePlan},
    progress::Counters,
    work::Unfinished,
};
use super::{
    Ended, Unit, UnitEnv,
    failpoint::{self, Place},
    load::{self, verb},
};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, Result},
    mysql::RowConn,
    pb,
    rules::BlockAllow,
    schema::ServerInfo,
};

pub use metadata::{DumpLocation, Later, Metadata};
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
        let mut kept = self.left_over().await;
        for attempt in 1.. {
            match self.attempt(kept, &options, &lists, stop).await {
                Err(Failure::StructureChanged(table)) if attempt < ATTEMPTS => {
                    kept = Err(Some(format!("a DDL statement met it at {table}")));
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
        kept: std::result::Result<Unfinished, Option<String>>,
        options: &DumpOptions,
        lists: &BlockAllow,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut work = match kept {
            Ok(work) => work,
            Err(lost) => tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Failure::Stopped),
                begun = self.begin(lost, options, lists) => begun?,
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

    /// The dump that an earlier run left, when its snapshot is still there; else why it isn't, if there was one.
    async fn left_over(&self) -> std::result::Result<Unfinished, Option<String>> {
        let Some(mut work) = self.env.parked.take() else {
            return Err(None);
        };
        let all = work.plan_chunks();
        if !work.is_in_folder(&self.dir(), &signature(&self.env.config)) {
            return Err(Some("what the last run wrote is not in the folder as it was".into()));
        }
        work.keep_living_readers().await;
        if work.readers.is_empty() {
            return Err(Some("the source closed the connections of the last one".into()));
        }
        self.counters.publish(&self.env.config.name, &self.env.config.source_id);
        self.counters.go_on(&work.counters);
        self.counters.held(work.readers.len(), &work.taken);
        work.counters = self.counters.clone();
        let done = all.saturating_sub(work.chunks.len());
        let taken = &work.taken;
        self.note(format!("the dump goes on within its snapshot of {taken} UTC: {done} of {all} chunks were there"));
        Ok(work)
    }

    /// A dump without the connections of an earlier run, for which `lost` gives the reason: goes on under a newer snapshot where that may be
    /// done, else from the beginning.
    async fn begin(
        &self,
        lost: Option<String>,
        options: &DumpOptions,
        lists: &BlockAllow,
    ) -> Result<Unfinished, Failure> {
        let config = &self.env.config;
        let dir = self.dir();
        let begun = files::is_begun(&dir, &signature(config));
        let told = begun || lost.is_some();
        let lost = lost.unwrap_or_else(|| "the worker, or the run, that held the last one is gone".into());
        let known = if begun { ledger::read(&dir) } else { None };
        if known.is_none() {
            // Before the source is asked for anything.
            files::prepare(&dir, &signature(config))?;
        }
        failpoint::pass(&config.name, Place::DumpBeforeSnapshot)?;
        let (mut control, server) = snapshot::control(&config.from).await?;
        let plan = plan::read(&config.from, &mut control, &server, lists, options).await?;
        for name in &plan.skipped {
            tracing::warn!(task = %config.name, %name, "not migrated: only tables are");
        }
        let why = match known {
            None => newer::unsuited(config).map_or(lost.clone(), |why| format!("{lost}; {why}")),
            Some(known) => match newer::look(config, options, (&mut control, &server), known, &plan).await? {
                Ok(earlier) => return self.go_on(earlier, lost, options, (&mut control, &server)).await,
                Err(why) => format!("{lost}; {why}"),
            },
        };
        if told {
            self.note(format!("the dump begins again with a new snapshot: {why}"));
            files::prepare(&dir, &signature(config))?;
        }
        self.begin_anew(plan, options, (&mut control, &server)).await
    }

    /// How snapshots are taken for so many pieces of work.
    fn readers(&self, options: &DumpOptions, most: usize) -> snapshot::Readers {
        snapshot::Readers {
            count: options.threads.min(most.max(1)),
            consistency: options.consistency,
            apart: verb::lets_snapshots_differ(&self.env.config),
            limit: options.read_limit,
        }
    }

    /// Refuses a dump that takes clearly more than the disk has; the source's guess of its bytes.
    fn enough_space(&self, options: &DumpOptions, bytes: u64) -> Result<()> {
        let unchecked = |item: &String| item == "free_space" || item == "all";
        if self.env.config.ignore_checking_items.iter().any(unchecked) {
            return Ok(());
        }
        files::enough_space(&self.dir(), options.compression.packed(bytes))
    }

    /// Takes the snapshot, writes the structures and cuts the tables.
    async fn begin_anew(
        &self,
        plan: DumpPlan,
        options: &DumpOptions,
        (control, server): (&mut Conn, &ServerInfo),
    ) -> Result<Unfinished, Failure> {
        let (config, dir) = (&self.env.config, self.dir());
        let rows = plan.tables.iter().map(|t| t.estimated_rows).sum();
        let bytes = plan.tables.iter().map(|t| t.estimated_bytes).sum();
        self.enough_space(options, bytes)?;
        self.counters.publish(&config.name, &config.source_id);
        self.counters.begin(plan.tables.len() as u64, rows, bytes);
        // Before the snapshot: a table that takes another one's place between the two is a false alarm only.
        let identities = identity::read(control, server, &plan.tables).await?;
        if let Some(note) = identity::untold(&plan.tables, &identities) {
            self.note(note);
        }
        let started = now();
        let readers = self.readers(options, plan.tables.len().max(1) * 4);
        let mut taken = snapshot::take(&config.from, control, server, readers, &plan.tables).await?;
        if taken.location.binlog_name.is_empty() && config.mode == TaskMode::All {
            return Err(DmError::from(Code::NoMasterStatus)
                .workaround("Please switch the source's binlog on (log_bin), which incremental replication needs.")
                .into());
        }
        failpoint::pass(&config.name, Place::DumpAfterSnapshot)?;
        self.counters.held(taken.readers.len(), &started);
        write_schemas(&plan, plan.tables.iter().map(|t| (&*t.schema, &*t.table, &*t.create_sql)), &dir)?;
        let conditions = cut::conditions(taken.readers.first_mut(), &plan, options).await?;
        let left = cut::left(&plan, &conditions, |_, _| false);
        self.counters.cut(left.chunks.len() as u64);
        let meta = Metadata {
            started: started.clone(),
            location: taken.location,
            exit: taken.exit,
            newer_command: taken.newer_command,
            ..Metadata::default()
        };
        let ledger = match newer::unsuited(config) {
            None => {
                let source = newer::server_of(control, server).await?;
                Some(Ledger::create(&dir, &Begun::new(source, &meta, &plan, conditions, identities.clone()), &[])?)
            }
            Some(_) => None,
        };
        let names = Names::new(&config.from, server, identities);
        Ok(self.unfinished(options, (plan, left, names), meta, started, taken.readers, ledger))
    }

    /// What an earlier run left is gone on with under a newer snapshot.
    async fn go_on(
        &self,
        mut earlier: Earlier,
        lost: String,
        options: &DumpOptions,
        (control, server): (&mut Conn, &ServerInfo),
    ) -> Result<Unfinished, Failure> {
        let (config, dir) = (&self.env.config, self.dir());
        let missing = earlier.missing();
        let (all, done) = earlier.chunks();
        let begun = &earlier.begun;
        self.enough_space(options, earlier.bytes_left())?;
        self.counters.publish(&config.name, &config.source_id);
        let rows = begun.tables.iter().map(|table| table.rows).sum();
        self.counters.begin(begun.tables.len() as u64, rows, begun.tables.iter().map(|table| table.bytes).sum());
        self.counters.cut(all as u64);
        let started = now();
        let mut readers = Vec::new();
        if !missing.is_empty() {
            let wanted = self.readers(options, all - done);
            let taken = snapshot::take(&config.from, control, server, wanted, &missing).await?;
            earlier.is_of(&taken.location, taken.exit);
            readers = taken.readers;
        }
        failpoint::pass(&config.name, Place::DumpAfterSnapshot)?;
        self.counters.held(readers.len(), &started);
        let files = earlier.files();
        files::remove_strays(&dir, &files)?;
        let tables = earlier.begun.tables.iter().map(|t| (&*t.schema, &*t.table, &*t.create_sql));
        write_schemas(&earlier.plan, tables, &dir)?;
        let ledger = Ledger::create(&dir, &earlier.begun, &earlier.done)?;
        let meta = earlier.begun.metadata(snapshot::has_newer_command(server));
        let is_done: BTreeSet<(usize, usize)> = earlier.done.iter().map(|done| (done.table, done.number)).collect();
        let conditions: Vec<Vec<String>> = earlier.begun.tables.iter().map(|table| table.conditions.clone()).collect();
        let left = cut::left(&earlier.plan, &conditions, |table, number| is_done.contains(&(table, number)));
        let tables = earlier.begun.tables.len() - missing.len();
        let bytes = files.values().map(|facts| facts.text_size).sum();
        self.counters.there(tables, done, earlier.done.iter().map(|done| done.rows).sum(), bytes);
        self.note(match missing.len() {
            0 => format!("the dump goes on: all {all} chunks were done ({lost})"),
            _ => format!(
                "the dump goes on under a new snapshot of {started} UTC: {done} of {all} chunks were done ({lost}); sync begins at the \
                 first snapshot's place and is in safe mode up to this one's"
            ),
        });
        let names = Names::new(&config.from, server, earlier.identities);
        let mut work = self.unfinished(options, (earlier.plan, left, names), meta, started, readers, Some(ledger));
        work.files = files;
        Ok(work)
    }

    fn unfinished(
        &self,
        options: &DumpOptions,
        (plan, left, names): (DumpPlan, cut::Left, Names),
        meta: Metadata,
        taken: String,
        readers: Vec<RowConn>,
        ledger: Option<Ledger>,
    ) -> Unfinished {
        Unfinished {
            signature: signature(&self.env.config),
            task: self.env.config.name.clone(),
            dir: self.dir(),
            plan: Arc::new(plan),
            names: Arc::new(names),
            options: Arc::new(options.clone()),
            meta,
            taken,
            readers,
            chunks: left.chunks,
            left: Arc::new(left.of_table),
            files: Manifest::new(),
            counters: self.counters.clone(),
            ledger,
        }
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

/// Whether a read failed because a DDL statement ran: the table was altered after the snapshot (1412), a column (1054) or
/// the table (1146) is gone.
pub(in crate::units) fn is_structure_change(e: &DmError) -> bool {
    ["Error 1412 ", "Error 1054 ", "Error 1146 "].iter().any(|p| e.raw_cause().starts_with(p))
}

fn changed_structure(table: &TablePlan) -> Failure {
    Failure::StructureChanged(table.name())
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

/// Schemas, views and sequences of the plan, and tables with their CREATE statements.
fn write_schemas<'a>(
    plan: &DumpPlan,
    tables: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    dir: &std::path::Path,
) -> Result<()> {
    for (schema, sql) in &plan.schemas {
        write::write_small(dir, &names::schema_file(schema), &write::schema_text(sql))?;
    }
    for (schema, name, sql) in &plan.sequences {
        write::write_small(dir, &names::sequence_file(schema, name), &write::schema_text(sql))?;
    }
    for (schema, name, sql) in &plan.views {
        write::write_small(dir, &names::view_file(schema, name), &write::schema_text(sql))?;
    }
    for (schema, table, sql) in tables {
        write::write_small(dir, &names::table_file(schema, table), &write::schema_text(sql))?;
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
