//! What a statement must say about character sets so that the target's table compares as the source's does: names that
//! the target lacks are replaced, defaults that differ are written out.

use super::{
    ast::{AlterSpec, ColumnDef, Edit, Statement, StatementKind},
    rewrite::Changes,
    spans::{CharsetLevel, CharsetName, CharsetPlace},
};
use crate::{
    error::Result,
    schema::{
        charset::{CharsetPair, canonical_charset, charset_of_collation},
        collation::{Catalog, CollationPolicy, Mapping, SourceDefaults},
        model::TableInfo,
    },
};

/// Both sides, as far as a statement's text doesn't say.
#[derive(Clone, Copy, Debug)]
pub struct CharsetRules<'a> {
    pub policy: &'a CollationPolicy,
    pub source: &'a SourceDefaults,
    /// What the source takes when nothing is written: the database's default for a new table, the server's for a new
    /// database. None: unknown, then nothing is written out.
    pub inherited: Option<&'a CharsetPair>,
    /// What the target takes; None when it isn't known.
    pub target_inherited: Option<&'a CharsetPair>,
    /// The altered table as it is on the target, where its columns' collations are kept rather than written out.
    pub target_table: Option<&'a TableInfo>,
}

/// A collation that was mapped, and what for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappedAt {
    pub level: CharsetLevel,
    pub mapping: Mapping,
}

impl Statement {
    /// Whether `CharsetRules::target_table` matters: columns are redefined with a character set and no collation.
    pub fn redefines_charsets(&self) -> bool {
        let plain = |place: &CharsetPlace| {
            matches!(place.level, CharsetLevel::Column(_)) && place.charset.is_some() && place.collation.is_none()
        };
        matches!(self.kind, StatementKind::AlterTable { .. }) && self.charset_places.iter().any(plain)
    }

    /// The edits, and the mappings that they make. Error 10006 when the target has nothing for a collation.
    pub fn charset_changes(&self, rules: &CharsetRules) -> Result<(Changes, Vec<MappedAt>)> {
        let mut changes = Changes::default();
        let mut mapped = Vec::new();
        for place in self.places() {
            let one = Place { statement: self, rules, place: &place };
            if let Some(mapping) = one.edits(&mut changes)? {
                mapped.push(MappedAt { level: place.level.clone(), mapping });
            }
        }
        Ok((changes, mapped))
    }

    /// The grammar's places, and that of ALTER TABLE's own default.
    fn places(&self) -> Vec<CharsetPlace> {
        let mut places = self.charset_places.clone();
        if !places.iter().any(|place| place.level == CharsetLevel::Table) {
            let written = || self.charset_names.iter().filter(|name| name.level == CharsetLevel::Table);
            let last = |collation: bool| written().rfind(|n| n.collation == collation).map(|n| n.name.clone());
            if let Some(at) = written().map(|name| name.clause.end).max() {
                let (charset, collation) = (last(false), last(true));
                places.push(CharsetPlace { at, level: CharsetLevel::Table, charset, collation, implied: false });
            }
        }
        places
    }

    fn column(&self, name: &str) -> Option<&ColumnDef> {
        use super::ast::AlterSpec::*;
        match &self.kind {
            StatementKind::CreateTable(create) => create.columns.iter().find(|column| column.name == name),
            StatementKind::AlterTable { specs, .. } => specs.iter().find_map(|spec| match spec {
                AddColumn { column, .. } | ModifyColumn { column, .. } | ChangeColumn { column, .. } => {
                    Some(column.as_ref()).filter(|column| column.name == name)
                }
                _ => None,
            }),
            _ => None,
        }
    }
}

/// One place under the rules.
struct Place<'a> {
    statement: &'a Statement,
    rules: &'a CharsetRules<'a>,
    place: &'a CharsetPlace,
}

impl Place<'_> {
    fn edits(&self, changes: &mut Changes) -> Result<Option<Mapping>> {
        let (charset, collation) = (self.name(false), self.name(true));
        if self.takes_binary_collation() && collation.is_none() {
            return Ok(None);
        }
        let Some(source) = self.source_pair(charset, collation) else { return Ok(None) };
        let policy = self.rules.policy;
        let mapping = policy.mapping(&source)?;
        let wanted = mapping.as_ref().map_or(&source, |mapping| &mapping.to);
        let writes_defaults = policy.is_explicit() || mapping.as_ref().is_some_and(|mapping| mapping.chosen);
        match (charset, collation) {
            (charset, Some(collation)) => {
                let accepted = mapping.is_none() && policy.target.accepts(&collation.name, &wanted.collation);
                if !accepted {
                    changes.add([replace(collation, policy.target.spelled(&wanted.collation))]);
                }
                changes.add(charset.and_then(|charset| self.charset_edit(charset, &source, wanted)));
            }
            (Some(charset), None) => {
                changes.add(self.charset_edit(charset, &source, wanted));
                let default = policy.target.default_of(&wanted.charset) == Some(wanted.collation.as_str());
                if !writes_defaults {
                    self.keep(wanted, changes);
                    return Ok(None);
                }
                if !default {
                    changes.add([self.insert(format!(" COLLATE {}", policy.target.spelled(&wanted.collation)))]);
                }
            }
            (None, None) => {
                if !writes_defaults || !self.write_out(wanted, changes) {
                    return Ok(None);
                }
            }
        }
        Ok(mapping)
    }

    /// What is written here, DEFAULT excepted.
    fn name(&self, collation: bool) -> Option<&CharsetName> {
        let written = if collation { &self.place.collation } else { &self.place.charset };
        let written = written.as_deref().filter(|name| !name.eq_ignore_ascii_case("default"))?;
        let named =
            |name: &&CharsetName| name.collation == collation && name.level == self.place.level && name.name == written;
        self.statement.charset_names.iter().find(named)
    }

    /// `CHAR(1) BINARY`: the `_bin` collation of whatever character set it has, which both sides have.
    fn takes_binary_collation(&self) -> bool {
        let CharsetLevel::Column(name) = &self.place.level else { return false };
        self.statement.column(name).is_some_and(|column| column.binary_collation)
    }

    /// What the source makes of it. None: unknown, or nothing to be written.
    fn source_pair(&self, charset: Option<&CharsetName>, collation: Option<&CharsetName>) -> Option<CharsetPair> {
        let source = self.rules.source;
        let charset = match charset {
            Some(name) => Some(source.charset_named(&name.name)?),
            None => None,
        };
        let Some(collation) = collation else {
            return match (charset, &self.place.level) {
                (Some(charset), _) => Some(source.pair(&charset)),
                // National types are utf8mb3.
                (None, CharsetLevel::Column(_)) if self.place.implied => Some(source.pair("utf8mb3")),
                // The table's default is right for its columns.
                (None, CharsetLevel::Column(_)) => None,
                (None, _) => self.rules.inherited.cloned(),
            };
        };
        let name = source.collation_named(&collation.name);
        if let Some(own) = charset_of_collation(&name) {
            return Some(CharsetPair { charset: own.into(), collation: name.into() });
        }
        // MariaDB: `uca1400_ai_ci` takes the character set that it stands beside.
        // A column's is the table's, which is not known here: the name stays as it is.
        let column = matches!(self.place.level, CharsetLevel::Column(_));
        let inherited = self.rules.inherited.filter(|_| !column);
        let charset = charset.or_else(|| inherited.map(|pair| pair.charset.to_string()))?;
        name.starts_with("uca1400")
            .then(|| CharsetPair { collation: format!("{charset}_{name}").into(), charset: charset.into() })
    }

    /// Another name of the character set, where the target knows it by none that is written.
    fn charset_edit(&self, written: &CharsetName, source: &CharsetPair, wanted: &CharsetPair) -> Option<Edit> {
        let target = &self.rules.policy.target;
        let spelled = target.spelled_charset(&wanted.charset);
        let same = source.charset == wanted.charset
            && canonical_charset(&written.name) == Some(wanted.charset.as_str())
            && (wanted.charset != "utf8mb3" || written.name.eq_ignore_ascii_case(spelled) || is_alias(written, target));
        if same {
            return None;
        }
        // ASCII and UNICODE are character sets in one word.
        let word = written.clause == written.span;
        let text = if word { format!("CHARACTER SET {spelled}") } else { spelled.to_owned() };
        Some(Edit { span: written.span.clone(), text })
    }

    /// A column of the target that is redefined with its own character set keeps its collation, whatever the default is.
    fn keep(&self, wanted: &CharsetPair, changes: &mut Changes) {
        let (CharsetLevel::Column(name), Some(table)) = (&self.place.level, self.rules.target_table) else { return };
        let StatementKind::AlterTable { specs, .. } = &self.statement.kind else { return };
        let old = specs.iter().find_map(|spec| match spec {
            AlterSpec::ModifyColumn { column, .. } if column.name == *name => Some(name),
            AlterSpec::ChangeColumn { old, column, .. } if column.name == *name => Some(old),
            _ => None,
        });
        let Some(column) = old.and_then(|old| table.column(old)) else { return };
        let (Some(charset), Some(collation)) = (&column.charset, &column.collation) else { return };
        if *charset == wanted.charset && self.rules.policy.target.default_of(charset) != Some(collation.as_str()) {
            changes.add([self.insert(format!(" COLLATE {}", self.rules.policy.target.spelled(collation)))]);
        }
    }

    /// Writes out what the source inherits; false when the target inherits the same.
    fn write_out(&self, wanted: &CharsetPair, changes: &mut Changes) -> bool {
        let target = &self.rules.policy.target;
        let (charset, collation) = (target.spelled_charset(&wanted.charset), target.spelled(&wanted.collation));
        if let CharsetLevel::Column(_) = self.place.level {
            let default = target.default_of(&wanted.charset) == Some(wanted.collation.as_str());
            if !default {
                changes.add([self.insert(format!(" COLLATE {collation}"))]);
            }
            return !default;
        }
        // CONVERT TO CHARACTER SET DEFAULT depends on the session, and on the server's release.
        let conversion = self.place.level == CharsetLevel::Conversion;
        if self.rules.target_inherited == Some(wanted) && !conversion {
            return false;
        }
        let default = |name: &&CharsetName| !name.collation && name.level == self.place.level;
        match self.statement.charset_names.iter().find(default) {
            // CHARACTER SET DEFAULT
            Some(name) => {
                changes.add([replace(name, charset), self.insert(format!(" COLLATE {collation}"))]);
            }
            None => changes.add([self.insert(format!(" DEFAULT CHARACTER SET {charset} COLLATE {collation}"))]),
        }
        true
    }

    fn insert(&self, text: String) -> Edit {
        Edit { span: self.place.at..self.place.at, text }
    }
}

fn replace(name: &CharsetName, text: &str) -> Edit {
    Edit { span: name.span.clone(), text: text.to_owned() }
}

/// `utf8` on a target where it means utf8mb3, and is known beside it.
fn is_alias(written: &CharsetName, target: &Catalog) -> bool {
    written.name.eq_ignore_ascii_case("utf8") && !target.utf8_is_utf8mb4
}
