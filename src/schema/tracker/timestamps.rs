//! What TIMESTAMP columns have by themselves without explicit_defaults_for_timestamp (manual, Server System Variables).

use super::{
    super::{
        column_type::BaseType,
        model::{Column, DefaultValue, TableInfo},
    },
    default::stored,
};

/// The table's first TIMESTAMP sets and updates itself when it is NOT NULL and nothing else is said; other new ones
/// that are NOT NULL begin at zero.
pub(super) fn imply(table: &mut TableInfo, is_new: impl Fn(&Column) -> bool) {
    let is_timestamp = |column: &Column| column.ty.base == BaseType::Timestamp && column.generated.is_none();
    let bare = |column: &Column| !column.nullable && column.default.is_none();
    let first = table.columns.iter_mut().find(|column| is_timestamp(column));
    if let Some(column) = first.filter(|column| bare(column) && !column.on_update_now) {
        column.default = Some(DefaultValue::CurrentTimestamp);
        column.on_update_now = true;
    }
    for column in table.columns.iter_mut().filter(|column| is_timestamp(column) && bare(column) && is_new(column)) {
        column.default = Some(stored(DefaultValue::Number("0".to_owned()), &column.ty));
    }
}
