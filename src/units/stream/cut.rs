//! Cuts the tables of a load into chunks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::future::try_join_all;
use tokio::task::JoinSet;

use super::{
    CHUNK_BYTES, Failure, LARGEST_CHUNK_BYTES, MANY_CHUNKS, Sides, chunk::StreamTable, ledger::Entry, snapshot::Reader,
};
use crate::{
    error::{Code, DmError},
    units::dump::{
        self, DumpOptions, bounds,
        identity::{self, Identity},
        names,
    },
};

/// Finds the chunks of all tables with all readers, under their snapshots. From here on none of them can be renamed.
pub async fn cut(
    readers: Vec<Reader>,
    tables: &[Arc<StreamTable>],
    options: &DumpOptions,
) -> Result<(Vec<Reader>, Vec<Entry>), Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    let tables: Arc<[Arc<StreamTable>]> = tables.into();
    let most = (chunk_bytes(tables.iter().map(|table| table.plan.estimated_bytes).sum()), options.rows.max(1));
    let mut tasks: JoinSet<Result<(Reader, Vec<Entry>), Failure>> = JoinSet::new();
    for mut reader in readers {
        let (next, tables) = (next.clone(), tables.clone());
        tasks.spawn(async move {
            let mut out = Vec::new();
            while let Some(table) = tables.get(next.fetch_add(1, Ordering::AcqRel)) {
                out.extend(chunks_of(&mut reader, table, most).await?);
            }
            Ok((reader, out))
        });
    }
    let (mut readers, mut entries) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let died = |e| DmError::new(Code::DumpUnitRuntime).msg("a reader died").cause(e);
        let (reader, more) = done.map_err(died)??;
        readers.push(reader);
        entries.extend(more);
    }
    Ok((readers, entries))
}

/// Keeps these tables from being renamed while the readers' transactions last.
pub async fn hold<'a>(readers: &mut [Reader], tables: impl Iterator<Item = &'a StreamTable>) -> Result<(), Failure> {
    let tables: Vec<&StreamTable> = tables.collect();
    let share = tables.len().div_ceil(readers.len().max(1)).max(1);
    let holding = readers.iter_mut().zip(tables.chunks(share)).map(|(reader, tables)| async move {
        for table in tables {
            identity::hold(&mut reader.conn, &table.plan).await.map_err(|e| failed(table, e))?;
        }
        Ok::<_, Failure>(())
    });
    try_join_all(holding).await.map(|_| ())
}

/// The readers hold these tables: their names must mean what they meant before the snapshot.
pub async fn same_tables<'a>(
    sides: &mut Sides,
    tables: impl IntoIterator<Item = (&'a Arc<StreamTable>, &'a Identity)>,
) -> Result<(), Failure> {
    let tables = tables.into_iter().map(|(table, identity)| (&table.plan, identity));
    match identity::other(&mut sides.source, &sides.server, tables).await? {
        Some(table) => Err(Failure::StructureChanged(table.name())),
        None => Ok(()),
    }
}

fn failed(table: &StreamTable, e: DmError) -> Failure {
    if dump::is_structure_change(&e) { Failure::StructureChanged(table.name()) } else { e.into() }
}

/// Of a chunk, when there are so many in all.
fn chunk_bytes(all: u64) -> u64 {
    (all / MANY_CHUNKS).clamp(CHUNK_BYTES, LARGEST_CHUNK_BYTES)
}

async fn chunks_of(
    reader: &mut Reader,
    table: &StreamTable,
    (bytes, most_rows): (u64, u64),
) -> Result<Vec<Entry>, Failure> {
    let plan = &table.plan;
    let failed = |e: DmError| failed(table, e);
    identity::hold(&mut reader.conn, plan).await.map_err(failed)?;
    let (mut conditions, mut size) = (vec![String::new()], plan.estimated_bytes);
    if !table.whole {
        let of_row = bounds::row_bytes(&mut reader.conn, plan).await.map_err(failed)?;
        let rows = (bytes / of_row.max(1)).clamp(1, most_rows);
        conditions = bounds::conditions(&mut reader.conn, plan, rows).await.map_err(failed)?;
        let most = of_row.saturating_mul(rows);
        size = if conditions.len() > 1 { most } else { size.min(most) };
    }
    let entry = |(number, detail)| Entry {
        name: names::data_file(&plan.schema, &plan.table, number, None),
        target_schema: table.target_schema.clone(),
        target_table: table.target_table.clone(),
        size,
        detail,
        ..Entry::default()
    };
    Ok(conditions.into_iter().enumerate().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_much_are_larger() {
        const GIB: u64 = 1 << 30;
        let many = |all: u64| (chunk_bytes(all) >> 20, all / chunk_bytes(all));
        assert_eq!([0, GIB, 32 * GIB].map(many), [(2, 0), (2, 512), (2, 16_384)]);
        assert_eq!([50 * GIB, 512 * GIB, 5120 * GIB].map(many), [(3, 16_384), (32, 16_384), (32, 163_840)]);
    }
}
