//! Options of tables and databases, and partitions, which are read over.

use super::{
    ast::{DatabaseOptions, Edit, TableOptions, TableRole},
    cursor::Parser,
    lexer::TokenKind,
    spans::CharsetLevel,
};
use crate::error::Result;

/// Table options that need no `=` before their value and that the model doesn't keep.
const PLAIN_OPTIONS: [&str; 32] = [
    "AUTOEXTEND_SIZE",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "TABLE_CHECKSUM",
    "COMPRESSION",
    "CONNECTION",
    "DELAY_KEY_WRITE",
    "ENCRYPTION",
    "ENCRYPTED",
    "ENCRYPTION_KEY_ID",
    "ENGINE_ATTRIBUTE",
    "IETF_QUOTES",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
    "TRANSACTIONAL",
    "NODEGROUP",
    "EXTRA",
];

impl Parser<'_> {
    /// One table option; false when none comes next.
    pub(super) fn table_option(&mut self, options: &mut TableOptions) -> Result<bool> {
        let start = self.span().start;
        let default = self.is_word("DEFAULT")
            && ["CHARACTER", "CHARSET", "CHAR", "COLLATE"].iter().any(|word| self.is_word_at(1, word));
        if default {
            self.advance();
        }
        if self.charset_keyword() {
            self.take_symbol('=');
            options.charset = Some(self.charset_name(start, false, CharsetLevel::Table)?);
        } else if self.take_word("COLLATE") {
            self.take_symbol('=');
            options.collation = Some(self.charset_name(start, true, CharsetLevel::Table)?);
        } else if self.take_any(&["ENGINE", "TYPE"]).is_some() {
            self.take_symbol('=');
            options.engine = Some(self.name_or_text()?);
        } else if self.take_word("COMMENT") {
            self.take_symbol('=');
            options.comment = Some(self.text()?);
        } else if self.take_word("AUTO_INCREMENT") {
            self.take_symbol('=');
            self.option_value()?;
            options.auto_increment = true;
        } else if self.take_word("UNION") {
            self.take_symbol('=');
            self.union_members()?;
        } else if self.take_words(&["START", "TRANSACTION"]) {
            // The source wrote CREATE TABLE ... SELECT; the rows follow in the binlog. A target would wait for them
            // in an open transaction.
            self.edits.push(Edit { span: start..self.last_end(), text: String::new() });
        } else if self.is_words(&["WITH", "SYSTEM"]) {
            return Err(self.refused("a system-versioned table"));
        } else {
            return self.other_table_option();
        }
        Ok(true)
    }

    fn other_table_option(&mut self) -> Result<bool> {
        if self.is_word("SEQUENCE") && !matches!(self.kind(1), TokenKind::Symbol(',')) {
            return Err(self.refused("a sequence"));
        }
        let directory = self.take_words(&["DATA", "DIRECTORY"]) || self.take_words(&["INDEX", "DIRECTORY"]);
        let plain = PLAIN_OPTIONS.iter().any(|option| self.is_word(option));
        // MariaDB: engines define their own options, always with `=`.
        let own = matches!(self.kind(0), TokenKind::Word(_) | TokenKind::Quoted(_))
            && *self.kind(1) == TokenKind::Symbol('=');
        if !(directory || plain || own) {
            return Ok(false);
        }
        if !directory {
            self.advance();
        }
        self.take_symbol('=');
        self.option_value()?;
        Ok(true)
    }

    /// `[DEFAULT] CHARACTER SET` in its spellings, without the name.
    pub(super) fn charset_keyword(&mut self) -> bool {
        self.take_words(&["CHARACTER", "SET"]) || self.take_words(&["CHAR", "SET"]) || self.take_word("CHARSET")
    }

    /// A value of any option: name, string, number (with a unit) or list.
    pub(super) fn option_value(&mut self) -> Result<()> {
        match self.kind(0) {
            TokenKind::Symbol('(') => {
                self.parenthesised()?;
            }
            TokenKind::Symbol('-') => {
                self.advance();
                self.number()?;
            }
            TokenKind::Number(_) | TokenKind::Bytes(_) | TokenKind::Word(_) | TokenKind::Quoted(_) => self.advance(),
            _ => {
                self.text()?;
            }
        }
        Ok(())
    }

    fn union_members(&mut self) -> Result<()> {
        self.expect_symbol('(')?;
        while !self.take_symbol(')') {
            self.table(TableRole::Member)?;
            self.take_symbol(',');
        }
        Ok(())
    }

    /// `PARTITION BY ...` to its end: opaque. Err when a query follows at the top level.
    pub(super) fn partition_clause(&mut self) -> Result<()> {
        while !self.at_end() && !self.is_symbol(';') {
            if self.is_word("SELECT") || self.is_word("AS") {
                return Err(self.refused("CREATE TABLE ... SELECT"));
            }
            if self.is_symbol('(') {
                self.parenthesised()?;
            } else if self.is_symbol(')') {
                return Err(self.unexpected("a partition definition"));
            } else {
                self.advance();
            }
        }
        Ok(())
    }

    /// Options of CREATE and ALTER DATABASE.
    pub(super) fn database_options(&mut self) -> Result<DatabaseOptions> {
        let mut options = DatabaseOptions::default();
        let names = self.charset_names.len();
        loop {
            self.take_symbol(',');
            let start = self.span().start;
            self.take_word("DEFAULT");
            if self.charset_keyword() {
                self.take_symbol('=');
                options.charset = Some(self.charset_name(start, false, CharsetLevel::Database)?);
            } else if self.take_word("COLLATE") {
                self.take_symbol('=');
                options.collation = Some(self.charset_name(start, true, CharsetLevel::Database)?);
            } else if self.take_any(&["ENCRYPTION", "COMMENT"]).is_some() || self.take_words(&["READ", "ONLY"]) {
                self.take_symbol('=');
                self.option_value()?;
            } else {
                self.charset_place(names, CharsetLevel::Database, false, self.last_end());
                return Ok(options);
            }
        }
    }
}
