//! Collations that the target lacks and what stood for them, for the log and query-status.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use crate::schema::collation::Mapping;

/// Names that a note shows.
const SHOWN: usize = 5;

/// What a unit mapped: each mapping with the tables that it was used for. Every pair is logged once a run.
#[derive(Debug, Default)]
pub struct MappedCollations(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl MappedCollations {
    /// Notes one; `what` is the quoted name of a table or database of the target.
    pub fn add(&self, task: &str, what: &str, mapping: &Mapping) {
        let text = mapping.text();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&text).is_some_and(|tables| tables.contains(what)) {
            return;
        }
        tracing::warn!(
            task,
            table = what,
            from = %mapping.from.collation,
            to = %mapping.to.collation,
            chosen = mapping.chosen,
            differs = mapping.difference.text(),
            "another collation stands on the target for the source's"
        );
        all.entry(text).or_default().insert(what.to_owned());
    }

    /// One remark a mapping.
    pub fn notes(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let note = |(mapping, tables): (&String, &BTreeSet<String>)| {
            let names: Vec<&str> = tables.iter().take(SHOWN).map(String::as_str).collect();
            let more = tables.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("collation {mapping} in {}{more}", names.join(", "))
        };
        all.iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{charset::CharsetPair, collation::Difference};

    #[test]
    fn one_note_a_mapping() {
        let pair = |c: &str| CharsetPair { charset: "utf8mb4".into(), collation: c.into() };
        let mapping = Mapping { from: pair("a"), to: pair("b"), difference: Difference::default(), chosen: false };
        let mapped = MappedCollations::default();
        for table in ["t1", "t2", "t2", "t3", "t4", "t5", "t6", "t7"] {
            mapped.add("task", table, &mapping);
        }
        assert_eq!(mapped.notes(), ["collation a -> b in t1, t2, t3, t4, t5 and 2 more"]);
    }
}
