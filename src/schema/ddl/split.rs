//! An ALTER TABLE's clauses one by one, for targets that take one change at a time, and for filters that take some.

use std::ops::Range;

use super::{
    ast::{AlterSpec, Edit, Statement, StatementKind},
    rewrite::Changes,
    spans::{AlterClause, ClauseKind},
};
use crate::schema::model::same_name;

/// One change of an ALTER TABLE.
#[derive(Clone, PartialEq, Debug)]
pub struct ClausePart {
    /// Its texts, each with what stands before it when the clause's own keywords are elsewhere (`ADD (a INT, b INT)`).
    pieces: Vec<(&'static str, Range<usize>)>,
    /// The statement with this change only, to be filtered or tracked by itself. Its spans are those of the whole.
    pub specs: Vec<AlterSpec>,
    kind: ClauseKind,
}

impl Statement {
    /// The changes of an ALTER TABLE in an order in which they can be made one after the other; clauses that only say
    /// how to execute are left out when there are changes. None: there is one, or the statement is another.
    pub fn clause_parts(&self) -> Option<Vec<ClausePart>> {
        let StatementKind::AlterTable { specs, .. } = &self.kind else { return None };
        let mut parts: Vec<ClausePart> = Vec::new();
        for clause in self.clauses.iter().filter(|clause| clause.kind != ClauseKind::Execution) {
            add_parts(clause, specs, &mut parts);
        }
        if parts.len() < 2 {
            return None;
        }
        // Stable: within a rank the source's order stays.
        let key_goes_late = key_goes_late(specs);
        let rank = |spec: &AlterSpec| match spec {
            AlterSpec::DropPrimaryKey if key_goes_late => 5,
            other => rank(other),
        };
        parts.sort_by_key(|part| part.specs.iter().map(rank).min().unwrap_or(0));
        Some(with_their_keys(parts))
    }

    /// The statement with these of its changes only. `changes` are those of the whole text.
    pub fn with_parts(&self, sql: &str, changes: &Changes, parts: &[ClausePart]) -> String {
        let Some(first) = self.clauses.first() else { return changes.apply(sql) };
        let changes = self.without_comment_marks(sql, changes);
        let mut out = changes.apply_to(sql, 0..first.span.start).trim_end().to_owned();
        for (at, part) in parts.iter().enumerate() {
            // The partitions of ALTER TABLE follow without a comma.
            let blank = at == 0 || part.kind == ClauseKind::Partition;
            out.push_str(if blank { " " } else { ", " });
            for (number, (prefix, span)) in part.pieces.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { ", " });
                out.push_str(prefix);
                out.push_str(changes.apply_to(sql, span.clone()).trim());
            }
        }
        out
    }

    /// This statement with one change only, for filters.
    pub fn narrowed(&self, part: &ClausePart) -> Statement {
        let mut statement = self.clone();
        if let StatementKind::AlterTable { specs, .. } = &mut statement.kind {
            *specs = part.specs.clone();
        }
        statement
    }

    /// The marks of executable comments around whole clauses go: their text was executed, and a part of it can't be
    /// moved out of them otherwise.
    fn without_comment_marks(&self, sql: &str, changes: &Changes) -> Changes {
        let mut out = Changes::default();
        for comment in &self.executed_comments {
            let around = self.clauses.iter().any(|c| comment.start <= c.span.start && c.span.start < comment.end);
            let Some(text) = sql.get(comment.clone()).filter(|_| around) else { continue };
            let head = text.find('!').map_or(0, |at| at + 1);
            let digits = text.get(head..).map_or(0, |rest| rest.chars().take_while(char::is_ascii_digit).count());
            let open = comment.start..comment.start + head + digits;
            let close = comment.end.saturating_sub(2)..comment.end;
            out.add([Edit { span: open, text: String::new() }, Edit { span: close, text: String::new() }]);
        }
        out.extend(changes.clone());
        out
    }
}

fn add_parts(clause: &AlterClause, specs: &[AlterSpec], parts: &mut Vec<ClausePart>) {
    let of_clause = specs.get(clause.specs.clone()).unwrap_or(&[]);
    if clause.items.len() < 2 || clause.items.len() != of_clause.len() {
        let specs = of_clause.to_vec();
        parts.push(ClausePart { pieces: vec![("", clause.span.clone())], specs, kind: clause.kind });
        return;
    }
    for (span, spec) in clause.items.iter().zip(of_clause) {
        let prefix = match spec {
            AlterSpec::AddColumn { if_not_exists: true, .. } => "ADD COLUMN IF NOT EXISTS ",
            AlterSpec::AddColumn { .. } => "ADD COLUMN ",
            _ => "ADD ",
        };
        parts.push(ClausePart { pieces: vec![(prefix, span.clone())], specs: vec![spec.clone()], kind: clause.kind });
    }
}

/// A column that counts by itself needs its key at once.
fn with_their_keys(parts: Vec<ClausePart>) -> Vec<ClausePart> {
    let mut out: Vec<ClausePart> = Vec::new();
    for part in parts {
        let key = match part.specs.as_slice() {
            [AlterSpec::AddIndex { index, .. }] => index.columns.first().map(|first| first.column.clone()),
            _ => None,
        };
        let counts = |known: &&mut ClausePart| {
            known.specs.iter().any(|spec| match spec {
                AlterSpec::AddColumn { column, .. }
                | AlterSpec::ModifyColumn { column, .. }
                | AlterSpec::ChangeColumn { column, .. } => {
                    let keyed = column.primary_key || column.unique_key;
                    column.auto_increment && !keyed && key.as_ref().is_some_and(|key| same_name(key, &column.name))
                }
                _ => false,
            })
        };
        match out.iter_mut().find(counts) {
            Some(known) => {
                known.pieces.extend(part.pieces);
                known.specs.extend(part.specs);
            }
            None => out.push(part),
        }
    }
    out
}

/// The primary key of a column that counts by itself can't go before the column stops counting; unless a new column
/// brings the next primary key.
fn key_goes_late(specs: &[AlterSpec]) -> bool {
    let brings_key = |spec: &AlterSpec| match spec {
        AlterSpec::AddColumn { column, .. }
        | AlterSpec::ModifyColumn { column, .. }
        | AlterSpec::ChangeColumn { column, .. } => column.primary_key,
        _ => false,
    };
    let stops_counting = |spec: &AlterSpec| match spec {
        AlterSpec::ModifyColumn { column, .. } | AlterSpec::ChangeColumn { column, .. } => !column.auto_increment,
        _ => false,
    };
    specs.iter().any(stops_counting) && !specs.iter().any(brings_key)
}

/// What must come before what: the server makes all changes of a statement at once, so a clause may name what a later
/// one makes, or be hindered by what a later one drops.
fn rank(spec: &AlterSpec) -> u8 {
    match spec {
        AlterSpec::DropForeignKey { .. } | AlterSpec::DropCheck { .. } | AlterSpec::DropConstraint { .. } => 0,
        AlterSpec::DropIndex { .. } | AlterSpec::DropPrimaryKey => 1,
        AlterSpec::RenameIndex { .. } => 2,
        // New columns take the new default.
        AlterSpec::ConvertTo { .. } => 3,
        AlterSpec::Options(options) if options.charset.is_some() || options.collation.is_some() => 3,
        AlterSpec::AddColumn { .. }
        | AlterSpec::ModifyColumn { .. }
        | AlterSpec::ChangeColumn { .. }
        | AlterSpec::RenameColumn { .. }
        | AlterSpec::DropColumn { .. } => 4,
        AlterSpec::AddIndex { .. } => 6,
        AlterSpec::AddForeignKey { .. } | AlterSpec::AddCheck { .. } => 7,
        AlterSpec::Partition(_) => 9,
        // What follows would need the new name.
        AlterSpec::RenameTo { .. } => 10,
        _ => 8,
    }
}
