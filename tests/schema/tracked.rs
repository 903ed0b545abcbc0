//! A tracked table as facts.

use dm::schema::{
    Column, DefaultValue, Index, IndexKind, TableInfo,
    partition::{PartitionKey, PartitionMethod, PartitionValues, Partitioning},
};

use super::facts::{self, ColumnFacts, Given, TableFacts};

/// The facts of a model.
pub fn table(info: &TableInfo) -> TableFacts {
    let mut facts = TableFacts { columns: info.columns.iter().map(column).collect(), ..TableFacts::default() };
    let engine = if info.engine.is_empty() { "InnoDB" } else { &info.engine };
    let (charset, collation) = (facts::charset_text(&info.charset), facts::charset_text(&info.collation));
    facts.lines.insert(facts::table(&charset, &collation, engine, &info.comment));
    facts.lines.extend(info.partition.iter().flat_map(|partitions| partition_lines(partitions)));
    facts.lines.extend(info.indexes.iter().map(key));
    for key in &info.foreign_keys {
        let parent = (&*key.parent.schema, &*key.parent.name);
        facts.lines.insert(facts::foreign_key(&key.name, &key.columns, parent, &key.parent_columns));
    }
    facts
}

fn column(column: &Column) -> ColumnFacts {
    let ty = facts::type_text(&column.ty.text());
    let default = match &column.default {
        None | Some(DefaultValue::Null) => Given::Nothing,
        Some(DefaultValue::Literal(text) | DefaultValue::Number(text)) => Given::Literal(facts::literal(&ty, text)),
        Some(DefaultValue::Bytes(bytes)) => Given::Literal(bytes_literal(&ty, bytes)),
        Some(DefaultValue::CurrentTimestamp) => Given::Now,
        Some(DefaultValue::Expression(text)) => Given::Expression(text.clone()),
    };
    ColumnFacts {
        name: column.name.clone(),
        nullable: column.nullable,
        charset: column.charset.as_deref().map(facts::charset_text).unwrap_or_default(),
        collation: column.collation.as_deref().map(facts::charset_text).unwrap_or_default(),
        default,
        generated: column.generated.as_ref().map(|generated| (generated.expression.clone(), generated.stored)),
        auto_increment: column.auto_increment,
        on_update_now: column.on_update_now,
        invisible: column.invisible,
        comment: column.comment.clone(),
        ty,
    }
}

/// Of a number the bytes are its digits in base 256; of text they are its characters.
fn bytes_literal(ty: &str, bytes: &[u8]) -> String {
    let numeric = ["bit", "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"];
    if numeric.iter().any(|name| ty.starts_with(name)) {
        let value = bytes.iter().fold(0_u64, |value, byte| value.wrapping_shl(8) | u64::from(*byte));
        return facts::literal(ty, &value.to_string());
    }
    facts::literal(ty, &String::from_utf8_lossy(bytes))
}

fn key(index: &Index) -> String {
    let kind = match index.kind {
        IndexKind::Ordinary => "ordinary",
        IndexKind::Fulltext => "fulltext",
        IndexKind::Spatial => "spatial",
        IndexKind::Vector => "vector",
    };
    let part = |part: &dm::schema::IndexColumn| {
        let column = part.expression.as_deref().map_or_else(|| part.column.clone(), facts::key_expression);
        facts::part(&column, part.prefix_len.filter(|_| kind == "ordinary"), part.descending)
    };
    let parts: Vec<String> = index.columns.iter().map(part).collect();
    facts::key(&index.name, index.unique, kind, &parts, index.invisible, &index.comment)
}

fn partition_lines(partitions: &Partitioning) -> Vec<String> {
    let by = |what: &str, by: &PartitionKey| {
        let linear = if by.linear { "LINEAR " } else { "" };
        let expression = match by.method {
            PartitionMethod::SystemTime => String::new(),
            method if method.takes_columns() => by.columns.join(","),
            _ => by.expression.clone(),
        };
        facts::partitioning(what, &format!("{linear}{}", by.method.text()), &expression)
    };
    let mut lines = vec![by("partitioned", &partitions.by)];
    lines.extend(partitions.sub.iter().map(|sub| by("subpartitioned", &sub.by)));
    for (at, partition) in partitions.list.iter().enumerate() {
        let tuple = |values: &Vec<String>| match values.as_slice() {
            [one] => one.clone(),
            several => format!("({})", several.join(",")),
        };
        let values = match &partition.values {
            PartitionValues::Any | PartitionValues::History => String::new(),
            PartitionValues::LessThan(values) => values.join(","),
            PartitionValues::In(list) => list.iter().map(tuple).collect::<Vec<_>>().join(","),
            // As MariaDB shows it.
            PartitionValues::Default => "0".to_owned(),
            PartitionValues::Current => "CURRENT".to_owned(),
        };
        let line = |sub: &str| facts::partition(at + 1, &partition.name, sub, &values, &partition.comment);
        match partition.subpartitions.is_empty() {
            true => lines.push(line("")),
            false => lines.extend(partition.subpartitions.iter().map(|sub| line(sub))),
        }
    }
    lines
}
