//! What the target lacks for a source table's rows, as statements that a user can run there.

use super::structure::missing;
use crate::{
    error::DmError,
    schema::{
        Symbol,
        charset::CharsetPair,
        collation::CollationPolicy,
        create_text::{column_text, create_text},
        model::{Generated, TableId, TableInfo, quote_name},
    },
};

/// The error of a table that isn't on the target, with the statement that creates it as the source has it now.
pub fn no_table(target: &TableId, source: &TableId, info: Option<TableInfo>, policy: &CollationPolicy) -> DmError {
    let error = missing(target, source);
    let Some(info) = info else { return error };
    let info = TableInfo { foreign_keys: Vec::new(), ..at_target(&info, policy) };
    let text = create_text(&info).replacen(&quote_name(&info.name), &target.to_string(), 1);
    error.workaround(format!(
        "Create the table on the target: ``{text}``. Rows that are in the source's table already come with a dump, not with \
         its binlog."
    ))
}

/// The statement that adds the columns; empty when none are missing.
pub fn columns(source: &TableInfo, target: &TableInfo, policy: &CollationPolicy) -> String {
    let own = at_target(source, policy);
    let row_time = |generated: &Generated| generated.is_row_time();
    let lacking = own.columns.iter().filter(|column| {
        target.column(&column.name).is_none() && !column.is_hidden() && !column.generated.as_ref().is_some_and(row_time)
    });
    let parts: Vec<String> = lacking.map(|column| format!("ADD COLUMN {}", column_text(&own, column))).collect();
    if parts.is_empty() { String::new() } else { format!("ALTER TABLE {} {}", target.id(), parts.join(", ")) }
}

/// With the collations that stand on the target for the source's.
fn at_target(info: &TableInfo, policy: &CollationPolicy) -> TableInfo {
    let mapped = |charset: &Symbol, collation: &Symbol| {
        policy.pair(&CharsetPair { charset: charset.clone(), collation: collation.clone() }).ok()
    };
    let mut info = info.clone();
    if let Some(pair) = mapped(&info.charset, &info.collation) {
        (info.charset, info.collation) = (pair.charset, pair.collation);
    }
    for column in &mut info.columns {
        if let (Some(charset), Some(collation)) = (&column.charset, &column.collation)
            && let Some(pair) = mapped(charset, collation)
        {
            (column.charset, column.collation) = (Some(pair.charset), Some(pair.collation));
        }
    }
    info
}
