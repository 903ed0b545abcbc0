//! Whether a statement's effect is in the target's structure, clause by clause: after an unknown outcome, and when the
//! target says that something is there already (or not there any more).

use crate::schema::{
    column_type::{BaseType, ColumnType},
    ddl::{self, AlterSpec, Changes, IndexDef, ParseContext, PartitionChange, Statement, StatementKind},
    model::{Index, TableId, TableInfo, same_name},
    server::ServerInfo,
};

/// What of a statement isn't in the structure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rest {
    /// All of it is there.
    Nothing,
    /// None of it is.
    All,
    /// This is left to do.
    Some(String),
    /// The structure doesn't tell.
    Unknown,
}

/// Looks for a statement for the target in the structure of its table.
pub fn rest(sql: &str, server: ServerInfo, table: Option<&TableInfo>) -> Rest {
    let Ok(statement) = ddl::parse(sql, &ParseContext { server, ..ParseContext::default() }) else {
        return Rest::Unknown;
    };
    let Some(table) = table else { return Rest::Unknown };
    let one = |effect: Option<bool>| match effect {
        Some(true) => Rest::Nothing,
        Some(false) => Rest::All,
        None => Rest::Unknown,
    };
    match &statement.kind {
        StatementKind::CreateIndex { index, .. } => one(index_is_there(index, table)),
        StatementKind::DropIndex { name, .. } => one(Some(table.indexes.iter().all(|i| !same_name(&i.name, name)))),
        StatementKind::AlterTable { specs, .. } => match statement.clause_parts() {
            None => one(all(specs, table)),
            Some(_) => rest_of_clauses(sql, &statement, table),
        },
        _ => Rest::Unknown,
    }
}

fn rest_of_clauses(sql: &str, statement: &Statement, table: &TableInfo) -> Rest {
    let parts = statement.clause_parts().unwrap_or_default();
    let effects: Vec<Option<bool>> = parts.iter().map(|part| all(&part.specs, table)).collect();
    match (effects.contains(&Some(true)), effects.contains(&Some(false))) {
        (true, true) => {
            // A clause that nobody can see is made again: it changes nothing then.
            let left: Vec<_> =
                parts.into_iter().zip(effects).filter(|(_, e)| *e != Some(true)).map(|(p, _)| p).collect();
            Rest::Some(statement.with_parts(sql, &Changes::default(), &left))
        }
        (true, false) => Rest::Nothing,
        (false, true) => Rest::All,
        (false, false) => Rest::Unknown,
    }
}

/// Whether two tables' data change places and the structures stay: a second time would undo the first.
pub fn is_invisible(sql: &str, server: ServerInfo) -> bool {
    let parsed = ddl::parse(sql, &ParseContext { server, ..ParseContext::default() });
    let exchange = AlterSpec::Partition(PartitionChange::Exchange);
    matches!(parsed.map(|s| s.kind), Ok(StatementKind::AlterTable { specs, .. }) if specs.contains(&exchange))
}

/// The one column that a statement drops.
pub fn dropped_column(sql: &str, server: ServerInfo) -> Option<(TableId, String)> {
    match ddl::parse(sql, &ParseContext { server, ..ParseContext::default() }).ok()?.kind {
        StatementKind::AlterTable { table, specs, .. } => match specs.as_slice() {
            [AlterSpec::DropColumn { name, .. }] => Some((table, name.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn all(specs: &[AlterSpec], table: &TableInfo) -> Option<bool> {
    let effects: Vec<Option<bool>> = specs.iter().map(|spec| effect(spec, table)).collect();
    match (effects.contains(&Some(false)), effects.contains(&None)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}

/// Whether a clause's effect is there; None when the structure can't tell.
fn effect(spec: &AlterSpec, table: &TableInfo) -> Option<bool> {
    let column = |name: &str| table.column(name);
    let index = |name: &str| table.indexes.iter().any(|index| same_name(&index.name, name));
    let moved = |old: &str, new: &str| column(new).is_some() && (same_name(old, new) || column(old).is_none());
    // Names that change places are there before and after.
    let may_be_swapped = |old: &str, new: &str| !same_name(old, new) && column(old).is_some() && column(new).is_some();
    Some(match spec {
        AlterSpec::AddColumn { column: new, .. } => column(&new.name).is_some_and(|there| alike(&new.ty, &there.ty)),
        AlterSpec::DropColumn { name, .. } => column(name).is_none(),
        AlterSpec::ModifyColumn { column: new, .. } => match column(&new.name) {
            // The same type with another default is no difference here.
            Some(there) if alike(&new.ty, &there.ty) => return None,
            _ => false,
        },
        AlterSpec::ChangeColumn { old, column: new, .. } if may_be_swapped(old, &new.name) => return None,
        AlterSpec::RenameColumn { old, new, .. } if may_be_swapped(old, new) => return None,
        AlterSpec::ChangeColumn { old, column: new, .. } => match column(&new.name) {
            Some(there) if same_name(old, &new.name) && alike(&new.ty, &there.ty) => return None,
            Some(there) => moved(old, &new.name) && alike(&new.ty, &there.ty),
            None => false,
        },
        AlterSpec::RenameColumn { old, new, .. } => moved(old, new),
        AlterSpec::AddIndex { index, .. } => return index_is_there(index, table),
        AlterSpec::DropIndex { name, .. } => !index(name),
        AlterSpec::DropPrimaryKey => !table.indexes.iter().any(|index| index.primary),
        AlterSpec::RenameIndex { old, new } => index(new) && !index(old),
        AlterSpec::AddForeignKey { key, .. } => table.foreign_keys.iter().any(|there| {
            there.columns.iter().map(|c| c.to_lowercase()).eq(key.columns.iter().map(|c| c.to_lowercase()))
                && same_name(&there.parent.name, &key.parent.name)
                && key.name.as_ref().is_none_or(|name| same_name(name, &there.name))
        }),
        AlterSpec::DropForeignKey { name } => !table.foreign_keys.iter().any(|key| same_name(&key.name, name)),
        _ => return None,
    })
}

fn index_is_there(wanted: &IndexDef, table: &TableInfo) -> Option<bool> {
    if wanted.columns.iter().any(|part| part.expression.is_some()) {
        return None;
    }
    let same = |there: &&Index| {
        there.unique == (wanted.unique || wanted.primary)
            && there.columns.len() == wanted.columns.len()
            && there.columns.iter().zip(&wanted.columns).all(|(a, b)| same_name(&a.column, &b.column))
    };
    Some(match &wanted.name {
        _ if wanted.primary => table.indexes.iter().filter(|there| there.primary).any(|there| same(&there)),
        Some(name) => table.indexes.iter().filter(|there| same_name(&there.name, name)).any(|there| same(&there)),
        None => table.indexes.iter().any(|there| same(&there)),
    })
}

/// Types that hold the same values, whichever server prints them; what one side doesn't say counts as equal.
pub fn alike(a: &ColumnType, b: &ColumnType) -> bool {
    let base = |ty: &ColumnType| match ty.base {
        BaseType::LongText => BaseType::Json,
        BaseType::Inet4 | BaseType::Inet6 | BaseType::Uuid => BaseType::VarBinary,
        other => other,
    };
    let sized = |ty: &ColumnType| !ty.base.is_integer() && !ty.base.is_text() && !ty.base.is_blob();
    let same = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    base(a) == base(b)
        && a.unsigned == b.unsigned
        && (!sized(a) || same(a.length, b.length) && same(a.decimals, b.decimals))
        && a.elems == b.elems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Tracker;

    const TABLE: &str = "CREATE TABLE d.t (id INT PRIMARY KEY, a INT, b VARCHAR(9), KEY k (a), \
                         CONSTRAINT f FOREIGN KEY (a) REFERENCES d.p (id))";

    fn left(sql: &str) -> Rest {
        let mut tracker = Tracker::new(ServerInfo::default(), 0);
        tracker.apply(&ddl::parse(TABLE, &ParseContext::default()).unwrap()).unwrap();
        rest(sql, ServerInfo::default(), tracker.get("d", "t").as_deref())
    }

    #[test]
    fn clauses_are_looked_for() {
        for there in [
            "ADD a INT",
            "DROP COLUMN x",
            "ADD KEY k (a)",
            "ADD KEY (a)",
            "DROP KEY x",
            "ADD PRIMARY KEY (id)",
            "CHANGE x b VARCHAR(9)",
            "RENAME COLUMN x TO b",
            "RENAME KEY x TO k",
            "DROP FOREIGN KEY x",
            "ADD FOREIGN KEY (a) REFERENCES d.p (id)",
            "ADD a INT, DROP x, COMMENT = 'c'",
        ] {
            assert_eq!(left(&format!("ALTER TABLE d.t {there}")), Rest::Nothing, "{there}");
        }
        for missing in [
            "ADD c INT",
            "ADD a BIGINT",
            "ADD b VARCHAR(10)",
            "DROP COLUMN a",
            "ADD KEY k (b)",
            "ADD UNIQUE k (a)",
            "ADD PRIMARY KEY (a)",
            "RENAME COLUMN a TO c",
            "MODIFY a BIGINT",
            "DROP FOREIGN KEY f",
            "ADD CONSTRAINT g FOREIGN KEY (a) REFERENCES d.p (id)",
        ] {
            assert_eq!(left(&format!("ALTER TABLE d.t {missing}")), Rest::All, "{missing}");
        }
        assert_eq!(left("ALTER TABLE d.t MODIFY a INT"), Rest::Unknown);
        assert_eq!(left("ALTER TABLE d.t COMMENT = 'c'"), Rest::Unknown);
        // Done or not: names that change places are there. A second time would undo the first.
        assert_eq!(left("ALTER TABLE d.t CHANGE a b INT, CHANGE b a VARCHAR(9)"), Rest::Unknown);
        assert_eq!(left("ALTER TABLE d.t RENAME COLUMN a TO b, RENAME COLUMN b TO a"), Rest::Unknown);
        assert_eq!(left("CREATE INDEX k ON d.t (a)"), Rest::Nothing);
        assert_eq!(left("DROP INDEX k ON d.t"), Rest::All);
        assert_eq!(left("TRUNCATE TABLE d.t"), Rest::Unknown);
    }

    /// DM sends clause by clause and passes over those that are there; what it wouldn't lose isn't lost here.
    #[test]
    fn what_is_missing_is_left() {
        assert_eq!(
            left("ALTER TABLE d.t ADD a INT, ADD c INT, COMMENT = 'x', DROP x"),
            Rest::Some("ALTER TABLE d.t ADD c INT, COMMENT = 'x'".to_owned())
        );
    }

    #[test]
    fn odd_statements() {
        let server = ServerInfo::default();
        assert!(is_invisible("ALTER TABLE d.t EXCHANGE PARTITION p WITH TABLE d.u", server));
        assert!(!is_invisible("ALTER TABLE d.t ADD a INT", server));
        assert_eq!(dropped_column("ALTER TABLE d.t DROP a", server), Some((TableId::new("d", "t"), "a".to_owned())));
        assert_eq!(dropped_column("ALTER TABLE d.t DROP a, DROP b", server), None);
    }
}
