//! The top of the grammar: which statement it is, and the short ones.

use super::{
    ast::{DatabaseOptions, DatabaseRef, Edit, IndexDef, SequenceVerb, StatementKind, TableRole},
    cursor::Parser,
    lexer::TokenKind,
};
use crate::error::Result;

impl Parser<'_> {
    /// One whole statement.
    pub(super) fn statement(&mut self) -> Result<StatementKind> {
        self.set_statement_prefix();
        if let Some(kind) = self.not_ddl() {
            return Ok(kind);
        }
        match self.take_any(&["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"]) {
            Some("CREATE") => self.create(),
            Some("ALTER") => self.alter(),
            Some("DROP") => self.drop(),
            Some("RENAME") => self.rename(),
            Some(_) => self.truncate(),
            None => Err(self.unexpected("a statement")),
        }
    }

    /// MariaDB: `SET STATEMENT variable=value FOR statement`. The prefix is not for the target.
    fn set_statement_prefix(&mut self) {
        if !self.is_words(&["SET", "STATEMENT"]) {
            return;
        }
        let start = self.span().start;
        let Some(length) = (2..).take_while(|i| self.kind(*i) != TokenKind::End).find(|i| self.is_word_at(*i, "FOR"))
        else {
            return;
        };
        for _ in 0..=length {
            self.advance();
        }
        self.edits.push(Edit { span: start..self.last_end(), text: String::new() });
    }

    fn create(&mut self) -> Result<StatementKind> {
        let or_replace = self.take_words(&["OR", "REPLACE"]);
        if self.is_one_of(0, &["SPATIAL", "VECTOR"]) && self.is_word_at(1, "INDEX") {
            return self.create_index(or_replace);
        }
        if let Some(skipped) = self.skipped_object("CREATE") {
            return Ok(StatementKind::Skipped(skipped));
        }
        if self.is_word("SEQUENCE") {
            return self.sequence(SequenceVerb::Create, or_replace);
        }
        if self.take_word("TABLE") {
            return self.create_table(or_replace);
        }
        if self.take_any(&["DATABASE", "SCHEMA"]).is_some() {
            return self.create_database(or_replace);
        }
        self.create_index(or_replace)
    }

    fn create_database(&mut self, or_replace: bool) -> Result<StatementKind> {
        let guard_at = self.last_end();
        let if_not_exists = self.if_not_exists();
        if !if_not_exists && !or_replace {
            self.guard_with(guard_at, " IF NOT EXISTS");
        }
        let name = self.database_name()?;
        let options = self.database_options()?;
        self.expect_end()?;
        Ok(StatementKind::CreateDatabase { name, if_not_exists, or_replace, options })
    }

    /// After `CREATE [OR REPLACE]`: `[ONLINE] [UNIQUE|FULLTEXT|SPATIAL|VECTOR] INDEX ...`.
    fn create_index(&mut self, or_replace: bool) -> Result<StatementKind> {
        let _ = self.take_any(&["ONLINE", "OFFLINE"]);
        let mut index = IndexDef { unique: self.take_word("UNIQUE"), ..IndexDef::default() };
        let spelled = match self.index_kind() {
            Some(kind) => {
                index.kind = kind;
                true
            }
            None => self.take_word("INDEX"),
        };
        if !spelled {
            return Err(self.unexpected("what to create"));
        }
        let if_not_exists = self.if_not_exists();
        index.name = Some(self.name()?);
        index.using_hash = self.index_type();
        self.expect_word("ON")?;
        let table = self.table(TableRole::Subject)?;
        self.wait_clause()?;
        self.index_body(&mut index)?;
        self.index_statement_options()?;
        Ok(StatementKind::CreateIndex { table, index, if_not_exists, or_replace })
    }

    /// `ALGORITHM = x`, `LOCK = x` and the end.
    fn index_statement_options(&mut self) -> Result<()> {
        while self.take_any(&["ALGORITHM", "LOCK"]).is_some() {
            self.take_symbol('=');
            self.any_name()?;
            self.take_symbol(',');
        }
        self.wait_clause()?;
        self.expect_end()
    }

    fn alter(&mut self) -> Result<StatementKind> {
        let table = self.is_one_of(0, &["TABLE", "ONLINE", "OFFLINE", "IGNORE"]);
        if table {
            while self.take_any(&["ONLINE", "OFFLINE", "IGNORE"]).is_some() {}
            self.expect_word("TABLE")?;
            return self.alter_table();
        }
        if self.take_any(&["DATABASE", "SCHEMA"]).is_some() {
            return self.alter_database();
        }
        if self.is_word("SEQUENCE") {
            return self.sequence(SequenceVerb::Alter, false);
        }
        match self.skipped_object("ALTER") {
            Some(skipped) => Ok(StatementKind::Skipped(skipped)),
            None => Err(self.unexpected("what to alter")),
        }
    }

    fn alter_database(&mut self) -> Result<StatementKind> {
        let options = ["DEFAULT", "CHARACTER", "CHARSET", "CHAR", "COLLATE", "ENCRYPTION", "COMMENT", "READ"];
        let named = !self.is_one_of(0, &options);
        let name = if named {
            self.database_name()?
        } else {
            let name = self.context.default_schema.clone();
            if name.is_empty() {
                return Err(self.unexpected("a database"));
            }
            let at = self.last_end();
            self.database = Some(DatabaseRef { name: name.clone(), span: at..at });
            name
        };
        if self.is_word("UPGRADE") {
            return Err(self.refused("ALTER DATABASE ... UPGRADE DATA DIRECTORY NAME"));
        }
        let options: DatabaseOptions = self.database_options()?;
        self.expect_end()?;
        Ok(StatementKind::AlterDatabase { name, options })
    }

    fn drop(&mut self) -> Result<StatementKind> {
        if let Some(skipped) = self.skipped_object("DROP") {
            return Ok(StatementKind::Skipped(skipped));
        }
        if self.is_word("SEQUENCE") {
            return self.sequence(SequenceVerb::Drop, false);
        }
        if self.take_any(&["TABLE", "TABLES"]).is_some() {
            return self.drop_table();
        }
        if self.take_any(&["DATABASE", "SCHEMA"]).is_some() {
            let guard_at = self.last_end();
            let if_exists = self.if_exists();
            if !if_exists {
                self.guard_with(guard_at, " IF EXISTS");
            }
            let name = self.database_name()?;
            self.expect_end()?;
            return Ok(StatementKind::DropDatabase { name, if_exists });
        }
        let _ = self.take_any(&["ONLINE", "OFFLINE"]);
        if !self.take_word("INDEX") {
            return Err(self.unexpected("what to drop"));
        }
        let if_exists = self.if_exists();
        let name = self.name()?;
        self.expect_word("ON")?;
        let table = self.table(TableRole::Subject)?;
        self.index_statement_options()?;
        Ok(StatementKind::DropIndex { table, name, if_exists })
    }

    fn drop_table(&mut self) -> Result<StatementKind> {
        let guard_at = self.last_end();
        let if_exists = self.if_exists();
        if !if_exists {
            self.guard_with(guard_at, " IF EXISTS");
        }
        let mut tables = Vec::new();
        loop {
            tables.push(self.table(TableRole::Subject)?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.wait_clause()?;
        let _ = self.take_any(&["RESTRICT", "CASCADE"]);
        self.expect_end()?;
        Ok(StatementKind::DropTable { tables, if_exists })
    }

    fn rename(&mut self) -> Result<StatementKind> {
        if self.take_word("USER") {
            self.skip_rest();
            return Ok(StatementKind::Skipped(super::ast::Skipped::Account));
        }
        if self.take_any(&["TABLE", "TABLES"]).is_none() {
            return Err(self.unexpected("TABLE"));
        }
        let if_exists = self.if_exists();
        let mut pairs = Vec::new();
        loop {
            let from = self.table(TableRole::Subject)?;
            self.wait_clause()?;
            self.expect_word("TO")?;
            pairs.push((from, self.table(TableRole::NewName)?));
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_end()?;
        Ok(StatementKind::RenameTable { pairs, if_exists })
    }

    fn truncate(&mut self) -> Result<StatementKind> {
        self.take_word("TABLE");
        let table = self.table(TableRole::Subject)?;
        self.wait_clause()?;
        self.expect_end()?;
        Ok(StatementKind::TruncateTable { table })
    }

    fn database_name(&mut self) -> Result<String> {
        let span = self.span();
        let name = self.name()?;
        self.database = Some(DatabaseRef { name: name.clone(), span });
        Ok(name)
    }

    /// Notes where an existence clause can be put in.
    pub(super) fn guard_with(&mut self, at: usize, text: &str) {
        self.guard = Some(Edit { span: at..at, text: text.to_owned() });
    }
}
