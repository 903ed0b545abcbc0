//! The member `partition`: TiDB's PartitionInfo. TiDB has no LINEAR, no subpartitions and no versions of rows: it makes
//! plain HASH and KEY of the first and leaves the second out, and so is written; SYSTEM_TIME is written as null.

use serde_json::{Value, json};

use super::{
    read::{flag, list, name, names_of, number, text},
    write,
};
use crate::schema::model::TableInfo;
use crate::schema::partition::{Partition, PartitionKey, PartitionMethod, PartitionValues, Partitioning};

const RANGE: u64 = 1;
const HASH: u64 = 2;
const LIST: u64 = 3;
const KEY: u64 = 4;

pub(super) fn to_json(table: &TableInfo) -> Value {
    let Some(partitions) = &table.partition else { return Value::Null };
    let by = &partitions.by;
    let kind = match by.method {
        PartitionMethod::Range | PartitionMethod::RangeColumns => RANGE,
        PartitionMethod::Hash => HASH,
        PartitionMethod::List | PartitionMethod::ListColumns => LIST,
        PartitionMethod::Key => KEY,
        PartitionMethod::SystemTime => return Value::Null,
    };
    let implied = by.method == PartitionMethod::Key && by.columns.is_empty();
    let key = table.indexes.iter().find(|index| index.primary).filter(|_| implied);
    let own = by.columns.iter().map(String::as_str);
    let columns: Vec<Value> = own
        .chain(key.into_iter().flat_map(|key| key.columns.iter().map(|part| &*part.column)))
        .map(write::name)
        .collect();
    let definitions: Vec<Value> =
        partitions.list.iter().enumerate().map(|(at, partition)| definition(at, partition)).collect();
    json!({
        "type": kind,
        "expr": by.expression,
        "columns": if columns.is_empty() { Value::Null } else { Value::Array(columns) },
        "enable": true,
        "is_empty_columns": implied,
        "definitions": definitions,
        "adding_definitions": null,
        "dropping_definitions": null,
        "states": null,
        "num": partitions.list.len(),
        "ddl_state": 0,
    })
}

fn definition(at: usize, partition: &Partition) -> Value {
    let (less_than, in_values) = match &partition.values {
        PartitionValues::LessThan(values) => (json!(values), Value::Null),
        PartitionValues::In(values) => (Value::Null, json!(values)),
        PartitionValues::Default => (Value::Null, json!([["DEFAULT"]])),
        PartitionValues::Any | PartitionValues::History | PartitionValues::Current => (Value::Null, Value::Null),
    };
    let mut json = json!({
        // Numbers of tables and partitions share one row in TiDB; 1 is the table's.
        "id": at + 2,
        "name": write::name(&partition.name),
        "less_than": less_than,
        "in_values": in_values,
        "policy_ref_info": null,
    });
    if let (false, Some(members)) = (partition.comment.is_empty(), json.as_object_mut()) {
        members.insert("comment".to_owned(), json!(partition.comment));
    }
    json
}

/// None: the table has no partitions. TiDB keeps the definition of a table whose partitioning is being removed.
pub(super) fn from_json(json: &Value) -> Result<Option<Box<Partitioning>>, String> {
    if json.is_null() || json.get("enable") == Some(&Value::Bool(false)) {
        return Ok(None);
    }
    let columns = names_of(json, "columns")?;
    let method = match (number(json, "type") as u64, columns.is_empty()) {
        (RANGE, true) => PartitionMethod::Range,
        (RANGE, false) => PartitionMethod::RangeColumns,
        (HASH, _) => PartitionMethod::Hash,
        (LIST, true) => PartitionMethod::List,
        (LIST, false) => PartitionMethod::ListColumns,
        (KEY, _) => PartitionMethod::Key,
        (other, _) => return Err(format!("partition type {other} is unknown")),
    };
    let columns = if flag(json, "is_empty_columns") { Vec::new() } else { columns };
    let by = PartitionKey { method, linear: false, expression: text(json, "expr").to_owned(), columns };
    let list = list(json, "definitions").iter().map(partition).collect::<Result<_, String>>()?;
    Ok(Some(Box::new(Partitioning { by, sub: None, list })))
}

fn partition(json: &Value) -> Result<Partition, String> {
    let texts =
        |values: &[Value]| -> Vec<String> { values.iter().filter_map(Value::as_str).map(str::to_owned).collect() };
    let less_than = texts(list(json, "less_than"));
    let in_values: Vec<Vec<String>> =
        list(json, "in_values").iter().filter_map(Value::as_array).map(|tuple| texts(tuple)).collect();
    let values = match (less_than.is_empty(), in_values.as_slice()) {
        (false, _) => PartitionValues::LessThan(less_than),
        (true, []) => PartitionValues::Any,
        (true, [only]) if only.as_slice() == ["DEFAULT"] => PartitionValues::Default,
        (true, _) => PartitionValues::In(in_values),
    };
    Ok(Partition {
        name: name(json, "name")?,
        values,
        comment: text(json, "comment").to_owned(),
        subpartitions: Vec::new(),
    })
}
