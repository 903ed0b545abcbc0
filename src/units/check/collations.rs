//! The check of collations: what will stand on the target for each collation of the source that it lacks, table by
//! table, and which unique keys may find more values equal there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    report::Outcome,
    tables::{TableFacts, Tables},
};
use crate::schema::{
    charset::CharsetPair,
    collation::{CollationPolicy, Mapping},
    model::quote_name,
};

/// The outcome; None when the target has every collation, so that DM's report stays what it is.
pub fn mapped(tables: &Tables, policy: &CollationPolicy, address: &str) -> Option<Outcome> {
    let mut out = Outcome::new(
        "collation mapping check",
        "check whether the target has the collations of the source's tables",
        address,
    );
    let mut known: BTreeMap<String, Option<Mapping>> = BTreeMap::new();
    for ((schema, table), facts) in tables {
        let name = format!("{}.{}", quote_name(schema), quote_name(table));
        // Column by mapping, in the order of the mappings' texts.
        let mut used: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut of_column: BTreeMap<&str, Mapping> = BTreeMap::new();
        let mut refused = BTreeSet::new();
        for (column, pair) in facts.collations() {
            let found = match known.get(&*pair.collation) {
                Some(found) => found.clone(),
                None => match policy.mapping(&pair) {
                    Ok(found) => {
                        known.insert(pair.collation.to_string(), found.clone());
                        found
                    }
                    // A character set that the target lacks is the other item's.
                    Err(error) if policy.target.has_charset(&pair.charset) && refused.insert(pair.collation) => {
                        out.fail(format!("table {name}: {}", error.message()), error.workaround_text());
                        None
                    }
                    Err(_) => None,
                },
            };
            if let Some(mapping) = found {
                used.entry(mapping.text()).or_default().push(column);
                of_column.insert(column, mapping);
            }
        }
        for (text, columns) in &used {
            out.warn(format!("table {name}: collation {text}: {}", columns.join(", ")), ADVICE);
        }
        coarser_keys(&name, facts, &of_column, &mut out);
    }
    (!out.errors.is_empty()).then_some(out)
}

const ADVICE: &str = "Please look whether these collations will do; others can be chosen in the task with `collation-map`, and \
                      `on-unknown-collation: error` refuses what is not chosen. Tables that the target has already stay as they are.";

/// Keys in which values may collide.
fn coarser_keys(name: &str, facts: &TableFacts, of_column: &BTreeMap<&str, Mapping>, out: &mut Outcome) {
    for (key, columns) in &facts.unique_keys {
        for column in columns {
            let Some(mapping) = of_column.get(column.as_str()).filter(|m| m.difference.is_coarser()) else { continue };
            out.warn(
                format!(
                    "table {name}: unique key {} may find values of {} equal that differ on the source: {}",
                    quote_name(key),
                    quote_name(column),
                    mapping.text()
                ),
                ADVICE,
            );
        }
    }
}

impl TableFacts {
    /// Columns (and the table's default) with their character set and collation.
    fn collations(&self) -> impl Iterator<Item = (&str, CharsetPair)> {
        let default = self.default.iter().map(|pair| ("(table default)", pair.clone()));
        default.chain(self.columns.iter().map(|(column, pair)| (column.as_str(), pair.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use crate::schema::collation::Catalog;

    fn pair(collation: &str) -> CharsetPair {
        CharsetPair { charset: "utf8mb4".into(), collation: collation.into() }
    }

    #[test]
    fn table_by_table_and_key_by_key() {
        let mut catalog = Catalog::default();
        for name in ["utf8mb4_bin", "utf8mb4_unicode_ci"] {
            catalog.add(name, "utf8mb4");
        }
        catalog.set_default("utf8mb4", "utf8mb4_unicode_ci");
        let policy = CollationPolicy::new(catalog.clone(), "loose", &BTreeMap::new(), "map").unwrap();
        let facts = TableFacts {
            default: Some(pair("utf8mb4_0900_ai_ci")),
            columns: vec![
                ("a".into(), pair("utf8mb4_0900_ai_ci")),
                ("b".into(), pair("utf8mb4_bin")),
                ("c".into(), pair("utf8mb4_0900_as_cs")),
            ],
            unique_keys: [("k".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into(),
            ..TableFacts::default()
        };
        let tables: Tables = [(("d".to_owned(), "t".to_owned()), facts.clone())].into();
        let outcome = mapped(&tables, &policy, "x").unwrap();
        let texts: Vec<&str> = outcome.errors.iter().map(|e| e.short_error.as_str()).collect();
        assert_eq!(outcome.state, State::Warn);
        assert_eq!(texts.len(), 3, "{texts:#?}");
        assert!(texts[0].starts_with("table `d`.`t`: collation utf8mb4_0900_ai_ci -> utf8mb4_unicode_ci"));
        assert!(texts[0].ends_with(": (table default), a") && texts[1].ends_with(": c"), "{texts:#?}");
        assert!(texts[2].contains("unique key `k` may find values of `a` equal"));
        let strict = CollationPolicy::new(catalog, "loose", &BTreeMap::new(), "error").unwrap();
        assert_eq!(mapped(&tables, &strict, "x").unwrap().state, State::Fail);
        let plain = TableFacts { columns: vec![("b".into(), pair("utf8mb4_bin"))], ..TableFacts::default() };
        let tables: Tables = [(("d".to_owned(), "t".to_owned()), plain)].into();
        assert_eq!(mapped(&tables, &policy, "x"), None);
    }
}
