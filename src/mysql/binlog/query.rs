//! Statements in the binlog, and the session facts they carry.

use bytes::Bytes;

use super::{
    compress,
    cursor::{Cursor, Parsed, text},
    event::{AlterPhase, QueryEvent, StatusVars},
};

/// What EXECUTE_LOAD_QUERY has between the fields and the session's facts: file id, where its name stands, duplicates.
pub(super) const LOAD_FIELDS: usize = 13;

/// Reads a query event's body; its fields are 13 bytes since MySQL 5.0, and `more` that are skipped.
pub(super) fn parse(body: &Bytes, compressed: bool, more: usize) -> Parsed<QueryEvent> {
    let cursor = &mut Cursor::new(body);
    let (thread_id, exec_time) = (cursor.u32()?, cursor.u32()?);
    let schema_len = cursor.u8()?.into();
    let error_code = cursor.u16()?;
    let status_len = cursor.u16()?.into();
    cursor.slice(more)?;
    let status = status_vars(cursor.part(status_len)?);
    let schema = text(cursor.slice(schema_len)?)?;
    cursor.u8()?;
    let sql = if compressed { compress::maria_block(&cursor.rest())? } else { cursor.rest() };
    Ok(QueryEvent { schema, sql, thread_id, exec_time, error_code, status })
}

/// Variables come one behind the other without a length each, so all behind an unknown one stay unknown.
fn status_vars(mut cursor: Cursor<'_>) -> StatusVars {
    let mut vars = StatusVars::default();
    while !cursor.is_empty() {
        if !matches!(status_var(&mut cursor, &mut vars), Ok(true)) {
            break;
        }
    }
    vars
}

/// One variable; false when it is unknown.
fn status_var(cursor: &mut Cursor<'_>, vars: &mut StatusVars) -> Parsed<bool> {
    match cursor.u8()? {
        0 => vars.flags2 = Some(cursor.u32()?),
        1 => vars.sql_mode = Some(cursor.u64()?),
        // Catalog, in old servers with a zero byte behind it.
        2 => skip_text(cursor, 1)?,
        3 => {
            vars.auto_increment_increment = Some(cursor.u16()?);
            vars.auto_increment_offset = Some(cursor.u16()?);
        }
        4 => {
            vars.charset_client = Some(cursor.u16()?);
            vars.collation_connection = Some(cursor.u16()?);
            vars.collation_server = Some(cursor.u16()?);
        }
        5 => {
            let length = cursor.u8()?.into();
            vars.time_zone = Some(text(cursor.slice(length)?)?);
        }
        6 => skip_text(cursor, 0)?,
        // lc_time_names
        7 => drop(cursor.u16()?),
        8 => vars.charset_database = Some(cursor.u16()?),
        // Tables of a multi-table update.
        9 => drop(cursor.u64()?),
        10 => drop(cursor.u32()?),
        // Invoker: user and host.
        11 => {
            skip_text(cursor, 0)?;
            skip_text(cursor, 0)?;
        }
        // Databases that the statement writes to; 254 stands for too many.
        12 => match cursor.u8()? {
            254 => {}
            count => (0..count).try_for_each(|_| cursor.until_zero().map(drop))?,
        },
        // Microseconds.
        13 => drop(cursor.slice(3)?),
        // Commit timestamps of old previews.
        14 => drop(cursor.slice(4)?),
        15 => drop(cursor.slice(8)?),
        16 => vars.explicit_defaults_for_timestamp = Some(cursor.u8()? != 0),
        // DDL transaction id.
        17 => drop(cursor.u64()?),
        18 => vars.default_collation_utf8mb4 = Some(cursor.u16()?),
        19 => vars.sql_require_primary_key = Some(cursor.u8()? != 0),
        // default_table_encryption
        20 => drop(cursor.u8()?),
        // MariaDB: microseconds, and the DDL's transaction ids.
        128 => drop(cursor.slice(3)?),
        129 => drop(cursor.u64()?),
        // MariaDB: flags of the GTID; the end of an ALTER names the number of its beginning.
        130 => vars.alter_phase = alter_phase(cursor)?,
        131 => {
            let count = cursor.u8()?;
            let pairs = (0..count).map(|_| Ok((cursor.u16()?, cursor.u16()?)));
            vars.charset_collations = Some(pairs.collect::<Parsed<_>>()?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn alter_phase(cursor: &mut Cursor<'_>) -> Parsed<Option<AlterPhase>> {
    let flags = cursor.u8()?;
    if flags & 12 != 0 {
        cursor.u64()?;
    }
    Ok(match flags {
        flags if flags & 4 != 0 => Some(AlterPhase::Commit),
        flags if flags & 8 != 0 => Some(AlterPhase::Rollback),
        flags if flags & 2 != 0 => Some(AlterPhase::Start),
        _ => None,
    })
}

fn skip_text(cursor: &mut Cursor<'_>, trailing: usize) -> Parsed<()> {
    let length = usize::from(cursor.u8()?);
    // An empty catalog has no zero byte behind it.
    cursor.slice(length + if length > 0 { trailing } else { 0 })?;
    Ok(())
}
