//! Where things stand in a statement's text, for whoever changes it: clauses of ALTER TABLE, character sets, and the
//! places where a character set can be written when the text has none.

use std::ops::Range;

/// One clause of ALTER TABLE: what stands between two commas at the top level (partition clauses may also follow
/// without a comma, table options that follow each other without one are one clause).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlterClause {
    /// The clause without the commas around it. The text before the first clause is the statement's head.
    pub span: Range<usize>,
    /// What the clause says: this part of `StatementKind::AlterTable::specs`, one item but for `ADD (...)` and options.
    pub specs: Range<usize>,
    /// `ADD [COLUMN] (a INT, KEY (a))`: each item between the parentheses, one for each of `specs`. Else empty.
    pub items: Vec<Range<usize>>,
    pub kind: ClauseKind,
}

/// What a clause is to whoever splits the statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClauseKind {
    /// Changes the table.
    Change,
    /// Says how to execute the others: ALGORITHM, LOCK, FORCE, WITH VALIDATION and WITHOUT VALIDATION.
    Execution,
    /// About partitions: the last clause of its statement, most often the only one.
    Partition,
}

/// Where a character set or collation is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharsetName {
    /// As written; `ASCII`, `UNICODE` and `BYTE` are `latin1`, `ucs2` and `binary`.
    pub name: String,
    /// The name with its quotes, if any.
    pub span: Range<usize>,
    /// From the keyword (`CHARACTER SET`, `COLLATE`, with `DEFAULT` before it) to the name.
    pub clause: Range<usize>,
    /// A collation; else a character set.
    pub collation: bool,
    pub level: CharsetLevel,
}

/// What a character set is the character set of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CharsetLevel {
    /// CREATE or ALTER DATABASE.
    Database,
    /// A table's default.
    Table,
    /// ALTER TABLE ... CONVERT TO: the default and all columns.
    Conversion,
    /// This column (its new name in CHANGE).
    Column(String),
}

/// A place where ` CHARACTER SET x` or ` COLLATE x` can be put in, for everything that has a character set. What is
/// written there already is repeated here, so that nobody writes it twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharsetPlace {
    /// Byte offset, behind what is written already: a text that begins with a blank can stand here.
    pub at: usize,
    pub level: CharsetLevel,
    pub charset: Option<String>,
    pub collation: Option<String>,
    /// The column type implies a character set that can't be written (`NCHAR`, `x BINARY`): only COLLATE may follow.
    pub implied: bool,
}
