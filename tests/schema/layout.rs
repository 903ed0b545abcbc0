//! The row layout: what the binlog's table map says about a row that was really written, against the model.

use dm::{
    mysql::binlog::{Column as Logged, EventBody, TableMap, table_map::column_type as kind},
    schema::{BaseType, Column, ServerInfo, TableInfo, charset, logged},
};
use mysql_async::prelude::Queryable;

use super::rig::Rig;

/// Writes a row of defaults and compares its table map with the model. None: the server takes no such row.
pub async fn check(rig: &mut Rig, table: &TableInfo) -> Option<Vec<String>> {
    let id = table.id();
    rig.rows.query_drop(format!("INSERT INTO {id} () VALUES ()")).await.ok()?;
    rig.rows.query_drop(format!("DELETE FROM {id}")).await.ok()?;
    let events = rig.logged().await;
    let map = events.into_iter().find_map(|event| match event.body {
        EventBody::TableMap(map) if map.schema == table.schema && map.table == table.name => Some(map),
        _ => None,
    })?;
    Some(differences(&map, table, &rig.session.server))
}

fn differences(map: &TableMap, table: &TableInfo, server: &ServerInfo) -> Vec<String> {
    if map.columns.len() != table.columns.len() {
        return vec![format!("a row has {} columns, the model {}", map.columns.len(), table.columns.len())];
    }
    let mut problems = Vec::new();
    for (logged, column) in map.columns.iter().zip(&table.columns) {
        if let Some(problem) = difference(logged, column, server) {
            problems.push(format!("column {} ({}) in a row: {problem}", column.name, column.ty.text()));
        }
    }
    problems
}

fn difference(logged: &Logged, column: &Column, server: &ServerInfo) -> Option<String> {
    if logged.name.as_ref().is_some_and(|name| *name != column.name) {
        return Some(format!("its name is {:?}", logged.name));
    }
    if !kinds(column.ty.base).contains(&logged.kind) {
        return Some(format!("its type is {}", logged.kind));
    }
    if logged.nullable != column.nullable {
        return Some(format!("nullable is {}", logged.nullable));
    }
    let number = column.ty.base.is_numeric();
    if number && logged.unsigned.is_some_and(|unsigned| unsigned != column.ty.unsigned) {
        return Some(format!("unsigned is {:?}", logged.unsigned));
    }
    let expected = meta(column)?;
    let compressed = matches!(logged.kind, kind::VARCHAR_COMPRESSED | kind::BLOB_COMPRESSED);
    if logged.meta != expected && !compressed {
        return Some(format!("its size is {}, not {expected}", logged.meta));
    }
    charset_difference(logged, column, server)
}

fn charset_difference(logged: &Logged, column: &Column, server: &ServerInfo) -> Option<String> {
    let tracked = column.charset.as_deref()?;
    let (charset, collation) = logged::collation_by_number(logged.collation?, server)?;
    let same = charset == tracked
        && collation.as_ref().is_none_or(|name| column.collation.as_ref().is_some_and(|own| own == name));
    (!same).then(|| format!("its character set is {charset} {collation:?}"))
}

/// The types in which the binlog may write a type.
fn kinds(base: BaseType) -> &'static [u8] {
    use BaseType::*;
    match base {
        TinyInt => &[kind::TINY],
        SmallInt => &[kind::SHORT],
        MediumInt => &[kind::INT24],
        Int => &[kind::LONG],
        BigInt => &[kind::LONGLONG],
        Float => &[kind::FLOAT],
        Double => &[kind::DOUBLE],
        Decimal => &[kind::NEWDECIMAL],
        Bit => &[kind::BIT],
        Year => &[kind::YEAR],
        Date => &[kind::DATE, kind::NEWDATE],
        Time => &[kind::TIME, kind::TIME2],
        DateTime => &[kind::DATETIME, kind::DATETIME2],
        Timestamp => &[kind::TIMESTAMP, kind::TIMESTAMP2],
        Char | Binary | Inet4 | Inet6 | Uuid => &[kind::STRING],
        VarChar | VarBinary => &[kind::VARCHAR, kind::VAR_STRING, kind::VARCHAR_COMPRESSED],
        Enum => &[kind::ENUM],
        Set => &[kind::SET],
        Json => &[kind::JSON],
        Vector => &[kind::VECTOR, kind::VARCHAR],
        TinyBlob | Blob | MediumBlob | LongBlob | TinyText | Text | MediumText | LongText => {
            &[kind::BLOB, kind::BLOB_COMPRESSED]
        }
        Geometry | Point | LineString | Polygon | MultiPoint | MultiLineString | MultiPolygon | GeometryCollection => {
            &[kind::GEOMETRY]
        }
    }
}

/// The size that the table map should tell; None where it tells none that the model knows.
fn meta(column: &Column) -> Option<u16> {
    use BaseType::*;
    let bytes = column.charset.as_deref().map_or(1, charset::max_bytes);
    let length = column.ty.length.unwrap_or(0);
    let size = match column.ty.base {
        Decimal => (column.ty.length.unwrap_or(10) << 8) | column.ty.decimals.unwrap_or(0),
        Time | DateTime | Timestamp => column.ty.decimals.unwrap_or(0),
        VarChar | Char => length * bytes,
        VarBinary | Binary => length,
        TinyText | TinyBlob => 1,
        Text | Blob => 2,
        MediumText | MediumBlob => 3,
        LongText | LongBlob => 4,
        _ => return None,
    };
    u16::try_from(size).ok()
}
