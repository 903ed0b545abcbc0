//! The load unit of `import-mode: stream`: chunks go from the source's snapshot straight into the target.
//!
//! `StreamedLoad::attempt` is the whole story: claim the ledger, plan (or take the plan of an earlier run), snapshot, pump the
//! chunks, finish. See docs/full/stream.md.

mod chunk;
mod cut;
pub mod ledger;
mod pump;
mod reader;
mod retention;
mod snapshot;
pub(in crate::units) mod tables;
mod writer;

/// Connections that write into one table at the same time (InnoDB).
pub const WRITERS_OF_A_TABLE: usize = tables::PARTS;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mysql_async::{Conn, prelude::Queryable};
use tokio::sync::Semaphore;

use self::{
    chunk::{Queue, StreamTable},
    ledger::Entry,
    pump::Buffers,
    snapshot::{Reader, Taken},
};
use super::{
    dump::{
        self, DumpOptions, Metadata,
        identity::{self, Identity},
        plan::{self, DumpPlan},
    },
    engine,
    failpoint::{self, Place},
    link,
    load::{
        self, LoadUnit, clear, create, indexes,
        objects::{self, Object},
        progress::Counters,
        store::Store,
        verb,
    },
    senders::Senders,
    session,
};
use crate::{
    config::{DbConfig, subtask::TaskMode},
    error::{Code, DmError, Result, Scope},
    rules::{BlockAllow, Router},
    schema::{
        ServerInfo,
        collation::{Catalog, CollationPolicy},
    },
};

/// Rows of one chunk: so much is read again after a crash.
const CHUNK_BYTES: u64 = 2 << 20;
/// The list of chunks is in memory: of more bytes than this many chunks have they are larger, up to what a transaction should have.
const MANY_CHUNKS: u64 = 16 << 10;
const LARGEST_CHUNK_BYTES: u64 = 32 << 20;
/// Of one INSERT.
const BATCH_BYTES: usize = 512 << 10;
/// All batches on their way.
const BUDGET_KIB: u32 = 32 << 10;
const ATTEMPTS: usize = 3; // A load that meets a DDL statement looks again.

/// Loads without files, for the load unit.
pub(super) async fn load(unit: &LoadUnit) -> Result<()> {
    StreamedLoad { unit }.load().await
}

struct StreamedLoad<'a> {
    unit: &'a LoadUnit,
}

/// What readers and writers share.
pub struct Shared {
    pub task: String,
    pub store: Store,
    pub options: DumpOptions,
    pub target: DbConfig,
    pub session: Vec<(String, String)>,
    /// An INSERT is sent at so many bytes.
    pub batch_bytes: usize,
    /// No packet of several rows is larger.
    pub packet_bytes: usize,
    pub budget: Arc<Semaphore>,
    pub buffers: Buffers,
    pub budget_kib: u32,
    pub tidb: bool,
    /// Who may send now; None: all.
    pub turns: Senders,
    pub counters: Arc<Counters>,
    pub queue: Queue,
}

/// Why an attempt ended.
pub enum Failure {
    /// A DDL statement ran on this table after the load read its structure.
    StructureChanged(String),
    Other(DmError),
}

impl From<DmError> for Failure {
    fn from(e: DmError) -> Self {
        Failure::Other(e)
    }
}

/// Both sides, once they were asked what they are.
struct Sides {
    store: Store,
    target: Conn,
    session: Vec<(String, String)>,
    source: Conn,
    server: ServerInfo,
    options: DumpOptions,
    router: Router,
    tidb: bool,
}

/// What there is to load.
struct Work {
    tables: Vec<Arc<StreamTable>>,
    entries: Vec<Entry>,
    readers: Vec<Reader>,
    /// Where sync begins, and up to where it is in safe mode.
    metadata: Metadata,
}

impl StreamedLoad<'_> {
    async fn load(&self) -> Result<()> {
        for attempt in 1.. {
            match self.attempt().await {
                Err(Failure::StructureChanged(table)) if attempt < ATTEMPTS => {
                    tracing::warn!(task = %self.unit.env.config.name, %table, "a DDL statement met the load, which looks again");
                }
                Err(Failure::StructureChanged(table)) => {
                    return Err(DmError::new(Code::DumpUnitRuntime)
                        .msg(format!("the structure of {table} changed while it was loaded, {ATTEMPTS} times"))
                        .workaround("Please resume the task when no DDL statements run on the source."));
                }
                Err(Failure::Other(e)) => return Err(e),
                Ok(()) => return Ok(()),
            }
        }
        Ok(())
    }

    async fn attempt(&self) -> Result<(), Failure> {
        let config = &self.unit.env.config;
        let store = Store::new(config, self.unit.env.fence);
        let mut control = link::connect(&config.to, &[], Scope::Downstream).await?;
        let unit = self.unit;
        let (facts, defaults) = unit.answered("the target's facts", load::facts(config, &mut control)).await?;
        let catalog = unit.answered("its collations", Catalog::fetch(&mut control, Scope::Downstream)).await?;
        let policy = CollationPolicy::of_task(catalog, config)?;
        let session = session::assignments(&session::load_session(config, &facts));
        let mut target = link::connect(&config.to, &session, Scope::Downstream).await?;
        drop(control);
        unit.answered("create the load unit's meta tables", store.create(&mut target)).await?;
        let status = unit.answered("read the load state", store.status(&mut target)).await?;
        let claimed = store.claim(&mut target).await?;
        failpoint::pass(&config.name, Place::StreamAfterClaim)?;
        if status.as_deref() == Some("finished") {
            return Ok(());
        }
        if claimed.dump_id.is_empty() && status.as_deref() == Some("running") {
            return Err(load::begun_elsewhere(config).into());
        }
        let options = DumpOptions::new(&config.mydumper, &config.from)?;
        let rename = |e: DmError| DmError::new(Code::LoadUnitGenTableRouter).msg(e.message()).cause(e.raw_cause());
        let router = Router::new(&config.routes, config.case_sensitive).map_err(rename)?;
        let (source, server) = dump::snapshot::control(&config.from).await?;
        let id = ledger::id(config, &options);
        let (task, mapped) = (config.name.as_str(), &self.unit.mapped);
        let how = create::Creating { task, router: &router.clone(), policy: &policy, source: &defaults, mapped };
        let tidb = policy.target.tidb;
        let mut sides = Sides { store, target, session, source, server, options, router, tidb };
        let plan = self.plan(&mut sides).await?;
        // Before the snapshot: a table that takes another one's place between the two is a false alarm only.
        let identities = identity::read(&mut sides.source, &sides.server, &plan.tables).await?;
        if let Some(note) = identity::untold(&plan.tables, &identities) {
            self.unit.note(note);
        }
        let views = Object::of_source("view", &plan.views, &sides.router)?;
        let mut known = Vec::new();
        if claimed.dump_id == id {
            known = self.same_structures(&mut sides, &plan, &identities).await?;
        } else if !claimed.dump_id.is_empty() {
            clear::rows_of(config, &sides.store, &mut sides.target, &claimed).await?;
        }
        let mut work = if known.is_empty() {
            let Sides { store, target, session, .. } = &mut sides;
            // In this order: "running" without a ledger would be another program's.
            store.set_status(target, "init").await?;
            store.reset(target, "").await?;
            let (mut entries, there) = tables::create(self.unit, session, target, &plan, &how).await?;
            failpoint::pass(&config.name, Place::StreamAfterTables)?;
            tables::note_identities(&mut entries, &plan, &identities);
            self.begin(&mut sides, (plan, &identities), (entries, there), &id).await?
        } else {
            self.go_on(&mut sides, (plan, &identities), known).await?
        };
        self.pump(&mut sides, &mut work, &how).await?;
        self.finish(sides, work, &views, &how).await
    }

    fn lists(&self) -> Result<BlockAllow> {
        let config = &self.unit.env.config;
        BlockAllow::new(&config.block_allow_list, config.case_sensitive)
            .map_err(|e| DmError::new(Code::DumpUnitGenBAList).msg(e.message()).cause(e.raw_cause()))
    }

    async fn plan(&self, sides: &mut Sides) -> Result<DumpPlan> {
        let lists = self.lists()?;
        if !sides.server.is_mariadb() && sides.server.version >= 80_000 {
            // Statistics as they are, not as they were a day ago.
            dump::snapshot::execute(&mut sides.source, "SET SESSION information_schema_stats_expiry = 0").await?;
        }
        let plan =
            plan::read(&self.unit.env.config.from, &mut sides.source, &sides.server, &lists, &sides.options).await?;
        if !plan.skipped.is_empty() {
            self.unit.note(format!("views and sequences are not migrated: {}", plan.skipped.join(", ")));
        }
        Ok(plan)
    }

    /// The ledger, if its tables are still the source's. Empty: nothing was loaded yet, and it is begun again.
    async fn same_structures(&self, sides: &mut Sides, plan: &DumpPlan, now: &[Identity]) -> Result<Vec<Entry>> {
        let entries =
            self.unit.answered("read the chunk ledger", ledger::read(&sides.store, &mut sides.target)).await?;
        let changed = tables::changed(plan, now, &entries);
        if changed.is_empty() {
            return Ok(entries);
        }
        if entries.iter().all(|e| e.chunk_of().is_none() || (e.position == 0 && !e.done)) {
            return Ok(Vec::new());
        }
        Err(DmError::new(Code::LoadTaskCheckPointNotMatch)
            .msg(format!("DDL statements changed tables of the source before all their rows were loaded: {}", changed.join(", ")))
            .workaround(
                "Please empty the target tables of the task, then start it again with `--remove-meta`, when no DDL statements \
                 run on the source.",
            ))
    }

    /// A load from its beginning: chunks are found under the first snapshot.
    async fn begin(
        &self,
        sides: &mut Sides,
        (plan, identities): (DumpPlan, &[Identity]),
        (mut entries, there): (Vec<Entry>, BTreeSet<(String, String)>),
        id: &str,
    ) -> Result<Work, Failure> {
        let config = &self.unit.env.config;
        let planned: BTreeSet<_> = plan.tables.iter().map(|t| (t.schema.clone(), t.table.clone())).collect();
        let known = (sides.server, Some(&there), sides.tidb);
        let tables = tables::on_their_way(&mut sides.target, config, plan, &sides.router, &entries, known);
        let tables = self.unit.answered("look at the target tables", tables).await?;
        let taken = self.snapshot(sides, &tables, tables.len().max(1) * 4).await?;
        failpoint::pass(&config.name, Place::StreamAfterSnapshot)?;
        if taken.location.binlog_name.is_empty() && config.mode == TaskMode::All {
            return Err(DmError::from(Code::NoMasterStatus)
                .workaround("Please switch the source's binlog on (log_bin), which incremental replication needs.")
                .into());
        }
        // A table that was created meanwhile would be missed by both the load and sync.
        let lists = self.lists()?;
        let now = plan::tables(&mut sides.source, &lists, &sides.options, plan::Figures::Unknown).await?.0;
        if now.into_iter().map(|t| (t.schema, t.table)).collect::<BTreeSet<_>>() != planned {
            return Err(Failure::StructureChanged("a schema".into()));
        }
        let (readers, chunks) = cut::cut(taken.readers, &tables, &sides.options).await?;
        cut::same_tables(sides, tables.iter().zip(identities)).await?;
        entries.extend(chunks);
        ledger::register(&sides.store, &mut sides.target, &entries).await?;
        failpoint::pass(&config.name, Place::StreamBeforeComplete)?;
        ledger::complete(&sides.store, &mut sides.target, id, &taken.location, &taken.exit).await?;
        failpoint::pass(&config.name, Place::StreamAfterComplete)?;
        let metadata = Metadata { location: taken.location, exit: Some(taken.exit), ..Metadata::default() };
        Ok(Work { tables, entries, readers, metadata })
    }

    /// A load that an earlier run began: what isn't in the target is read under a newer snapshot.
    async fn go_on(
        &self,
        sides: &mut Sides,
        (plan, identities): (DumpPlan, &[Identity]),
        mut entries: Vec<Entry>,
    ) -> Result<Work, Failure> {
        let config = &self.unit.env.config;
        let missing = || {
            DmError::new(Code::LoadTaskCheckPointNotMatch)
                .msg("the place of the first snapshot is not in the load state")
        };
        let stored = sides.store.loaded_location(&mut sides.target).await?;
        let mut metadata = match stored {
            Some(metadata) => metadata,
            None if config.mode == TaskMode::All => return Err(missing().into()),
            None => Metadata::default(),
        };
        let known = (sides.server, None, sides.tidb);
        let tables = tables::on_their_way(&mut sides.target, config, plan, &sides.router, &entries, known);
        let tables = self.unit.answered("look at the target tables", tables).await?;
        self.clear_begun(sides, &tables, &mut entries).await?;
        let left = entries.iter().filter(|entry| !entry.done && entry.chunk_of().is_some()).count();
        let mut readers = Vec::new();
        if left > 0 {
            let mut taken = self.snapshot(sides, &tables, left).await?;
            let missing = tables::with_chunks_left(&entries);
            let is_missing = |(table, _): &(&Arc<StreamTable>, &Identity)| missing.contains(&table.source());
            let missing: Vec<_> = tables.iter().zip(identities).filter(is_missing).collect();
            cut::hold(&mut taken.readers, missing.iter().map(|(table, _)| &***table)).await?;
            cut::same_tables(sides, missing).await?;
            ledger::newer_snapshot(&sides.store, &mut sides.target, &taken.exit).await?;
            tracing::info!(task = %config.name, chunks = left, exit = %taken.exit, "the load goes on under a newer snapshot");
            metadata.exit = Some(taken.exit);
            if config.mode != TaskMode::All {
                self.unit.note(format!(
                    "{left} chunks are read under a newer snapshot than the others, and no sync follows that would square what was \
                     written meanwhile: the copy is consistent if nothing was"
                ));
            }
            readers = taken.readers;
        }
        Ok(Work { tables, entries, readers, metadata })
    }

    /// Rows of a table without a key that is half loaded can't be told apart: they are removed. Those with a key are read
    /// again from the beginning.
    async fn clear_begun(&self, sides: &mut Sides, tables: &[Arc<StreamTable>], entries: &mut [Entry]) -> Result<()> {
        let whole: BTreeSet<(&str, &str)> =
            tables.iter().filter(|t| t.whole).map(|t| (t.plan.schema.as_str(), t.plan.table.as_str())).collect();
        let (mut begun, mut keyed): (BTreeSet<(String, String)>, Vec<String>) = Default::default();
        for entry in entries.iter_mut().filter(|e| !e.done && e.position > 0) {
            let Some((schema, table)) = entry.chunk_of() else { continue };
            if whole.contains(&(schema.as_str(), table.as_str())) {
                begun.insert((entry.target_schema.clone(), entry.target_table.clone()));
            } else {
                keyed.push(entry.name.clone());
                entry.position = 0;
            }
        }
        ledger::from_the_start(&sides.store, &mut sides.target, &keyed).await?;
        if begun.is_empty() {
            return Ok(());
        }
        let config = &self.unit.env.config;
        let claimed = sides.store.claim(&mut sides.target).await?;
        let named: BTreeSet<(&str, &str)> = begun.iter().map(|(s, t)| (s.as_str(), t.as_str())).collect();
        clear::tables(config, &sides.store, &mut sides.target, &claimed.files, &named).await?;
        for (schema, table) in &named {
            ledger::again(&sides.store, &mut sides.target, schema, table).await?;
        }
        let again = |e: &&mut Entry| {
            e.chunk_of().is_some() && named.contains(&(e.target_schema.as_str(), e.target_table.as_str()))
        };
        for entry in entries.iter_mut().filter(again) {
            (entry.position, entry.done) = (0, false);
        }
        Ok(())
    }

    async fn snapshot(&self, sides: &mut Sides, tables: &[Arc<StreamTable>], most: usize) -> Result<Taken> {
        let Sides { source, server, options, .. } = sides;
        let config = &self.unit.env.config;
        let exact = tables.iter().any(|table| table.whole);
        let keyed = |table: &Arc<StreamTable>| dump::plan::TablePlan { has_key: !table.whole, ..table.plan.clone() };
        let plans: Vec<_> = tables.iter().map(keyed).collect();
        let readers = dump::snapshot::Readers {
            count: options.threads.min(most).max(1),
            consistency: options.consistency,
            apart: verb::lets_snapshots_differ(config),
            limit: options.read_limit,
        };
        let wanted = snapshot::Wanted { readers, exact };
        snapshot::take(&config.from, source, server, &plans, wanted).await
    }

    async fn pump(&self, sides: &mut Sides, work: &mut Work, how: &create::Creating<'_>) -> Result<(), Failure> {
        let config = &self.unit.env.config;
        self.warn_of_engines(work);
        // From here on the ledger has them: a second list would take more than the rows on their way.
        let entries = std::mem::take(&mut work.entries);
        self.expect(work, &entries);
        let chunks = tables::chunks_left(&work.tables, entries)?;
        sides.store.set_status(&mut sides.target, "running").await?;
        let packet: Option<u64> = sides
            .target
            .query_first("SELECT @@max_allowed_packet")
            .await
            .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "read max_allowed_packet", &e))?;
        let packet = usize::try_from(packet.unwrap_or(1 << 20)).unwrap_or(BATCH_BYTES);
        let distance = link::distance(&mut sides.target, Scope::Downstream).await?;
        let writers = self.unit.writers().min(chunks.len());
        let tidb = how.policy.target.tidb;
        let shared = Shared {
            task: config.name.clone(),
            store: sides.store.clone(),
            options: sides.options.clone(),
            target: config.to.clone(),
            session: sides.session.clone(),
            batch_bytes: BATCH_BYTES.min(packet / 4).max(1024),
            packet_bytes: (packet / 2).max(1024),
            budget: Arc::new(Semaphore::new(BUDGET_KIB as usize)),
            buffers: Buffers::default(),
            budget_kib: BUDGET_KIB,
            tidb,
            turns: Senders::of_load(distance, writers),
            counters: Arc::clone(&self.unit.counters),
            queue: Queue::new(chunks, if tidb { usize::MAX } else { tables::PARTS }),
        };
        let pumped = pump::run(std::mem::take(&mut work.readers), writers, Arc::new(shared));
        let from = &work.metadata.location;
        if config.mode == TaskMode::All && !from.binlog_name.is_empty() {
            // A long load for nothing is worse than a short one.
            tokio::select! {
                pumped = pumped => pumped?,
                gone = retention::watch(&config.from, from, |text| self.unit.note(text)) => return Err(gone.into()),
            }
        } else {
            pumped.await?;
        }
        Ok(())
    }

    /// All rows are in.
    async fn finish(
        &self,
        mut sides: Sides,
        mut work: Work,
        views: &[Object],
        how: &create::Creating<'_>,
    ) -> Result<(), Failure> {
        let config = &self.unit.env.config;
        let texts = tables::texts(&work.tables);
        indexes::build(config, &sides.session, &mut sides.target, texts, how).await?;
        objects::views(self.unit, &mut sides.target, views).await?;
        let plain = |table: &Arc<StreamTable>| !engine::is_transactional(&table.plan.engine);
        if work.tables.iter().any(plain) {
            // Their rows are of when they were read, not of a snapshot.
            let newer = crate::units::dump::snapshot::has_newer_command(&sides.server);
            work.metadata.exit = Some(dump::snapshot::position(&mut sides.source, &sides.server, newer).await?);
        }
        failpoint::pass(&config.name, Place::StreamBeforeFinish)?;
        sides.store.finish(&mut sides.target, Some(&work.metadata)).await?;
        Ok(failpoint::pass(&config.name, Place::StreamAfterFinish)?)
    }

    fn expect(&self, work: &Work, entries: &[Entry]) {
        let config = &self.unit.env.config;
        let by_name: BTreeMap<(&str, &str), &Arc<StreamTable>> =
            work.tables.iter().map(|t| ((t.plan.schema.as_str(), t.plan.table.as_str()), t)).collect();
        for entry in entries {
            let Some((schema, table)) = entry.chunk_of() else { continue };
            if let Some(table) = by_name.get(&(schema.as_str(), table.as_str())) {
                match entry.done {
                    true => table.progress.expect(entry.position, entry.position, true),
                    false => table.progress.expect(entry.size, 0, false),
                }
            }
        }
        self.unit.counters.publish(&config.name, &config.source_id);
        let tables = work.tables.iter().map(|table| Arc::clone(&table.progress)).collect();
        self.unit.counters.begin(tables, work.metadata.location.clone());
    }

    fn warn_of_engines(&self, work: &Work) {
        for table in work.tables.iter().filter(|t| t.plain) {
            self.unit.note(format!(
                "the target of {} has an engine without transactions: a load that is interrupted may load up to one chunk of \
                 its rows twice, unless a key and on-duplicate-logical: replace prevent it",
                table.name()
            ));
        }
        for table in work.tables.iter().filter(|t| t.whole && !engine::is_transactional(&t.plan.engine)) {
            self.unit.note(format!(
                "{} has no key, and its engine {} has no snapshots: rows written during the load may be missing or doubled",
                table.name(),
                table.plan.engine
            ));
        }
    }
}

/// Where the first snapshot of the load stands, and up to where chunks may be newer.
pub async fn location(config: &crate::config::SubtaskConfig) -> Result<Metadata> {
    load::loaded_location(config).await?.ok_or_else(|| {
        DmError::new(Code::MetadataNoBinlogLoc)
            .msg("the target doesn't know where the streamed load stands in the binlog")
            .workaround("Please start the task again with `--remove-meta`, after emptying its target tables.")
    })
}
