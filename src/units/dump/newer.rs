//! A dump whose connections are gone goes on under a newer snapshot. Chunks that are in whole files stay; the others are read as the
//! source is now. Sync begins where the first snapshot stands, and in safe mode up to the newest: what was changed in between comes
//! once more, in statements that may be repeated (docs/full/stream.md has the proof). [`look`] says whether that may be done.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use futures::{StreamExt, stream::iter};
use mysql_async::{Conn, prelude::Queryable};

use super::{
    files::{FileFacts, Manifest},
    identity::{self, Identity, Means},
    ledger::{Begun, Done, Table},
    lock,
    metadata::DumpLocation,
    options::{Consistency, DumpOptions},
    plan::{self, DumpPlan, TablePlan},
    snapshot,
};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, Result, Scope},
    mysql::show_binary_logs,
    rules::Router,
    schema::{ServerInfo, model::quote_name},
    units::{
        link,
        load::{folder, verb},
        stream,
    },
};

/// Files that are compared with the ledger at the same time.
const LOOKS: usize = 4;

/// What an earlier run left in whole files, and what of the tables is missing.
pub struct Earlier {
    pub begun: Begun,
    pub done: Vec<Done>,
    /// All tables of the first snapshot, in the ledger's order: those of which nothing is missing by name only.
    pub plan: DumpPlan,
    /// Of the plan's tables, as the source is now.
    pub identities: Vec<Identity>,
    /// Tables of which something is missing and whose rows can't be told apart: they are read whole, at one place.
    pub whole: BTreeSet<usize>,
}

impl Earlier {
    /// Chunks in all, and those that are complete.
    pub fn chunks(&self) -> (usize, usize) {
        (self.begun.tables.iter().map(|table| table.conditions.len()).sum(), self.done.len())
    }

    /// The files of the chunks that are complete.
    pub fn files(&self) -> Manifest {
        self.done.iter().flat_map(|done| done.files.iter().cloned()).collect()
    }

    /// The tables of which something is missing, as a snapshot wants to know them.
    pub fn missing(&self) -> Vec<TablePlan> {
        let done = of_tables(&self.done);
        let missing = |at: usize| done.get(&at).copied().unwrap_or(0) < self.conditions(at);
        let tables = self.plan.tables.iter().enumerate().filter(|(at, _)| missing(*at));
        tables.map(|(at, plan)| TablePlan { has_key: !self.whole.contains(&at), ..plan.clone() }).collect()
    }

    /// What the missing chunks have, as the source guessed.
    pub fn bytes_left(&self) -> u64 {
        let done = of_tables(&self.done);
        let tables = self.begun.tables.iter().enumerate().map(|(at, table)| {
            let chunks = table.conditions.len().max(1) as u64;
            table.bytes / chunks * chunks.saturating_sub(done.get(&at).copied().unwrap_or(0) as u64)
        });
        tables.sum()
    }

    /// What is missing is read under a newer snapshot: tables without a key stand at `place`, the others there or behind it, up to `exit`.
    pub fn is_of(&mut self, place: &DumpLocation, exit: Option<DumpLocation>) {
        for at in &self.whole {
            if let Some(table) = self.begun.tables.get_mut(*at) {
                table.later = Some(place.clone());
            }
        }
        self.begun.exit = Some(exit.unwrap_or_else(|| place.clone()));
    }

    fn conditions(&self, table: usize) -> usize {
        self.begun.tables.get(table).map_or(0, |table| table.conditions.len())
    }
}

/// Complete chunks by table.
fn of_tables(done: &[Done]) -> BTreeMap<usize, usize> {
    let mut out = BTreeMap::new();
    for done in done {
        *out.entry(done.table).or_default() += 1;
    }
    out
}

/// Why a dump of this task can't go on under a newer snapshot, whatever the source says.
pub fn unsuited(config: &SubtaskConfig) -> Option<&'static str> {
    if config.mode != TaskMode::All {
        return Some("no sync follows that would square two snapshots (task-mode)");
    }
    if !verb::lets_snapshots_differ(config) {
        return Some("rows of two snapshots may have the same unique value, which on-duplicate-logical makes an error");
    }
    let filtered = !config.filters.is_empty() || !config.expression_filters.is_empty();
    filtered.then_some("the task's filters may leave out changes that would square two snapshots")
}

/// Which server the connection leads to.
pub async fn server_of(control: &mut Conn, server: &ServerInfo) -> Result<String> {
    let sql = if server.is_mariadb() { "SELECT CONCAT(@@GLOBAL.server_id, '')" } else { "SELECT @@server_uuid" };
    let told: Option<String> = control.query_first(sql).await.map_err(|e| snapshot::query(&e, sql))?;
    Ok(told.unwrap_or_default())
}

/// What is whole of an earlier dump; an error's text: why it doesn't count.
pub async fn look(
    config: &SubtaskConfig,
    options: &DumpOptions,
    (control, server): (&mut Conn, &ServerInfo),
    (begun, done): (Begun, Vec<Done>),
    plan: &DumpPlan,
) -> Result<std::result::Result<Earlier, String>> {
    if let Some(why) = unsuited(config) {
        return Ok(Err(why.into()));
    }
    if server_of(control, server).await? != begun.server {
        return Ok(Err("the source is another server now".into()));
    }
    if !lock::has_full_images(control).await? {
        return Ok(Err("binlog_row_image isn't FULL, which squaring two snapshots takes".into()));
    }
    let needed = &begun.location.binlog_name;
    let files = match show_binary_logs(control).await {
        // Not for this user.
        Err(e) if e.raw_cause().starts_with("Error ") => {
            return Ok(Err(format!(
                "whether the source still has its binlog file {needed} can't be told ({})",
                e.raw_cause()
            )));
        }
        files => files?,
    };
    if !files.iter().any(|file| file.name == *needed) {
        return Ok(Err(format!("the source has no binlog file {needed} any more, where the first snapshot stands")));
    }
    let done = as_written(Path::new(&config.loader.dir), done).await?;
    if done.is_empty() {
        return Ok(Err("no part of it was complete".into()));
    }
    let earlier = match same_tables(control, server, (begun, done), plan).await? {
        Ok(earlier) => earlier,
        Err(why) => return Ok(Err(why)),
    };
    let earlier = read_whole(config, earlier).await?;
    if !earlier.whole.is_empty() && options.consistency == Consistency::None {
        return Ok(Err(
            "tables without a key are missing, and without a lock the place of their rows isn't known".into()
        ));
    }
    Ok(Ok(earlier))
}

/// Chunks whose files are as they were written.
async fn as_written(dir: &Path, done: Vec<Done>) -> Result<Vec<Done>> {
    // A chunk may have been written twice: the later line counts.
    let by_chunk: BTreeMap<(usize, usize), Done> = done.into_iter().map(|d| ((d.table, d.number), d)).collect();
    let looks = by_chunk.into_values().map(|done| {
        let paths: Vec<(PathBuf, FileFacts)> = done.files.iter().map(|(name, facts)| (dir.join(name), *facts)).collect();
        let look = tokio::task::spawn_blocking(move || paths.iter().all(|(path, facts)| is_as_written(path, facts)));
        async move {
            let whole = look.await.map_err(|e| DmError::new(Code::DumpUnitRuntime).msg("a look at a dump file died").cause(e))?;
            if !whole {
                tracing::warn!(files = ?done.files, "a dump's files are not as they were written, their chunk is read again");
            }
            Ok::<_, DmError>(whole.then_some(done))
        }
    });
    let looked: Vec<Result<Option<Done>>> = iter(looks).buffered(LOOKS).collect().await;
    Ok(looked.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn is_as_written(path: &Path, facts: &FileFacts) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == facts.size)
        && folder::agree_in_content(path, facts).is_ok()
}

/// Tables of which something is missing must be those of the first snapshot: a statement that gave a name other rows comes once
/// more, and would find rows from behind it.
async fn same_tables(
    control: &mut Conn,
    server: &ServerInfo,
    (begun, done): (Begun, Vec<Done>),
    now: &DumpPlan,
) -> Result<std::result::Result<Earlier, String>> {
    let identities = identity::read(control, server, &now.tables).await?;
    let now: BTreeMap<(&str, &str), (&TablePlan, Identity)> =
        now.tables.iter().zip(identities).map(|(t, id)| ((t.schema.as_str(), t.table.as_str()), (t, id))).collect();
    let complete = of_tables(&done);
    let (mut plan, mut current) = (DumpPlan::default(), Vec::new());
    for (at, table) in begun.tables.iter().enumerate() {
        let Table { schema, table: name, create_sql, .. } = table;
        if complete.get(&at) == Some(&table.conditions.len()) {
            let (schema, table) = (schema.clone(), name.clone());
            plan.tables.push(TablePlan { schema, table, ..TablePlan::default() });
            current.push(Identity::default());
            continue;
        }
        let named = format!("{}.{}", quote_name(schema), quote_name(name));
        let Some((found, identity)) = now.get(&(schema.as_str(), name.as_str())) else {
            return Ok(Err(format!("{named}, of which rows are missing, is gone")));
        };
        let means = table.identity.means(identity);
        if means == Means::Untold {
            return Ok(Err(format!(
                "whether {named}, of which rows are missing, was renamed since can't be told (PROCESS on the source tells it)"
            )));
        }
        if means == Means::Other || !plan::same_structure(&found.create_sql, create_sql) {
            return Ok(Err(format!("{named}, of which rows are missing, was altered, renamed or made anew since")));
        }
        plan.tables.push((*found).clone());
        current.push(identity.clone());
    }
    (plan.schemas, plan.views, plan.sequences) = (begun.schemas.clone(), begun.views.clone(), begun.sequences.clone());
    Ok(Ok(Earlier { begun, done, plan, identities: current, whole: BTreeSet::new() }))
}

/// Finds the tables whose rows can't be told apart, on the source or on the target: of these a chunk isn't read apart from the others.
async fn read_whole(config: &SubtaskConfig, mut earlier: Earlier) -> Result<Earlier> {
    let router = Router::new(&config.routes, config.case_sensitive)?;
    let complete = of_tables(&earlier.done);
    let mut targets = Vec::new();
    for (at, table) in earlier.plan.tables.iter().enumerate() {
        if complete.get(&at) == Some(&earlier.conditions(at)) {
            continue;
        }
        targets.push((at, table.has_key, router.route(&table.schema, &table.table)?));
    }
    if targets.is_empty() {
        return Ok(earlier);
    }
    let asked = async {
        let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
        stream::tables::without_key(&mut conn, targets.iter().map(|(.., (schema, _))| schema.as_str())).await
    };
    let keyless = link::answered(&config.to, Scope::Downstream, "the keys of the target's tables", asked).await?;
    let whole = targets.iter().filter(|(_, has_key, (schema, table))| {
        !has_key || keyless.contains(&(schema.to_lowercase(), table.to_lowercase()))
    });
    earlier.whole = whole.map(|(at, ..)| *at).collect();
    let Earlier { done, whole, .. } = &mut earlier;
    done.retain(|done| !whole.contains(&done.table));
    Ok(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subtask::{ExpressionFilter, FilterRule};

    #[test]
    fn what_sync_would_not_square_begins_again() {
        let all = SubtaskConfig { mode: TaskMode::All, ..SubtaskConfig::default() };
        assert_eq!(unsuited(&all), None);
        let mut error = all.clone();
        error.loader.on_duplicate_logical = "error".into();
        let others = [
            SubtaskConfig { mode: TaskMode::Full, ..all.clone() },
            error,
            SubtaskConfig { filters: vec![FilterRule::default()], ..all.clone() },
            SubtaskConfig { expression_filters: vec![ExpressionFilter::default()], ..all },
        ];
        assert!(others.iter().all(|config| unsuited(config).is_some()));
    }

    #[test]
    fn what_is_missing_counts() {
        let table = |name: &str, chunks| Table {
            table: name.into(),
            bytes: 100,
            conditions: vec![String::new(); chunks],
            ..Table::default()
        };
        let begun = Begun { tables: vec![table("a", 4), table("b", 1), table("c", 1)], ..Begun::default() };
        let plan = |name: &str| TablePlan { table: name.into(), has_key: true, ..TablePlan::default() };
        let plan = DumpPlan { tables: ["a", "b", "c"].map(plan).into(), ..DumpPlan::default() };
        let done = |table, number| Done { table, number, ..Done::default() };
        let done = vec![done(0, 0), done(0, 3), done(1, 0)];
        let mut earlier = Earlier { begun, done, plan, identities: Vec::new(), whole: BTreeSet::from([2]) };
        assert_eq!((earlier.chunks(), earlier.bytes_left()), ((6, 3), 150));
        let missing: Vec<(String, bool)> = earlier.missing().into_iter().map(|t| (t.table, t.has_key)).collect();
        assert_eq!(missing, [("a".to_owned(), true), ("c".to_owned(), false)]);
        let place = |name: &str| DumpLocation { binlog_name: name.into(), ..DumpLocation::default() };
        earlier.is_of(&place("b.7"), Some(place("b.8")));
        let meta = earlier.begun.metadata(false);
        assert_eq!((meta.exit, meta.later.len()), (Some(place("b.8")), 1));
        assert_eq!((&meta.later[0].table[..], &meta.later[0].at), ("c", &place("b.7")));
    }
}
