//! What stands on the target for each character set and collation of the source: the target's own, the task's
//! override, or the nearest that the target has.

use std::collections::BTreeMap;

use super::{
    catalog::Catalog,
    nearest::{Difference, nearest},
    traits::Traits,
};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result, Scope},
    schema::charset::{CharsetPair, canonical_charset, canonical_collation},
};

/// What is done about a collation that the target lacks (`on-unknown-collation` of the task).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnUnknown {
    #[default]
    Map,
    Error,
}

/// The task's rules on one target.
#[derive(Clone, Debug, Default)]
pub struct CollationPolicy {
    pub target: Catalog,
    /// `collation-map` of the task: collation or character set of the source to collation of the target, canonical.
    overrides: BTreeMap<String, String>,
    on_unknown: OnUnknown,
    /// Defaults that differ between the two sides are written out.
    explicit: bool,
}

/// A collation of the source and what stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub from: CharsetPair,
    pub to: CharsetPair,
    pub difference: Difference,
    /// The task says so; else it is the nearest.
    pub chosen: bool,
}

impl Mapping {
    /// `utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci (what differs)`.
    pub fn text(&self) -> String {
        let difference = self.difference.text();
        let difference = if difference.is_empty() { String::new() } else { format!(" ({difference})") };
        format!("{} -> {}{difference}", self.from.collation, self.to.collation)
    }
}

impl CollationPolicy {
    /// From the task's settings: `strict` or `loose`, the overrides and `map` or `error`. Error 20003 when an override
    /// names what the target doesn't have.
    ///
    /// Under `loose` TiDB's own defaults are left alone, as DM leaves them. MySQL and MariaDB, which DM doesn't write
    /// to, get every default that differs: there, a default may be unable to hold the source's characters.
    pub fn new(
        target: Catalog,
        compatible: &str,
        overrides: &BTreeMap<String, String>,
        on_unknown: &str,
    ) -> Result<CollationPolicy> {
        let explicit = !target.tidb || compatible == "strict";
        let on_unknown = if on_unknown == "error" { OnUnknown::Error } else { OnUnknown::Map };
        let mut known = BTreeMap::new();
        for (from, to) in overrides {
            let to = match target.default_of(to) {
                Some(default) => default.to_owned(),
                None => canonical_collation(to),
            };
            if !target.has(&to) {
                return Err(DmError::new(Code::ConfigYamlTransform)
                    .scope(Scope::Downstream)
                    .msg(format!("collation-map: the target has no collation or character set {to:?} (for {from:?})"))
                    .workaround("Please give one that `SHOW COLLATION` lists on the target."));
            }
            let from = canonical_charset(from).map_or_else(|| canonical_collation(from), str::to_owned);
            known.insert(from, to);
        }
        Ok(CollationPolicy { target, overrides: known, on_unknown, explicit })
    }

    /// From a task.
    pub fn of_task(target: Catalog, config: &SubtaskConfig) -> Result<CollationPolicy> {
        CollationPolicy::new(target, &config.collation_compatible, &config.collation_map, &config.on_unknown_collation)
    }

    /// Whether defaults that differ are written out.
    pub fn is_explicit(&self) -> bool {
        self.explicit
    }

    /// What stands for a pair of the source; None when the target has it and the task says nothing else.
    /// Error 10006 when nothing does.
    pub fn mapping(&self, from: &CharsetPair) -> Result<Option<Mapping>> {
        let given = self.overrides.get(&*from.collation).or_else(|| self.overrides.get(&*from.charset));
        let (to, chosen) = match given {
            Some(to) => (to.clone(), true),
            None if self.target.has(&from.collation) => return Ok(None),
            None if !self.target.has_charset(&from.charset) => return Err(no_charset(&from.charset)),
            None if self.on_unknown == OnUnknown::Error => return Err(no_collation(&from.collation)),
            None => match nearest(&from.collation, self.target.collations()) {
                Some(near) => (near.to_owned(), false),
                None => return Err(no_collation(&from.collation)),
            },
        };
        if *to == *from.collation {
            return Ok(None);
        }
        let to = self.target.pair(&to).ok_or_else(|| no_collation(&to))?;
        let difference = Difference::between(&Traits::of(&from.collation), &Traits::of(&to.collation));
        Ok(Some(Mapping { from: from.clone(), to, difference, chosen }))
    }

    /// The pair that a pair of the source becomes.
    pub fn pair(&self, from: &CharsetPair) -> Result<CharsetPair> {
        Ok(self.mapping(from)?.map_or_else(|| from.clone(), |mapping| mapping.to))
    }
}

fn no_charset(charset: &str) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg(format!("the target doesn't know the character set {charset}"))
        // The words keep the task from being resumed by itself: only the operator can help.
        .cause(format!("Unsupported collation: no character set {charset} on the target"))
        .workaround(format!(
            "Please convert the columns on the source, or let the task convert them: `collation-map: {{{charset}: utf8mb4}}`."
        ))
}

fn no_collation(collation: &str) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg(format!("the target doesn't know the collation {collation}"))
        .cause(format!("Unsupported collation: {collation} is not on the target"))
        .workaround(format!(
            "Please say in the task what stands for it (`collation-map: {{{collation}: ...}}`), or set \
             `on-unknown-collation: map` for the nearest one."
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for name in ["utf8mb4_bin", "utf8mb4_unicode_520_nopad_ci", "utf8mb4_unicode_ci", "utf8mb4_general_ci"] {
            catalog.add(name, "utf8mb4");
        }
        catalog.set_default("utf8mb4", "utf8mb4_general_ci");
        catalog
    }

    fn pair(collation: &str) -> CharsetPair {
        let charset = collation.split('_').next().unwrap_or_default().to_owned();
        CharsetPair { charset: charset.into(), collation: collation.into() }
    }

    fn policy(overrides: &[(&str, &str)], on_unknown: &str) -> Result<CollationPolicy> {
        let overrides = overrides.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        CollationPolicy::new(catalog(), "loose", &overrides, on_unknown)
    }

    #[test]
    fn mapped_overridden_or_refused() {
        let map = policy(&[], "map").unwrap();
        assert_eq!(map.mapping(&pair("utf8mb4_bin")).unwrap(), None);
        let mapping = map.mapping(&pair("utf8mb4_0900_ai_ci")).unwrap().unwrap();
        assert_eq!((mapping.to.collation.as_str(), mapping.chosen), ("utf8mb4_unicode_520_nopad_ci", false));
        assert_eq!(mapping.text(), "utf8mb4_0900_ai_ci -> utf8mb4_unicode_520_nopad_ci (another version of the rules)");
        let error = map.mapping(&pair("gb2312_chinese_ci")).unwrap_err();
        assert!(error.message().contains("gb2312") && error.workaround_text().contains("collation-map"));
        let error = policy(&[], "error").unwrap().mapping(&pair("utf8mb4_0900_ai_ci")).unwrap_err();
        assert_eq!(
            (error.code(), error.raw_cause().starts_with("Unsupported collation")),
            (Code::DBExecuteFailed, true)
        );
        let chosen = policy(&[("utf8mb4_0900_ai_ci", "utf8mb4_unicode_ci"), ("gb2312", "utf8mb4")], "error").unwrap();
        let mapping = chosen.mapping(&pair("utf8mb4_0900_ai_ci")).unwrap().unwrap();
        assert!(mapping.chosen && mapping.difference.is_coarser());
        assert_eq!(chosen.pair(&pair("gb2312_chinese_ci")).unwrap(), pair("utf8mb4_general_ci"));
        assert!(policy(&[("utf8mb4_bin", "klingon_bin")], "map").unwrap_err().message().contains("klingon_bin"));
    }

    #[test]
    fn tidb_keeps_its_defaults_under_loose() {
        let mut tidb = catalog();
        tidb.tidb = true;
        let explicit = |catalog: Catalog, mode: &str| {
            CollationPolicy::new(catalog, mode, &BTreeMap::new(), "map").unwrap().is_explicit()
        };
        assert!(!explicit(tidb.clone(), "loose") && explicit(tidb, "strict") && explicit(catalog(), "loose"));
    }
}
