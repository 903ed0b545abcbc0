//! How a table is divided. Nothing of it changes a row: it is kept for `table_info` (DM's tracker needs it for
//! statements about single partitions) and for `binlog-schema`.

use serde::{Deserialize, Serialize};

use super::model::{quote_name, same_name};

/// A table's partitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Partitioning {
    pub by: PartitionKey,
    pub sub: Option<Subpartitioning>,
    /// In the server's order.
    pub list: Vec<Partition>,
}

/// What rows are divided by.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartitionKey {
    pub method: PartitionMethod,
    /// LINEAR HASH, LINEAR KEY.
    pub linear: bool,
    /// The text between the parentheses as written; of SYSTEM_TIME its INTERVAL or LIMIT. Empty where columns stand.
    pub expression: String,
    /// RANGE COLUMNS, LIST COLUMNS and KEY; none with KEY is the primary key.
    pub columns: Vec<String>,
}

/// How each partition is divided again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subpartitioning {
    pub by: PartitionKey,
    /// Subpartitions of each partition.
    pub count: u32,
}

/// The ways to divide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum PartitionMethod {
    #[default]
    Hash,
    Key,
    Range,
    RangeColumns,
    List,
    ListColumns,
    /// MariaDB's versions of rows by their age.
    SystemTime,
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Partition {
    pub name: String,
    pub values: PartitionValues,
    pub comment: String,
    /// Names of its subpartitions; in a statement none when the server chooses them.
    pub subpartitions: Vec<String>,
}

/// Which rows a partition takes. Values are SQL text: numbers, `'texts'`, NULL, MAXVALUE.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum PartitionValues {
    /// HASH and KEY decide.
    #[default]
    Any,
    LessThan(Vec<String>),
    /// One value, or one for each column.
    In(Vec<Vec<String>>),
    /// MariaDB: what no other partition of a LIST takes.
    Default,
    /// MariaDB: old versions of rows.
    History,
    /// MariaDB: rows as they are now.
    Current,
}

impl PartitionMethod {
    /// As information_schema and statements write it.
    pub fn text(self) -> &'static str {
        match self {
            PartitionMethod::Hash => "HASH",
            PartitionMethod::Key => "KEY",
            PartitionMethod::Range => "RANGE",
            PartitionMethod::RangeColumns => "RANGE COLUMNS",
            PartitionMethod::List => "LIST",
            PartitionMethod::ListColumns => "LIST COLUMNS",
            PartitionMethod::SystemTime => "SYSTEM_TIME",
        }
    }

    /// Whether columns stand between the parentheses.
    pub fn takes_columns(self) -> bool {
        matches!(self, PartitionMethod::Key | PartitionMethod::RangeColumns | PartitionMethod::ListColumns)
    }
}

impl PartitionKey {
    /// As a statement writes it behind `PARTITION BY`.
    pub fn text(&self) -> String {
        let linear = if self.linear { "LINEAR " } else { "" };
        let method = self.method.text();
        if self.method == PartitionMethod::SystemTime {
            let space = if self.expression.is_empty() { "" } else { " " };
            return format!("{method}{space}{}", self.expression);
        }
        let columns = self.columns.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(",");
        format!("{linear}{method} ({})", if self.method.takes_columns() { &columns } else { &self.expression })
    }
}

impl Partition {
    /// The names that the server gives to subpartitions without one.
    pub fn default_subpartitions(&self, count: u32) -> Vec<String> {
        (0..count).map(|at| format!("{}sp{at}", self.name)).collect()
    }

    /// As a statement defines it.
    fn text(&self, sub: Option<&Subpartitioning>) -> String {
        let tuple = |values: &Vec<String>| match values.as_slice() {
            [one] => one.clone(),
            several => format!("({})", several.join(",")),
        };
        let values = match &self.values {
            PartitionValues::Any => String::new(),
            PartitionValues::LessThan(values) => format!(" VALUES LESS THAN ({})", values.join(",")),
            PartitionValues::In(values) => {
                format!(" VALUES IN ({})", values.iter().map(tuple).collect::<Vec<_>>().join(","))
            }
            PartitionValues::Default => " DEFAULT".to_owned(),
            PartitionValues::History => " HISTORY".to_owned(),
            PartitionValues::Current => " CURRENT".to_owned(),
        };
        let comment = match self.comment.as_str() {
            "" => String::new(),
            comment => format!(" COMMENT = {}", value_text(comment)),
        };
        let own = sub.filter(|sub| self.default_subpartitions(sub.count) != self.subpartitions);
        let subpartitions = match own {
            Some(_) => {
                let name = |name: &String| format!("SUBPARTITION {}", quote_name(name));
                format!(" ({})", self.subpartitions.iter().map(name).collect::<Vec<_>>().join(", "))
            }
            None => String::new(),
        };
        format!("PARTITION {}{values}{comment}{subpartitions}", quote_name(&self.name))
    }
}

impl Partitioning {
    /// Where a partition stands; names compare without case.
    pub fn offset(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|partition| same_name(&partition.name, name))
    }

    /// As CREATE TABLE writes it, from `PARTITION BY` on.
    pub fn text(&self) -> String {
        let mut text = format!("PARTITION BY {}", self.by.text());
        if let Some(sub) = &self.sub {
            text.push_str(&format!(" SUBPARTITION BY {} SUBPARTITIONS {}", sub.by.text(), sub.count));
        }
        let plain = |(at, partition): (usize, &Partition)| {
            partition.values == PartitionValues::Any
                && partition.comment.is_empty()
                && partition.name == format!("p{at}")
        };
        if self.sub.is_none() && self.list.iter().enumerate().all(plain) {
            return format!("{text} PARTITIONS {}", self.list.len());
        }
        let list: Vec<String> = self.list.iter().map(|partition| partition.text(self.sub.as_ref())).collect();
        format!("{text} ({})", list.join(", "))
    }
}

/// A text as the value of a partition.
pub(in crate::schema) fn value_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
