//! Which event a statement is, for binlog event filters (config facts 6.2).

use super::ast::{AlterSpec, ColumnDef, PartitionChange, Position, Skipped, Statement, StatementKind};
use crate::{
    rules::{Event, EventKind},
    schema::{
        column_type::{BaseType, ColumnType},
        model::{Column, TableInfo, same_name},
    },
};

impl Statement {
    /// The events of the statement: one for each clause of ALTER TABLE, else one; none for statements that filters
    /// don't know (transactions, accounts ...). `before` is the structure of the altered table: it tells a narrowed type
    /// from another change.
    pub fn events(&self, before: Option<&TableInfo>) -> Vec<Event> {
        if let StatementKind::AlterTable { specs, .. } = &self.kind {
            let events: Vec<Event> = specs.iter().map(|spec| clause_event(spec, before)).collect();
            return if events.is_empty() { vec![EventKind::AlterTable.into()] } else { events };
        }
        self.kind().map(|kind| self.refined(kind.into(), before)).into_iter().collect()
    }

    /// The event of the statement as a whole: of several clauses the first that is more than an ALTER TABLE.
    pub fn event_kind(&self, before: Option<&TableInfo>) -> Option<Event> {
        let events = self.events(before);
        events.iter().find(|event| event.kind != EventKind::AlterTable).or(events.first()).copied()
    }

    fn refined(&self, event: Event, before: Option<&TableInfo>) -> Event {
        match &self.kind {
            StatementKind::AlterDatabase { options, .. }
                if options.charset.is_some() || options.collation.is_some() =>
            {
                Event { kind: EventKind::ModifySchemaCharsetAndCollate, ..event }
            }
            StatementKind::DropIndex { name, .. } => Event { kind: dropped_index(name, before), ..event },
            _ => event,
        }
    }

    fn kind(&self) -> Option<EventKind> {
        Some(match &self.kind {
            StatementKind::CreateDatabase { .. } => EventKind::CreateDatabase,
            StatementKind::AlterDatabase { .. } => EventKind::AlterDatabase,
            StatementKind::DropDatabase { .. } => EventKind::DropDatabase,
            StatementKind::CreateTable(_) => EventKind::CreateTable,
            StatementKind::DropTable { .. } => EventKind::DropTable,
            StatementKind::RenameTable { .. } => EventKind::RenameTable,
            StatementKind::TruncateTable { .. } => EventKind::TruncateTable,
            StatementKind::CreateIndex { .. } => EventKind::CreateIndex,
            StatementKind::DropIndex { .. } => EventKind::DropIndex,
            StatementKind::AlterTable { .. } => EventKind::AlterTable,
            StatementKind::Skipped(Skipped::CreateView) => EventKind::CreateView,
            StatementKind::Skipped(Skipped::DropView) => EventKind::DropView,
            _ => return None,
        })
    }
}

/// The event of one clause of ALTER TABLE.
pub fn clause_event(spec: &AlterSpec, before: Option<&TableInfo>) -> Event {
    Event::clause(alter_kind(spec, before).unwrap_or(EventKind::AlterTable))
}

/// The event of one clause; None when it is just an ALTER TABLE.
fn alter_kind(spec: &AlterSpec, before: Option<&TableInfo>) -> Option<EventKind> {
    let existing = |name: &str| before.and_then(|table| table.column(name));
    Some(match spec {
        AlterSpec::AddColumn { .. } => EventKind::AddColumn,
        AlterSpec::ModifyColumn { column, position, .. } => {
            modified_kind(existing(&column.name), column, moves(before, &column.name, position.as_ref()))
        }
        AlterSpec::ChangeColumn { old, column, position, .. } => {
            if old.eq_ignore_ascii_case(&column.name) {
                modified_kind(existing(old), column, moves(before, old, position.as_ref()))
            } else {
                EventKind::RenameColumn
            }
        }
        AlterSpec::RenameColumn { .. } => EventKind::RenameColumn,
        AlterSpec::DropColumn { .. } => EventKind::DropColumn,
        AlterSpec::SetDefault { column, .. } => match existing(column) {
            Some(column) if column.default.is_none() => EventKind::SetDefaultValue,
            _ => EventKind::ModifyDefaultValue,
        },
        AlterSpec::AddIndex { index, .. } if index.primary => EventKind::AddPrimaryKey,
        AlterSpec::AddIndex { .. } => EventKind::CreateIndex,
        AlterSpec::DropPrimaryKey => EventKind::DropPrimaryKey,
        AlterSpec::DropIndex { name, .. } => dropped_index(name, before),
        AlterSpec::DropConstraint { name } => match before.and_then(|table| table.index(name)) {
            Some(_) => dropped_index(name, before),
            None if before.is_some_and(|table| table.foreign_keys.iter().any(|key| same_name(&key.name, name))) => {
                EventKind::DropForeignKey
            }
            None => EventKind::ModifyConstraint,
        },
        AlterSpec::RenameIndex { .. } => EventKind::RenameIndex,
        AlterSpec::SetIndexVisibility { .. } => EventKind::AlterIndexVisibility,
        AlterSpec::AddForeignKey { .. } => EventKind::AddForeignKey,
        AlterSpec::DropForeignKey { .. } => EventKind::DropForeignKey,
        AlterSpec::AddCheck { .. } | AlterSpec::DropCheck { .. } => EventKind::ModifyConstraint,
        AlterSpec::RenameTo { .. } => EventKind::RenameTable,
        AlterSpec::ConvertTo { .. } => EventKind::ModifyTableCharsetAndCollate,
        AlterSpec::Options(options) => {
            if options.charset.is_some() || options.collation.is_some() {
                EventKind::ModifyTableCharsetAndCollate
            } else if options.engine.is_some() {
                EventKind::ModifyStorageEngine
            } else if options.comment.is_some() {
                EventKind::ModifyTableComment
            } else if options.auto_increment {
                EventKind::RebaseAutoId
            } else {
                return None;
            }
        }
        AlterSpec::Partition(change) => partition_kind(change),
        AlterSpec::SetColumnVisibility { .. }
        | AlterSpec::ConvertPartition { .. }
        | AlterSpec::ConvertTable { .. }
        | AlterSpec::AddSystemVersioning
        | AlterSpec::DropSystemVersioning
        | AlterSpec::AddPeriod(_)
        | AlterSpec::DropPeriod { .. }
        | AlterSpec::Neutral => return None,
    })
}

fn partition_kind(change: &PartitionChange) -> EventKind {
    match change {
        PartitionChange::By(_) => EventKind::AlterTablePartitioning,
        PartitionChange::Remove => EventKind::RemoveTablePartitioning,
        PartitionChange::Add { .. } => EventKind::AddTablePartition,
        PartitionChange::Drop { .. } => EventKind::DropTablePartition,
        PartitionChange::Truncate => EventKind::TruncateTablePartition,
        PartitionChange::Coalesce(_) => EventKind::CoalesceTablePartition,
        PartitionChange::Reorganize { .. } => EventKind::ReorganizeTablePartition,
        PartitionChange::Exchange => EventKind::ExchangeTablePartition,
        PartitionChange::Rebuild => EventKind::RebuildTablePartition,
        PartitionChange::Maintain => EventKind::AlterTable,
    }
}

fn dropped_index(name: &str, before: Option<&TableInfo>) -> EventKind {
    match before.and_then(|table| table.index(name)) {
        _ if same_name(name, "PRIMARY") => EventKind::DropPrimaryKey,
        Some(index) if index.unique => EventKind::DropUniqueKey,
        _ => EventKind::DropIndex,
    }
}

/// Whether FIRST or AFTER puts the column elsewhere.
fn moves(before: Option<&TableInfo>, column: &str, position: Option<&Position>) -> bool {
    let at = |name: &str| before.and_then(|table| table.column_offset(name));
    match (position, at(column)) {
        (None, _) => false,
        (Some(Position::First), offset) => offset != Some(0),
        (Some(Position::After(other)), offset) => at(other).map(|other| other + 1) != offset || offset.is_none(),
    }
}

/// How a redefined column differs, the gravest change first.
fn modified_kind(before: Option<&Column>, after: &ColumnDef, moved: bool) -> EventKind {
    let Some(before) = before else { return EventKind::ModifyColumn };
    let (old, new) = (&before.ty, &after.ty);
    if narrowed(old, new) {
        EventKind::ValueRangeDecrease
    } else if less_precise(old, new) {
        EventKind::PrecisionDecrease
    } else if before.auto_increment && !after.auto_increment {
        EventKind::RemoveAutoIncrement
    } else if differs(after.charset.as_deref(), before.charset.as_deref()) {
        EventKind::ModifyCharset
    } else if differs(after.collation.as_deref(), before.collation.as_deref()) {
        EventKind::ModifyCollation
    } else if moved {
        EventKind::ModifyColumnsOrder
    } else if old.base != new.base {
        EventKind::ModifyColumn
    } else if before.nullable && after.nullable == Some(false) {
        EventKind::ModifyConstraint
    } else if before.default.is_some() && after.default.is_some() && before.default != after.default {
        EventKind::ModifyDefaultValue
    } else {
        EventKind::ModifyColumn
    }
}

/// Fewer values: shorter, smaller, other sign, fewer digits before the point, lost members.
fn narrowed(old: &ColumnType, new: &ColumnType) -> bool {
    if old.base.is_numeric() && new.base.is_numeric() && old.unsigned != new.unsigned {
        return true;
    }
    if let (Some(old), Some(new)) = (old.base.integer_bytes(), new.base.integer_bytes()) {
        return new < old;
    }
    if let (Some(old), Some(new)) = (capacity(old), capacity(new)) {
        return new < old;
    }
    if old.base != new.base {
        return false;
    }
    match old.base {
        BaseType::Decimal => {
            let whole = |ty: &ColumnType| ty.length.unwrap_or(10).saturating_sub(ty.decimals.unwrap_or(0));
            whole(new) < whole(old)
        }
        BaseType::Enum | BaseType::Set => old.elems.iter().any(|member| !new.elems.contains(member)),
        _ => matches!((old.length, new.length), (Some(old), Some(new)) if new < old),
    }
}

/// Fewer digits behind the point, or a shorter float.
fn less_precise(old: &ColumnType, new: &ColumnType) -> bool {
    match (old.base, new.base) {
        (BaseType::Double, BaseType::Float) => true,
        (BaseType::Float | BaseType::Double, _) => {
            old.base == new.base && matches!((old.decimals, new.decimals), (Some(old), Some(new)) if new < old)
        }
        (old_base, new_base) => old_base == new_base && new.decimals.unwrap_or(0) < old.decimals.unwrap_or(0),
    }
}

/// How much a string, text, bit or blob column holds at most.
fn capacity(ty: &ColumnType) -> Option<u64> {
    use BaseType::*;
    Some(match ty.base {
        Char | Binary | Bit => u64::from(ty.length.unwrap_or(1)),
        VarChar | VarBinary => u64::from(ty.length?),
        TinyText | TinyBlob => 0xff,
        Text | Blob => 0xffff,
        MediumText | MediumBlob => 0xff_ffff,
        LongText | LongBlob => 0xffff_ffff,
        _ => return None,
    })
}

fn differs(after: Option<&str>, before: Option<&str>) -> bool {
    after.is_some_and(|after| before.is_some_and(|before| !after.eq_ignore_ascii_case(before)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{
        Tracker,
        ddl::{ParseContext, parse},
        server::{ServerInfo, SqlMode},
    };

    fn context() -> ParseContext {
        ParseContext { default_schema: "d".into(), sql_mode: SqlMode::default(), server: ServerInfo::default() }
    }

    /// The kinds of a statement after `CREATE TABLE t (...)`.
    fn kinds(sql: &str) -> Vec<&'static str> {
        let mut tracker = Tracker::new(ServerInfo::default(), 0);
        for setup in [
            "CREATE DATABASE d",
            "CREATE TABLE t (id INT UNSIGNED AUTO_INCREMENT, b BIGINT DEFAULT 7, v VARCHAR(20) CHARACTER SET utf8mb4, \
             n DECIMAL(10,2), e ENUM('x','y'), d DATETIME(6), f DOUBLE, x TEXT, PRIMARY KEY (id), UNIQUE KEY u (b), \
             KEY k (n), CONSTRAINT fk FOREIGN KEY (b) REFERENCES p (b))",
        ] {
            tracker.apply(&parse(setup, &context()).unwrap()).unwrap();
        }
        let before = tracker.get("d", "t").unwrap();
        let events = parse(sql, &context()).unwrap().events(Some(&before));
        events.iter().map(|event| event.kind.name()).collect()
    }

    #[test]
    fn redefined_columns() {
        for (clause, kind) in [
            ("MODIFY v VARCHAR(10)", "value range decrease"),
            ("MODIFY v CHAR(19)", "value range decrease"),
            ("MODIFY v VARCHAR(30)", "modify column"),
            ("MODIFY x VARCHAR(100)", "value range decrease"),
            ("MODIFY x LONGTEXT", "modify column"),
            ("MODIFY b INT", "value range decrease"),
            ("MODIFY b BIGINT UNSIGNED", "value range decrease"),
            ("MODIFY id INT UNSIGNED NOT NULL", "remove auto increment"),
            ("MODIFY n DECIMAL(10,1)", "precision decrease"),
            ("MODIFY n DECIMAL(10,4)", "value range decrease"),
            ("MODIFY n DECIMAL(12,2)", "modify column"),
            ("MODIFY e ENUM('x')", "value range decrease"),
            ("MODIFY e ENUM('z','x','y')", "modify column"),
            ("MODIFY d DATETIME(3)", "precision decrease"),
            ("MODIFY f FLOAT", "precision decrease"),
            ("MODIFY b VARCHAR(5)", "modify column"),
            ("MODIFY v VARCHAR(20) CHARACTER SET latin1", "modify charset"),
            ("MODIFY v VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "modify collation"),
            ("MODIFY v VARCHAR(20) FIRST", "modify columns order"),
            ("MODIFY v VARCHAR(20) AFTER b", "modify column"),
            ("MODIFY v VARCHAR(20) AFTER n", "modify columns order"),
            ("MODIFY v VARCHAR(20) NOT NULL", "modify constraint"),
            ("MODIFY b BIGINT DEFAULT 8", "modify default value"),
            ("CHANGE v v VARCHAR(10)", "value range decrease"),
            ("CHANGE v w VARCHAR(10)", "rename column"),
        ] {
            assert_eq!(kinds(&format!("ALTER TABLE t {clause}")), [kind], "{clause}");
        }
    }

    #[test]
    fn other_clauses() {
        for (clause, kind) in [
            ("ADD c INT", "add column"),
            ("DROP v", "drop column"),
            ("RENAME COLUMN v TO w", "rename column"),
            ("ALTER b SET DEFAULT 9", "modify default value"),
            ("ALTER n SET DEFAULT 9", "set default value"),
            ("ADD PRIMARY KEY (b)", "add primary key"),
            ("ADD UNIQUE (n)", "create index"),
            ("DROP PRIMARY KEY", "drop primary key"),
            ("DROP KEY `PRIMARY`", "drop primary key"),
            ("DROP INDEX u", "drop unique key"),
            ("DROP INDEX k", "drop index"),
            ("DROP CONSTRAINT u", "drop unique key"),
            ("DROP CONSTRAINT fk", "drop foreign key"),
            ("DROP CONSTRAINT c1", "modify constraint"),
            ("RENAME INDEX k TO l", "rename index"),
            ("ALTER INDEX k INVISIBLE", "alter index visibility"),
            ("ADD FOREIGN KEY (n) REFERENCES p (n)", "add foreign key"),
            ("DROP FOREIGN KEY fk", "drop foreign key"),
            ("ADD CHECK (b > 0)", "modify constraint"),
            ("RENAME TO u", "rename table"),
            ("CONVERT TO CHARACTER SET latin1", "modify table charset and collate"),
            ("CHARSET latin1", "modify table charset and collate"),
            ("ENGINE=MyISAM", "modify storage engine"),
            ("COMMENT='x'", "modify table comment"),
            ("AUTO_INCREMENT=9", "rebase auto id"),
            ("PARTITION BY HASH (id) PARTITIONS 2", "alter table partitioning"),
            ("REMOVE PARTITIONING", "remove table partitioning"),
            ("ADD PARTITION PARTITIONS 2", "add table partition"),
            ("DROP PARTITION p", "drop table partition"),
            ("TRUNCATE PARTITION p", "truncate table partition"),
            ("COALESCE PARTITION 1", "coalesce table partition"),
            ("REORGANIZE PARTITION p INTO (PARTITION q VALUES LESS THAN (5))", "reorganize table partition"),
            ("EXCHANGE PARTITION p WITH TABLE u", "exchange table partition"),
            ("REBUILD PARTITION p", "rebuild table partition"),
            ("FORCE", "alter table"),
        ] {
            assert_eq!(kinds(&format!("ALTER TABLE t {clause}")), [kind], "{clause}");
        }
    }

    #[test]
    fn statements_and_their_parts() {
        let three = kinds("ALTER TABLE t ADD c INT, DROP v, ALGORITHM=INPLACE");
        assert_eq!(three, ["add column", "drop column", "alter table"]);
        assert_eq!(kinds("DROP INDEX u ON t"), ["drop unique key"]);
        assert_eq!(kinds("ALTER DATABASE d CHARACTER SET latin1"), ["modify schema charset and collate"]);
        assert_eq!(kinds("TRUNCATE t"), ["truncate table"]);
        assert!(kinds("BEGIN").is_empty() && kinds("GRANT ALL ON *.* TO x").is_empty());
        let drop = parse("DROP INDEX u ON t", &context()).unwrap().events(None);
        assert_eq!(drop, [Event { kind: EventKind::DropIndex, statement: EventKind::DropIndex }]);
        let alter = parse("ALTER TABLE t DROP INDEX u", &context()).unwrap().events(None);
        assert_eq!(alter, [Event { kind: EventKind::DropIndex, statement: EventKind::AlterTable }]);
    }
}
