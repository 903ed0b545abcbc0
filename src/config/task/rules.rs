//! Checks of the rules a task names: routes, block-allow lists, event and expression filters, online-DDL patterns.

use crate::{
    config::subtask::{BlockAllowList, ExpressionFilter, FilterRule, RouteRule},
    error::{Code, DmError, Result},
    rules::{BlockAllow, EventFilter, Router, expression, regexp},
};

/// An empty list becomes the default; `^` and `$` are added where they are missing.
pub(super) fn adjust_patterns(patterns: &mut Vec<String>, default: &str) {
    if patterns.is_empty() {
        patterns.push(default.to_owned());
    }
    for pattern in patterns {
        if !pattern.starts_with('^') {
            pattern.insert(0, '^');
        }
        if !pattern.ends_with('$') {
            pattern.push('$');
        }
    }
}

/// 20048: each pattern compiles and has exactly one capture group.
pub(super) fn check_patterns(option: &str, patterns: &[String]) -> Result<()> {
    for pattern in patterns {
        let reason = match regexp::compile(pattern, true) {
            Err(e) => e,
            // The whole match counts as a group.
            Ok(regex) if regex.captures_len() != 2 => {
                format!("it has {} capture groups, exactly one is allowed", regex.captures_len() - 1)
            }
            Ok(_) => continue,
        };
        return Err(DmError::new(Code::ConfigOnlineDDLInvalidRegex)
            .msg(format!("pattern {pattern:?} of {option} is invalid: {reason}")));
    }
    Ok(())
}

/// 20045: both schemas are given, patterns are readable, extractors are whole.
pub(super) fn check_route(name: &str, rule: &RouteRule) -> Result<()> {
    let fail = |cause: String| {
        Err(DmError::new(Code::ConfigGenTableRouter).msg(format!("route rule {name:?} is invalid")).cause(cause))
    };
    for (key, value) in [("schema-pattern", &rule.schema_pattern), ("target-schema", &rule.target_schema)] {
        if value.is_empty() {
            return fail(format!("key {key} must not be empty"));
        }
    }
    if rule.table_pattern.is_empty() && !rule.target_table.is_empty() {
        return fail("key target-table needs a table-pattern".into());
    }
    match Router::problem(rule, false) {
        Some(cause) => fail(cause),
        None => Ok(()),
    }
}

/// 20044: names and expressions are readable.
pub(super) fn check_block_allow_list(name: &str, list: &BlockAllowList) -> Result<()> {
    let fail = |cause: String| {
        Err(DmError::new(Code::ConfigGenBAList).msg(format!("block-allow list {name:?} is invalid")).cause(cause))
    };
    for (key, tables) in [("do-tables", &list.do_tables), ("ignore-tables", &list.ignore_tables)] {
        for table in tables {
            if table.db_name.is_empty() || table.tbl_name.is_empty() {
                return fail(format!("Table string cannot be empty: {key} needs db-name and tbl-name"));
            }
        }
    }
    match BlockAllow::new(list, false) {
        Err(error) => fail(error.raw_cause().to_owned()),
        Ok(_) => Ok(()),
    }
}

/// 20042, 20039 and 20041.
pub(super) fn check_expression_filter(name: &str, filter: &ExpressionFilter) -> Result<()> {
    for (key, value) in [("schema", &filter.schema), ("table", &filter.table)] {
        if value.is_empty() {
            return Err(DmError::new(Code::ConfigExprFilterEmptyName)
                .msg(format!("expression filter {name:?} must have key {key}")));
        }
    }
    let update = !filter.update_old_value_expr.is_empty() || !filter.update_new_value_expr.is_empty();
    let kinds = [!filter.insert_value_expr.is_empty(), update, !filter.delete_value_expr.is_empty()];
    let expressions = [
        ("insert-value-expr", &filter.insert_value_expr),
        ("update-old-value-expr", &filter.update_old_value_expr),
        ("update-new-value-expr", &filter.update_new_value_expr),
        ("delete-value-expr", &filter.delete_value_expr),
    ];
    let set: Vec<_> = expressions.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    if kinds.iter().filter(|kind| **kind).count() > 1 {
        let keys: Vec<&str> = set.iter().map(|(key, _)| *key).collect();
        return Err(DmError::new(Code::ConfigExprFilterManyExpr)
            .msg(format!("expression filter {name:?} sets {}, only one kind is allowed", keys.join(", "))));
    }
    for (key, text) in set {
        if let Err(reason) = expression::check_grammar(text) {
            return Err(DmError::new(Code::ConfigExprFilterWrongGrammar)
                .msg(format!("expression filter {name:?}: {key} {text:?} can't be evaluated"))
                .cause(reason));
        }
    }
    Ok(())
}

/// Why an event filter rule would be skipped; the original only logs it.
pub(super) fn filter_problem(rule: &FilterRule) -> Option<String> {
    EventFilter::problem(rule, false)
}
