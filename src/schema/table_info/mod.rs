//! TiDB's JSON form of a table structure, as DM keeps it in the checkpoint's `table_info` (meta table facts, 2.1), so
//! that DM can go on from our checkpoints and we from its.
//!
//! TiDB's form can't hold everything (foreign keys' parents, MariaDB's types, invisible columns). What it would lose is
//! added as one more member, which TiDB's reader ignores.

mod codes;
mod partition;
mod read;
mod write;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::model::TableInfo;
use crate::error::{Code, DmError, Result};

/// The member that holds our own form, when TiDB's loses something.
const OWN_FORM: &str = "dm_structure";

/// The JSON text of a structure. Error: 44004.
pub fn to_json(table: &TableInfo) -> Result<String> {
    let failed = |error: serde_json::Error| {
        DmError::new(Code::SchemaTrackerCannotSerialize)
            .msg(format!("the structure of {} can't be written as JSON", table.id()))
            .cause(error)
    };
    let mut json = write::table(table);
    let comparable = TableInfo { create_sql: None, ..table.clone() };
    let lossless = read::table(&table.schema, &json).is_ok_and(|back| back == comparable);
    if let (false, Some(members)) = (lossless, json.as_object_mut()) {
        members.insert(OWN_FORM.to_owned(), serde_json::to_value(&comparable).map_err(failed)?);
    }
    serde_json::to_string(&json).map_err(failed)
}

/// A structure from the JSON text; None for `null`. `schema` comes from the checkpoint's row. Error: 44001.
pub fn from_json(schema: &str, json: &str) -> Result<Option<TableInfo>> {
    let invalid = |cause: String| {
        DmError::new(Code::SchemaTrackerInvalidJSON)
            .msg(format!("a stored table_info of schema `{schema}` is not valid"))
            .cause(cause)
            .workaround("Please set the structure again, or delete the table's row from the task's checkpoint table; the structure is then read from the database.")
    };
    let value: Value = serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
    if value.is_null() {
        return Ok(None);
    }
    let own = value.get(OWN_FORM).and_then(|own| serde_json::from_value::<TableInfo>(own.clone()).ok());
    match own {
        Some(mut table) => {
            schema.clone_into(&mut table.schema);
            Ok(Some(table))
        }
        None => read::table(schema, &value).map(Some).map_err(invalid),
    }
}
