//! What a DDL statement says, before anything is resolved against a table.

use std::ops::Range;

use super::{
    super::{
        column_type::ColumnType,
        model::{DefaultValue, Generated, IndexColumn, IndexKind, ReferenceAction, TableId},
        partition::{Partition, PartitionKey, Subpartitioning},
    },
    spans::{AlterClause, CharsetName, CharsetPlace},
};

/// One parsed statement. Spans are byte offsets into the text that was parsed.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    pub kind: StatementKind,
    /// Every table the statement names, in text order. Empty for statements about databases and for skipped ones.
    pub tables: Vec<TableRef>,
    /// The database of CREATE/ALTER/DROP DATABASE.
    pub database: Option<DatabaseRef>,
    /// ALTER TABLE: where its clauses stand, in text order.
    pub clauses: Vec<AlterClause>,
    /// Every character set and collation that is written, in text order.
    pub charset_names: Vec<CharsetName>,
    /// Where a character set or collation can be added: databases, new tables, columns of characters, CONVERT TO.
    pub charset_places: Vec<CharsetPlace>,
    /// Views, stored programs and events of a skipped statement, when their names can be told.
    pub objects: Vec<ObjectRef>,
    /// Clauses that the grammar doesn't know but can tell to leave rows and keys alone; they stay as written.
    pub unknown: Vec<Range<usize>>,
    /// Executable comments whose text the source executed, markers included. Text inside can't be moved out of them.
    pub executed_comments: Vec<Range<usize>>,
    /// Where `IF NOT EXISTS` or `IF EXISTS` can be put in, when it is missing.
    pub(super) guard: Option<Edit>,
    /// Changes that the text needs to mean the same under another SQL mode or on another server.
    pub(super) edits: Vec<Edit>,
}

/// A table name in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableRef {
    /// The schema; the session's default schema when the text doesn't say.
    pub schema: String,
    pub name: String,
    /// The whole name, schema included.
    pub span: Range<usize>,
    pub role: TableRole,
}

impl TableRef {
    /// The table's full name.
    pub fn id(&self) -> TableId {
        TableId::new(&self.schema, &self.name)
    }
}

/// Why a table is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableRole {
    /// The statement works on it (block-allow list, routes and filters look at these).
    Subject,
    /// The new name of a RENAME.
    NewName,
    /// CREATE TABLE ... LIKE this.
    Template,
    /// REFERENCES this.
    Parent,
    /// EXCHANGE PARTITION ... WITH TABLE this.
    Exchanged,
    /// A table of a MERGE engine's UNION list.
    Member,
    /// MariaDB: CONVERT PARTITION ... TO TABLE this, CONVERT TABLE this TO PARTITION.
    Converted,
    /// MariaDB: a sequence that a default value reads (`NEXTVAL(this)`, `NEXT VALUE FOR this`, `LASTVAL`, `SETVAL`).
    Sequence,
    /// A table that a query inside the statement reads.
    Source,
}

/// A database name in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatabaseRef {
    pub name: String,
    /// Empty, at the place where the name belongs, when the statement left it out (ALTER DATABASE).
    pub span: Range<usize>,
}

/// The name of a view, stored program or event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectRef {
    pub schema: String,
    pub name: String,
    /// The whole name, schema included.
    pub span: Range<usize>,
}

/// Text that replaces a span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Edit {
    pub(super) span: Range<usize>,
    pub(super) text: String,
}

/// The kinds of statement.
#[derive(Clone, PartialEq, Debug)]
pub enum StatementKind {
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        or_replace: bool,
        options: DatabaseOptions,
    },
    AlterDatabase {
        name: String,
        options: DatabaseOptions,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    CreateTable(Box<CreateTable>),
    DropTable {
        tables: Vec<TableId>,
        if_exists: bool,
    },
    RenameTable {
        pairs: Vec<(TableId, TableId)>,
        if_exists: bool,
    },
    TruncateTable {
        table: TableId,
    },
    AlterTable {
        table: TableId,
        if_exists: bool,
        specs: Vec<AlterSpec>,
    },
    CreateIndex {
        table: TableId,
        index: IndexDef,
        if_not_exists: bool,
        or_replace: bool,
    },
    DropIndex {
        table: TableId,
        name: String,
        if_exists: bool,
    },
    /// MariaDB's sequences. DM refuses them (`refusal::sequence_error`), a task may migrate them.
    Sequence {
        verb: SequenceVerb,
        sequences: Vec<TableId>,
        if_exists: bool,
    },
    /// Nothing that DM migrates: views, routines, users, maintenance... (behaviours section 8).
    Skipped(Skipped),
    /// BEGIN, COMMIT, XA ...: the stream's transaction boundaries in text form.
    Transaction(TransactionControl),
    /// A row change written as a statement: the source isn't in ROW format. See `statement_format_error`.
    Dml(Dml),
}

/// What happens to a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum SequenceVerb {
    Create,
    Alter,
    Drop,
}

/// Character set options of a database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DatabaseOptions {
    pub charset: Option<String>,
    pub collation: Option<String>,
}

/// What a skipped statement is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Skipped {
    CreateView,
    DropView,
    AlterView,
    Trigger,
    Routine,
    Event,
    Account,
    Tablespace,
    Maintenance,
    TemporaryTable,
    Server,
    Session,
    Query,
}

/// BEGIN, COMMIT and their kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum TransactionControl {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    Xa,
}

/// The verb of a statement-format row change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Dml {
    Insert,
    Update,
    Delete,
    Replace,
    Load,
}

/// CREATE TABLE.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateTable {
    pub table: TableId,
    pub if_not_exists: bool,
    pub or_replace: bool,
    /// CREATE TABLE ... LIKE this table; everything else is empty then.
    pub like: Option<TableId>,
    pub columns: Vec<ColumnDef>,
    pub indexes: Vec<IndexDef>,
    pub foreign_keys: Vec<ForeignKeyDef>,
    /// Table-level ones; a column's own are with it.
    pub checks: Vec<CheckDef>,
    pub options: TableOptions,
    pub partition: Option<Box<PartitionBy>>,
    /// MariaDB: WITH SYSTEM VERSIONING, of the table or of one of its columns.
    pub versioned: bool,
    pub periods: Vec<PeriodDef>,
}

/// One CHECK constraint as defined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckDef {
    pub name: Option<String>,
    /// What stands between the parentheses.
    pub expression: String,
    /// Where it stands in the text: the server numbers unnamed ones in this order.
    pub at: usize,
}

/// MariaDB: `PERIOD FOR name (start, end)`. `SYSTEM_TIME` is the name of the system's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeriodDef {
    pub name: String,
    pub start: String,
    pub end: String,
}

impl PeriodDef {
    /// The period of system versioning; others are the application's.
    pub fn is_system(&self) -> bool {
        self.name.eq_ignore_ascii_case("SYSTEM_TIME")
    }
}

/// MariaDB: a column that holds when a row version began or ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum RowTime {
    Start,
    End,
}

/// Table options that the model keeps; others are read over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableOptions {
    pub charset: Option<String>,
    pub collation: Option<String>,
    pub engine: Option<String>,
    pub comment: Option<String>,
    pub auto_increment: bool,
}

/// One column as defined. Character set and implied properties (a primary key's NOT NULL) are resolved later.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnDef {
    pub name: String,
    pub ty: ColumnType,
    pub charset: Option<String>,
    pub collation: Option<String>,
    /// `CHAR ... BINARY`: the character set's `_bin` collation.
    pub binary_collation: bool,
    /// What NULL / NOT NULL says.
    pub nullable: Option<bool>,
    pub default: Option<DefaultValue>,
    pub generated: Option<Generated>,
    /// GENERATED ALWAYS AS ROW START / ROW END.
    pub row_time: Option<RowTime>,
    /// WITH or WITHOUT SYSTEM VERSIONING.
    pub versioning: Option<bool>,
    /// MariaDB: values are stored compressed, and have types of their own in the binlog.
    pub compressed: bool,
    pub auto_increment: bool,
    pub on_update_now: bool,
    pub comment: String,
    pub invisible: bool,
    pub primary_key: bool,
    pub unique_key: bool,
    /// Has `CHECK (json_valid(this column))`.
    pub json_valid: bool,
    pub checks: Vec<CheckDef>,
    /// Where the definition stands in the text, and the end of its type, where attributes can be put in.
    pub at: usize,
    pub type_end: usize,
    /// REFERENCES of the column itself: MySQL before 9.0 ignores it, MariaDB and MySQL 9 create a foreign key.
    pub references: Option<ForeignKeyDef>,
}

/// One index as defined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IndexDef {
    /// The index's name, else the constraint's; None: the server chooses.
    pub name: Option<String>,
    pub unique: bool,
    pub primary: bool,
    pub kind: IndexKind,
    pub columns: Vec<IndexColumn>,
    /// MySQL's INVISIBLE, MariaDB's IGNORED.
    pub invisible: bool,
    pub comment: String,
    /// USING HASH: MariaDB's InnoDB keeps a unique one in a hidden column.
    pub using_hash: bool,
    /// FULLTEXT ... WITH PARSER.
    pub parser: Option<String>,
    /// MariaDB: the period of `p WITHOUT OVERLAPS`, the last part.
    pub without_overlaps: Option<String>,
    /// Where it stands in the text: the server keeps keys of the same kind in this order.
    pub at: usize,
}

/// One foreign key as defined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForeignKeyDef {
    pub name: Option<String>,
    /// FOREIGN KEY this (...): the name of the index when the server must create one.
    pub index_name: Option<String>,
    pub columns: Vec<String>,
    pub parent: TableId,
    pub parent_columns: Vec<String>,
    pub on_delete: ReferenceAction,
    pub on_update: ReferenceAction,
    /// Where it stands in the text.
    pub at: usize,
}

/// Where a column goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Position {
    First,
    After(String),
}

/// One clause of ALTER TABLE.
#[derive(Clone, PartialEq, Debug)]
pub enum AlterSpec {
    AddColumn {
        column: Box<ColumnDef>,
        position: Option<Position>,
        if_not_exists: bool,
    },
    ModifyColumn {
        column: Box<ColumnDef>,
        position: Option<Position>,
        if_exists: bool,
    },
    ChangeColumn {
        old: String,
        column: Box<ColumnDef>,
        position: Option<Position>,
        if_exists: bool,
    },
    RenameColumn {
        old: String,
        new: String,
        if_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
    },
    SetDefault {
        column: String,
        default: Option<DefaultValue>,
        if_exists: bool,
    },
    SetColumnVisibility {
        column: String,
        invisible: bool,
    },
    AddIndex {
        index: IndexDef,
        if_not_exists: bool,
    },
    DropPrimaryKey,
    DropIndex {
        name: String,
        if_exists: bool,
    },
    /// DROP CONSTRAINT name: whatever has that name.
    DropConstraint {
        name: String,
    },
    RenameIndex {
        old: String,
        new: String,
    },
    SetIndexVisibility {
        index: String,
        invisible: bool,
    },
    AddForeignKey {
        key: ForeignKeyDef,
        if_not_exists: bool,
    },
    DropForeignKey {
        name: String,
    },
    AddCheck {
        check: CheckDef,
    },
    DropCheck {
        name: String,
    },
    RenameTo {
        table: TableId,
    },
    /// CONVERT TO CHARACTER SET; charset None is `DEFAULT`.
    ConvertTo {
        charset: Option<String>,
        collation: Option<String>,
    },
    Options(TableOptions),
    Partition(PartitionChange),
    /// MariaDB: CONVERT PARTITION to a new table of the same structure, without partitions.
    ConvertPartition {
        partition: String,
        table: TableId,
    },
    /// MariaDB: CONVERT TABLE to a partition: the table is gone.
    ConvertTable {
        table: TableId,
        partition: Partition,
    },
    /// MariaDB; as are the next three.
    AddSystemVersioning,
    DropSystemVersioning,
    AddPeriod(PeriodDef),
    DropPeriod {
        name: String,
    },
    /// Changes nothing that the model knows: ALGORITHM, LOCK, FORCE, ORDER BY, ENABLE KEYS, tablespaces ...
    Neutral,
}

/// `PARTITION BY` as written: without definitions the server chooses the names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionBy {
    pub by: PartitionKey,
    pub count: Option<u32>,
    pub sub: Option<Subpartitioning>,
    pub definitions: Vec<Partition>,
}

/// A change of the partitions; none changes rows' layout.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum PartitionChange {
    By(Box<PartitionBy>),
    Remove,
    /// Either definitions or a number of new ones.
    Add {
        definitions: Vec<Partition>,
        count: u32,
        if_not_exists: bool,
    },
    Drop {
        names: Vec<String>,
        if_exists: bool,
    },
    Truncate,
    Coalesce(u32),
    /// Without names: every partition becomes what it is.
    Reorganize {
        names: Vec<String>,
        into: Vec<Partition>,
    },
    Exchange,
    Rebuild,
    Maintain,
}
