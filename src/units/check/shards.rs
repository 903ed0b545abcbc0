//! The checks of shards: tables of all sources that become one on the target have one structure, and their AUTO_INCREMENT
//! values don't meet.

use std::{collections::BTreeMap, sync::Arc};

use super::{report::Outcome, structure::Structure, tables::Tables};
use crate::{config::SubtaskConfig, error::Result, rules::Router, schema::model::quote_name};

/// A table that goes to some target table.
pub struct Shard {
    /// Of the source server.
    pub address: String,
    pub schema: String,
    pub table: String,
    pub structure: Arc<Structure>,
}

/// Target schema and table to what goes there.
pub type Targets = BTreeMap<(String, String), Vec<Shard>>;

/// Findings of one target table that are told; the rest is counted.
const MOST: usize = 20;

/// Adds the tables of one source.
pub fn collect(config: &SubtaskConfig, address: &str, tables: &Tables, out: &mut Targets) -> Result<()> {
    let router = Router::new(&config.routes, config.case_sensitive)?;
    for ((schema, table), facts) in tables {
        let Some(structure) = facts.structure.clone() else { continue };
        let target = router.route(schema, table)?;
        let (schema, table) = (schema.clone(), table.clone());
        out.entry(target).or_default().push(Shard { address: address.to_owned(), schema, table, structure });
    }
    Ok(())
}

/// One outcome for each target table of several shards. `auto_increment`: that is looked at too.
pub fn check(targets: &Targets, optimistic: bool, auto_increment: bool) -> Vec<Outcome> {
    let several = targets.iter().filter(|(_, shards)| shards.len() > 1);
    several.map(|(target, shards)| of_target(target, shards, optimistic, auto_increment)).collect()
}

impl Shard {
    fn place(&self) -> String {
        format!("{} on {}", self.name(), self.address)
    }

    fn name(&self) -> String {
        format!("{}.{}", quote_name(&self.schema), quote_name(&self.table))
    }
}

fn of_target(target: &(String, String), shards: &[Shard], optimistic: bool, auto_increment: bool) -> Outcome {
    let target = format!("{}.{}", quote_name(&target.0), quote_name(&target.1));
    let prefix = if optimistic { "optimistic " } else { "" };
    let mut out = Outcome::new(
        format!("{prefix}sharding table {target} consistency checking"),
        "check consistency of sharding table structures",
        "",
    );
    let Some((first, others)) = shards.split_first() else { return out };
    let mut left_out = 0;
    for other in others.iter().filter(|other| !Arc::ptr_eq(&other.structure, &first.structure)) {
        let found = if optimistic {
            cannot_join(&first.structure, &other.structure)
        } else {
            difference(&first.structure, &other.structure)
        };
        let Some(found) = found else { continue };
        if out.errors.len() >= MOST {
            left_out += 1;
            continue;
        }
        out.fail(format!("{}: {found}", other.name()), "Please set same table structure for sharding tables.");
        if let Some(finding) = out.errors.last_mut() {
            (finding.own, finding.other) = (other.place(), first.place());
        }
    }
    if left_out > 0 {
        out.fail(
            format!("and {left_out} more tables of {target}"),
            "Please set same table structure for sharding tables.",
        );
    }
    let counting = shards.iter().find_map(|shard| Some((shard, shard.structure.auto_increment.as_ref()?)));
    let structures = std::mem::take(&mut out.instruction);
    if let Some((shard, column)) = counting.filter(|_| auto_increment) {
        out.warn(
            format!("{}: column {} is AUTO_INCREMENT and a unique key: values of several shards may meet in {target}",
                shard.place(), quote_name(column)),
            "Please make sure that the shards have different values (auto_increment_increment and auto_increment_offset), or \
             create the target table without that key, or with the shard's column (routes: extract-table) in it.",
        );
    }
    out.instruction =
        [structures, out.instruction].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    out
}

/// What is not the same, the first that is found.
fn difference(first: &Structure, other: &Structure) -> Option<String> {
    if first.columns.len() != other.columns.len() {
        let names = |s: &Structure| s.columns.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>();
        let (a, b) = (names(first), names(other));
        let lacks: Vec<&str> = a.iter().filter(|name| !b.contains(name)).map(String::as_str).collect();
        let adds: Vec<&str> = b.iter().filter(|name| !a.contains(name)).map(String::as_str).collect();
        return Some(format!(
            "it has {} columns instead of {}{}{}",
            b.len(),
            a.len(),
            listed(", it lacks ", &lacks),
            listed(", it adds ", &adds)
        ));
    }
    for (at, (a, b)) in first.columns.iter().zip(&other.columns).enumerate() {
        if !a.0.eq_ignore_ascii_case(&b.0) {
            return Some(format!("column {} is {} instead of {}", at + 1, quote_name(&b.0), quote_name(&a.0)));
        }
        if a.1 != b.1 {
            return Some(format!("column {} is {} instead of {}", quote_name(&a.0), b.1, a.1));
        }
    }
    (first.unique != other.unique).then(|| {
        let texts =
            |s: &Structure| s.unique.iter().map(|key| format!("({})", key.join(", "))).collect::<Vec<_>>().join(" ");
        format!("its primary and unique keys are {} instead of {}", none(&texts(other)), none(&texts(first)))
    })
}

fn none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn listed(before: &str, names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

/// Why two structures have no common one that takes rows of both.
fn cannot_join(first: &Structure, other: &Structure) -> Option<String> {
    for (a, b) in [(first, other), (other, first)] {
        for (name, ty, optional) in &a.columns {
            match b.columns.iter().find(|(other, ..)| other.eq_ignore_ascii_case(name)) {
                Some((_, theirs, _)) if theirs != ty => {
                    return Some(format!("column {} is {theirs} and {ty}", quote_name(name)));
                }
                None if !optional => {
                    return Some(format!(
                        "column {} is not in all shards, and has neither a default nor NULL",
                        quote_name(name)
                    ));
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;

    fn shard(table: &str, columns: &[(&str, &str, bool)], unique: &[&str]) -> Shard {
        let structure = Structure {
            create_sql: String::new(),
            columns: columns.iter().map(|(n, t, o)| ((*n).to_owned(), (*t).to_owned(), *o)).collect(),
            unique: unique.iter().map(|k| vec![(*k).to_owned()]).collect(),
            auto_increment: unique.first().map(|k| (*k).to_owned()),
            fulltext: false,
            long: false,
        };
        Shard { address: "h:1".into(), schema: "s".into(), table: table.into(), structure: Arc::new(structure) }
    }

    fn one(a: Shard, b: Shard, optimistic: bool) -> Outcome {
        let targets: Targets = [(("d".to_owned(), "t".to_owned()), vec![a, b])].into();
        check(&targets, optimistic, false).pop().unwrap()
    }

    #[test]
    fn shards_of_one_structure_pass_and_others_say_what_differs() {
        let base = || shard("t1", &[("id", "int(11)", false), ("v", "int(11)", true)], &["id"]);
        assert_eq!(one(base(), base(), false).state, State::Success);
        for (other, text) in [
            (shard("t2", &[("id", "int(11)", false)], &["id"]), "it has 1 columns instead of 2, it lacks v"),
            (
                shard("t2", &[("v", "int(11)", true), ("id", "int(11)", false)], &["id"]),
                "column 1 is `v` instead of `id`",
            ),
            (
                shard("t2", &[("id", "bigint(20)", false), ("v", "int(11)", true)], &["id"]),
                "column `id` is bigint(20) instead of int(11)",
            ),
            (shard("t2", &[("id", "int(11)", false), ("v", "int(11)", true)], &[]), "keys are none instead of (id)"),
        ] {
            let outcome = one(base(), other, false);
            assert_eq!(outcome.state, State::Fail);
            let found = &outcome.errors[0];
            assert!(found.short_error.contains(text), "{found:?}");
            assert_eq!((found.own.as_str(), found.other.as_str()), ("`s`.`t2` on h:1", "`s`.`t1` on h:1"));
        }
        assert_eq!(one(base(), base(), false).name, "sharding table `d`.`t` consistency checking");
    }

    #[test]
    fn optimistic_shards_must_have_a_common_structure() {
        let base = || shard("t1", &[("id", "int(11)", false), ("v", "int(11)", true)], &["id"]);
        let fewer = shard("t2", &[("id", "int(11)", false)], &["id"]);
        let outcome = one(base(), fewer, true);
        assert_eq!((outcome.state, outcome.name.starts_with("optimistic sharding table")), (State::Success, true));
        assert_eq!(one(base(), shard("t2", &[("v", "int(11)", true)], &["id"]), true).state, State::Fail);
        assert_eq!(one(base(), shard("t2", &[("id", "bigint(20)", false)], &["id"]), true).state, State::Fail);
    }

    #[test]
    fn counters_of_shards_may_meet() {
        let base = || shard("t1", &[("id", "int(11)", false)], &["id"]);
        let targets: Targets = [(("d".to_owned(), "t".to_owned()), vec![base(), base()])].into();
        let outcome = &check(&targets, false, true)[0];
        assert_eq!(outcome.state, State::Warn);
        assert!(outcome.errors[0].short_error.contains("column `id` is AUTO_INCREMENT"), "{outcome:?}");
        let single: Targets = [(("d".to_owned(), "t".to_owned()), vec![base()])].into();
        assert!(check(&single, false, true).is_empty());
    }
}
