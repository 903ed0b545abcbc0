//! Which event a statement is, for binlog event filters (config facts 6.2).

use super::ast::{AlterSpec, PartitionChange, Skipped, Statement, StatementKind};
use crate::{
    rules::EventKind,
    schema::{
        ddl::ColumnDef,
        model::{Column, TableInfo},
    },
};

impl Statement {
    /// The event of the statement; None for statements that filters don't know (transactions, accounts ...).
    /// `before` is the structure of the altered table: it tells a narrowed type from another change.
    pub fn event_kind(&self, before: Option<&TableInfo>) -> Option<EventKind> {
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
            StatementKind::AlterTable { specs, .. } => {
                specs.iter().find_map(|spec| alter_kind(spec, before)).unwrap_or(EventKind::AlterTable)
            }
            StatementKind::Skipped(Skipped::CreateView) => EventKind::CreateView,
            StatementKind::Skipped(Skipped::DropView) => EventKind::DropView,
            _ => return None,
        })
    }
}

/// The event of one clause; None when it is just an ALTER TABLE.
fn alter_kind(spec: &AlterSpec, before: Option<&TableInfo>) -> Option<EventKind> {
    let existing = |name: &str| before.and_then(|table| table.column(name));
    Some(match spec {
        AlterSpec::AddColumn { .. } => EventKind::AddColumn,
        AlterSpec::ModifyColumn { column, position, .. } => {
            modified_kind(existing(&column.name), column, position.is_some())
        }
        AlterSpec::ChangeColumn { old, column, position, .. } => {
            if old.eq_ignore_ascii_case(&column.name) {
                modified_kind(existing(old), column, position.is_some())
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
        AlterSpec::DropIndex { name, .. } | AlterSpec::DropConstraint { name } => {
            match before.and_then(|table| table.index(name)) {
                Some(index) if index.unique => EventKind::DropUniqueKey,
                None if matches!(spec, AlterSpec::DropConstraint { .. }) => EventKind::ModifyConstraint,
                _ => EventKind::DropIndex,
            }
        }
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
        AlterSpec::Partition(change) => partition_kind(*change),
        AlterSpec::SetColumnVisibility { .. } | AlterSpec::Neutral => return None,
    })
}

fn partition_kind(change: PartitionChange) -> EventKind {
    match change {
        PartitionChange::PartitionBy => EventKind::AlterTablePartitioning,
        PartitionChange::Remove => EventKind::RemoveTablePartitioning,
        PartitionChange::Add => EventKind::AddTablePartition,
        PartitionChange::Drop => EventKind::DropTablePartition,
        PartitionChange::Truncate => EventKind::TruncateTablePartition,
        PartitionChange::Coalesce => EventKind::CoalesceTablePartition,
        PartitionChange::Reorganize => EventKind::ReorganizeTablePartition,
        PartitionChange::Exchange => EventKind::ExchangeTablePartition,
        PartitionChange::Rebuild => EventKind::RebuildTablePartition,
        PartitionChange::Maintain => EventKind::AlterTable,
    }
}

/// How a redefined column differs, the gravest change first.
fn modified_kind(before: Option<&Column>, after: &ColumnDef, moved: bool) -> EventKind {
    let Some(before) = before else { return EventKind::ModifyColumn };
    let shorter = |old: Option<u32>, new: Option<u32>| matches!((old, new), (Some(old), Some(new)) if new < old);
    let same_base = before.ty.base == after.ty.base;
    let smaller_integer = before.ty.base.is_integer()
        && after.ty.base.is_integer()
        && before.ty.base.integer_bytes() > after.ty.base.integer_bytes();
    let width_counts = !before.ty.base.is_integer();
    if smaller_integer
        || before.ty.unsigned != after.ty.unsigned
        || (same_base && width_counts && shorter(before.ty.length, after.ty.length))
        || (same_base && after.ty.elems.len() < before.ty.elems.len())
    {
        EventKind::ValueRangeDecrease
    } else if same_base && shorter(before.ty.decimals, after.ty.decimals) {
        EventKind::PrecisionDecrease
    } else if before.auto_increment && !after.auto_increment {
        EventKind::RemoveAutoIncrement
    } else if differs(after.charset.as_deref(), before.charset.as_deref()) {
        EventKind::ModifyCharset
    } else if differs(after.collation.as_deref(), before.collation.as_deref()) {
        EventKind::ModifyCollation
    } else if moved {
        EventKind::ModifyColumnsOrder
    } else {
        EventKind::ModifyColumn
    }
}

fn differs(after: Option<&str>, before: Option<&str>) -> bool {
    after.is_some_and(|after| before.is_some_and(|before| !after.eq_ignore_ascii_case(before)))
}
