//! The load unit: brings the files of a dump into the target, exactly once (the apply contract).
//!
//! `LoadUnit::load_dump` is the whole story: claim the progress rows, create schemas and tables, load files with a pool of
//! workers, finish. Each batch of rows and the file's position are one target transaction under the source's epoch.

mod apply;
pub mod bytes;
pub(in crate::units) mod clear;
pub(in crate::units) mod create;
pub(in crate::units) mod create_all;
pub mod csv;
pub mod fields;
pub(in crate::units) mod folder;
pub(in crate::units) mod indexes;
mod left;
pub(in crate::units) mod objects;
pub(in crate::units) mod progress;
pub mod scan;
pub(in crate::units) mod sender;
pub mod statement;
pub(in crate::units) mod store;
pub mod terms;
pub(in crate::units) mod verb;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use mysql_async::{Conn, prelude::Queryable};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{
    apply::{Shared, Worker},
    folder::{DataFile, Folder, SchemaFile},
    left::Left,
    progress::{Counters, TableProgress},
    store::{Claimed, FileRow, Store, absent_is_none},
};
use super::{
    Ended, Fence, Unit, UnitEnv,
    dump::{Metadata, files, names::FileKind},
    failpoint::{self, Place},
    link,
    mapped::MappedCollations,
    senders::Senders,
    session::{self, ServerFacts},
    stream,
};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, Result, Scope},
    mysql, pb,
    rules::Router,
    schema::{
        ServerInfo,
        collation::{Catalog, CollationPolicy, SourceDefaults},
        model::{quote_name, quote_text},
    },
};

/// Bytes of rows in one transaction: big enough that round trips don't matter, small enough for any target's limits, and for
/// three of them in memory for each worker.
const BATCH_BYTES: usize = 512 << 10;

/// The unit of the load phase, from files or (`import-mode: stream`) from the source.
pub struct LoadUnit {
    pub(in crate::units) env: UnitEnv,
    pub(in crate::units) counters: Arc<Counters>,
    notes: Mutex<Vec<String>>,
    pub(in crate::units) mapped: MappedCollations,
}

impl LoadUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        Box::new(LoadUnit {
            env,
            counters: Arc::new(Counters::default()),
            notes: Mutex::new(Vec::new()),
            mapped: MappedCollations::default(),
        })
    }

    async fn load(&self) -> Result<()> {
        if self.env.config.streams() { stream::load(self).await } else { self.load_dump().await }
    }

    async fn load_dump(&self) -> Result<()> {
        let config = &self.env.config;
        let store = Store::new(config, self.env.fence);
        let mut control = link::connect(&config.to, &[], Scope::Downstream).await?;
        let (facts, source) = self.answered("the target's facts", facts(config, &mut control)).await?;
        let catalog = self.answered("its collations", Catalog::fetch(&mut control, Scope::Downstream)).await?;
        let policy = CollationPolicy::of_task(catalog, config)?;
        let session = session::assignments(&session::load_session(config, &facts));
        let mut conn = link::connect(&config.to, &session, Scope::Downstream).await?;
        drop(control);
        self.answered("create the load unit's meta tables", store.create(&mut conn)).await?;
        let status = self.answered("read the load state", store.status(&mut conn)).await?;
        failpoint::pass(&config.name, Place::LoadBeforeClaim)?;
        let claimed = store.claim(&mut conn).await?;
        failpoint::pass(&config.name, Place::LoadAfterClaim)?;
        if status.as_deref() == Some("finished") {
            return Ok(());
        }
        if claimed.dump_id.is_empty() && status.as_deref() == Some("running") {
            return Err(begun_elsewhere(config));
        }
        let mut folder = Folder::read(config)?;
        if folder.metadata.is_none() && matches!(config.mode, TaskMode::All | TaskMode::LoadSync) {
            // Says what is wrong with it.
            files::read_metadata(Path::new(&config.loader.dir))?;
        }
        if config.loader.import_mode != "logical" {
            self.note(format!(
                "import-mode {} is not in this version: rows are loaded as SQL",
                config.loader.import_mode
            ));
        }
        let known = self.same_dump(&store, &mut conn, &folder, claimed).await?;
        self.answered("write the load state", store.set_status(&mut conn, "init")).await?;
        let rename = |e: DmError| DmError::new(Code::LoadUnitGenTableRouter).msg(e.message()).cause(e.raw_cause());
        let router = Router::new(&config.routes, config.case_sensitive).map_err(rename)?;
        let (task, mapped) = (config.name.as_str(), &self.mapped);
        let how = create::Creating { task, router: &router, policy: &policy, source: &source, mapped };
        failpoint::pass(&config.name, Place::LoadBeforeTables)?;
        self.create_schemas(&mut conn, &folder, &how).await?;
        objects::sequences(self, &mut conn, &objects::Object::of_files(&folder.sequences)?).await?;
        let there = self.create_tables(&store, &mut conn, &session, &folder, &known, &how).await?;
        failpoint::pass(&config.name, Place::LoadAfterTables)?;
        let mut plain = HashSet::new();
        let targets = folder.tables.iter().map(|t| (t.target_schema.as_str(), t.target_table.as_str()));
        for (schema, table, engine) in
            self.answered("look for engines", create::without_transactions(&mut conn, targets)).await?
        {
            let name = format!("{}.{}", quote_name(&schema), quote_name(&table));
            plain.insert((schema, table));
            self.note(format!(
                "{name} has the engine {engine} on the target, which has no transactions: a load that is interrupted may \
                 load up to one batch of its rows twice, unless a key and on-duplicate-logical: replace prevent it"
            ));
        }
        resume(&mut folder, &known);
        let tidb = policy.target.tidb;
        let (bytes, csv) = self.columns(&mut conn, &folder, there, (source.server, tidb)).await?;
        let data = self.expect(&mut folder);
        self.answered("write the load state", store.set_status(&mut conn, "running")).await?;
        let shared = Shared { plain, bytes, csv, ..self.shared(&store, session, &mut conn, (tidb, data.len())).await? };
        let session = shared.session.clone();
        self.load_files(data, shared).await?;
        let text = |file: &SchemaFile| ((file.target_schema.clone(), file.target_table.clone()), (file.clone(), None));
        indexes::build(config, &session, &mut conn, folder.tables.iter().map(text).collect(), &how).await?;
        objects::views(self, &mut conn, &objects::Object::of_files(&folder.views)?).await?;
        failpoint::pass(&config.name, Place::LoadBeforeFinish)?;
        self.answered("write the load state", store.finish(&mut conn, folder.metadata.as_ref())).await?;
        failpoint::pass(&config.name, Place::LoadAfterFinish)?;
        clean_after_load(config)
    }

    /// Connections that write rows, at most.
    pub(in crate::units) fn writers(&self) -> usize {
        self.env.config.loader.pool_size.clamp(1, 256)
    }

    /// A step on the target, which answers in time: a connection that is half open would never end.
    pub(in crate::units) async fn answered<T>(&self, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        link::answered(&self.env.config.to, Scope::Downstream, what, step).await
    }

    /// Columns of bytes for text, and those of CSV files.
    async fn columns(
        &self,
        conn: &mut Conn,
        folder: &Folder,
        there: Option<BTreeSet<create_all::Target>>,
        (server, tidb): (ServerInfo, bool),
    ) -> Result<(BTreeMap<String, bytes::Texts>, csv::Tables)> {
        let bytes = bytes::of_folder(conn, folder, there.as_ref(), server, tidb);
        let bytes = self.answered("read the target's columns", bytes).await?;
        let csv = csv::tables(conn, folder, Path::new(&self.env.config.loader.dir), server);
        let csv = self.answered("read the columns of CSV files", csv).await?;
        apply::readable(folder.data.iter(), &csv, tidb)?;
        Ok((bytes, csv))
    }

    /// A remark for query-status and the log, once.
    pub(in crate::units) fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            tracing::warn!(task = %self.env.config.name, note);
            notes.push(note);
        }
    }

    async fn shared(
        &self,
        store: &Store,
        session: Vec<(String, String)>,
        conn: &mut Conn,
        (tidb, files): (bool, usize),
    ) -> Result<Shared> {
        let config = &self.env.config;
        let sql = "SELECT @@max_allowed_packet";
        let packet: Option<u64> = mysql::within(config.to.answer_limit(), conn.query_first(sql))
            .await
            .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "read max_allowed_packet", &e))?;
        let packet = usize::try_from(packet.unwrap_or(1 << 20)).unwrap_or(BATCH_BYTES);
        let distance = self.answered("measure the target's distance", link::distance(conn, Scope::Downstream)).await?;
        Ok(Shared {
            task: config.name.clone(),
            store: store.clone(),
            target: config.to.clone(),
            session,
            verb: verb::of_task(config),
            batch_bytes: BATCH_BYTES.min(packet / 4).max(1024),
            packet,
            counters: Arc::clone(&self.counters),
            plain: HashSet::new(),
            bytes: BTreeMap::new(),
            csv: csv::Tables::new(),
            tidb,
            turns: Senders::of_load(distance, self.writers().min(files)),
        })
    }

    /// What was stored of this very dump. If another dump had been begun, its rows are removed first.
    async fn same_dump(
        &self,
        store: &Store,
        conn: &mut Conn,
        folder: &Folder,
        claimed: Claimed,
    ) -> Result<BTreeMap<String, FileRow>> {
        if claimed.dump_id != folder.dump_id {
            if folder::same_metadata(&claimed.dump_id, &folder.dump_id) {
                return Err(folder.changed(&self.env.config, &claimed.files));
            }
            clear::rows_of(&self.env.config, store, conn, &claimed).await?;
            self.answered("write the load state", store.reset(conn, &folder.dump_id)).await?;
            return Ok(BTreeMap::new());
        }
        Ok(claimed.files.into_iter().map(|f| (f.file.clone(), f)).collect())
    }

    async fn create_schemas(&self, conn: &mut Conn, folder: &Folder, how: &create::Creating<'_>) -> Result<()> {
        let mut schemas = BTreeSet::new();
        for file in &folder.schemas {
            self.answered("create a schema", create::schema(conn, file, &create::read(file)?, how)).await?;
            schemas.insert(file.target_schema.as_str());
        }
        for schema in folder.tables.iter().map(|f| f.target_schema.as_str()) {
            if schemas.insert(schema) {
                self.answered("create a schema", create::bare_schema(conn, schema)).await?;
            }
        }
        Ok(())
    }

    /// The target tables that were there before; None: an earlier run of this load may have made them.
    async fn create_tables(
        &self,
        store: &Store,
        conn: &mut Conn,
        session: &[(String, String)],
        folder: &Folder,
        known: &BTreeMap<String, FileRow>,
        how: &create::Creating<'_>,
    ) -> Result<Option<BTreeSet<create_all::Target>>> {
        // Several shards of this source may share a target table: the first look decides for all.
        let target = |file: &SchemaFile| (file.target_schema.clone(), file.target_table.clone());
        let stored = |file: &SchemaFile| known.get(&file.name).map(|row| (target(file), row.was_empty));
        let mut empty: BTreeMap<create_all::Target, bool> = folder.tables.iter().filter_map(stored).collect();
        let new: Vec<&SchemaFile> = folder.tables.iter().filter(|file| !known.contains_key(&file.name)).collect();
        let mut seen: BTreeSet<create_all::Target> = empty.keys().cloned().collect();
        let mut sizes: BTreeMap<create_all::Target, u64> = BTreeMap::new();
        for FileRow { target_schema, target_table, size, .. } in folder.data.iter().map(|file| &file.row) {
            *sizes.entry((target_schema.clone(), target_table.clone())).or_default() += size;
        }
        let first = new.iter().filter(|file| seen.insert(target(file))).map(|file| create_all::Wanted {
            file: (*file).clone(),
            text: None,
            large: sizes.get(&target(file)).is_some_and(|size| self.env.config.loader.indexes_follow(*size)),
        });
        let created = create_all::tables(&self.env.config, session, conn, first.collect(), how).await?;
        empty.extend(created.empty);
        let row = |file: &SchemaFile| FileRow {
            file: file.name.clone(),
            target_schema: file.target_schema.clone(),
            target_table: file.target_table.clone(),
            size: 0,
            position: 0,
            done: true,
            was_empty: empty.get(&target(file)).copied().unwrap_or_default(),
            snapshot: folder.later_place(&file.name),
        };
        let mut rows: Vec<FileRow> = new.into_iter().map(row).collect();
        let data =
            folder.data.iter().map(|f| (f.row.target_schema.as_str(), f.row.target_table.as_str(), &f.extra[..]));
        self.answered("look at the tables", create::places(conn, data)).await?;
        rows.extend(folder.data.iter().filter(|f| !known.contains_key(&f.row.file)).map(|f| f.row.clone()));
        self.answered("write the load progress", store.register(conn, &rows)).await?;
        Ok(known.is_empty().then_some(created.there))
    }

    /// Files that are left, those of the largest table first: the end is not left to one connection.
    fn expect(&self, folder: &mut Folder) -> VecDeque<(DataFile, Arc<TableProgress>)> {
        let mut tables: BTreeMap<String, Arc<TableProgress>> = BTreeMap::new();
        let mut left = Vec::new();
        for file in std::mem::take(&mut folder.data) {
            let name = file.table.clone();
            let table = tables.entry(name).or_insert_with_key(|name| TableProgress::new(name.clone(), 0));
            let FileRow { size, position, done, .. } = file.row;
            table.expect(size, if done { size } else { position }, done);
            if !done {
                left.push((file, Arc::clone(table)));
            }
        }
        left.sort_by_cached_key(|(file, table)| {
            (std::cmp::Reverse(table.left()), table.name.clone(), file.row.file.clone())
        });
        let config = &self.env.config;
        self.counters.publish(&config.name, &config.source_id);
        let location = folder.metadata.as_ref().map(|m| m.location.clone()).unwrap_or_default();
        self.counters.begin(tables.into_values().collect(), location);
        left.into()
    }

    async fn load_files(&self, left: VecDeque<(DataFile, Arc<TableProgress>)>, shared: Shared) -> Result<()> {
        let workers = self.writers().min(left.len());
        let most = if shared.tidb { usize::MAX } else { stream::WRITERS_OF_A_TABLE };
        let left = Arc::new(Mutex::new(Left { files: left, of_table: BTreeMap::new(), most }));
        let shared = Arc::new(shared);
        let mut pool: JoinSet<Result<()>> = JoinSet::new();
        for _ in 0..workers {
            let (left, shared) = (Arc::clone(&left), Arc::clone(&shared));
            pool.spawn(async move {
                let mut worker = Worker::new(shared);
                loop {
                    worker.turn().await;
                    // A worker without a file is not needed any more: each table that is left has as many as it may.
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((file, table)) = next else { return Ok(()) };
                    worker.load(&file, &table).await?;
                    left.lock().unwrap_or_else(PoisonError::into_inner).ended(&table);
                }
            });
        }
        // The first failure ends the others: dropping the set aborts them.
        while let Some(ended) = pool.join_next().await {
            ended.map_err(|e| DmError::new(Code::LoadUnitDispatchSQLFromFile).msg("a load worker died").cause(e))??;
        }
        Ok(())
    }
}

/// Files go on where the stored rows say.
fn resume(folder: &mut Folder, known: &BTreeMap<String, FileRow>) {
    for file in &mut folder.data {
        if let Some(row) = known.get(&file.row.file) {
            (file.row.position, file.row.done) = (row.position, row.done);
        }
    }
}

/// Versions and modes that decide the target session. An unreachable source is no obstacle to a load.
pub(in crate::units) async fn facts(
    config: &SubtaskConfig,
    target: &mut Conn,
) -> Result<(ServerFacts, SourceDefaults)> {
    let version: Option<String> = target
        .query_first("SELECT VERSION()")
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "SELECT VERSION()", &e))?;
    let mut facts = ServerFacts { target_version: version.unwrap_or_default(), source_sql_mode: None };
    let mut defaults = SourceDefaults::unknown(config.flavor);
    if let Ok(mut source) = link::connect(&config.from, &[], Scope::Upstream).await {
        facts.source_sql_mode = source.query_first("SELECT @@GLOBAL.sql_mode").await.ok().flatten();
        let version: Option<String> = source.query_first("SELECT VERSION()").await.ok().flatten();
        if let (Some(server), Ok(catalog)) =
            (version.and_then(|text| ServerInfo::parse(&text)), Catalog::fetch(&mut source, Scope::Upstream).await)
        {
            defaults = SourceDefaults { catalog: Some(catalog), server, ..SourceDefaults::default() };
        }
    }
    Ok((facts, defaults))
}

pub(in crate::units) fn begun_elsewhere(config: &SubtaskConfig) -> DmError {
    DmError::new(Code::LoadTaskCheckPointNotMatch)
        .msg(format!("the load of task {} was begun by another program, whose progress can't be read", config.name))
        .workaround("Please empty the target tables of the task, then start it again with `--remove-meta`.")
}

/// What is left to do with the dump's files when all rows are in (meta table facts, 8).
fn clean_after_load(config: &SubtaskConfig) -> Result<()> {
    if !config.clean_dump_file {
        return Ok(());
    }
    let dir = Path::new(&config.loader.dir);
    match config.mode {
        TaskMode::Full => {
            tracing::info!(task = %config.name, "clean dump files");
            files::remove_own(dir)
        }
        TaskMode::All => {
            tracing::info!(task = %config.name, "clean dump files");
            let listed = files::list(dir).map_err(|e| folder::unreadable(dir, e))?;
            for (path, _) in listed.iter().filter(|(_, kind)| matches!(kind, FileKind::Data { .. })) {
                std::fs::remove_file(path).map_err(|e| folder::unreadable(path, e))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Removes what `clean-dump-file` left of the dump until now. The sync unit calls it once its start location and the
/// tables' structures are stored.
pub fn cleanup_after_sync_start(config: &SubtaskConfig) -> Result<()> {
    if config.clean_dump_file && config.mode == TaskMode::All && !config.streams() {
        files::remove_own(Path::new(&config.loader.dir))?;
    }
    Ok(())
}

/// Where the task's dump stands in the binlog, as the target remembers it after the load: for a sync unit on a machine
/// that doesn't have the dump's files.
pub async fn loaded_location(config: &SubtaskConfig) -> Result<Option<Metadata>> {
    let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
    let store = Store::new(config, Fence { cluster_id: 0, epoch: 0 });
    link::answered(&config.to, Scope::Downstream, "read the load state", store.loaded_location(&mut conn)).await
}

/// Whether the dump in the task's folder is the one whose load was begun.
pub async fn is_being_loaded(config: &SubtaskConfig) -> Result<bool> {
    let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
    let store = Store::new(config, Fence { cluster_id: 0, epoch: 0 });
    let begun = link::answered(&config.to, Scope::Downstream, "read the load state", store.dump_id(&mut conn)).await?;
    Ok(!begun.is_empty() && Folder::read(config).is_ok_and(|folder| folder.dump_id == begun))
}

/// Whether the target holds the task's rows already: the load is finished, or replication has a checkpoint.
pub async fn rows_are_loaded(config: &SubtaskConfig) -> Result<bool> {
    let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
    let store = Store::new(config, Fence { cluster_id: 0, epoch: 0 });
    let status = link::answered(&config.to, Scope::Downstream, "read the load state", store.status(&mut conn)).await?;
    if status.as_deref() == Some("finished") {
        return Ok(true);
    }
    if !matches!(config.mode, TaskMode::All | TaskMode::LoadSync) {
        return Ok(false);
    }
    let checkpoint = format!("{}.{}", store.schema, quote_name(&format!("{}_syncer_checkpoint", config.name)));
    let sql = format!(
        "SELECT binlog_name FROM {checkpoint} WHERE id = {} AND is_global = 1 AND (binlog_name <> '' OR binlog_gtid <> '')",
        quote_text(&config.source_id)
    );
    let row: Option<String> =
        absent_is_none(mysql::within(config.to.answer_limit(), conn.query_first(sql)).await, "read the checkpoint")?;
    Ok(row.is_some())
}

#[async_trait]
impl Unit for LoadUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Load
    }

    async fn is_finished(&self) -> Result<bool, DmError> {
        rows_are_loaded(&self.env.config).await
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Ended::Stopped),
            done = self.load() => done.map(|()| Ended::Finished),
        }
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Load(self.counters.status())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.extend(self.mapped.notes());
        notes
    }
}
