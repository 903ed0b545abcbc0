//! CHECK constraints: which of them the server keeps, the names that it chooses, and those that go with a column.

use super::super::{
    ddl::CheckDef,
    model::{Check, TableInfo, same_name, words},
    server::ServerInfo,
};
use super::keys::number_behind;

/// A constraint that a statement adds.
pub(super) struct NewCheck<'a> {
    pub(super) def: &'a CheckDef,
    /// It stands with a column.
    pub(super) of_column: bool,
}

/// Adds constraints in the order of the text.
pub(super) fn add(table: &mut TableInfo, mut checks: Vec<NewCheck>, server: &ServerInfo) {
    if !server.is_mariadb() && server.version < 80_016 {
        return; // read over
    }
    checks.sort_by_key(|check| check.def.at);
    let mut highest = highest(table);
    for NewCheck { def, of_column } in checks {
        // MariaDB keeps a column's own with the column.
        if server.is_mariadb() && of_column {
            continue;
        }
        let name = match &def.name {
            Some(name) => name.clone(),
            None if server.is_mariadb() => free_name(table),
            None => {
                highest += 1;
                format!("{}_chk_{highest}", table.name)
            }
        };
        table.checks.push(Check { name, expression: def.expression.clone() });
    }
}

fn highest(table: &TableInfo) -> u64 {
    let stem = format!("{}_chk_", table.name);
    table.checks.iter().filter_map(|check| number_behind(&check.name, &stem)).max().unwrap_or(0)
}

fn free_name(table: &TableInfo) -> String {
    let taken = |name: &String| table.checks.iter().any(|check| same_name(&check.name, name));
    (1..).map(|i| format!("CONSTRAINT_{i}")).find(|name| !taken(name)).unwrap_or_default()
}

/// CREATE TABLE ... LIKE: MySQL names all constraints anew.
pub(super) fn of_copy(table: &mut TableInfo, server: &ServerInfo) {
    if !server.is_mariadb() {
        let stem = format!("{}_chk_", table.name);
        for (at, check) in table.checks.iter_mut().enumerate() {
            check.name = format!("{stem}{}", at + 1);
        }
    }
}

/// Constraints that mention a dropped column and none of the others go with it.
pub(super) fn drop_with(table: &mut TableInfo, dropped: &[String]) {
    let TableInfo { checks, columns, .. } = table;
    checks.retain(|check| {
        let words = words(&check.expression);
        let mentions = |name: &str| words.iter().any(|word| same_name(word, name));
        !dropped.iter().any(|name| mentions(name)) || columns.iter().any(|column| mentions(&column.name))
    });
}
