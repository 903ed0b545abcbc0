//! The filters of a subtask, and which of them takes a row change.

use super::{Expression, Zone, check_grammar};
use crate::{
    config::subtask::ExpressionFilter,
    error::{Code, DmError, Result},
    mysql::value::Value,
    rules::EventKind,
    schema::{
        ServerInfo,
        model::{TableId, TableInfo},
    },
};

/// The filters of a subtask.
#[derive(Debug)]
pub struct Filters {
    filters: Vec<ExpressionFilter>,
    zone: Zone,
    case_sensitive: bool,
}

/// One table's filters, compiled against one structure.
pub struct Compiled {
    rules: Vec<Rule>,
}

struct Rule {
    kind: EventKind,
    /// Over the row before the change (deletes: the row).
    old: Option<(String, Expression)>,
    /// Over the row after the change (inserts: the row).
    new: Option<(String, Expression)>,
}

/// Which expression skips a row change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    /// Its key and text: `insert-value-expr "c % 2 = 0"`; of an update filter with two expressions, both.
    pub expressions: Vec<String>,
}

/// Grammar and functions of all filters, without the tables' structures: error 20041.
pub fn check(filters: &[ExpressionFilter]) -> Result<()> {
    for filter in filters {
        for (key, text) in expressions(filter) {
            check_grammar(text).map_err(|why| refused(filter, key, text, &why))?;
        }
    }
    Ok(())
}

fn expressions(filter: &ExpressionFilter) -> impl Iterator<Item = (&'static str, &str)> {
    [
        ("insert-value-expr", filter.insert_value_expr.as_str()),
        ("update-old-value-expr", &filter.update_old_value_expr),
        ("update-new-value-expr", &filter.update_new_value_expr),
        ("delete-value-expr", &filter.delete_value_expr),
    ]
    .into_iter()
    .filter(|(_, text)| !text.trim().is_empty())
}

fn refused(filter: &ExpressionFilter, key: &str, text: &str, why: &str) -> DmError {
    DmError::new(Code::ConfigExprFilterWrongGrammar)
        .msg(format!(
            "expression-filter of {}: {key} {text:?} can't be evaluated: {why}",
            TableId::new(&filter.schema, &filter.table)
        ))
        .workaround(
            "Please write the expression as in a WHERE clause over columns of that table, with the operators and functions \
             that docs/ddl.md lists, or remove the filter.",
        )
}

impl Filters {
    /// From a subtask. `timezone` is the task's: TIMESTAMP columns are seen in it, in UTC when it is empty.
    /// Errors: 20041 for an expression, 20008 for the time zone.
    pub fn new(filters: &[ExpressionFilter], timezone: &str, case_sensitive: bool) -> Result<Filters> {
        check(filters)?;
        let zone = match timezone.trim() {
            "" => Zone::UTC,
            _ if filters.is_empty() => Zone::UTC,
            name => Zone::parse(name).ok_or_else(|| {
                DmError::new(Code::ConfigInvalidTimezone).msg(format!("timezone {name:?} is not understood"))
            })?,
        };
        Ok(Filters { filters: filters.to_vec(), zone, case_sensitive })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The tables that have filters, each once.
    pub fn tables(&self) -> Vec<TableId> {
        let mut out: Vec<TableId> = Vec::new();
        for filter in &self.filters {
            let table = TableId::new(&filter.schema, &filter.table);
            if !out.contains(&table) {
                out.push(table);
            }
        }
        out
    }

    fn names(&self, filter: &ExpressionFilter, schema: &str, table: &str) -> bool {
        let same = |a: &str, b: &str| a == b || !self.case_sensitive && a.to_lowercase() == b.to_lowercase();
        same(&filter.schema, schema) && same(&filter.table, table)
    }

    /// The filters of a table, compiled against its structure on the source, for what that server's flavor and version
    /// make of them; None when it has none.
    /// Error 20041: a column isn't there, or its type or collation can't be evaluated.
    pub fn compile(&self, table: &TableInfo, server: ServerInfo) -> Result<Option<Compiled>> {
        let mut rules = Vec::new();
        for filter in self.filters.iter().filter(|filter| self.names(filter, &table.schema, &table.name)) {
            let one = |key: &str, text: &str| -> Result<Option<(String, Expression)>> {
                if text.trim().is_empty() {
                    return Ok(None);
                }
                let expression =
                    Expression::new(text, table, self.zone, server).map_err(|why| refused(filter, key, text, &why))?;
                Ok(Some((format!("{key} {text:?}"), expression)))
            };
            let insert = one("insert-value-expr", &filter.insert_value_expr)?;
            let delete = one("delete-value-expr", &filter.delete_value_expr)?;
            let old = one("update-old-value-expr", &filter.update_old_value_expr)?;
            let new = one("update-new-value-expr", &filter.update_new_value_expr)?;
            if insert.is_some() {
                rules.push(Rule { kind: EventKind::Insert, old: None, new: insert });
            }
            if delete.is_some() {
                rules.push(Rule { kind: EventKind::Delete, old: delete, new: None });
            }
            if old.is_some() || new.is_some() {
                rules.push(Rule { kind: EventKind::Update, old, new });
            }
        }
        Ok((!rules.is_empty()).then_some(Compiled { rules }))
    }

    /// Which expression skips a change of a table, if any: [`Filters::compile`] and [`Compiled::explain`] in one.
    pub fn explain(
        &self,
        table: &TableInfo,
        server: ServerInfo,
        old: Option<&[Value]>,
        new: Option<&[Value]>,
        now: i64,
    ) -> Result<Option<Explained>> {
        match self.compile(table, server)? {
            Some(compiled) => compiled.explain(old, new, now),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} expression filters", self.rules.len())
    }
}

impl Compiled {
    /// Whether a change is skipped: an insert has only `new`, a delete only `old`. `now` is the moment of the change in
    /// microseconds since 1970. Errors as [`Compiled::explain`].
    pub fn skips(&self, old: Option<&[Value]>, new: Option<&[Value]>, now: i64) -> Result<bool> {
        Ok(self.taken(old, new, now)?.is_some())
    }

    /// The same, and which expression it is. Error 20041 when an evaluation fails as the server's would (a number out of
    /// its range, a text that is no JSON); it names the expression, not the values.
    pub fn explain(&self, old: Option<&[Value]>, new: Option<&[Value]>, now: i64) -> Result<Option<Explained>> {
        Ok(self.taken(old, new, now)?.map(|rule| Explained {
            expressions: rule.old.iter().chain(&rule.new).map(|(name, _)| name.clone()).collect(),
        }))
    }

    fn taken(&self, old: Option<&[Value]>, new: Option<&[Value]>, now: i64) -> Result<Option<&Rule>> {
        let kind = match (old, new) {
            (None, Some(_)) => EventKind::Insert,
            (Some(_), None) => EventKind::Delete,
            (Some(_), Some(_)) => EventKind::Update,
            (None, None) => return Ok(None),
        };
        for rule in self.rules.iter().filter(|rule| rule.kind == kind) {
            if holds(&rule.old, old, now)? && holds(&rule.new, new, now)? {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }
}

/// An expression that isn't there doesn't keep the other one from deciding.
fn holds(expression: &Option<(String, Expression)>, row: Option<&[Value]>, now: i64) -> Result<bool> {
    let (Some((name, expression)), Some(row)) = (expression, row) else { return Ok(true) };
    let truth = expression.truth(row, now).map_err(|why| {
        DmError::new(Code::ConfigExprFilterWrongGrammar)
            .msg(format!("expression-filter: {name} can't be evaluated over a row: {why}"))
            .workaround(
                "Please change the expression so that it has a value for every row (the source's server gives the same \
                 error over such a row), with `stop-task` and `start-task`.",
            )
    })?;
    Ok(truth == Some(true))
}
