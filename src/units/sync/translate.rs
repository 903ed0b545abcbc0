//! The filter, ddl and row stages, in one task: what comes in as events goes out as changes of the target.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    ahead::Ahead,
    change::{Change, Keys, Kind, Rendered},
    control::Request,
    counters::Counters,
    cover::Cover,
    ddl::DdlEvent,
    dispatch::{Step, gone},
    filter::{FilteredRows, Rules},
    known::{Known, Way},
    location::{At, Boundary, Transaction},
    memory::{Budget, COPIES, Held},
    online::Records,
    outlet::Items,
    safe_mode::SafeMode,
    source_row::SourceRow,
    structure::{Joined, Structures},
    table::TargetTable,
    transaction::{Item, Refused},
    unsaved::Unsaved,
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
    units::failpoint,
};

/// Changes that are handed on together at most, and bytes of their texts.
pub(super) const LOT: usize = 256;
const LOT_BYTES: usize = 256 << 10;

/// The stage's parts.
pub struct TranslateTask {
    /// The task's name.
    pub task: String,
    /// What came at once, in the stream's order.
    pub items: mpsc::Receiver<Items>,
    pub steps: mpsc::Sender<Step>,
    pub control: mpsc::Sender<Request>,
    pub rules: Rules,
    pub structures: Structures,
    pub unsaved: Arc<Unsaved>,
    pub safe_mode: SafeMode,
    pub ahead: Ahead,
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
    /// Of the present event's time: for memory and for a place in the queue.
    waited: Duration,
    /// Of that time: for statements and what stands before them.
    pub(super) aside: Duration,
    /// Rows events so far.
    events: u32,
    /// Text of the changes that are being gathered.
    text: SqlText,
    lot: Lot,
    pub(super) known: Known,
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

/// Of so many rows events one is measured: looking at the clock for each would cost as much as many of them take.
const SAMPLE: u32 = 32;

/// A rows event that is measured.
struct Sample {
    started: Instant,
    kind: Kind,
    migrated: bool,
    rows: u64,
    waited: Duration,
}

impl RowState {
    /// Counts the rows of a table that isn't migrated, as all that come with this map.
    fn skip(&mut self, event: &RowsEvent) {
        let plan = Arc::new(RowPlan::new(event.table.clone(), &[]));
        self.rows += event.count_by(&plan);
        self.known.learn(&event.table, event.kind, Way::Skip(plan));
    }

    fn sample(&mut self, event: &RowsEvent) -> Option<Sample> {
        self.events = self.events.wrapping_add(1);
        if self.events % SAMPLE != 1 {
            return None;
        }
        let kind = match event.kind {
            RowsKind::Insert => Kind::Insert,
            RowsKind::Update => Kind::Update,
            RowsKind::Delete => Kind::Delete,
        };
        let migrated = !matches!(self.known.way(event), Some(Way::Skip(_)));
        Some(Sample { started: Instant::now(), kind, migrated, rows: self.rows, waited: self.waited })
    }
}

impl Sample {
    fn show(self, row: &RowState, counters: &Counters) {
        let others = row.waited.saturating_sub(self.waited);
        let own = self.started.elapsed().saturating_sub(others);
        counters.rows_event(self.kind, row.rows.saturating_sub(self.rows), self.migrated, own);
    }
}

impl TranslateTask {
    /// Works until the channel is closed.
    pub async fn run(mut self) -> Result<(), DmError> {
        while let Some(Items { items, held: _held }) = self.items.recv().await {
            let started = Instant::now();
            (self.row.waited, self.row.aside) = (Duration::ZERO, Duration::ZERO);
            for item in items {
                self.item(item).await?;
            }
            // A change waits only for the company that came with it.
            self.flush().await?;
            let others = self.row.waited + self.row.aside;
            self.structures.counters().decoded(started.elapsed().saturating_sub(others), self.row.waited);
        }
        Ok(())
    }

    async fn item(&mut self, item: Item) -> Result<(), DmError> {
        match item {
            Item::Rows { transaction, event, start_pos, end_pos } => {
                self.enter(&transaction).await?;
                if self.replaces(&transaction, start_pos, end_pos, false).await? {
                    self.row.rows += event.count();
                    return Ok(());
                }
                let at = At { start: start_pos, end: end_pos, ..At::default() };
                let sample = self.row.sample(&event);
                self.rows(&transaction, event, at).await.map_err(|error| transaction.annotate(error, at))?;
                if let Some(sample) = sample {
                    sample.show(&self.row, self.structures.counters());
                }
                Ok(())
            }
            Item::Statement { transaction, event, start_pos, end_pos, timestamp, number, alone } => {
                self.enter(&transaction).await?;
                self.row.known.forget();
                let number = u64::from(number) + self.row.rows;
                self.statement(DdlEvent { transaction, event, start_pos, end_pos, timestamp, number, alone }).await
            }
            Item::Refused(refused) => {
                let Refused { transaction, start_pos, end_pos, alone, error } = *refused;
                self.enter(&transaction).await?;
                if self.replaces(&transaction, start_pos, end_pos, alone).await? {
                    tracing::warn!(error = %error, "an event that can't be migrated is passed");
                    return Ok(());
                }
                let at = At { start: start_pos, end: end_pos, refused: true, ..At::default() };
                Err(transaction.annotate(error, at))
            }
            Item::Boundary(boundary) => {
                self.row.transaction = None;
                self.row.lot.end(boundary);
                self.send(LOT).await
            }
        }
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
            self.ahead.clear();
            self.flush().await?;
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
        match self.row.known.way(&event) {
            _ if self.ahead.has(&event.table.schema, &event.table.table, transaction) => self.row.rows += event.count(),
            Some(Way::Skip(plan)) => self.row.rows += event.count_by(&plan),
            Some(Way::To(table, plan)) => {
                return self.changes(transaction, event, &table, &plan, at).await;
            }
            _ => return self.unknown_rows(transaction, event, at).await,
        }
        Ok(())
    }

    /// Rows of a table map that comes for the first time.
    async fn unknown_rows(
        &mut self,
        transaction: &Arc<Transaction>,
        event: RowsEvent,
        at: At<'_>,
    ) -> Result<(), DmError> {
        let source = TableId::new(event.table.schema.as_str(), event.table.table.as_str());
        let kind = match event.kind {
            RowsKind::Insert => EventKind::Insert,
            RowsKind::Update => EventKind::Update,
            RowsKind::Delete => EventKind::Delete,
        };
        let Some(target) = self.rules.row_target(&source, kind)? else {
            // Rows that aren't migrated count too: a change's number must not depend on the task's rules.
            self.row.skip(&event);
            return Ok(());
        };
        if self.structures.is_sequence(&event.table).await? {
            self.row.skip(&event);
            return Ok(());
        }
        let Joined { table, fresh, drain } =
            self.structures.table(&event.table, &target, &self.rules, transaction.timestamp).await?;
        if drain {
            self.row.known.forget();
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
        let (map, kind) = (event.table.clone(), event.kind);
        let event = self.row.laid_out(event, &table);
        let plan = Arc::new(table.plan(&event.table));
        if Arc::ptr_eq(&map, &event.table) {
            self.row.known.learn(&map, kind, Way::To(table.clone(), plan.clone()));
        }
        self.changes(transaction, event, &table, &plan, at).await
    }

    /// Hands on the row changes of an event of a migrated table.
    async fn changes(
        &mut self,
        transaction: &Arc<Transaction>,
        event: RowsEvent,
        table: &Arc<TargetTable>,
        plan: &RowPlan,
        at: At<'_>,
    ) -> Result<(), DmError> {
        let event_size = u32::try_from(at.end.saturating_sub(at.start)).unwrap_or(u32::MAX);
        let unchecked = event.ignores_foreign_keys();
        let place = Place { table, transaction, end_pos: at.end, event_size, unchecked };
        if event.size() > LOT_BYTES {
            self.flush().await?;
            self.row.lot.reserved = None;
            let asked = Instant::now();
            self.row.lot.reserved = Some(self.budget.take(event.size() * 2 * COPIES).await);
            self.row.waited += asked.elapsed();
        }
        if !event.is_full() {
            self.partial_changes(&place, &event).await?;
        } else if event.partial || table.expressions.is_some() {
            for change in event.rows() {
                let (before, after) = table.completed(change?);
                if self.is_filtered(&place, before.as_deref(), after.as_deref())? {
                    continue;
                }
                let before = before.as_deref().map(|values| table.row(values));
                let after = after.as_deref().map(|values| table.row(values));
                self.change(&place, before, after).map_err(|wrong| event.malformed(wrong, 0))?;
                self.send(LOT).await?;
            }
        } else {
            let mut images = event.images(plan);
            while let Some(change) = images.next_change() {
                let ImageChange { before, after } = change?;
                let (before, after) = (before.map(SourceRow::Image), after.map(SourceRow::Image));
                self.change(&place, before, after).map_err(|wrong| images.malformed(wrong))?;
                self.send(LOT).await?;
            }
        }
        Ok(())
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

    /// Waits until all that was gathered and handed on is durable.
    pub(super) async fn drain(&mut self) -> Result<(), DmError> {
        self.flush().await?;
        let asked = Instant::now();
        let (reply, drained) = oneshot::channel();
        self.steps.send(Step::Drain(reply)).await.map_err(|_| gone())?;
        drained.await.map_err(|_| gone())?;
        self.row.aside += asked.elapsed();
        Ok(())
    }

    /// Hands on what was gathered, if that is at least so much (or much text).
    pub(super) async fn send(&mut self, least: usize) -> Result<(), DmError> {
        let lot = &self.row.lot;
        if lot.changes.len() + lot.ends.len() < least && self.row.text.len() < LOT_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    /// Hands on all that was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), DmError> {
        if self.row.lot.changes.is_empty() && self.row.lot.ends.is_empty() {
            return Ok(());
        }
        failpoint::pass(&self.task, failpoint::Place::TranslateBeforeSend)?;
        let asked = Instant::now();
        let held = match self.row.lot.reserved.take() {
            Some(reserved) => reserved,
            None => self.budget.take(self.row.lot.size(&self.row.text)).await,
        };
        let step = self.row.lot.take(&mut self.row.text, &held);
        let sent = self.steps.send(step).await;
        self.row.waited += asked.elapsed();
        sent.map_err(|_| gone())
    }

    /// Adds one row change to the lot, unless it is on the target already.
    pub(super) fn change(
        &mut self,
        place: &Place<'_>,
        before: Option<SourceRow<'_>>,
        after: Option<SourceRow<'_>>,
    ) -> Parsed<()> {
        let index = self.row.rows;
        self.row.rows += 1;
        let Place { table, transaction, end_pos, event_size, unchecked } = *place;
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
        let rendered = table.render(before.as_ref(), after.as_ref(), self.safe_mode.is_on(), text)?;
        let Some(Rendered { kind, op, key_len, columns }) = rendered else { return Ok(()) };
        self.row.lot.texts.push(text.len());
        self.row.lot.changes.push(Change {
            ordinal: 0,
            lane,
            transaction: transaction.clone(),
            index,
            end_pos,
            event_size,
            table: table.clone(),
            kind,
            op,
            columns,
            text: Bytes::new(),
            key_len: key_len as u32,
            keys,
            relations,
            unchecked: unchecked && conflicts.is_related(),
            after: Vec::new(),
            held: None,
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
    unchecked: bool,
}

/// Changes that are handed on together: one message, and one piece of memory for their texts.
#[derive(Default)]
struct Lot {
    changes: Vec<Change>,
    /// Where the text of each ends.
    texts: Vec<usize>,
    /// Ends of transactions, each behind so many of the changes.
    ends: Vec<(usize, Boundary)>,
    /// Taken before the text of a large row was written.
    reserved: Option<Arc<Held>>,
}

impl Lot {
    /// Everything before the boundary has passed. Of several in one place the last one counts.
    fn end(&mut self, boundary: Boundary) {
        let behind = self.changes.len();
        match self.ends.last_mut() {
            Some((place, earlier)) if *place == behind => *earlier = boundary,
            _ => self.ends.push((behind, boundary)),
        }
    }

    /// What it will count for in the memory budget.
    fn size(&self, text: &SqlText) -> usize {
        text.len() * COPIES + self.changes.len() * size_of::<Change>() * 2
    }

    /// All of it, the changes with their texts; nothing is left.
    fn take(&mut self, text: &mut SqlText, held: &Arc<Held>) -> Step {
        let mut texts = text.take_bytes(LOT_BYTES * 2);
        let mut changes = std::mem::take(&mut self.changes);
        let mut start = 0;
        for (change, end) in changes.iter_mut().zip(self.texts.drain(..)) {
            change.text = texts.split_to(end - start);
            change.held = Some(held.clone());
            start = end;
        }
        Step::Changes { changes, ends: std::mem::take(&mut self.ends) }
    }
}
