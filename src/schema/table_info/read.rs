//! TiDB's JSON back to a structure. Unknown members are ignored, missing ones default.

use serde_json::Value;

use super::{codes, partition};
use crate::schema::{
    charset::canonical_collation,
    column_type::{BaseType, ColumnType},
    model::{Column, DefaultValue, ForeignKey, Generated, Index, IndexColumn, IndexKind, TableId, TableInfo},
    tracker::default::stored,
};

/// Err: which member is wrong.
pub(super) fn table(schema: &str, json: &Value) -> Result<TableInfo, String> {
    let mut table = TableInfo {
        schema: schema.to_owned(),
        name: name(json, "name")?,
        charset: our_name(text(json, "charset")).into(),
        collation: our_name(text(json, "collate")).into(),
        comment: text(json, "comment").to_owned(),
        partition: json.get("partition").map_or(Ok(None), partition::from_json)?,
        ..TableInfo::default()
    };
    // Hidden ones are the expressions of functional keys; no row has them.
    let (hidden, mut columns): (Vec<&Value>, Vec<&Value>) =
        list(json, "cols").iter().filter(is_public).partition(|column| flag(column, "hidden"));
    columns.sort_by_key(|column| number(column, "offset"));
    for json in columns {
        table.columns.push(column(json)?);
    }
    if table.columns.is_empty() {
        return Err("cols is missing or empty".to_owned());
    }
    for json in list(json, "index_info").iter().filter(is_public) {
        table.indexes.push(index(json, &hidden)?);
    }
    for json in list(json, "fk_info").iter().filter(is_public) {
        table.foreign_keys.push(foreign_key(json)?);
    }
    add_handle(&mut table, json);
    table.sort_indexes(true);
    Ok(table)
}

/// A primary key that is the handle may be written as a column flag only.
fn add_handle(table: &mut TableInfo, json: &Value) {
    let handle = json.get("pk_is_handle").and_then(Value::as_bool).unwrap_or(false);
    if !handle || table.indexes.iter().any(|index| index.primary) {
        return;
    }
    let flagged = list(json, "cols")
        .iter()
        .find(|column| column.get("type").is_some_and(|ty| number(ty, "Flag") as u64 & codes::PRIMARY != 0));
    if let Some(column) = flagged.and_then(|column| name(column, "name").ok()) {
        let columns = vec![IndexColumn { column, ..IndexColumn::default() }];
        table.indexes.push(Index {
            name: "PRIMARY".to_owned(),
            unique: true,
            primary: true,
            columns,
            ..Index::default()
        });
    }
}

fn column(json: &Value) -> Result<Column, String> {
    let ty = json.get("type").ok_or("a column has no type")?;
    let flags = number(ty, "Flag") as u64;
    let has = |flag: u64| flags & flag != 0;
    let charset = our_name(text(ty, "Charset"));
    let column_type = column_type(ty, charset == "binary", flags)?;
    let character = column_type.base.has_charset() && charset != "binary";
    let expression = text(json, "generated_expr_string");
    let generated = (!expression.is_empty()).then(|| Generated {
        expression: expression.to_owned(),
        stored: json.get("generated_stored").and_then(Value::as_bool).unwrap_or(false),
    });
    Ok(Column {
        name: name(json, "name")?,
        charset: character.then(|| charset.as_str().into()),
        collation: character.then(|| our_name(text(ty, "Collate")).into()),
        nullable: !has(codes::NOT_NULL),
        default: default_value(json, column_type.base).map(|value| stored(value, &column_type)),
        generated,
        auto_increment: has(codes::AUTO_INCREMENT),
        on_update_now: has(codes::ON_UPDATE_NOW),
        comment: text(json, "comment").to_owned(),
        invisible: false,
        json_valid: false,
        ty: column_type,
    })
}

fn column_type(json: &Value, binary: bool, flags: u64) -> Result<ColumnType, String> {
    use BaseType::*;
    let code = number(json, "Tp") as u64;
    let base = codes::base_type(code, binary).ok_or_else(|| format!("column type code {code} is unknown"))?;
    let mut ty = ColumnType {
        base,
        // TiDB flags BIT and YEAR, too.
        unsigned: flags & codes::UNSIGNED != 0 && base.is_numeric(),
        zerofill: flags & codes::ZEROFILL != 0 && base.is_numeric(),
        elems: list(json, "Elems").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ..ColumnType::default()
    };
    let length = u32::try_from(number(json, "Flen")).ok();
    let decimals = u32::try_from(number(json, "Decimal")).ok();
    match base {
        Char | VarChar | Binary | VarBinary | Bit | Vector => ty.length = length,
        Decimal => (ty.length, ty.decimals) = (length, decimals),
        Float | Double if decimals.is_some() => (ty.length, ty.decimals) = (length, decimals),
        Time | DateTime | Timestamp => ty.decimals = decimals.filter(|digits| *digits > 0),
        TinyInt if length == Some(1) && !ty.unsigned => ty.length = length,
        _ if ty.zerofill && base.is_integer() => ty.length = length,
        _ => {}
    }
    Ok(ty)
}

fn default_value(json: &Value, base: BaseType) -> Option<DefaultValue> {
    let text = match json.get("default")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let temporal = matches!(base, BaseType::DateTime | BaseType::Timestamp);
    if temporal && text.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP") {
        return Some(DefaultValue::CurrentTimestamp);
    }
    if json.get("default_is_expr").and_then(Value::as_bool).unwrap_or(false) {
        return Some(DefaultValue::Expression(text));
    }
    // Bits: Go's text of bytes that are no UTF-8 would be wrong, so they stand beside it in base64.
    let bits = json.get("default_bit").and_then(Value::as_str).and_then(from_base64);
    Some(bits.map_or(DefaultValue::Literal(text), DefaultValue::Bytes))
}

/// Standard base64, padded or not. None: it is none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let sextet = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (group, bits) = (group << 6 | u32::from(sextet), bits + 6);
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff) as u8);
        }
    }
    Some(out)
}

fn index(json: &Value, hidden: &[&Value]) -> Result<Index, String> {
    let mut columns = Vec::new();
    for part in list(json, "idx_cols") {
        let length = number(part, "length");
        let column = name(part, "name")?;
        if let Some(hidden) = hidden.iter().find(|json| name(json, "name").is_ok_and(|name| name == column)) {
            let expression = Some(text(hidden, "generated_expr_string").to_owned());
            columns.push(IndexColumn { expression, ..IndexColumn::default() });
            continue;
        }
        columns.push(IndexColumn {
            column,
            prefix_len: u32::try_from(length).ok().filter(|length| *length > 0),
            ..IndexColumn::default()
        });
    }
    if columns.is_empty() {
        return Err("an index has no columns".to_owned());
    }
    let primary = flag(json, "is_primary");
    let name = name(json, "idx_name")?;
    Ok(Index {
        name: if primary { "PRIMARY".to_owned() } else { name },
        unique: flag(json, "is_unique") || primary,
        primary,
        functional: columns.iter().any(|part| part.expression.is_some()),
        columns,
        kind: if number(json, "index_type") == 4 { IndexKind::Fulltext } else { IndexKind::Ordinary },
        invisible: flag(json, "is_invisible"),
        comment: text(json, "comment").to_owned(),
        generated: false,
        hash: false,
    })
}

fn foreign_key(json: &Value) -> Result<ForeignKey, String> {
    Ok(ForeignKey {
        name: name(json, "fk_name")?,
        columns: names_of(json, "cols")?,
        parent: TableId::new(name(json, "ref_schema").unwrap_or_default(), name(json, "ref_table")?),
        parent_columns: names_of(json, "ref_cols")?,
        on_delete: codes::action(number(json, "on_delete")),
        on_update: codes::action(number(json, "on_update")),
    })
}

/// A list of names.
pub(super) fn names_of(json: &Value, member: &str) -> Result<Vec<String>, String> {
    let text = |name: &Value| name.get("O").and_then(Value::as_str).map(str::to_owned);
    list(json, member).iter().map(text).collect::<Option<_>>().ok_or_else(|| format!("{member} is not names"))
}

/// Objects in the making are not visible; a missing state counts as public.
fn is_public(json: &&Value) -> bool {
    json.get("state").is_none_or(|state| state.as_i64() == Some(5))
}

/// `{"O": "Name", "L": "name"}`.
pub(super) fn name(json: &Value, member: &str) -> Result<String, String> {
    let text = json.get(member).and_then(|name| name.get("O")).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("{member} is missing"))
}

fn our_name(name: &str) -> String {
    if name.eq_ignore_ascii_case("utf8") { "utf8mb3".to_owned() } else { canonical_collation(name) }
}

pub(super) fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json.get(member).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn number(json: &Value, member: &str) -> i64 {
    json.get(member).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn flag(json: &Value, member: &str) -> bool {
    json.get(member).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn list<'a>(json: &'a Value, member: &str) -> &'a [Value] {
    json.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
