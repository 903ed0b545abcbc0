//! Who sees every single change of a target table: its triggers, and MariaDB's row versions. Where there are such, or where
//! nobody can say, several changes of one row aren't made one.

use super::table::Combine;
use crate::schema::model::{TableId, quote_text};

/// Asks how many see the changes, and whether this account would be told of triggers: they are shown only to those who
/// have the privilege.
pub fn question(table: &TableId) -> String {
    let (schema, name) = (quote_text(&table.schema), quote_text(&table.name));
    let mine = "GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''') AND PRIVILEGE_TYPE = 'TRIGGER'";
    format!(
        "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {schema} AND \
         EVENT_OBJECT_TABLE = {name}) + (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} \
         AND TABLE_NAME = {name} AND TABLE_TYPE = 'SYSTEM VERSIONED'), \
         (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE {mine}) + \
         (SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE {mine} AND {schema} LIKE TABLE_SCHEMA) + \
         (SELECT COUNT(*) FROM information_schema.TABLE_PRIVILEGES WHERE {mine} AND TABLE_SCHEMA = {schema} AND \
         TABLE_NAME = {name})"
    )
}

/// How far changes of the table may be put together at most, by the answer.
pub fn limit(answer: Option<(u64, u64)>) -> Combine {
    match answer {
        Some((0, may_see)) if may_see > 0 => Combine::Reinsert,
        _ => Combine::Rows,
    }
}
