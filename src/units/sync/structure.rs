//! Table structures of both sides: the tracked one of the source, the present one of the target, joined for writing.
//!
//! Where a source table's structure comes from, first match wins:
//! 1. the tracker: the checkpoint's `table_info`, the dump's schema files, and every DDL since;
//! 2. the source's present structure or the target's, see [`origin`];
//! 3. the table map, when the source writes all that it can into it.
//!
//! The table map also checks what is tracked: types always, names and signs when the source writes them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    counters::Counters,
    ddl_run::Subject,
    filter::Rules,
    fold,
    keys::Columns,
    lacking,
    layout::{self, fits},
    lookup::Lookup,
    online::Records,
    origin::{self, Origin},
    presumed,
    relations::{ForeignKeys, TableRelations},
    table::{Combine, TargetTable},
    target::Target,
    watchers,
};
use crate::{
    config::{Flavor, SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError},
    mysql::binlog::table_map::{TableMap, column_type as ty},
    rules::check_places,
    schema::{
        Tracker,
        charset::CharsetPair,
        collation::Mapping,
        logged::correct_charsets,
        model::{TableId, TableInfo, quote_name, quote_text},
    },
    units::engine,
};

/// Tracked and fetched structures of one run.
pub struct Structures {
    pub tracker: Tracker,
    config: Arc<SubtaskConfig>,
    target: Target,
    counters: Arc<Counters>,
    at_source: Lookup,
    at_target: Lookup,
    /// By source table: how its rows are written, and the tracked structure that this rests on.
    tables: HashMap<TableId, (Arc<TargetTable>, Arc<TableInfo>)>,
    /// MariaDB's sequences that rows came of.
    sequences: HashSet<TableId>,
    /// Tables whose structure was taken from the source as it is now.
    presumed: HashSet<TableId>,
    /// Targets whose changes keep their order: their source tables' keys don't go together.
    ordered: HashSet<TableId>,
    /// The target's, where its sessions check them.
    foreign_keys: Option<Arc<ForeignKeys>>,
}

/// A table for writing.
pub struct Joined {
    pub table: Arc<TargetTable>,
    /// Its structure, when it is tracked since just now.
    pub fresh: Option<Arc<TableInfo>>,
    /// What is in flight was sent without regard to what is known now: all lanes must drain first.
    pub drain: bool,
}

impl Structures {
    /// With what the start knows.
    pub fn new(tracker: Tracker, config: Arc<SubtaskConfig>, target: Target, counters: Arc<Counters>) -> Self {
        Structures {
            at_source: Lookup::of_source(config.clone()),
            at_target: Lookup::of_target(target.clone(), config.clone()),
            tracker,
            config,
            target,
            counters,
            tables: HashMap::new(),
            sequences: HashSet::new(),
            presumed: HashSet::new(),
            ordered: HashSet::new(),
            foreign_keys: None,
        }
    }

    /// True when the rows are a sequence's own row, which MariaDB writes for NEXTVAL, SETVAL and CREATE SEQUENCE. They
    /// aren't migrated: a sequence is no table, and its values are set by hand when the target takes over. Only a table
    /// of a sequence's shape that nobody has tracked is asked for.
    pub async fn is_sequence(&mut self, map: &TableMap) -> Result<bool, DmError> {
        let integer = |kind| matches!(kind, ty::TINY | ty::SHORT | ty::INT24 | ty::LONG | ty::LONGLONG);
        let kinds = map.columns.iter().map(|column| column.kind);
        if self.config.flavor != Flavor::Mariadb || map.columns.len() != 8 || !kinds.into_iter().all(integer) {
            return Ok(false);
        }
        let source = TableId::new(map.schema.as_str(), map.table.as_str());
        if self.tables.contains_key(&source) || self.tracker.get(&source.schema, &source.name).is_some() {
            return Ok(false);
        }
        if self.sequences.contains(&source) {
            return Ok(true);
        }
        if !self.is_sequence_at_source(&source).await? {
            return Ok(false);
        }
        let text = format!("the values of the sequence {source} are not migrated: set them when the target takes over");
        tracing::warn!(sequence = %source, "values of a sequence are not migrated");
        self.counters.note(source.to_string(), text);
        self.sequences.insert(source);
        Ok(true)
    }

    async fn is_sequence_at_source(&mut self, source: &TableId) -> Result<bool, DmError> {
        Ok(self.at_source.kind(source).await?.as_deref() == Some("SEQUENCE"))
    }

    /// Whether the source has a base table of the name now.
    pub async fn source_has_table(&mut self, source: &TableId) -> Result<bool, DmError> {
        let kind = self.at_source.kind(source).await?;
        Ok(kind.is_some_and(|kind| !["VIEW", "SYSTEM VIEW", "SEQUENCE"].contains(&kind.as_str())))
    }

    /// Whether the target has a table or a view of the name now.
    pub async fn target_has(&mut self, target: &TableId) -> Result<bool, DmError> {
        Ok(self.at_target.kind(target).await?.is_some())
    }

    /// The name by which the target knows a table, of whose name it may tell the case or not.
    pub async fn name_on_target(&mut self, target: &TableId) -> Result<Option<TableId>, DmError> {
        self.at_target.alike(target, "").await
    }

    /// A table of the source's that has now the same name in another case, in the same schema.
    pub async fn alike_at_source(&mut self, source: &TableId) -> Result<Option<TableId>, DmError> {
        self.at_source.alike(source, &format!(" AND BINARY TABLE_NAME <> {}", quote_text(&source.name))).await
    }

    /// Whether a table's structure was taken from the source as it was at that moment.
    pub fn is_presumed(&self, source: &TableId) -> bool {
        self.presumed.contains(source)
    }

    /// How rows with this layout are written. `time`: when they were made, in seconds at the source.
    pub async fn table(
        &mut self,
        map: &TableMap,
        target: &TableId,
        rules: &Rules,
        time: u32,
    ) -> Result<Joined, DmError> {
        let source = TableId::new(map.schema.as_str(), map.table.as_str());
        if let Some((known, _)) = self.tables.get(&source) {
            return Ok(Joined { table: known.clone(), fresh: None, drain: false });
        }
        let Some(target_info) = self.at_target.table(target).await? else {
            let present = self.at_source.table(&source).await?;
            return Err(lacking::no_table(target, &source, present, self.target.collations()));
        };
        let (info, fresh) = match self.tracker.get(&source.schema, &source.name) {
            Some(info) => match layout::contradiction(map, &info) {
                Some(why) => return Err(layout::mismatch(&source, &why)),
                None => (info, false),
            },
            None => (self.first_touch(map, &source, &target_info, time).await?, true),
        };
        let tracked = info.clone();
        // The rows' own character sets win over inherited ones.
        let logged = map.columns.iter().map(|column| column.collation);
        let info = correct_charsets(&info, logged, &self.tracker.server());
        self.note_mapped(&info, &target_info);
        let transactional = self.target.is_tidb() || engine::is_transactional(&target_info.engine);
        if !transactional {
            self.note_engine(target, &target_info.engine);
        }
        let extras = rules.extra_columns(&source)?;
        if !extras.is_empty() {
            let [columns, own] =
                [&target_info, &*info].map(|t| t.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
            check_places(&extras, &target.to_string(), &columns, &own, Code::SyncerUnitGenTableRouter)?;
        }
        let lacking = lacking::columns(&info, &target_info, self.target.collations());
        let compared = self.compared(target_info);
        let columns = Columns { source: &info, target: &compared, extras: &extras };
        let relations = self.relations(&columns, target).await?;
        let mut table = TargetTable::new(&columns, relations, transactional);
        table.lacking = lacking;
        table.combine = table.combine.min(self.combine_limit(target).await?);
        table = table.decoding_unless(|charset| self.target.collations().target.takes_bytes_of(charset));
        table.expressions = rules.expressions(&info, self.tracker.server())?;
        if self.target.is_tidb() {
            table = table.on_tidb(&info, &compared);
        }
        let drain = self.settle_order(&mut table);
        let table = Arc::new(table);
        self.tables.insert(source, (table.clone(), tracked));
        Ok(Joined { table, fresh: fresh.then_some(info), drain })
    }

    /// Whether the changes of this table's target keep their order. True when its other source tables' don't do so yet.
    fn settle_order(&mut self, table: &mut TargetTable) -> bool {
        let others = || self.tables.values().filter(|(other, _)| other.target == table.target);
        let mut drain = false;
        if !self.ordered.contains(&table.target) {
            if others().any(|(other, _)| !other.conflicts.agree(&table.conflicts)) {
                table.conflicts.order("the key columns of its source tables have different types");
            }
            if table.conflicts.ordered().is_some() {
                drain = others().next().is_some();
                self.ordered.insert(table.target.clone());
            }
        }
        if self.ordered.contains(&table.target) {
            table.conflicts.order("so do those of another source table");
        }
        if let Some(why) = table.conflicts.ordered() {
            self.counters.note(
                format!("{} in order", table.target),
                format!("changes of {} are applied one after the other: {why}", table.target),
            );
        }
        if drain {
            // The other source tables are joined again, with what is known now.
            self.tables.retain(|_, (other, _)| other.target != table.target);
        }
        drain
    }

    /// A table's part in the target's foreign keys.
    async fn relations(&mut self, columns: &Columns<'_>, target: &TableId) -> Result<TableRelations, DmError> {
        if !self.target.checks_foreign_keys() {
            return Ok(TableRelations::default());
        }
        let known = match &self.foreign_keys {
            Some(known) => known.clone(),
            None => {
                let mut conn = self.target.connect().await?;
                let found = ForeignKeys::fetch(&mut conn, self.target.answer_limit()).await;
                let found = Arc::new(found.map_err(|(sql, error)| self.target.query_error(sql, &error))?);
                self.foreign_keys.insert(found).clone()
            }
        };
        let mut parents = Vec::new();
        for parent in known.parents(target) {
            // None: made without checks; the target will say so if a row needs it.
            if let Some(info) = self.at_target.table(&parent).await? {
                parents.push(self.compared(info));
            }
        }
        Ok(known.relations(columns, target, &parents))
    }

    /// A table of the target with the names that its collations have here.
    fn compared(&self, mut target: TableInfo) -> TableInfo {
        if self.target.is_mariadb() {
            for column in &mut target.columns {
                column.collation = column.collation.take().map(|name| fold::on_mariadb(&name).into());
            }
        }
        target
    }

    fn note_engine(&self, target: &TableId, engine: &str) {
        self.counters.note(
            target.to_string(),
            format!(
                "{target} is in safe mode: its engine {engine} on the target has no transactions, so its rows and the \
                 progress can't be stored together"
            ),
        );
    }

    /// Tells in the status which statements are held back, and no longer which were.
    pub fn held_back(&self, before: &Records, now: &Records) {
        for (shadow, _) in before.held_back() {
            self.counters.unnote(&format!("held {shadow}"));
        }
        for (shadow, sql) in now.held_back() {
            let why =
                format!("{sql} is held back: {shadow} may be about to take the table's place (online schema change)");
            self.counters.note(format!("held {shadow}"), why);
        }
    }

    /// What the run tells about itself.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Notes that another collation stands on a target table for the source's.
    pub fn mapped(&self, target: &TableId, mapping: &Mapping) {
        let name = if target.name.is_empty() { quote_name(&target.schema) } else { target.to_string() };
        self.counters.mapped.add(self.target.task(), &name, mapping);
    }

    /// Notes the mapped collations of a table that exists: a restart forgets what the DDL said.
    fn note_mapped(&self, source: &TableInfo, target: &TableInfo) {
        let policy = self.target.collations();
        for column in &source.columns {
            let (Some(charset), Some(collation)) = (&column.charset, &column.collation) else { continue };
            let pair = CharsetPair { charset: charset.clone(), collation: collation.clone() };
            let there = target.column(&column.name).and_then(|column| column.collation.as_deref());
            if let Ok(Some(mapping)) = policy.mapping(&pair)
                && there == Some(mapping.to.collation.as_str())
            {
                self.mapped(&target.id(), &mapping);
            }
        }
    }

    /// The default of a schema of the target; None when it isn't there.
    pub async fn schema_charset(&mut self, schema: &str) -> Result<Option<CharsetPair>, DmError> {
        let sql = format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            quote_text(schema)
        );
        let found = self.at_target.first::<(String, String)>(&sql).await?;
        Ok(found.and_then(|(_, collation)| self.target.collations().target.pair(&collation)))
    }

    /// Forgets what was fetched of tables that a DDL changed, on either side; the others stay, however many they are.
    pub fn forget(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            match subject {
                Subject::Table(id) => self.at_target.forget(id),
                Subject::Schema(schema) => self.at_target.forget(&TableId::new(schema.as_str(), "")),
            }
        }
        let Structures { tables, tracker, ordered, .. } = self;
        if self.foreign_keys.take().is_some() {
            // A foreign key reaches tables that the statement doesn't name.
            tables.clear();
            self.at_target.forget_all();
        }
        tables.retain(|source, (table, tracked)| {
            let same = tracker.get(&source.schema, &source.name).is_some_and(|now| Arc::ptr_eq(&now, tracked));
            same && !touched(subjects, &table.target)
        });
        ordered.retain(|target| !touched(subjects, target));
    }

    /// A statement changed this table of the source (all of the schema's, if the name is empty): what is known of it
    /// without the binlog may be older.
    pub fn altered_at_source(&mut self, source: &TableId) {
        self.at_source.forget(source);
    }

    /// The target's structure as it is now; error 44007 when there is none.
    pub async fn target_info(&mut self, target: &TableId, source: &TableId) -> Result<TableInfo, DmError> {
        self.at_target.table_now(target).await?.ok_or_else(|| missing(target, source))
    }

    /// How far changes of a target table may be put together at most.
    async fn combine_limit(&mut self, target: &TableId) -> Result<Combine, DmError> {
        if self.target.checks_foreign_keys() {
            return Ok(Combine::Rows);
        }
        if self.config.syncer.compact {
            return Ok(Combine::Reinsert);
        }
        if self.target.is_tidb() {
            return Ok(Combine::Reinsert);
        }
        let answer = self.at_target.first::<(u64, u64)>(&watchers::question(target)).await?;
        Ok(watchers::limit(answer))
    }

    async fn first_touch(
        &mut self,
        map: &TableMap,
        source: &TableId,
        target: &TableInfo,
        time: u32,
    ) -> Result<Arc<TableInfo>, DmError> {
        let mut present = self.at_source.table(source).await?;
        if !present.as_ref().is_some_and(|info| fits(map, info)) {
            // What was read ahead may be older than these rows.
            present = self.at_source.table_now(source).await?;
        }
        let renamed = TableInfo { schema: source.schema.clone(), name: source.name.clone(), ..target.clone() };
        let dumped = matches!(self.config.mode, TaskMode::All | TaskMode::LoadSync);
        let info = match origin::choose(map, present, renamed, dumped) {
            Some((info, origin)) => {
                tracing::info!(table = %source, ?origin, "the structure of an untracked table");
                if origin == Origin::SourceInOtherOrder
                    && !presumed::is_unaltered_since(&mut self.at_source, source, time).await?
                {
                    return Err(presumed::unknown_order(source, &target.id()));
                }
                if origin != Origin::Target {
                    self.presumed.insert(source.clone());
                }
                info
            }
            None => {
                layout::from_map(map, &self.tracker.server()).ok_or_else(|| unknown_structure(map, source, target))?
            }
        };
        self.tracker.put(info);
        self.tracker.get(&source.schema, &source.name).ok_or_else(|| {
            DmError::new(Code::SchemaTrackerCannotGetTable).msg(format!("cannot get the structure of {source}"))
        })
    }

    /// The source's present structure; None when the table isn't there.
    pub async fn source_info(&mut self, source: &TableId) -> Result<Option<TableInfo>, DmError> {
        self.at_source.table_now(source).await
    }
}

fn touched(subjects: &[Subject], target: &TableId) -> bool {
    subjects.iter().any(|subject| match subject {
        Subject::Table(id) => target == id,
        Subject::Schema(schema) => target.schema == *schema,
    })
}

/// DM's error for a target table that isn't there.
pub fn missing(target: &TableId, source: &TableId) -> DmError {
    DmError::new(Code::SchemaTrackerCannotFetchDownstreamTable)
        .msg(format!(
            "cannot fetch downstream table schema of {target} to initialize upstream schema {source} in schema tracker"
        ))
        .cause(format!("Error 1146 (42S02): Table '{}.{}' doesn't exist", target.schema, target.name))
}

fn unknown_structure(map: &TableMap, source: &TableId, target: &TableInfo) -> DmError {
    DmError::new(Code::SyncerUnitDMLColumnNotMatch)
        .msg(format!(
            "the binlog's rows of {source} have {} columns, but neither the source's present structure nor that of {} \
             ({} columns) fits them",
            map.columns.len(),
            target.id(),
            target.columns.len()
        ))
        .workaround(
            "The table was altered after the position where the task reads. Please start the task with a dump (mode \
             `all`), or from a position after the change.",
        )
}
