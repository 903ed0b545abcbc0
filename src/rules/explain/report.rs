//! What is explained, as it stands in the JSON of `dmctl match -o json`. Fields are only ever added.

use serde::Serialize;

/// All sources of a task.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub task: String,
    pub sources: Vec<SourceReport>,
}

/// One source.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    pub source: String,
    /// Of the task or of the source.
    pub case_sensitive: bool,
    /// Where the source's own filters and case sensitivity were read.
    pub source_config: String,
    pub hints: Vec<String>,
    pub tables: Vec<TableReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<RowReport>,
}

/// One table; of a schema `table` is empty.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    pub schema: String,
    pub table: String,
    pub migrated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    pub list: ListReport,
    /// `shadow` or `trash`: a helper table of an online schema change tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    pub route: RouteReport,
    /// Filters that concern it, in order.
    pub filters: Vec<String>,
    /// Expression filters of its rows.
    pub expression_filters: Vec<String>,
    pub events: Vec<EventReport>,
    /// Nobody asked for certain events: these are all.
    #[serde(skip)]
    pub all_events: bool,
    pub notes: Vec<String>,
}

/// What the block-allow list says.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub allowed: bool,
    pub schema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// Where it goes.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `table` or `schema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    pub target_schema: String,
    pub target_table: String,
    /// Columns that the route adds to every row.
    pub columns: Vec<ColumnReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A column that a route adds.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ColumnReport {
    pub name: String,
    pub value: String,
}

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventAction {
    Migrate,
    Skip,
    Error,
}

/// One event of a table.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventReport {
    pub event: String,
    /// RENAME: the name that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    pub action: EventAction,
    /// The filters that were asked, in order, up to the one that decides.
    pub steps: Vec<StepReport>,
}

/// What one filter said.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    pub filter: String,
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_event: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_sql: Option<bool>,
    pub outcome: String,
}

/// One statement of the source's binlog.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementReport {
    pub sql: String,
    /// Why it can't be read, and what the filters say about its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_text: Option<EventReport>,
    /// One for each table of a DROP or RENAME of several, else one.
    pub parts: Vec<PartReport>,
}

/// What a statement means for one table.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    pub tables: Vec<String>,
    /// In a word or two: migrated, skipped, partly, refused.
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub events: Vec<EventReport>,
    /// What the target gets (character sets excepted, which depend on it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// One row change.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowReport {
    pub event: String,
    pub migrated: bool,
    /// The expressions that skip it.
    pub expressions: Vec<String>,
    pub table: TableReport,
}
