//! What a table map says about its table, against a structure; and a structure from the table map alone, where the
//! source writes all (`binlog_row_metadata=FULL`, MySQL 8 and MariaDB 10.5).

use crate::{
    error::{Code, DmError},
    mysql::binlog::table_map::{Column as Logged, TableMap, column_type as kind},
    schema::{
        charset::max_bytes,
        column_type::{BaseType, ColumnType},
        logged::collation_by_number,
        model::{Column, Index, IndexColumn, TableId, TableInfo, same_name},
        server::ServerInfo,
    },
};

/// Whether a structure can be that of rows with this layout.
pub fn fits(map: &TableMap, info: &TableInfo) -> bool {
    contradiction(map, info).is_none()
}

/// What in the table map can't be if the structure is the rows'; None when they agree as far as the source tells.
pub fn contradiction(map: &TableMap, info: &TableInfo) -> Option<String> {
    if map.columns.len() != info.columns.len() {
        return Some(format!("a row has {} columns, the structure {}", map.columns.len(), info.columns.len()));
    }
    map.columns.iter().zip(&info.columns).enumerate().find_map(|(at, (logged, column))| {
        let what = difference(logged, column)?;
        Some(format!("column {} of a row, `{}` in the structure, {what}", at + 1, column.name))
    })
}

fn difference(logged: &Logged, column: &Column) -> Option<String> {
    // A name outside the BMP stands there with question marks.
    if let Some(name) = logged.name.as_ref().filter(|name| !name.contains('?') && !same_name(name, &column.name)) {
        return Some(format!("is named `{name}`"));
    }
    if !kind_fits(logged.kind, column.ty.base) {
        return Some(format!("has the binlog's type {}, which no {} has", logged.kind, column.ty.base.as_str()));
    }
    if column.ty.base.is_numeric() && logged.unsigned.is_some_and(|unsigned| unsigned != column.ty.unsigned) {
        return Some(if column.ty.unsigned { "is signed".to_owned() } else { "is unsigned".to_owned() });
    }
    None
}

/// The error for rows that contradict the tracked structure.
pub fn mismatch(source: &TableId, why: &str) -> DmError {
    DmError::new(Code::SyncerUnitDMLColumnNotMatch)
        .msg(format!("the binlog's rows of {source} contradict the structure that is tracked for this position: {why}"))
        .workaround(
            format!(
                "The structure in the checkpoint (or one that was set by hand) isn't that of this position. Set the right one: \
                 `binlog-schema update {{task}} {} {} --from-source -s {{source}}` if nothing altered the table on the source \
                 since, `--from-target` if the target's table has the same columns in the same order, or a file with its \
                 CREATE TABLE; then `resume-task {{task}}`.",
                source.schema, source.name
            ),
        )
}

/// The structure of the rows, from the table map alone. None when the source doesn't write everything.
pub fn from_map(map: &TableMap, server: &ServerInfo) -> Option<TableInfo> {
    let columns = map.columns.iter().map(|logged| column(logged, server)).collect::<Option<Vec<Column>>>()?;
    let mut info = TableInfo { schema: map.schema.clone(), name: map.table.clone(), columns, ..TableInfo::default() };
    let part = |at: &usize| {
        let column = info.columns.get(*at)?.name.clone();
        Some(IndexColumn { column, ..IndexColumn::default() })
    };
    let parts = map.primary_key.iter().map(part).collect::<Option<Vec<IndexColumn>>>()?;
    if !parts.is_empty() {
        let name = "PRIMARY".to_owned();
        info.indexes.push(Index { name, unique: true, primary: true, columns: parts, ..Index::default() });
    }
    Some(info)
}

fn column(logged: &Logged, server: &ServerInfo) -> Option<Column> {
    let name = logged.name.clone().filter(|name| !name.contains('?'))?;
    let (charset, collation) = match logged.collation.filter(|number| *number != 63) {
        Some(number) => collation_by_number(number, server).map(|(charset, name)| (Some(charset), name))?,
        None => (None, None),
    };
    let mut ty = ColumnType::of(base(logged, charset.is_some())?);
    ty.unsigned = logged.unsigned.unwrap_or(false) && ty.base.is_numeric();
    match ty.base {
        BaseType::Decimal => {
            (ty.length, ty.decimals) = (Some(u32::from(logged.meta >> 8)), Some(u32::from(logged.meta & 0xff)));
        }
        BaseType::Time | BaseType::DateTime | BaseType::Timestamp => {
            ty.decimals = Some(u32::from(logged.meta)).filter(|digits| *digits > 0);
        }
        BaseType::Bit => ty.length = Some(logged.meta.into()),
        BaseType::Char | BaseType::VarChar | BaseType::Binary | BaseType::VarBinary => {
            ty.length = Some(u32::from(logged.meta) / charset.map_or(1, max_bytes).max(1));
        }
        BaseType::Enum | BaseType::Set => {
            let text = |bytes: &bytes::Bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
            ty.elems = logged.members.iter().map(text).collect::<Option<Vec<String>>>()?;
            if ty.elems.is_empty() {
                return None;
            }
        }
        _ => {}
    }
    let collation = match (charset, collation) {
        (Some(charset), None) => Some(format!("{charset}_general_ci")),
        (_, collation) => collation,
    };
    Some(Column {
        name,
        ty,
        charset: charset.map(Into::into),
        collation: collation.map(Into::into),
        nullable: logged.nullable,
        ..Column::default()
    })
}

fn base(logged: &Logged, characters: bool) -> Option<BaseType> {
    use BaseType::*;
    let pick = |text: BaseType, bytes: BaseType| if characters { text } else { bytes };
    Some(match logged.kind {
        kind::TINY => TinyInt,
        kind::SHORT => SmallInt,
        kind::INT24 => MediumInt,
        kind::LONG => Int,
        kind::LONGLONG => BigInt,
        kind::FLOAT => Float,
        kind::DOUBLE => Double,
        kind::NEWDECIMAL => Decimal,
        kind::BIT => Bit,
        kind::YEAR => Year,
        kind::DATE | kind::NEWDATE => Date,
        kind::TIME | kind::TIME2 => Time,
        kind::DATETIME | kind::DATETIME2 => DateTime,
        kind::TIMESTAMP | kind::TIMESTAMP2 => Timestamp,
        kind::STRING => pick(Char, Binary),
        kind::VARCHAR | kind::VAR_STRING | kind::VARCHAR_COMPRESSED => pick(VarChar, VarBinary),
        kind::BLOB | kind::BLOB_COMPRESSED => match logged.meta {
            1 => pick(TinyText, TinyBlob),
            2 => pick(Text, Blob),
            3 => pick(MediumText, MediumBlob),
            _ => pick(LongText, LongBlob),
        },
        kind::ENUM => Enum,
        kind::SET => Set,
        kind::JSON => Json,
        kind::VECTOR => Vector,
        kind::GEOMETRY => Geometry,
        _ => return None,
    })
}

fn kind_fits(logged: u8, base: BaseType) -> bool {
    use BaseType::*;
    match base {
        TinyInt => logged == kind::TINY,
        SmallInt => logged == kind::SHORT,
        MediumInt => logged == kind::INT24,
        Int => logged == kind::LONG,
        BigInt => logged == kind::LONGLONG,
        Float => logged == kind::FLOAT,
        Double => logged == kind::DOUBLE,
        Decimal => logged == kind::NEWDECIMAL,
        Bit => logged == kind::BIT,
        Year => logged == kind::YEAR,
        Date => matches!(logged, kind::DATE | kind::NEWDATE),
        Time => matches!(logged, kind::TIME | kind::TIME2),
        DateTime => matches!(logged, kind::DATETIME | kind::DATETIME2),
        Timestamp => matches!(logged, kind::TIMESTAMP | kind::TIMESTAMP2),
        Enum => matches!(logged, kind::ENUM | kind::STRING),
        Set => matches!(logged, kind::SET | kind::STRING),
        Json => matches!(logged, kind::JSON | kind::BLOB | kind::LONG_BLOB),
        Vector => matches!(logged, kind::VECTOR | kind::VARCHAR | kind::BLOB),
        Char | VarChar | Binary | VarBinary | Inet4 | Inet6 | Uuid => {
            matches!(logged, kind::STRING | kind::VAR_STRING | kind::VARCHAR | kind::VARCHAR_COMPRESSED)
        }
        _ if base.is_blob() || base.is_text() => {
            matches!(logged, kind::BLOB | kind::TINY_BLOB | kind::MEDIUM_BLOB | kind::LONG_BLOB | kind::BLOB_COMPRESSED)
        }
        _ => matches!(logged, kind::GEOMETRY | kind::BLOB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flavor;

    const SERVER: ServerInfo = ServerInfo { flavor: Flavor::Mysql, version: 80_036 };

    fn logged(kind: u8, meta: u16, name: Option<&str>) -> Logged {
        Logged { kind, meta, name: name.map(str::to_owned), ..Logged::default() }
    }

    fn map(columns: Vec<Logged>) -> TableMap {
        TableMap { schema: "d".into(), table: "t".into(), columns, primary_key: vec![0], ..TableMap::default() }
    }

    #[test]
    fn a_full_table_map_is_a_structure() {
        let id = Logged { unsigned: Some(true), ..logged(kind::LONGLONG, 0, Some("id")) };
        let name = Logged { collation: Some(255), nullable: true, ..logged(kind::VARCHAR, 80, Some("name")) };
        let bytes = Logged { collation: Some(63), ..logged(kind::BLOB, 3, Some("bytes")) };
        let price = logged(kind::NEWDECIMAL, 10 << 8 | 2, Some("price"));
        let at = logged(kind::DATETIME2, 3, Some("at"));
        let full = map(vec![id, name, bytes, price, at]);
        let info = from_map(&full, &SERVER).unwrap();
        let texts: Vec<String> = info.columns.iter().map(|column| column.ty.text()).collect();
        assert_eq!(texts, ["bigint unsigned", "varchar(20)", "mediumblob", "decimal(10,2)", "datetime(3)"]);
        assert_eq!(info.columns[1].collation.as_deref(), Some("utf8mb4_0900_ai_ci"));
        assert_eq!(info.row_key(), Some(vec![0]));
        assert_eq!(contradiction(&full, &info), None);
        assert_eq!(from_map(&map(vec![logged(kind::LONG, 0, None)]), &SERVER), None);
    }

    #[test]
    fn contradictions_are_told() {
        let column = |name: &str, base| Column { name: name.into(), ty: ColumnType::of(base), ..Column::default() };
        let info = TableInfo { columns: vec![column("A", BaseType::Int)], ..TableInfo::default() };
        assert_eq!(contradiction(&map(vec![logged(kind::LONG, 0, Some("a"))]), &info), None);
        assert_eq!(contradiction(&map(vec![logged(kind::LONG, 0, None)]), &info), None);
        let told = |logged: Logged| contradiction(&map(vec![logged]), &info).unwrap();
        assert!(told(logged(kind::LONG, 0, Some("b"))).contains("is named `b`"));
        assert!(told(logged(kind::TINY, 0, None)).contains("type 1, which no int has"));
        assert!(told(Logged { unsigned: Some(true), ..logged(kind::LONG, 0, None) }).contains("is unsigned"));
        assert!(contradiction(&map(Vec::new()), &info).unwrap().contains("0 columns"));
        let error = mismatch(&TableId::new("d", "t"), "x");
        assert!(!error.workaround_text().is_empty());
    }
}
