//! An order in which a target that makes one change at a time can rename columns: a name is given away before it is taken.
//! Names that change places go over a third one.

use sha2::{Digest, Sha256};

use crate::schema::{
    ddl::AlterSpec,
    model::{quote_name, same_name},
};

/// One clause of an ALTER TABLE, as a statement of its own.
#[derive(Debug)]
pub struct Clause {
    pub text: String,
    /// The column name that is free behind it.
    leaves: Option<String>,
    /// The name that must be free before it.
    takes: Option<String>,
}

impl Clause {
    /// `specs` are what the clause says.
    pub fn new(text: String, specs: &[AlterSpec]) -> Clause {
        let (leaves, takes) = match specs {
            [AlterSpec::RenameColumn { old, new, .. }] if !same_name(old, new) => {
                (Some(old.clone()), Some(new.clone()))
            }
            [AlterSpec::ChangeColumn { old, column, .. }] if !same_name(old, &column.name) => {
                (Some(old.clone()), Some(column.name.clone()))
            }
            [AlterSpec::DropColumn { name, .. }] => (Some(name.clone()), None),
            [AlterSpec::AddColumn { column, .. }] => (None, Some(column.name.clone())),
            _ => (None, None),
        };
        Clause { text, leaves, takes }
    }

    fn waits_for(&self, other: &Clause) -> bool {
        matches!((&self.takes, &other.leaves), (Some(new), Some(old)) if same_name(new, old))
    }
}

/// The statements in an order in which each can be made. `head` is what stands before each clause (`ALTER TABLE t`).
pub fn in_order(head: &str, clauses: Vec<Clause>) -> Vec<String> {
    let mut left = clauses;
    let mut out = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |at: &usize| {
            let waits = |one: &Clause| left.iter().enumerate().any(|(i, other)| i != *at && one.waits_for(other));
            left.get(*at).is_some_and(|one| !waits(one) && (*at == 0 || one.leaves.is_some()))
        };
        if let Some(next) = (0..left.len()).find(free) {
            out.push(left.remove(next).text);
            continue;
        }
        let third = format!("dm_{}", digest(head, &out, &left));
        let both = |one: &&mut Clause| one.leaves.is_some() && one.takes.is_some();
        let moved = left.iter_mut().find(both).and_then(|one| {
            let old = one.leaves.take()?;
            one.text = with_other_column(head, &one.text, &third)?;
            Some(format!("{head} RENAME COLUMN {} TO {}", quote_name(&old), quote_name(&third)))
        });
        match moved {
            Some(statement) => out.push(statement),
            // As it came: the target says what it can't do.
            None => out.extend(left.drain(..).map(|one| one.text)),
        }
    }
    out
}

/// The same for the same statement, so that a run after a crash knows what the one before it did.
fn digest(head: &str, done: &[String], left: &[Clause]) -> String {
    let mut hash = Sha256::new();
    hash.update(head);
    done.iter().chain(left.iter().map(|one| &one.text)).for_each(|text| hash.update(text));
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// `CHANGE a b INT` or `RENAME COLUMN a TO b` of another column than `a`.
fn with_other_column(head: &str, text: &str, other: &str) -> Option<String> {
    let clause = text.strip_prefix(head)?.trim_start();
    let mut rest = clause;
    for word in ["CHANGE", "RENAME", "COLUMN", "IF", "EXISTS"] {
        let is_word = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        match rest.get(word.len()..) {
            Some(behind) if is_word && behind.starts_with(char::is_whitespace) => rest = behind.trim_start(),
            _ => {}
        }
    }
    let verb = clause.get(..clause.len() - rest.len())?;
    let behind = match rest.chars().next()? {
        quote @ ('`' | '"') => {
            let end = rest.get(1..)?.find(quote)? + 2;
            // A quote within the name: nobody does that.
            rest.get(end..).filter(|behind| behind.starts_with(char::is_whitespace))?
        }
        _ => rest.get(rest.find(char::is_whitespace)?..)?,
    };
    (!verb.is_empty() && !rest.starts_with("/*")).then(|| format!("{head} {verb}{}{behind}", quote_name(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ddl::{ParseContext, Statement, StatementKind, parse};

    fn ordered(sql: &str) -> Vec<String> {
        let statement: Statement = parse(sql, &ParseContext::default()).unwrap();
        assert!(matches!(statement.kind, StatementKind::AlterTable { .. }));
        let changes = Default::default();
        let one = |part: &_| statement.with_parts(sql, &changes, std::slice::from_ref(part));
        let parts = statement.clause_parts().unwrap();
        let clauses = parts.iter().map(|part| Clause::new(one(part), &part.specs)).collect();
        let texts = in_order(&statement.with_parts(sql, &changes, &[]), clauses);
        texts.into_iter().map(|text| text.trim_start_matches("ALTER TABLE d.t ").to_owned()).collect()
    }

    #[test]
    fn a_name_is_given_away_before_it_is_taken() {
        let all = "ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN b TO c, DROP c, ADD INDEX i (b)";
        assert_eq!(ordered(all), ["DROP c", "RENAME COLUMN b TO c", "RENAME COLUMN a TO b", "ADD INDEX i (b)"]);
        assert_eq!(ordered("ALTER TABLE d.t ADD a INT, CHANGE a b INT"), ["CHANGE a b INT", "ADD a INT"]);
        assert_eq!(ordered("ALTER TABLE d.t ADD x INT, CHANGE a A INT"), ["ADD x INT", "CHANGE a A INT"]);
    }

    #[test]
    fn names_that_change_places_go_over_a_third() {
        let sql = "ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN `b` TO a, ADD KEY (a)";
        let swapped = ordered(sql);
        let third = swapped[0].strip_prefix("RENAME COLUMN `a` TO ").unwrap().to_owned();
        assert!(third.starts_with("`dm_"), "{third}");
        let rest =
            ["RENAME COLUMN `b` TO a".to_owned(), format!("RENAME COLUMN {third} TO b"), "ADD KEY (a)".to_owned()];
        assert_eq!(swapped[1..], rest);
        assert_eq!(ordered(sql), swapped);
        let round = ordered("ALTER TABLE d.t CHANGE a b INT, CHANGE COLUMN `b` c VARCHAR(9) NOT NULL, CHANGE c a INT");
        let third = round[0].strip_prefix("RENAME COLUMN `a` TO ").unwrap().to_owned();
        let rest = [
            "CHANGE c a INT".into(),
            "CHANGE COLUMN `b` c VARCHAR(9) NOT NULL".into(),
            format!("CHANGE {third} b INT"),
        ];
        assert_eq!(round[1..], rest);
    }

    #[test]
    fn what_is_not_understood_stays_as_it_came() {
        let swap = "ALTER TABLE d.t CHANGE/**/a b INT, CHANGE/**/b a INT";
        assert_eq!(ordered(swap), ["CHANGE/**/a b INT", "CHANGE/**/b a INT"]);
    }
}
