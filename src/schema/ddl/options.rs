//! Options of tables and databases.

use super::{
    ast::{DatabaseOptions, Edit, TableOptions, TableRole},
    cursor::Parser,
    lexer::TokenKind,
    spans::CharsetLevel,
};
use crate::error::Result;

/// Table options that need no `=` before their value and that the model doesn't keep.
const PLAIN_OPTIONS: [&str; 33] = [
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
    "SEQUENCE",
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
        if self.is_word("DEFAULT") && self.is_one_of(1, &["CHARACTER", "CHARSET", "CHAR", "COLLATE"]) {
            self.advance();
        }
        let word = self.keyword();
        match word.as_str() {
            "CHARACTER" | "CHARSET" | "CHAR" if self.charset_keyword() => {
                self.take_symbol('=');
                options.charset = Some(self.charset_name(start, false, CharsetLevel::Table)?);
                if self.charset_ends_collation() {
                    options.collation = None;
                }
            }
            "COLLATE" => {
                self.value_follows();
                options.collation = Some(self.charset_name(start, true, CharsetLevel::Table)?);
            }
            "ENGINE" | "TYPE" => {
                self.value_follows();
                options.engine = Some(self.name_or_text()?);
            }
            "COMMENT" => {
                self.value_follows();
                options.comment = Some(self.text()?);
            }
            "AUTO_INCREMENT" => {
                self.value_follows();
                self.option_value()?;
                options.auto_increment = true;
            }
            "UNION" => {
                self.value_follows();
                self.union_members()?;
            }
            "START" if self.take_words(&["START", "TRANSACTION"]) => {
                // The source wrote CREATE TABLE ... SELECT; the rows follow in the binlog. A target would wait for
                // them in an open transaction.
                self.edits.push(Edit { span: start..self.last_end(), text: String::new() });
            }
            _ => return self.other_table_option(word.as_str()),
        }
        Ok(true)
    }

    /// Consumes an option's name and the `=` behind it, if there is one.
    fn value_follows(&mut self) {
        self.advance();
        self.take_symbol('=');
    }

    fn other_table_option(&mut self, word: &str) -> Result<bool> {
        if self.take_words(&["DATA", "DIRECTORY"]) || self.take_words(&["INDEX", "DIRECTORY"]) {
            self.take_symbol('=');
        } else if PLAIN_OPTIONS.contains(&word) {
            self.value_follows();
        } else {
            // MariaDB: engines define their own options, always with `=`.
            return self.own_option();
        }
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
            TokenKind::Number | TokenKind::Bytes | TokenKind::Word | TokenKind::Quoted => self.advance(),
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

    /// MySQL before 8.0 and MariaDB before 10.9: a character set behind a collation takes its own default again.
    fn charset_ends_collation(&self) -> bool {
        let server = &self.context.server;
        server.version < if server.is_mariadb() { 100_900 } else { 80_000 }
    }

    /// Options of CREATE and ALTER DATABASE.
    pub(super) fn database_options(&mut self) -> Result<DatabaseOptions> {
        let mut options = DatabaseOptions::default();
        let names = self.charset_names.len();
        loop {
            self.take_symbol(',');
            let start = self.span().start;
            let default = self.take_word("DEFAULT");
            if self.charset_keyword() {
                self.take_symbol('=');
                options.charset = Some(self.charset_name(start, false, CharsetLevel::Database)?);
                if self.charset_ends_collation() {
                    options.collation = None;
                }
            } else if self.take_word("COLLATE") {
                self.take_symbol('=');
                options.collation = Some(self.charset_name(start, true, CharsetLevel::Database)?);
            } else if self.take_any(&["ENCRYPTION", "COMMENT"]).is_some() || self.take_words(&["READ", "ONLY"]) {
                self.take_symbol('=');
                self.option_value()?;
            } else if default {
                return Err(self.unexpected("an option of a database"));
            } else {
                self.charset_place(names, CharsetLevel::Database, false, self.last_end());
                return Ok(options);
            }
        }
    }
}
