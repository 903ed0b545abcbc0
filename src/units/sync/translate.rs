//! The filter, ddl and row stages, in one task: what comes in as events goes out as changes of the target.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    change::Change,
    control::Request,
    cover::Cover,
    dispatch::{Step, gone},
    filter::Rules,
    location::Transaction,
    memory::Budget,
    safe_mode::SafeMode,
    structure::Structures,
    table::TargetTable,
    transaction::Item,
    versions,
};
use crate::{
    error::{Code, DmError},
    mysql::{
        binlog::rows::{RowChange, RowsEvent, RowsKind},
        value::Value,
    },
    rules::EventKind,
    schema::{collation::SourceDefaults, model::TableId, server::ServerInfo, table_info},
};

/// Every change of a session that checks foreign keys touches this, so all keep the source's order.
const FOREIGN_KEY_ORDER: u64 = 0x666b_6f72_6465_7221;

/// The stage's parts.
pub struct TranslateTask {
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
    pub foreign_keys: bool,
    pub row: RowState,
}

/// Where the current transaction is, and buffers that are used again.
#[derive(Default)]
pub struct RowState {
    transaction: Option<Arc<Transaction>>,
    /// Row changes of the transaction so far.
    rows: u64,
    /// Changes below this number were passed on before the stream broke within the transaction.
    passed: u64,
    keys: Vec<u64>,
    buffer: Vec<u8>,
}

impl TranslateTask {
    /// Works until the channel is closed.
    pub async fn run(mut self) -> Result<(), DmError> {
        while let Some(item) = self.items.recv().await {
            match item {
                Item::Rows { transaction, event, end_pos } => {
                    self.enter(&transaction).await?;
                    self.rows(&transaction, event, end_pos)
                        .await
                        .map_err(|error| transaction.annotate(error, end_pos, None))?;
                }
                Item::Statement { transaction, event, end_pos, timestamp, number, alone } => {
                    self.enter(&transaction).await?;
                    self.statement(super::ddl::DdlEvent { transaction, event, end_pos, timestamp, number, alone })
                        .await?;
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

    async fn rows(&mut self, transaction: &Arc<Transaction>, event: RowsEvent, end_pos: u64) -> Result<(), DmError> {
        let source = TableId::new(event.table.schema.as_str(), event.table.table.as_str());
        let kind = match event.kind {
            RowsKind::Insert => EventKind::Insert,
            RowsKind::Update => EventKind::Update,
            RowsKind::Delete => EventKind::Delete,
        };
        let target = match self.rules.target(&source)? {
            Some(target) if self.rules.passes(&source, kind.into(), None)? => target,
            _ => {
                // Rows that aren't migrated count too: a change's number must not depend on the task's rules.
                self.row.rows += event.rows().count() as u64;
                return Ok(());
            }
        };
        if !event.is_full() {
            return Err(DmError::new(Code::BinlogNotLogColumn)
                .msg(format!("upstream didn't log enough columns in binlog: rows of {source} lack columns"))
                .workaround(
                    "Please set `binlog_row_image` of the source to FULL, and start the task again after that.",
                ));
        }
        let (table, fresh) = self.structures.table(&event.table, &target, &self.rules).await?;
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
        let held = self.budget.take(event.size() * 3).await;
        for change in event.rows() {
            let index = self.row.rows;
            self.row.rows += 1;
            if let Some(mut change) = self.change(&table, transaction, change?, index, end_pos)? {
                change.held = Some(held.clone());
                self.steps.send(Step::Change(change)).await.map_err(|_| gone())?;
            }
        }
        Ok(())
    }

    /// One row change; None when it is on the target already.
    fn change(
        &mut self,
        table: &Arc<TargetTable>,
        transaction: &Arc<Transaction>,
        change: RowChange,
        index: u64,
        end_pos: u64,
    ) -> Result<Option<Change>, DmError> {
        let change = match table.row_end {
            Some(row_end) => versions::of_current_rows(change, row_end),
            None => Some(change),
        };
        let Some(RowChange { before, after }) = change else { return Ok(None) };
        let mut before = before.map(|row| row.values);
        let mut after = after.map(|row| row.values);
        for row in [&mut before, &mut after].into_iter().flatten() {
            table.complete(row);
        }
        let images: [Option<&[Value]>; 2] = [before.as_deref(), after.as_deref()];
        self.row.keys.clear();
        let lanes = self.covers.len() as u16;
        let lane = match images {
            [Some(old), Some(new)] => table.place(&[old, new], lanes, &mut self.row.keys, &mut self.row.buffer),
            [Some(row), None] | [None, Some(row)] => {
                table.place(&[row], lanes, &mut self.row.keys, &mut self.row.buffer)
            }
            [None, None] => return Ok(None),
        };
        if index < self.row.passed
            || self.covers.get(usize::from(lane)).is_some_and(|cover| cover.covers(transaction, index))
        {
            return Ok(None);
        }
        if self.foreign_keys {
            self.row.keys.push(FOREIGN_KEY_ORDER);
        }
        let Some((kind, rendered)) = table.render(images[0], images[1], self.safe_mode.is_on()) else {
            return Ok(None);
        };
        Ok(Some(Change {
            ordinal: 0,
            lane,
            transaction: transaction.clone(),
            index,
            end_pos,
            table: table.clone(),
            kind,
            op: rendered.op,
            text: rendered.text,
            keys: self.row.keys.clone(),
            after: Vec::new(),
            held: None,
        }))
    }
}
