//! What the checks compare and send of a table's structure, kept once however many tables have it.

use std::{collections::HashMap, sync::Arc};

use crate::schema::{
    BaseType, Column, Index, IndexColumn, IndexKind, TableInfo, create_text::create_text, model::quote_name,
};

/// The structure of one or many tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Structure {
    /// CREATE TABLE under the name [`PLACEHOLDER`].
    pub create_sql: String,
    /// Name, type, whether a row without a value for it can be written.
    pub columns: Vec<(String, String, bool)>,
    /// Primary and unique keys: their columns, sorted.
    pub unique: Vec<Vec<String>>,
    /// Of an AUTO_INCREMENT column that is the first of a unique key.
    pub auto_increment: Option<String>,
    pub fulltext: bool,
    /// A row or a key is so long that a target may refuse it, or there is a vector, whose key or default it may refuse.
    pub long: bool,
}

/// Bytes of a key, and columns and bytes of a row's short values, that every server and row format takes.
const SAFE_KEY: u64 = 767;
const SAFE_COLUMNS: usize = 150;
const SAFE_ROW: u64 = 4000;

/// Whether some server, row format or page size refuses such a table for its length only.
fn is_long(table: &TableInfo) -> bool {
    // Characters take four bytes at most.
    let bytes = |column: &Column| {
        let length = u64::from(column.ty.length.unwrap_or(8));
        if column.charset.is_some() { length * 4 } else { length }
    };
    let key = |index: &Index| -> u64 {
        let part = |part: &IndexColumn| {
            let column = table.column(&part.column);
            let whole = column.map_or(0, bytes);
            let prefix =
                part.prefix_len.map(|n| u64::from(n) * if column.is_some_and(|c| c.charset.is_some()) { 4 } else { 1 });
            prefix.unwrap_or(whole)
        };
        index.columns.iter().map(part).sum()
    };
    let ordinary = table.indexes.iter().filter(|index| index.kind == IndexKind::Ordinary);
    table.columns.len() > SAFE_COLUMNS
        || table.columns.iter().map(bytes).sum::<u64>() > SAFE_ROW
        || ordinary.map(key).any(|bytes| bytes > SAFE_KEY)
}

/// Stands for the table's name.
pub const PLACEHOLDER: &str = "dm_check";

/// Structures by their text.
#[derive(Default)]
pub struct Structures(HashMap<String, Arc<Structure>>);

impl Structures {
    /// The structure of a table, shared with others that have the same.
    pub fn of(&mut self, table: &TableInfo) -> Arc<Structure> {
        let sql = match &table.create_sql {
            Some(sql) => sql.clone(),
            None => create_text(table),
        };
        let own = format!("CREATE TABLE {}", quote_name(&table.name));
        let sql = match sql.strip_prefix(&own) {
            Some(rest) => format!("CREATE TABLE {}{rest}", quote_name(PLACEHOLDER)),
            None => sql,
        };
        if let Some(known) = self.0.get(&sql) {
            return known.clone();
        }
        let made = Arc::new(Structure::new(table, sql.clone()));
        self.0.insert(sql, made.clone());
        made
    }
}

impl Structure {
    fn new(table: &TableInfo, create_sql: String) -> Self {
        let name = |index: &Index| -> Vec<String> {
            index.columns.iter().map(|part| part.expression.clone().unwrap_or_else(|| part.column.clone())).collect()
        };
        let unique: Vec<&Index> = table.indexes.iter().filter(|index| index.unique).collect();
        let first = |column: &str| unique.iter().any(|index| index.columns.first().is_some_and(|p| p.column == column));
        let auto = table.columns.iter().find(|column| column.auto_increment && first(&column.name));
        let mut keys: Vec<Vec<String>> = unique.iter().map(|index| name(index)).collect();
        keys.sort();
        let optional =
            |c: &crate::schema::Column| c.nullable || c.default.is_some() || c.generated.is_some() || c.auto_increment;
        Structure {
            create_sql,
            columns: table.columns.iter().map(|c| (c.name.clone(), c.ty.text(), optional(c))).collect(),
            unique: keys,
            auto_increment: auto.map(|column| column.name.clone()),
            long: is_long(table) || table.columns.iter().any(|column| column.ty.base == BaseType::Vector),
            fulltext: table.indexes.iter().any(|index| index.kind == IndexKind::Fulltext),
        }
    }
}
