//! The binlog events that filters know, their names, aliases and classes (config facts 6.2).

macro_rules! event_kinds {
    ($($variant:ident = $name:literal, $class:ident;)*) => {
        /// What one binlog event does, as event filters see it.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum EventKind { $($variant,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant,)*];

            /// The name in a rule's `events`.
            pub const fn name(self) -> &'static str {
                match self { $(EventKind::$variant => $name,)* }
            }

            const fn class(self) -> Class {
                match self { $(EventKind::$variant => Class::$class,)* }
            }
        }
    };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Dml,
    Ddl,
    /// A DDL that `incompatible ddl changes` contains.
    Incompatible,
}

event_kinds! {
    Insert = "insert", Dml;
    Update = "update", Dml;
    Delete = "delete", Dml;
    CreateDatabase = "create database", Ddl;
    DropDatabase = "drop database", Incompatible;
    AlterDatabase = "alter database", Ddl;
    CreateTable = "create table", Ddl;
    DropTable = "drop table", Incompatible;
    TruncateTable = "truncate table", Incompatible;
    RenameTable = "rename table", Incompatible;
    CreateIndex = "create index", Ddl;
    DropIndex = "drop index", Incompatible;
    CreateView = "create view", Ddl;
    DropView = "drop view", Ddl;
    AlterTable = "alter table", Ddl;
    AddTablePartition = "add table partition", Ddl;
    DropTablePartition = "drop table partition", Incompatible;
    TruncateTablePartition = "truncate table partition", Incompatible;
    AddForeignKey = "add foreign key", Incompatible;
    DropForeignKey = "drop foreign key", Incompatible;
    ValueRangeDecrease = "value range decrease", Incompatible;
    PrecisionDecrease = "precision decrease", Incompatible;
    ModifyColumn = "modify column", Incompatible;
    RenameColumn = "rename column", Incompatible;
    RenameIndex = "rename index", Incompatible;
    DropColumn = "drop column", Incompatible;
    DropPrimaryKey = "drop primary key", Incompatible;
    DropUniqueKey = "drop unique key", Incompatible;
    ModifyDefaultValue = "modify default value", Incompatible;
    ModifyConstraint = "modify constraint", Incompatible;
    ModifyColumnsOrder = "modify columns order", Incompatible;
    ModifyCharset = "modify charset", Incompatible;
    ModifyCollation = "modify collation", Incompatible;
    RemoveAutoIncrement = "remove auto increment", Incompatible;
    ModifyStorageEngine = "modify storage engine", Incompatible;
    ReorganizeTablePartition = "reorganize table partition", Incompatible;
    RebuildTablePartition = "rebuild table partition", Incompatible;
    CoalesceTablePartition = "coalesce table partition", Incompatible;
    SplitTablePartition = "split table partition", Incompatible;
    ExchangeTablePartition = "exchange table partition", Incompatible;
    ModifySchemaCharsetAndCollate = "modify schema charset and collate", Incompatible;
    ModifyTableCharsetAndCollate = "modify table charset and collate", Incompatible;
    ModifyTableComment = "modify table comment", Incompatible;
    RecoverTable = "recover table", Incompatible;
    AlterTablePartitioning = "alter table partitioning", Incompatible;
    RemoveTablePartitioning = "remove table partitioning", Incompatible;
    AddColumn = "add column", Incompatible;
    SetDefaultValue = "set default value", Incompatible;
    RebaseAutoId = "rebase auto id", Incompatible;
    AddPrimaryKey = "add primary key", Incompatible;
    AlterIndexVisibility = "alter index visibility", Incompatible;
    AlterTtlInfo = "alter ttl info", Incompatible;
    AlterTtlRemove = "alter ttl remove", Incompatible;
    MultiSchemaChange = "multi schema change", Incompatible;
}

impl EventKind {
    /// INSERT, UPDATE, DELETE.
    pub fn is_dml(self) -> bool {
        self.class() == Class::Dml
    }

    /// Part of `incompatible ddl changes`.
    pub fn is_incompatible(self) -> bool {
        self.class() == Class::Incompatible
    }
}

/// One event as rules see it: what it does, and which statement it is a part of. `drop column` is always a part of
/// `alter table`; a rule that names either means it. For all other events both are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub statement: EventKind,
}

impl Event {
    /// A clause of ALTER TABLE.
    pub fn clause(kind: EventKind) -> Event {
        Event { kind, statement: EventKind::AlterTable }
    }
}

impl From<EventKind> for Event {
    fn from(kind: EventKind) -> Event {
        Event { kind, statement: kind }
    }
}

/// One item of a rule's `events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventPattern {
    All,
    AllDml,
    AllDdl,
    None,
    NoneDml,
    NoneDdl,
    Incompatible,
    Kind(EventKind),
}

/// What an item says about an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Match,
    /// The list ends here without a match.
    Stop,
    GoOn,
}

impl EventPattern {
    /// From a name in any case; None for an unknown name.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        Some(match name.as_str() {
            "all" => EventPattern::All,
            "all dml" => EventPattern::AllDml,
            "all ddl" => EventPattern::AllDdl,
            "none" => EventPattern::None,
            "none dml" => EventPattern::NoneDml,
            "none ddl" => EventPattern::NoneDdl,
            "incompatible ddl changes" | "incompatible ddl change" => EventPattern::Incompatible,
            "create schema" => EventPattern::Kind(EventKind::CreateDatabase),
            "drop schema" => EventPattern::Kind(EventKind::DropDatabase),
            "alter schema" => EventPattern::Kind(EventKind::AlterDatabase),
            other => EventPattern::Kind(*EventKind::ALL.iter().find(|kind| kind.name() == other)?),
        })
    }

    pub(super) fn test(self, event: Event) -> Verdict {
        let kind = event.kind;
        let (hit, stop) = match self {
            EventPattern::All => (true, false),
            EventPattern::AllDml => (kind.is_dml(), false),
            EventPattern::AllDdl => (!kind.is_dml(), false),
            EventPattern::None => (false, true),
            EventPattern::NoneDml => (false, kind.is_dml()),
            EventPattern::NoneDdl => (false, !kind.is_dml()),
            EventPattern::Incompatible => (kind.class() == Class::Incompatible, false),
            EventPattern::Kind(wanted) => (wanted == kind || wanted == event.statement, false),
        };
        match (hit, stop) {
            (true, _) => Verdict::Match,
            (false, true) => Verdict::Stop,
            (false, false) => Verdict::GoOn,
        }
    }
}
