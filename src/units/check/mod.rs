//! The check unit: what a task needs of its sources and its target, looked at before it starts
//! (config facts, section 8). Sources are checked side by side; tables are read in bulk.

mod collations;
mod grants;
mod limits;
mod progress;
pub mod report;
mod rights;
mod shards;
mod sizes;
mod source;
mod structure;
mod tables;
mod target;
mod target_tables;

use std::time::Duration;

use futures::future::join_all;

use self::{progress::Progress, shards::Targets, sizes::Estimate, source::Source, target::Target};
use super::dump::DumpOptions;
use crate::{
    config::{
        SubtaskConfig,
        subtask::{DbConfig, TaskMode},
    },
    error::{Code, DmError, Result, Scope},
    pb::UnitType,
    rules::{BlockAllow, expression::Filters},
    schema::{collation::CollationPolicy, load},
    units::sequence,
};

pub use progress::now;
pub use report::{Finding, Outcome, Report, State, Summary};
pub use sizes::Estimate as CopyEstimate;

/// How many failures and warnings a report shows; negative: all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckOptions {
    pub error_limit: i64,
    pub warn_limit: i64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions { error_limit: 10, warn_limit: 10 }
    }
}

const WHOLE_CHECK: Duration = Duration::from_secs(30 * 60);

/// Checks all subtasks of one task. Errors are of the check itself: 26002 when a database can't be reached, 26006 for
/// an invalid block-allow list. What the checks find is in the report.
pub async fn run(subtasks: &[SubtaskConfig], options: CheckOptions) -> Result<Report> {
    let task = subtasks.first().map_or("", |first| &first.name);
    let progress = Progress::begin(task);
    let checked = tokio::select! {
        checked = tokio::time::timeout(WHOLE_CHECK, check(subtasks, &progress)) => checked,
        never = progress.tell(task) => match never {},
    };
    let (outcomes, estimate) = checked.map_err(|_| {
        DmError::new(Code::TaskCheckSyncConfigError)
            .msg(format!("the check did not end within 30 minutes; it was at: {}", progress.text()))
            .workaround("Please leave slow items out with `ignore-checking-items`.")
    })??;
    Ok(Report::new(outcomes, options.error_limit, options.warn_limit).with_estimate(estimate))
}

/// Whether an item is to be checked.
fn wanted(config: &SubtaskConfig, item: &str) -> bool {
    !config.ignore_checking_items.iter().any(|ignored| ignored == "all" || ignored == item)
}

fn has(mode: TaskMode, unit: UnitType) -> bool {
    sequence(mode).contains(&unit)
}

async fn check(subtasks: &[SubtaskConfig], progress: &Progress) -> Result<(Vec<Outcome>, Option<Estimate>)> {
    let Some(first) = subtasks.first() else { return Ok((Vec::new(), None)) };
    if first.ignore_checking_items.iter().any(|item| item == "all") {
        return Ok((Vec::new(), None));
    }
    progress.at("the target", "connecting");
    let mut target = Target::connect(first).await.map_err(|e| cannot_open(&first.to, e))?;
    let policy = target.collations().await?;
    let per_source = join_all(subtasks.iter().map(|config| check_source(config, &policy, progress))).await;
    let mut out = Vec::new();
    let mut of_sources = Vec::new();
    let (mut targets, mut estimate) = (Targets::new(), None);
    for (config, checked) in subtasks.iter().zip(per_source) {
        let mut checked = checked?;
        out.extend(checked.dumper);
        of_sources.append(&mut checked.rest);
        if let Some(size) = &checked.size {
            estimate.get_or_insert_with(Estimate::default).add(size);
        }
        shards::collect(config, &checked.address, &checked.tables, &mut targets)?;
    }
    progress.at("the target", "connections and privileges");
    if wanted(first, "conn_number") && has(first.mode, UnitType::Load) {
        let needed = subtasks.iter().map(|s| s.loader.pool_size + 1).sum();
        out.push(settled(target.check_connections(needed).await, "loader_conn_number_checker"));
    }
    if wanted(first, "target_privilege") {
        let schemas = targets.keys().map(|(schema, _)| schema.clone()).collect();
        out.push(settled(target.check_privilege(&schemas).await, "target db privilege checker"));
    }
    out.append(&mut of_sources);
    let sharding = !first.shard_mode.is_empty() && has(first.mode, UnitType::Dump);
    if sharding && wanted(first, "schema_of_shard_tables") && !target.has_checkpoint().await {
        let optimistic = first.shard_mode == "optimistic";
        out.extend(shards::check(&targets, optimistic, !optimistic && wanted(first, "auto_increment_ID")));
    }
    Ok((out, estimate))
}

/// A check that could not be made is a failed check.
fn settled(checked: Result<Outcome>, name: &str) -> Outcome {
    checked.unwrap_or_else(|e| {
        let mut out = Outcome::new(name, "", "");
        out.broken(&e);
        out
    })
}

/// What was found at one source.
struct CheckedSource {
    address: String,
    tables: tables::Tables,
    size: Option<Estimate>,
    /// The dump's connections.
    dumper: Option<Outcome>,
    rest: Vec<Outcome>,
}

/// All items of one source.
async fn check_source(config: &SubtaskConfig, policy: &CollationPolicy, progress: &Progress) -> Result<CheckedSource> {
    let at = |what: &str| progress.at(&config.source_id, what);
    at("connecting");
    let mut source = Source::connect(config).await.map_err(|e| cannot_open(&config.from, e))?;
    let lists = BlockAllow::new(&config.block_allow_list, config.case_sensitive)
        .map_err(|e| DmError::new(Code::TaskCheckGenBAList).msg(e.message()).cause(e.raw_cause()))?;
    at("structures of tables");
    let (dump, sync) = (has(config.mode, UnitType::Dump), has(config.mode, UnitType::Sync));
    let tables = tables::read(&mut source.conn, &source.server, config, &lists).await?;
    let size = if dump { sizes_of(&mut source, &lists, &tables).await } else { None };
    at(&format!("{} tables", tables.len()));
    let grants = source.grants().await?;
    let want = |item: &str| wanted(config, item);
    let dumper = if want("conn_number") && dump { Some(dump_connections(&mut source).await) } else { None };
    let mut out = Vec::new();
    if want("version") {
        out.push(source.check_version());
    }
    if want("dump_privilege") && dump {
        at("privileges");
        out.push(source.check_dump_privilege(&grants, &tables).await);
    }
    if want("meta_position") && !dump && config.meta.is_some() {
        out.push(settled(source.check_meta_position().await, "meta position check"));
    }
    if sync {
        check_expressions(&mut source, config).await?;
        at("binlog");
        check_replication(&mut source, &grants, &tables, &mut out).await;
    }
    if want("table_schema") {
        let mut structure = tables::structure(&tables, policy, &source.address);
        if dump {
            at(&format!("{} tables on the target", tables.len()));
            if let Err(e) = target_tables::ask(&mut source, &tables, policy, &mut structure).await {
                structure.broken(&e);
            }
        }
        out.push(structure);
        out.extend(collations::mapped(&tables, policy, &source.address));
    }
    at("done");
    Ok(CheckedSource { address: source.address, tables, size, dumper, rest: out })
}

/// What a full copy of this source moves; None when it copies nothing, or the source doesn't tell.
async fn sizes_of(source: &mut Source<'_>, lists: &BlockAllow, tables: &tables::Tables) -> Option<Estimate> {
    let config = source.config;
    let of = sizes::Selected { config, lists };
    let kept = sizes::kept(&mut source.conn, &of).await;
    match sizes::complete(&mut source.conn, &of, kept, tables).await {
        Ok(size) => size,
        Err(error) => {
            tracing::warn!(source = %config.source_id, %error, "the sizes of tables are not known");
            None
        }
    }
}

/// `conn_number` of the dump.
async fn dump_connections(source: &mut Source<'_>) -> Outcome {
    let config = source.config;
    let name = "dumper_conn_number_checker";
    let desc = "check if connetion concurrency exceeds database's maximum connection limit";
    let mut out = Outcome::new(name, desc, source.address.clone());
    let threads = DumpOptions::new(&config.mydumper, &config.from).map_or(config.mydumper.threads, |o| o.threads);
    let checked =
        target::connections(&mut source.conn, Scope::Upstream, threads + 1, "threads (mydumpers)", &mut out).await;
    settled(checked.map(|()| out), name)
}

/// Expression filters against the tables as they are now; a table that isn't there yet is looked at with its first row.
async fn check_expressions(source: &mut Source<'_>, config: &SubtaskConfig) -> Result<()> {
    let filters = Filters::new(&config.expression_filters, &config.timezone, config.case_sensitive)?;
    if filters.is_empty() {
        return Ok(());
    }
    for id in filters.tables() {
        if let Some(table) = load::fetch_table(&mut source.conn, &id.schema, &id.name).await? {
            filters.compile(&table, source.server)?;
        }
    }
    Ok(())
}

async fn check_replication(
    source: &mut Source<'_>,
    grants: &grants::Grants,
    tables: &tables::Tables,
    out: &mut Vec<Outcome>,
) {
    let config = source.config;
    if wanted(config, "server_id") {
        out.push(settled(source.check_server_id().await, "mysql_server_id"));
    }
    if wanted(config, "binlog_enable") {
        out.push(settled(source.check_binlog_enable().await, "mysql_binlog_enable"));
    }
    if wanted(config, "binlog_format") {
        out.push(settled(source.check_binlog_format().await, "mysql_binlog_format"));
    }
    if wanted(config, "binlog_row_image") {
        out.push(settled(source.check_binlog_row_image().await, "mysql_binlog_row_image"));
    }
    if wanted(config, "replication_privilege") {
        out.push(source.check_replication_privilege(grants, tables).await);
    }
    if wanted(config, "online_ddl") && config.online_ddl {
        out.push(source.check_online_ddl(tables));
    }
    if wanted(config, "binlog_db") {
        out.push(settled(source.check_binlog_db(tables).await, "binlog_do_db/binlog_ignore_db check"));
    }
}

fn cannot_open(db: &DbConfig, e: DmError) -> DmError {
    let text = format!("fail to open DB with user {} and address {}:{}", db.user, db.host, db.port);
    DmError::new(Code::TaskCheckFailedOpenDB)
        .msg(text)
        .cause(e.raw_cause())
        .scope(e.scope_of())
        .workaround("Please check that the database runs, and its host, port, user and password in the configuration.")
}
