//! Partitions: where their clauses end and which tables they name. What they say doesn't change a row.

use super::{
    ast::{AlterSpec, PartitionChange, TableRole},
    cursor::Parser,
    lexer::TokenKind,
};
use crate::error::Result;

impl Parser<'_> {
    /// `PARTITION BY ...` to its end.
    pub(super) fn partition_by(&mut self) -> Result<()> {
        self.expect_word("PARTITION")?;
        self.expect_word("BY")?;
        if self.take_word("SYSTEM_TIME") {
            self.system_time()?;
        } else {
            self.partition_method()?;
        }
        loop {
            if self.take_any(&["PARTITIONS", "SUBPARTITIONS"]).is_some() {
                self.number()?;
            } else if self.take_words(&["SUBPARTITION", "BY"]) {
                self.partition_method()?;
            } else {
                break;
            }
        }
        if self.is_definitions() {
            self.parenthesised()?;
        }
        Ok(())
    }

    /// `([PARTITION ...` is a list of definitions; any other parenthesis belongs to something else.
    fn is_definitions(&self) -> bool {
        self.is_symbol('(') && self.is_word_at(1, "PARTITION")
    }

    /// `[LINEAR] HASH (...)`, `[LINEAR] KEY [ALGORITHM = n] (...)`, `RANGE [COLUMNS] (...)`, `LIST [COLUMNS] (...)`.
    fn partition_method(&mut self) -> Result<()> {
        self.take_word("LINEAR");
        match self.take_any(&["HASH", "KEY", "RANGE", "LIST"]) {
            Some("KEY") if self.take_word("ALGORITHM") => {
                self.take_symbol('=');
                self.number()?;
            }
            Some("RANGE" | "LIST") => {
                self.take_word("COLUMNS");
            }
            Some(_) => {}
            None => return Err(self.unexpected("HASH, KEY, RANGE or LIST")),
        }
        self.parenthesised().map(|_| ())
    }

    /// MariaDB: `[INTERVAL expression unit [STARTS expression]] [LIMIT n] [AUTO]`.
    fn system_time(&mut self) -> Result<()> {
        loop {
            let ends = self.at_end()
                || self.is_symbol(';')
                || self.is_symbol(',')
                || self.is_symbol(')')
                || self.is_definitions()
                || self.is_one_of(0, &["PARTITIONS", "SUBPARTITION"])
                || self.is_query();
            if ends {
                return Ok(());
            }
            if self.is_symbol('(') {
                self.parenthesised()?;
            } else {
                self.advance();
            }
        }
    }

    /// A clause of ALTER TABLE about partitions; None when something else comes next.
    pub(super) fn partition_spec(&mut self) -> Result<Option<AlterSpec>> {
        use PartitionChange::*;
        let change = match self.keyword().as_str() {
            "PARTITION" if self.is_word_at(1, "BY") => {
                self.partition_by()?;
                PartitionBy
            }
            "REMOVE" if self.take_words(&["REMOVE", "PARTITIONING"]) => Remove,
            "UPGRADE" if self.take_words(&["UPGRADE", "PARTITIONING"]) => Maintain,
            "EXCHANGE" if self.take_words(&["EXCHANGE", "PARTITION"]) => {
                self.any_name()?;
                self.expect_word("WITH")?;
                self.expect_word("TABLE")?;
                self.table(TableRole::Exchanged)?;
                self.validation();
                Exchange
            }
            "CONVERT" if self.take_words(&["CONVERT", "PARTITION"]) => {
                self.any_name()?;
                self.expect_word("TO")?;
                self.expect_word("TABLE")?;
                let table = self.table(TableRole::Converted)?;
                self.validation();
                return Ok(Some(AlterSpec::ConvertPartition { table }));
            }
            "CONVERT" if self.take_words(&["CONVERT", "TABLE"]) => {
                let table = self.table(TableRole::Converted)?;
                self.expect_word("TO")?;
                self.expect_word("PARTITION")?;
                self.partition_tail()?;
                return Ok(Some(AlterSpec::ConvertTable { table }));
            }
            verb if self.is_word_at(1, "PARTITION") => {
                let change = match verb {
                    "ADD" => Add,
                    "DROP" => Drop,
                    "TRUNCATE" => Truncate,
                    "COALESCE" => Coalesce,
                    "REORGANIZE" => Reorganize,
                    "REBUILD" => Rebuild,
                    "ANALYZE" | "CHECK" | "OPTIMIZE" | "REPAIR" | "DISCARD" | "IMPORT" => Maintain,
                    _ => return Ok(None),
                };
                self.advance();
                self.advance();
                self.partition_tail()?;
                change
            }
            _ => return Ok(None),
        };
        Ok(Some(AlterSpec::Partition(change)))
    }

    fn validation(&mut self) {
        let _ = self.take_words(&["WITH", "VALIDATION"]) || self.take_words(&["WITHOUT", "VALIDATION"]);
    }

    /// Partition names, definitions and options: these clauses end their statement.
    fn partition_tail(&mut self) -> Result<()> {
        while !self.at_end() && !self.is_symbol(';') {
            match self.kind(0) {
                TokenKind::Symbol('(') => {
                    self.parenthesised()?;
                }
                TokenKind::Symbol(',' | '=') | TokenKind::Word | TokenKind::Quoted | TokenKind::Number => {
                    self.advance()
                }
                TokenKind::Text | TokenKind::DoubleText => self.advance(),
                _ => return Err(self.unexpected("partitions")),
            }
        }
        Ok(())
    }
}
