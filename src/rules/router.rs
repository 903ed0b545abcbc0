//! Routes: which target table a source table goes to (config facts 6.1).

use regex::Regex;

use super::{regexp, selector::Selector};
use crate::{
    config::subtask::{Extract, RouteRule},
    error::{Code, DmError, Result},
};

/// Compiled routes.
#[derive(Clone, Debug, Default)]
pub struct Router {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Its place in the list that was compiled.
    index: usize,
    schema: Selector,
    /// None: a schema-level rule.
    table: Option<Selector>,
    target_schema: String,
    target_table: String,
    extracts: Vec<(Part, String, Regex)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Table,
    Schema,
    Source,
}

/// A column that a route adds to every row of a source table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtraColumn {
    pub name: String,
    pub value: String,
}

/// Refuses with `code` when the target table has no place for the columns that a route adds, or the source table has
/// columns of the same names.
pub fn check_places(extras: &[ExtraColumn], target: &str, columns: &[&str], own: &[&str], code: Code) -> Result<()> {
    let has = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    for ExtraColumn { name, .. } in extras {
        let problem = if !has(columns, name) {
            format!("the target table {target} has no column `{name}`, which a rule of the task's routes extracts")
        } else if has(own, name) {
            format!(
                "column `{name}` of {target} gets a value from a rule of the task's routes, but the source table has it too"
            )
        } else {
            continue;
        };
        return Err(DmError::new(code).msg(problem).workaround(
            "Please create the target table with the columns of extract-table, extract-schema and extract-source before \
             the task starts (or add them now), with names that no source table has; then resume the task.",
        ));
    }
    Ok(())
}

/// Where a table goes, and which rule says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub schema: String,
    /// Empty for a schema.
    pub table: String,
    /// The rule's place in the task's list; None: no rule matches, names stay.
    pub rule: Option<usize>,
    /// Whether the rule has a table-pattern.
    pub table_level: bool,
}

impl Router {
    /// Compiles routes. Error 20045 says which rule and why.
    pub fn new(rules: &[RouteRule], case_sensitive: bool) -> Result<Self> {
        let compiled = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| compile(index, rule, case_sensitive).map_err(|reason| invalid(rule, reason)));
        Ok(Router { rules: compiled.collect::<Result<_>>()? })
    }

    /// Why a rule is invalid.
    pub fn problem(rule: &RouteRule, case_sensitive: bool) -> Option<String> {
        compile(0, rule, case_sensitive).err()
    }

    /// Target schema and table; without a matching rule the names stay. With an empty `table` only schema-level rules
    /// count and the table stays empty. Error 40080: two rules of one level match.
    pub fn route(&self, schema: &str, table: &str) -> Result<(String, String)> {
        self.decide(schema, table).map(|route| (route.schema, route.table))
    }

    /// The same with the rule that decides.
    pub fn decide(&self, schema: &str, table: &str) -> Result<Route> {
        let Some(rule) = self.find(schema, table)? else {
            return Ok(Route { schema: schema.to_owned(), table: table.to_owned(), rule: None, table_level: false });
        };
        let table_level = rule.table.is_some();
        let keeps_name = table.is_empty() || !table_level || rule.target_table.is_empty();
        let name = if keeps_name { table } else { &rule.target_table };
        let schema = rule.target_schema.clone();
        Ok(Route { schema, table: name.to_owned(), rule: Some(rule.index), table_level })
    }

    /// Every pattern of names, for hints.
    pub fn patterns(&self) -> impl Iterator<Item = &Selector> {
        self.rules.iter().flat_map(|rule| [Some(&rule.schema), rule.table.as_ref()]).flatten()
    }

    /// The columns that the table's route adds, in the order table, schema, source.
    pub fn extra_columns(&self, schema: &str, table: &str, source_id: &str) -> Result<Vec<ExtraColumn>> {
        let Some(rule) = self.find(schema, table)? else { return Ok(Vec::new()) };
        let columns = rule.extracts.iter().map(|(part, name, expression)| {
            let text = match part {
                Part::Table => table,
                Part::Schema => schema,
                Part::Source => source_id,
            };
            ExtraColumn { name: name.clone(), value: captured(expression, text) }
        });
        Ok(columns.collect())
    }

    /// The rule that decides: a table-level match wins over a schema-level one.
    fn find(&self, schema: &str, table: &str) -> Result<Option<&Rule>> {
        let matching = |rule: &&Rule| rule.schema.matches(schema);
        if !table.is_empty() {
            let hits = |rule: &&Rule| rule.table.as_ref().is_some_and(|pattern| pattern.matches(table));
            let found: Vec<&Rule> = self.rules.iter().filter(matching).filter(hits).collect();
            if !found.is_empty() {
                return only(&found, schema, table);
            }
        }
        let found: Vec<&Rule> = self.rules.iter().filter(matching).filter(|rule| rule.table.is_none()).collect();
        only(&found, schema, table)
    }
}

fn only<'a>(found: &[&'a Rule], schema: &str, table: &str) -> Result<Option<&'a Rule>> {
    if found.len() > 1 {
        let name = if table.is_empty() { format!("schema `{schema}`") } else { format!("table `{schema}`.`{table}`") };
        let rules: Vec<String> = found.iter().map(|rule| rule.described()).collect();
        return Err(DmError::new(Code::WorkerRouteTableDupMatch)
            .msg(format!("{name} matches {} route rules of the same level: {}", found.len(), rules.join(", ")))
            .workaround("Please make the `routes` of the task distinct: a table may match one table-level rule, or one schema-level rule."));
    }
    Ok(found.first().copied())
}

impl Rule {
    fn described(&self) -> String {
        let table = self.table.as_ref().map_or(String::new(), |table| format!(".`{}`", table.text()));
        let to = if self.target_table.is_empty() { String::new() } else { format!(".`{}`", self.target_table) };
        format!("`{}`{table} to `{}`{to}", self.schema.text(), self.target_schema)
    }
}

fn compile(index: usize, rule: &RouteRule, case_sensitive: bool) -> Result<Rule, String> {
    if rule.schema_pattern.is_empty() {
        return Err("schema-pattern is empty".to_owned());
    }
    if rule.target_schema.is_empty() {
        return Err("target-schema is empty".to_owned());
    }
    let table = match rule.table_pattern.as_str() {
        "" => None,
        pattern => Some(Selector::new(pattern, case_sensitive)?),
    };
    let mut extracts = Vec::new();
    let parts = [
        (Part::Table, &rule.extract_table),
        (Part::Schema, &rule.extract_schema),
        (Part::Source, &rule.extract_source),
    ];
    for (part, extract) in parts {
        if let Some(Extract { target_column, regexp }) = extract {
            if target_column.is_empty() || regexp.is_empty() {
                return Err("an extract rule needs a target-column and a regular expression".to_owned());
            }
            extracts.push((part, target_column.clone(), regexp::compile(regexp, true)?));
        }
    }
    Ok(Rule {
        index,
        schema: Selector::new(&rule.schema_pattern, case_sensitive)?,
        table,
        target_schema: rule.target_schema.clone(),
        target_table: rule.target_table.clone(),
        extracts,
    })
}

/// What the groups of the first match captured, joined; empty without a match.
fn captured(expression: &Regex, text: &str) -> String {
    let Some(captures) = expression.captures(text) else { return String::new() };
    captures.iter().skip(1).flatten().map(|group| group.as_str()).collect()
}

fn invalid(rule: &RouteRule, reason: String) -> DmError {
    DmError::new(Code::ConfigGenTableRouter)
        .msg(format!(
            "the route rule with schema-pattern `{}` and table-pattern `{}` is invalid",
            rule.schema_pattern, rule.table_pattern
        ))
        .cause(reason)
        .workaround("Please check the `routes` config in the task configuration file.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(schema: &str, table: &str, target_schema: &str, target_table: &str) -> RouteRule {
        RouteRule {
            schema_pattern: schema.into(),
            table_pattern: table.into(),
            target_schema: target_schema.into(),
            target_table: target_table.into(),
            ..RouteRule::default()
        }
    }

    fn pair(schema: &str, table: &str) -> (String, String) {
        (schema.into(), table.into())
    }

    /// The manual's examples of 1.3.1.1.3, 2.4.2.4 and 2.4.3.4, row by row.
    #[test]
    fn the_manuals_examples() {
        let merge_tables = [rule("test_*", "t_*", "test", "t"), rule("test_*", "", "test", "")];
        let merge_schemas = [rule("test_*", "", "test", "")];
        let only_tables = [rule("test_*", "t_*", "test", "t")];
        let secondary = [rule("user", "", "user_east", ""), rule("store", "store_sz", "store", "store_suzhou")];
        let shards = [rule("store_*", "", "store", ""), rule("store_*", "sale_*", "store", "sale")];
        for (rules, from, to) in [
            (&merge_tables[..], ("test_1", "t_1"), ("test", "t")),
            (&merge_tables, ("test_3", "t_2"), ("test", "t")),
            (&merge_tables, ("test_1", ""), ("test", "")),
            (&merge_schemas, ("test_2", "t_3"), ("test", "t_3")),
            (&merge_schemas, ("test_2", ""), ("test", "")),
            (&only_tables, ("test_1", ""), ("test_1", "")),
            (&secondary, ("user", "information"), ("user_east", "information")),
            (&secondary, ("user", ""), ("user_east", "")),
            (&secondary, ("store", "store_sz"), ("store", "store_suzhou")),
            (&secondary, ("store", "store_sh"), ("store", "store_sh")),
            (&shards, ("store_01", "sale_02"), ("store", "sale")),
            (&shards, ("store_02", "other"), ("store", "other")),
            (&shards, ("store_02", ""), ("store", "")),
        ] {
            let router = Router::new(rules, false).unwrap();
            assert_eq!(router.route(from.0, from.1).unwrap(), pair(to.0, to.1), "{from:?}");
        }
    }

    /// The manual's incorrect example of 1.3.1.1.3: one table, two table-level rules.
    #[test]
    fn the_manuals_incorrect_example() {
        let rules = [rule("test_*", "t_*", "test", "t"), rule("test_1_bak", "t_1_bak", "test", "t_bak")];
        let router = Router::new(&rules, false).unwrap();
        let error = router.route("test_1_bak", "t_1_bak").unwrap_err();
        assert_eq!(error.code(), Code::WorkerRouteTableDupMatch);
        assert!(error.message().contains(
            "table `test_1_bak`.`t_1_bak` matches 2 route rules of the same level: `test_*`.`t_*` to `test`.`t`, \
             `test_1_bak`.`t_1_bak` to `test`.`t_bak`"
        ));
        assert!(router.route("test_2", "t_1_bak").is_ok());
        let schemas = Router::new(&[rule("a*", "", "x", ""), rule("~^ab", "", "y", "")], false).unwrap();
        assert!(schemas.route("abc", "").unwrap_err().message().contains("schema `abc` matches 2"));
        assert!(schemas.route("abc", "t").is_err() && schemas.route("ac", "t").is_ok());
    }

    #[test]
    fn expressions_and_wildcards() {
        let rules = [rule("~^shard_\\d+$", "~^t_[0-9]{2}$", "all", "t"), rule("arch?[!x]", "[a-c]*", "arch", "")];
        let router = Router::new(&rules, false).unwrap();
        for (from, to) in [
            (("SHARD_12", "T_07"), ("all", "t")),
            (("shard_1x", "t_07"), ("shard_1x", "t_07")),
            (("shard_1", "t_7"), ("shard_1", "t_7")),
            (("arch1a", "Bills"), ("arch", "Bills")),
            (("arch1x", "bills"), ("arch1x", "bills")),
            (("arch1a", "debts"), ("arch1a", "debts")),
        ] {
            assert_eq!(router.route(from.0, from.1).unwrap(), pair(to.0, to.1), "{from:?}");
        }
    }

    #[test]
    fn table_level_wins_and_case_is_kept() {
        let rules = [rule("test_*", "t_*", "Test", "T"), rule("test_*", "", "test_all", "")];
        let router = Router::new(&rules, false).unwrap();
        assert_eq!(router.route("TEST_1", "t_1").unwrap(), pair("Test", "T"));
        assert_eq!(router.route("test_1", "other").unwrap(), pair("test_all", "other"));
        assert_eq!(router.route("test_1", "").unwrap(), pair("test_all", ""));
        assert_eq!(router.route("App", "Users").unwrap(), pair("App", "Users"));
    }

    #[test]
    fn only_table_rules_do_not_route_a_schema() {
        let router = Router::new(&[rule("a", "t*", "b", "")], true).unwrap();
        assert_eq!(router.route("a", "").unwrap(), pair("a", ""));
        assert_eq!(router.route("a", "t1").unwrap(), pair("b", "t1"));
        assert_eq!(router.route("A", "t1").unwrap(), pair("A", "t1"));
    }

    #[test]
    fn extraction() {
        let extract =
            |column: &str, regexp: &str| Some(Extract { target_column: column.into(), regexp: regexp.into() });
        let mut rule = rule("test_*", "t_*", "test", "t");
        rule.extract_table = extract("c_table", "t_(.*)");
        rule.extract_schema = extract("c_schema", "test_(.)(.*)");
        rule.extract_source = extract("c_source", "none(.*)");
        let router = Router::new(&[rule], false).unwrap();
        let columns = router.extra_columns("test_11", "t_7", "source-1").unwrap();
        let columns: Vec<(&str, &str)> = columns.iter().map(|c| (c.name.as_str(), c.value.as_str())).collect();
        assert_eq!(columns, [("c_table", "7"), ("c_schema", "11"), ("c_source", "")]);
        assert!(router.extra_columns("other", "t_7", "source-1").unwrap().is_empty());
    }

    #[test]
    fn extracted_values_need_a_place() {
        let extras = [ExtraColumn { name: "shop".into(), value: "1".into() }];
        let check =
            |columns: &[&str], own: &[&str]| check_places(&extras, "`a`.`b`", columns, own, Code::ConfigGenTableRouter);
        assert!(check(&["id", "SHOP"], &["id"]).is_ok());
        assert!(check(&["id"], &["id"]).unwrap_err().message().contains("has no column `shop`"));
        assert!(check(&["id", "shop"], &["shop"]).unwrap_err().message().contains("the source table has it too"));
    }

    #[test]
    fn invalid_rules() {
        for bad in [rule("", "t", "x", ""), rule("a", "t", "", ""), rule("a*b", "", "x", ""), rule("a", "~(", "x", "")]
        {
            assert_eq!(Router::new(&[bad], false).unwrap_err().code(), Code::ConfigGenTableRouter);
        }
    }
}
