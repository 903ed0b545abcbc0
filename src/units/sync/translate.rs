//! The filter, ddl and row stages, in one task: what comes in as events goes out as changes of the target.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    change::{Change, Keys},
    control::Request,
    cover::Cover,
    ddl::DdlEvent,
    dispatch::{Step, gone},
    failpoint,
    filter::{FilteredRows, Rules},
    location::{At, Transaction},
    memory::{Budget, Held},
    online::Records,
    safe_mode::SafeMode,
    source_row::SourceRow,
    structure::{Joined, Structures},
    table::TargetTable,
    transaction::Item,
    versions,
};
use crate::{
    error::{Code, DmError},
    mysql::{
        binlog::{
            RowPlan, TableMap,
            cursor::Parsed,
            rows::{ImageChange, RowsEvent, RowsKind},
        },
        sql_text::SqlText,
        value::Value,
    },
    rules::EventKind,
    schema::{collation::SourceDefaults, model::TableId, server::ServerInfo, table_info},
};

/// Changes that are handed on together at most, and bytes of their texts.
pub(super) const LOT: usize = 256;
const LOT_BYTES: usize = 256 << 10;

/// Plans kept.
const MOST_PLANS: usize = 4096;

/// The stage's parts.
pub struct TranslateTask {
    /// The task's name.
    pub task: String,
    pub items: mpsc::Receiver<Item>,
    pub steps: mpsc::Sender<Step>,
    pub control: mpsc::Sender<Request>,
    pub rules: Rules,
    pub structures: Structures,
    pub safe_mode: SafeMode,
    /// One a lane.
    pub covers: Vec<Cover>,
    pub budget: Budget,
    pub source_info: ServerInfo,
    pub source_charsets: SourceDefaults,
    /// What is kept of online schema changes.
    pub online: Records,
    pub row: RowState,
}

/// Where the current transaction is, and buffers that are used again.
#[derive(Default)]
pub struct RowState {
    transaction: Option<Arc<Transaction>>,
    /// Row changes of the transaction so far.
    pub(super) rows: u64,
    /// Changes below this number were passed on before the stream broke within the transaction.
    passed: u64,
    buffer: Vec<u8>,
    filtered: FilteredRows,
    /// Text of the changes that are being gathered.
    text: SqlText,
    /// By the table id of the source's server, for as long as both structures stay.
    plans: HashMap<u64, (Arc<TargetTable>, Arc<RowPlan>)>,
    /// The last table map that doesn't tell its layout, and the one that does.
    layout: Option<(Arc<TableMap>, Arc<TableMap>)>,
}

impl RowState {
    /// The event with the layout of its rows, where its table map leaves out what only the structure tells.
    fn laid_out(&mut self, event: RowsEvent, table: &TargetTable) -> RowsEvent {
        if let Some((map, whole)) = &self.layout
            && Arc::ptr_eq(map, &event.table)
        {
            return event.with_table(whole.clone());
        }
        let Some(whole) = table.layout(&event.table).map(Arc::new) else { return event };
        self.layout = Some((event.table.clone(), whole.clone()));
        event.with_table(whole)
    }
}

impl TranslateTask {
    /// Works until the channel is closed.
    pub async fn run(mut self) -> Result<(), DmError> {
        while let Some(item) = self.items.recv().await {
            match item {
                Item::Rows { transaction, event, start_pos, end_pos } => {
                    self.enter(&transaction).await?;
                    if self.replaces_rows(&transaction, start_pos, end_pos).await? {
                        self.row.rows += event.count();
                        continue;
                    }
                    let at = At { start: start_pos, end: end_pos, ..At::default() };
                    self.rows(&transaction, event, at).await.map_err(|error| transaction.annotate(error, at))?;
                }
                Item::Statement { transaction, event, start_pos, end_pos, timestamp, number, alone } => {
                    self.enter(&transaction).await?;
                    let number = u64::from(number) + self.row.rows;
                    let event = DdlEvent { transaction, event, start_pos, end_pos, timestamp, number, alone };
                    self.statement(event).await?;
                }
                Item::Boundary(boundary) => {
                    self.row.transaction = None;
                    self.steps.send(Step::Boundary(boundary)).await.map_err(|_| gone())?;
                }
            }
        }
        Ok(())
    }

    /// Notes which transaction the next event is of.
    async fn enter(&mut self, transaction: &Arc<Transaction>) -> Result<(), DmError> {
        if self.row.transaction.as_ref().is_some_and(|current| Arc::ptr_eq(current, transaction)) {
            return Ok(());
        }
        let again = self.row.transaction.as_ref().is_some_and(|current| current.is_same(transaction));
        self.row.passed = if again { self.row.rows.max(self.row.passed) } else { 0 };
        self.row.transaction = Some(transaction.clone());
        self.row.rows = 0;
        if self.safe_mode.leave_at(&transaction.before) {
            self.control.send(Request::LeftSafeMode).await.map_err(|_| gone())?;
        }
        for cover in &mut self.covers {
            if *cover != Cover::Nothing && cover.is_behind(&transaction.before) {
                *cover = Cover::Nothing;
            }
        }
        Ok(())
    }

    async fn rows(&mut self, transaction: &Arc<Transaction>, event: RowsEvent, at: At<'_>) -> Result<(), DmError> {
        let source = TableId::new(event.table.schema.as_str(), event.table.table.as_str());
        let kind = match event.kind {
            RowsKind::Insert => EventKind::Insert,
            RowsKind::Update => EventKind::Update,
            RowsKind::Delete => EventKind::Delete,
        };
        let Some(target) = self.rules.row_target(&source, kind)? else {
            // Rows that aren't migrated count too: a change's number must not depend on the task's rules.
            self.row.rows += event.count();
            return Ok(());
        };
        if self.structures.is_sequence(&event.table).await? {
            self.row.rows += event.count();
            return Ok(());
        }
        let Joined { table, fresh, drain } = self.structures.table(&event.table, &target, &self.rules).await?;
        if drain {
            self.drain().await?;
        }
        if let Some(info) = fresh {
            let row = super::checkpoint::TableRow::Put { table: source.clone(), json: table_info::to_json(&info)? };
            self.control.send(Request::Rows(vec![row])).await.map_err(|_| gone())?;
        }
        if table.width != event.table.columns.len() {
            return Err(DmError::new(Code::SyncerUnitDMLColumnNotMatch).msg(format!(
                "Column count doesn't match: {source} has {} columns in the tracked structure, {} in the binlog",
                table.width,
                event.table.columns.len()
            )));
        }
        let event = self.row.laid_out(event, &table);
        self.changes(transaction, event, &table, at).await
    }

    /// Hands on the row changes of an event of a migrated table.
    async fn changes(
        &mut self,
        transaction: &Arc<Transaction>,
        event: RowsEvent,
        table: &Arc<TargetTable>,
        at: At<'_>,
    ) -> Result<(), DmError> {
        let event_size = u32::try_from(at.end.saturating_sub(at.start)).unwrap_or(u32::MAX);
        let place = Place { table, transaction, end_pos: at.end, event_size };
        let held = self.budget.take(event.size() * 3).await;
        let mut lot = Lot::new(held);
        if !event.is_full() {
            self.partial_changes(&place, &event, &mut lot).await?;
        } else if event.partial || table.expressions.is_some() {
            for change in event.rows() {
                let (before, after) = table.completed(change?);
                if self.is_filtered(&place, before.as_deref(), after.as_deref())? {
                    continue;
                }
                let before = before.as_deref().map(|values| table.row(values));
                let after = after.as_deref().map(|values| table.row(values));
                self.change(&place, before, after, &mut lot).map_err(|wrong| event.malformed(wrong, 0))?;
                self.send(&mut lot, LOT).await?;
            }
        } else {
            let plan = self.row_plan(table, &event.table);
            let mut images = event.images(&plan);
            while let Some(change) = images.next_change() {
                let ImageChange { before, after } = change?;
                let (before, after) = (before.map(SourceRow::Image), after.map(SourceRow::Image));
                self.change(&place, before, after, &mut lot).map_err(|wrong| images.malformed(wrong))?;
                self.send(&mut lot, LOT).await?;
            }
        }
        self.send(&mut lot, 1).await
    }

    /// Whether expression filters skip the change; it is counted then.
    pub(super) fn is_filtered(
        &mut self,
        place: &Place<'_>,
        before: Option<&[Value]>,
        after: Option<&[Value]>,
    ) -> Result<bool, DmError> {
        let Some(expressions) = &place.table.expressions else { return Ok(false) };
        let skips = expressions.skips(before, after, microseconds(place.transaction))?;
        if skips {
            self.row.rows += 1;
            self.row.filtered.count(before.is_some(), after.is_some());
        }
        Ok(skips)
    }

    /// Waits until all that was handed on is durable.
    pub(super) async fn drain(&mut self) -> Result<(), DmError> {
        let (reply, drained) = oneshot::channel();
        self.steps.send(Step::Drain(reply)).await.map_err(|_| gone())?;
        drained.await.map_err(|_| gone())
    }

    /// The plan of a layout; kept, for the same tables come again and again.
    fn row_plan(&mut self, table: &Arc<TargetTable>, map: &Arc<TableMap>) -> Arc<RowPlan> {
        let known = self.row.plans.get(&map.table_id);
        if let Some((of, plan)) = known
            && Arc::ptr_eq(of, table)
            && plan.is_for(map)
        {
            return plan.clone();
        }
        if self.row.plans.len() >= MOST_PLANS {
            self.row.plans.clear();
        }
        let plan = Arc::new(table.plan(map));
        self.row.plans.insert(map.table_id, (table.clone(), plan.clone()));
        plan
    }

    /// Hands on what was gathered, if that is at least so many changes (or much text).
    pub(super) async fn send(&mut self, lot: &mut Lot, least: usize) -> Result<(), DmError> {
        if lot.changes.len() < least && self.row.text.len() < LOT_BYTES || lot.changes.is_empty() {
            return Ok(());
        }
        failpoint::pass(&self.task, failpoint::Place::TranslateBeforeSend)?;
        let changes = lot.take(&mut self.row.text);
        self.steps.send(Step::Changes(changes)).await.map_err(|_| gone())
    }

    /// Adds one row change to the lot, unless it is on the target already.
    pub(super) fn change(
        &mut self,
        place: &Place<'_>,
        before: Option<SourceRow<'_>>,
        after: Option<SourceRow<'_>>,
        lot: &mut Lot,
    ) -> Parsed<()> {
        let index = self.row.rows;
        self.row.rows += 1;
        let Place { table, transaction, end_pos, event_size } = *place;
        let (before, after) = match table.row_end {
            Some(row_end) => versions::of_current_rows(before, after, row_end)?,
            None => (before, after),
        };
        let (lanes, mut keys) = (self.covers.len() as u16, Keys::new());
        let (conflicts, buffer) = (&table.conflicts, &mut self.row.buffer);
        let lane = match (before, after) {
            (Some(old), Some(new)) => conflicts.place(&[old, new], lanes, &mut keys, buffer)?,
            (Some(row), None) | (None, Some(row)) => conflicts.place(&[row], lanes, &mut keys, buffer)?,
            (None, None) => return Ok(()),
        };
        if index < self.row.passed
            || self.covers.get(usize::from(lane)).is_some_and(|cover| cover.covers(transaction, index))
        {
            return Ok(());
        }
        let relations = conflicts.relate(before.as_ref(), after.as_ref(), buffer)?;
        let text = &mut self.row.text;
        let Some((kind, op)) = table.render(before.as_ref(), after.as_ref(), self.safe_mode.is_on(), text)? else {
            return Ok(());
        };
        lot.ends.push(text.len());
        lot.changes.push(Change {
            ordinal: 0,
            lane,
            transaction: transaction.clone(),
            index,
            end_pos,
            event_size,
            table: table.clone(),
            kind,
            op,
            text: Bytes::new(),
            keys,
            relations,
            after: Vec::new(),
            _held: lot.held.clone(),
        });
        Ok(())
    }
}

fn microseconds(transaction: &Transaction) -> i64 {
    i64::from(transaction.timestamp) * 1_000_000
}

/// What all changes of an event have in common.
pub(super) struct Place<'a> {
    pub(super) table: &'a Arc<TargetTable>,
    transaction: &'a Arc<Transaction>,
    end_pos: u64,
    event_size: u32,
}

/// Changes of one event that are handed on together: one message, and one piece of memory for their texts.
pub(super) struct Lot {
    held: Arc<Held>,
    changes: Vec<Change>,
    /// Where the text of each ends.
    ends: Vec<usize>,
}

impl Lot {
    fn new(held: Arc<Held>) -> Lot {
        Lot { held, changes: Vec::new(), ends: Vec::new() }
    }

    /// The changes with their texts; nothing is left.
    fn take(&mut self, text: &mut SqlText) -> Vec<Change> {
        let mut texts = text.to_bytes();
        text.clear();
        let mut changes = std::mem::take(&mut self.changes);
        let mut start = 0;
        for (change, end) in changes.iter_mut().zip(self.ends.drain(..)) {
            change.text = texts.split_to(end - start);
            start = end;
        }
        changes
    }
}
