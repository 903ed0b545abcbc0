//! What the start of a run stores, before rows flow.

use std::sync::Arc;

use super::{
    checkpoint::{CheckpointText, TableRow},
    progress::CONTROL_LANE,
    source_state,
    start::Start,
    target::Target,
    writer::{FencedWriter, Refused},
};
use crate::{
    config::SubtaskConfig,
    error::DmError,
    schema::{model::quote_text, table_info},
    units::{
        Fence,
        failpoint::{self, Place},
    },
};

/// Structures of one transaction of the first checkpoint, as DM writes them.
const STRUCTURES_AT_ONCE: usize = 100;

/// How the run begins.
pub struct FirstStore<'a> {
    pub config: &'a Arc<SubtaskConfig>,
    pub fence: Fence,
    /// There is a checkpoint, and it counts.
    pub from_checkpoint: bool,
    /// The run begins at a time: what earlier runs stored is forgotten.
    pub asked_time: Option<&'a str>,
}

impl FirstStore<'_> {
    /// Writes the first checkpoint under the new epoch, and which server it is of.
    pub async fn store(&self, start: &mut Start) -> Result<(), DmError> {
        let mut writer = FencedWriter::new(
            start.target.clone(),
            &start.tables,
            &self.config.source_id,
            CONTROL_LANE,
            self.fence,
            start.control_batch,
        );
        let mut statements = Vec::new();
        let mut written = 0;
        if !self.from_checkpoint {
            failpoint::pass(&self.config.name, Place::StartBeforeFirstStore)?;
            written += self.structures(start, &mut writer).await?;
            failpoint::pass(&self.config.name, Place::StartWithinFirstStore)?;
            statements = self.begin(start);
        }
        if start.state.server.as_ref() != Some(&start.source.server) {
            let (tables, server) = (&start.tables, &start.source.server);
            statements.push(source_state::put(tables, &self.config.source_id, "server", server));
        }
        if !statements.is_empty() {
            transact(&mut writer, &start.target, &statements).await?;
            written += 1;
        }
        start.control_batch += written;
        if !self.from_checkpoint {
            failpoint::pass(&self.config.name, Place::StartAfterFirstStore)?;
        }
        Ok(())
    }

    fn text<'a>(&'a self, start: &'a Start) -> CheckpointText<'a> {
        CheckpointText {
            tables: &start.tables,
            source_id: &self.config.source_id,
            at: &start.location,
            exit_safe: start.safe_until.as_ref(),
        }
    }

    /// Structures come before the global row: without it they count for nothing.
    async fn structures(&self, start: &Start, writer: &mut FencedWriter) -> Result<u64, DmError> {
        let text = self.text(start);
        let infos: Vec<_> = start.tracker.tables().cloned().collect();
        let mut written = 0;
        for infos in infos.chunks(STRUCTURES_AT_ONCE) {
            let mut statements = Vec::with_capacity(infos.len());
            for info in infos {
                let json = table_info::to_json(info)?;
                statements.push(text.table_row(&TableRow::Put { table: info.id(), json }));
            }
            transact(writer, &start.target, &statements).await?;
            written += 1;
        }
        Ok(written)
    }

    /// The global row; with a start time, all in one: forgetting, the new place, and that the time was served.
    fn begin(&self, start: &Start) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(time) = self.asked_time {
            let id = &self.config.source_id;
            let source = quote_text(id);
            let tables = &start.tables;
            statements.push(format!("DELETE FROM {} WHERE id = {source}", tables.checkpoint));
            statements.push(format!(
                "UPDATE {} SET gtid_set = '', gtid = '', binlog_name = '', binlog_pos = 0, row_index = 0 \
                 WHERE source_id = {source}",
                tables.lanes
            ));
            statements.push(source_state::put_open_xa(tables, id, &start.state.open_xa));
            statements.push(source_state::put(tables, id, "start-time", time));
        }
        let asked = self.config.start_time.as_deref().filter(|time| !time.is_empty());
        if let (None, Some(time)) = (self.asked_time, asked) {
            // It began where its dump ended: resuming must not go anywhere else.
            statements.push(source_state::put(&start.tables, &self.config.source_id, "start-time", time));
        }
        statements.extend(self.text(start).statements(&[]));
        statements
    }
}

async fn transact(writer: &mut FencedWriter, target: &Target, statements: &[String]) -> Result<(), DmError> {
    let done = writer.transact(statements.join("; ").as_bytes(), None).await;
    done.map(drop).map_err(|refused| match refused {
        Refused::Other(error) => error,
        Refused::Statement { error, .. } => {
            target.exec_error("write the first checkpoint", &mysql_async::Error::Server(error))
        }
    })
}
