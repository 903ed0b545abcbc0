//! A structure as TiDB's JSON, members in TiDB's order.

use serde_json::{Value, json};

use super::{codes, partition};
use crate::schema::{
    column_type::BaseType,
    model::{Column, DefaultValue, Index, IndexKind, TableInfo, same_name},
};

/// Public: the only state that matters here.
const PUBLIC: u64 = 5;

pub(super) fn table(table: &TableInfo) -> Value {
    let columns: Vec<Value> = (0..table.columns.len()).map(|offset| column(table, offset)).collect();
    // TiDB makes a hidden column of an expression; a key without its part would be another key.
    let told = table.indexes.iter().filter(|index| !index.functional);
    let indexes: Vec<Value> = told.enumerate().map(|(at, index)| index_info(table, at, index)).collect();
    json!({
        "id": 1,
        "name": name(&table.name),
        "charset": tidb_name(&table.charset),
        "collate": tidb_name(&table.collation),
        "cols": columns,
        "index_info": indexes,
        "constraint_info": null,
        "fk_info": foreign_keys(table),
        "state": PUBLIC,
        "pk_is_handle": is_handle(table),
        "is_common_handle": false,
        "common_handle_version": 0,
        "comment": table.comment,
        "auto_inc_id": 0,
        "auto_id_cache": 0,
        "auto_rand_id": 0,
        "max_col_id": table.columns.len(),
        "max_idx_id": table.indexes.len(),
        "max_fk_id": table.foreign_keys.len(),
        "max_cst_id": 0,
        "update_timestamp": 0,
        "ShardRowIDBits": 0,
        "max_shard_row_id_bits": 0,
        "auto_random_bits": 0,
        "auto_random_range_bits": 0,
        "pre_split_regions": 0,
        "partition": partition::to_json(table),
        "compression": "",
        "view": null,
        "sequence": null,
        "Lock": null,
        "version": 5,
        "tiflash_replica": null,
        "is_columnar": false,
        "temp_table_type": 0,
        "cache_table_status": 0,
        "policy_ref_info": null,
        "stats_options": null,
        "exchange_partition_info": null,
        "ttl_info": null,
        "revision": 0,
    })
}

/// TiDB keeps names as written and in lower case.
pub(super) fn name(text: &str) -> Value {
    json!({ "O": text, "L": text.to_lowercase() })
}

/// TiDB says `utf8` where MySQL 8 says `utf8mb3`.
fn tidb_name(name: &str) -> String {
    match name.strip_prefix("utf8mb3") {
        Some(rest) => format!("utf8{rest}"),
        None => name.to_owned(),
    }
}

/// A primary key of one integer column is the row's handle.
fn is_handle(table: &TableInfo) -> bool {
    let primary = table.indexes.iter().find(|index| index.primary);
    primary.is_some_and(|index| match index.columns.as_slice() {
        [part] => table.column(&part.column).is_some_and(|column| column.ty.base.is_integer()),
        _ => false,
    })
}

fn column(table: &TableInfo, offset: usize) -> Value {
    let column = &table.columns[offset];
    let (default, default_bit, is_expression) = default_value(column);
    json!({
        "id": offset + 1,
        "name": name(&column.name),
        "offset": offset,
        "origin_default": null,
        "origin_default_bit": null,
        "default": default,
        "default_bit": default_bit,
        "default_is_expr": is_expression,
        "generated_expr_string": column.generated.as_ref().map_or("", |generated| &generated.expression),
        "generated_stored": column.generated.as_ref().is_some_and(|generated| generated.stored),
        "dependences": null,
        "type": column_type(table, column),
        "state": PUBLIC,
        "comment": column.comment,
        "hidden": false,
        "change_state_info": null,
        "version": 2,
    })
}

fn default_value(column: &Column) -> (Value, Value, bool) {
    match &column.default {
        None | Some(DefaultValue::Null) => (Value::Null, Value::Null, false),
        Some(DefaultValue::Literal(text) | DefaultValue::Number(text)) => (json!(text), Value::Null, false),
        Some(DefaultValue::Bytes(bytes)) => {
            let bit = if column.ty.base == BaseType::Bit { json!(base64(bytes)) } else { Value::Null };
            (json!(String::from_utf8_lossy(bytes)), bit, false)
        }
        Some(DefaultValue::CurrentTimestamp) => {
            let digits = column.ty.decimals.unwrap_or(0);
            let text = if digits > 0 { format!("CURRENT_TIMESTAMP({digits})") } else { "CURRENT_TIMESTAMP".to_owned() };
            (json!(text), Value::Null, false)
        }
        Some(DefaultValue::Expression(text)) => (json!(text), Value::Null, true),
    }
}

fn column_type(table: &TableInfo, column: &Column) -> Value {
    let ty = &column.ty;
    let (length, decimals) = lengths(column);
    json!({
        "Tp": codes::type_code(ty.base),
        "Flag": flags(table, column),
        "Flen": length,
        "Decimal": decimals,
        "Charset": column.charset.as_deref().map_or_else(|| "binary".to_owned(), tidb_name),
        "Collate": column.collation.as_deref().map_or_else(|| "binary".to_owned(), tidb_name),
        "Elems": if ty.elems.is_empty() { Value::Null } else { json!(ty.elems) },
        "ElemsIsBinaryLit": null,
        "Array": false,
    })
}

fn lengths(column: &Column) -> (i64, i64) {
    use BaseType::{DateTime, Double, Enum, Float, Set, Time, Timestamp};
    let ty = &column.ty;
    let digits = i64::from(ty.decimals.unwrap_or(0));
    let fraction = if digits > 0 { digits + 1 } else { 0 };
    let chars = |elem: &String| elem.chars().count() as i64;
    match ty.base {
        DateTime | Timestamp => (19 + fraction, digits),
        Time => (10 + fraction, digits),
        Enum => (ty.elems.iter().map(chars).max().unwrap_or(0), 0),
        Set => (ty.elems.iter().map(chars).sum::<i64>() + (ty.elems.len() as i64 - 1).max(0), 0),
        base => {
            let length = ty.length.map_or_else(|| codes::default_length(base, ty.unsigned), i64::from);
            let unspecified = matches!(base, Float | Double) && ty.decimals.is_none();
            (length, if unspecified { -1 } else { digits })
        }
    }
}

fn flags(table: &TableInfo, column: &Column) -> u64 {
    let ty = &column.ty;
    let mut flags = 0;
    let mut set = |condition: bool, flag: u64| {
        if condition {
            flags |= flag;
        }
    };
    set(!column.nullable, codes::NOT_NULL);
    // So TiDB does.
    set(ty.unsigned || matches!(ty.base, BaseType::Bit | BaseType::Year), codes::UNSIGNED);
    set(ty.zerofill || ty.base == BaseType::Year, codes::ZEROFILL);
    set(column.auto_increment, codes::AUTO_INCREMENT);
    set(column.on_update_now, codes::ON_UPDATE_NOW);
    set(!column.nullable && column.default.is_none() && !column.auto_increment, codes::NO_DEFAULT);
    set(column.charset.is_none() || column.collation.as_deref().is_some_and(|c| c.ends_with("_bin")), codes::BINARY);
    set(ty.base.is_blob() || ty.base.is_text(), codes::BLOB);
    set(ty.base == BaseType::Enum, codes::ENUM);
    set(ty.base == BaseType::Set, codes::SET);
    for index in &table.indexes {
        let first = index.columns.first().is_some_and(|part| same_name(&part.column, &column.name));
        let part = index.columns.iter().any(|part| same_name(&part.column, &column.name));
        let alone = index.columns.len() == 1;
        set(index.primary && part, codes::PRIMARY);
        set(index.unique && !index.primary && first && alone, codes::UNIQUE);
        set(!index.primary && first && !(index.unique && alone), codes::MULTIPLE);
    }
    flags
}

fn index_info(table: &TableInfo, at: usize, index: &Index) -> Value {
    let parts: Vec<Value> = index
        .columns
        .iter()
        .filter_map(|part| {
            let offset = table.column_offset(&part.column)?;
            let length = part.prefix_len.map_or(-1, i64::from);
            Some(json!({ "name": name(&table.columns[offset].name), "offset": offset, "length": length }))
        })
        .collect();
    json!({
        "id": at + 1,
        "idx_name": name(&index.name),
        "tbl_name": name(&table.name),
        "idx_cols": parts,
        "state": PUBLIC,
        "backfill_state": 0,
        "comment": index.comment,
        "index_type": if index.kind == IndexKind::Fulltext { 4 } else { 1 },
        "is_unique": index.unique,
        "is_primary": index.primary,
        "is_invisible": index.invisible,
        "is_global": false,
        "mv_index": false,
        "vector_index": null,
        "inverted_index": null,
        "full_text_index": null,
        "condition_expr_string": "",
    })
}

/// TiDB's FKInfo; null when there are none, as it writes it.
fn foreign_keys(table: &TableInfo) -> Value {
    let names = |columns: &[String]| -> Vec<Value> { columns.iter().map(|column| name(column)).collect() };
    let keys: Vec<Value> = (table.foreign_keys.iter().enumerate())
        .map(|(at, key)| {
            json!({
                "id": at + 1,
                "fk_name": name(&key.name),
                "ref_schema": name(&key.parent.schema),
                "ref_table": name(&key.parent.name),
                "ref_cols": names(&key.parent_columns),
                "cols": names(&key.columns),
                "on_delete": codes::action_code(key.on_delete),
                "on_update": codes::action_code(key.on_update),
                "state": PUBLIC,
                "version": 1,
            })
        })
        .collect();
    if keys.is_empty() { Value::Null } else { Value::Array(keys) }
}

/// Standard base64 with padding: how Go writes bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = group >> (18 - 6 * place) & 63;
            out.push(if place <= chunk.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    out
}
