//! Partitions: what their clauses say and which tables they name. None of it changes a row.

use super::{
    ast::{AlterSpec, PartitionBy, PartitionChange, TableRole},
    cursor::Parser,
    lexer::TokenKind,
};
use crate::{
    error::Result,
    schema::partition::{Partition, PartitionKey, PartitionMethod, PartitionValues, Subpartitioning, value_text},
};

impl Parser<'_> {
    /// `PARTITION BY ...` to its end.
    pub(super) fn partition_by(&mut self) -> Result<PartitionBy> {
        self.expect_word("PARTITION")?;
        self.expect_word("BY")?;
        let by = if self.take_word("SYSTEM_TIME") {
            PartitionKey {
                method: PartitionMethod::SystemTime,
                expression: self.system_time()?,
                ..PartitionKey::default()
            }
        } else {
            self.partition_method()?
        };
        let (mut count, mut sub, mut sub_count) = (None, None, None);
        loop {
            if self.take_word("PARTITIONS") {
                count = Some(self.number()?);
            } else if self.take_word("SUBPARTITIONS") {
                sub_count = Some(self.number()?);
            } else if self.take_words(&["SUBPARTITION", "BY"]) {
                sub = Some(self.partition_method()?);
            } else {
                break;
            }
        }
        let definitions = if self.is_definitions() { self.definitions()? } else { Vec::new() };
        let named = definitions.first().map_or(0, |first: &Partition| first.subpartitions.len() as u32);
        let sub = sub.map(|by| Subpartitioning { by, count: sub_count.unwrap_or(named).max(1) });
        Ok(PartitionBy { by, count, sub, definitions })
    }

    /// `([PARTITION ...` is a list of definitions; any other parenthesis belongs to something else.
    fn is_definitions(&self) -> bool {
        self.is_symbol('(') && self.is_word_at(1, "PARTITION")
    }

    /// `(PARTITION ..., PARTITION ...)`.
    fn definitions(&mut self) -> Result<Vec<Partition>> {
        let mut list = Vec::new();
        self.expect_symbol('(')?;
        loop {
            self.expect_word("PARTITION")?;
            list.push(self.definition()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(list)
    }

    /// Behind the word PARTITION: `name [VALUES ...] [options] [(SUBPARTITION ...)]`.
    fn definition(&mut self) -> Result<Partition> {
        let name = self.name()?;
        let values = self.partition_values()?;
        let comment = self.partition_options()?;
        let mut subpartitions = Vec::new();
        if self.is_symbol('(') && self.is_word_at(1, "SUBPARTITION") {
            self.advance();
            loop {
                self.expect_word("SUBPARTITION")?;
                subpartitions.push(self.name_or_text()?);
                self.partition_options()?;
                if !self.take_symbol(',') {
                    break;
                }
            }
            self.expect_symbol(')')?;
        }
        Ok(Partition { name, values, comment, subpartitions })
    }

    fn partition_values(&mut self) -> Result<PartitionValues> {
        if let Some(word) = self.take_any(&["DEFAULT", "HISTORY", "CURRENT"]) {
            return Ok(match word {
                "DEFAULT" => PartitionValues::Default,
                "HISTORY" => PartitionValues::History,
                _ => PartitionValues::Current,
            });
        }
        if !self.take_word("VALUES") {
            return Ok(PartitionValues::Any);
        }
        if self.take_words(&["LESS", "THAN"]) {
            if self.take_word("MAXVALUE") {
                return Ok(PartitionValues::LessThan(vec!["MAXVALUE".to_owned()]));
            }
            return self.value_tuple().map(PartitionValues::LessThan);
        }
        self.expect_word("IN")?;
        let mut list = Vec::new();
        self.expect_symbol('(')?;
        loop {
            // `(1 + 2)` is one value, `(1, 2)` one for each column.
            let start = self.consumed();
            let tuple = if self.is_symbol('(') { self.value_tuple()? } else { Vec::new() };
            if tuple.len() > 1 && (self.is_symbol(',') || self.is_symbol(')')) {
                list.push(tuple);
            } else {
                self.go_to(start);
                list.push(vec![self.partition_value()?]);
            }
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(PartitionValues::In(list))
    }

    fn value_tuple(&mut self) -> Result<Vec<String>> {
        let mut values = Vec::new();
        self.expect_symbol('(')?;
        loop {
            values.push(self.partition_value()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(values)
    }

    /// One value up to the comma or parenthesis behind it: a text in one spelling, anything else as written.
    fn partition_value(&mut self) -> Result<String> {
        if self.is_text() && !self.raw(0).starts_with(['n', 'N']) {
            let start = self.consumed();
            let text = self.text()?;
            if self.is_symbol(',') || self.is_symbol(')') {
                return Ok(value_text(&text));
            }
            self.go_to(start);
        }
        let start = self.span().start;
        while !self.is_symbol(',') && !self.is_symbol(')') {
            if self.at_end() {
                return Err(self.unexpected("a value"));
            }
            if self.is_symbol('(') {
                self.parenthesised()?;
            } else {
                self.advance();
            }
        }
        let end = self.last_end();
        let text = self.sql.get(start..end).unwrap_or("");
        if text.is_empty() { Err(self.unexpected("a value")) } else { Ok(text.to_owned()) }
    }

    /// Engine, directories and the like are read over; the comment counts.
    fn partition_options(&mut self) -> Result<String> {
        let mut comment = String::new();
        while self.is_text() || self.is_name_at(0) || self.kind(0) == TokenKind::Number {
            if self.take_word("COMMENT") {
                self.take_symbol('=');
                comment = self.text()?;
                continue;
            }
            self.advance();
            if self.take_symbol('=') {
                self.advance();
            }
        }
        Ok(comment)
    }

    /// `[LINEAR] HASH (...)`, `[LINEAR] KEY [ALGORITHM = n] (...)`, `RANGE [COLUMNS] (...)`, `LIST [COLUMNS] (...)`.
    fn partition_method(&mut self) -> Result<PartitionKey> {
        let linear = self.take_word("LINEAR");
        let method = match self.take_any(&["HASH", "KEY", "RANGE", "LIST"]) {
            Some("HASH") => PartitionMethod::Hash,
            Some("KEY") => {
                if self.take_word("ALGORITHM") {
                    self.take_symbol('=');
                    self.number()?;
                }
                PartitionMethod::Key
            }
            Some("RANGE") if self.take_word("COLUMNS") => PartitionMethod::RangeColumns,
            Some("RANGE") => PartitionMethod::Range,
            Some(_) if self.take_word("COLUMNS") => PartitionMethod::ListColumns,
            Some(_) => PartitionMethod::List,
            None => return Err(self.unexpected("HASH, KEY, RANGE or LIST")),
        };
        let mut key = PartitionKey { method, linear, ..PartitionKey::default() };
        if !method.takes_columns() {
            key.expression = self.parenthesised()?.to_owned();
            return Ok(key);
        }
        self.expect_symbol('(')?;
        while !self.is_symbol(')') {
            key.columns.push(self.name()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(key)
    }

    /// MariaDB: `[INTERVAL expression unit [STARTS expression]] [LIMIT n] [AUTO]`.
    fn system_time(&mut self) -> Result<String> {
        let start = self.span().start;
        let from = self.consumed();
        loop {
            let ends = self.at_end()
                || self.is_symbol(';')
                || self.is_symbol(',')
                || self.is_symbol(')')
                || self.is_definitions()
                || self.is_one_of(0, &["PARTITIONS", "SUBPARTITION"])
                || self.is_query();
            if ends {
                let end = if self.consumed() > from { self.last_end() } else { start };
                return Ok(self.sql.get(start..end).unwrap_or("").to_owned());
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
            "PARTITION" if self.is_word_at(1, "BY") => By(Box::new(self.partition_by()?)),
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
                let partition = self.name()?;
                self.expect_word("TO")?;
                self.expect_word("TABLE")?;
                let table = self.table(TableRole::Converted)?;
                self.validation();
                return Ok(Some(AlterSpec::ConvertPartition { partition, table }));
            }
            "CONVERT" if self.take_words(&["CONVERT", "TABLE"]) => {
                let table = self.table(TableRole::Converted)?;
                self.expect_word("TO")?;
                self.expect_word("PARTITION")?;
                let partition = self.definition()?;
                self.validation();
                return Ok(Some(AlterSpec::ConvertTable { table, partition }));
            }
            verb if self.is_word_at(1, "PARTITION") => match self.verb_partition(verb)? {
                Some(change) => change,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(AlterSpec::Partition(change)))
    }

    /// `ADD PARTITION ...` and its like; None for a verb that has no partitions.
    fn verb_partition(&mut self, verb: &str) -> Result<Option<PartitionChange>> {
        const MAINTENANCE: [&str; 6] = ["ANALYZE", "CHECK", "OPTIMIZE", "REPAIR", "DISCARD", "IMPORT"];
        let changes = ["ADD", "DROP", "TRUNCATE", "COALESCE", "REORGANIZE", "REBUILD"].contains(&verb);
        if !changes && !MAINTENANCE.contains(&verb) {
            return Ok(None);
        }
        self.advance();
        self.advance();
        Ok(Some(match verb {
            "ADD" => self.add_partitions()?,
            "DROP" => {
                let if_exists = self.if_exists();
                self.no_binlog();
                PartitionChange::Drop { names: self.partition_names()?, if_exists }
            }
            "COALESCE" => {
                self.no_binlog();
                PartitionChange::Coalesce(self.number()?)
            }
            "REORGANIZE" => self.reorganized()?,
            verb => {
                self.partition_tail()?;
                match verb {
                    "REBUILD" => PartitionChange::Rebuild,
                    "TRUNCATE" => PartitionChange::Truncate,
                    _ => PartitionChange::Maintain,
                }
            }
        }))
    }

    /// Behind ADD PARTITION.
    fn add_partitions(&mut self) -> Result<PartitionChange> {
        let if_not_exists = self.if_not_exists();
        self.no_binlog();
        if self.take_word("PARTITIONS") {
            return Ok(PartitionChange::Add { definitions: Vec::new(), count: self.number()?, if_not_exists });
        }
        Ok(PartitionChange::Add { definitions: self.definitions()?, count: 0, if_not_exists })
    }

    /// Behind REORGANIZE PARTITION: `[names INTO (definitions)]`.
    fn reorganized(&mut self) -> Result<PartitionChange> {
        self.no_binlog();
        if !self.is_name_at(0) {
            return Ok(PartitionChange::Reorganize { names: Vec::new(), into: Vec::new() });
        }
        let names = self.partition_names()?;
        self.expect_word("INTO")?;
        Ok(PartitionChange::Reorganize { names, into: self.definitions()? })
    }

    fn partition_names(&mut self) -> Result<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.take_symbol(',') {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn no_binlog(&mut self) {
        self.take_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    }

    fn validation(&mut self) {
        let _ = self.take_words(&["WITH", "VALIDATION"]) || self.take_words(&["WITHOUT", "VALIDATION"]);
    }

    /// Names and options of a clause that changes no partition; it ends its statement.
    fn partition_tail(&mut self) -> Result<()> {
        while !self.at_end() && !self.is_symbol(';') {
            match self.kind(0) {
                TokenKind::Symbol('(') => drop(self.parenthesised()?),
                TokenKind::Symbol(',' | '=') | TokenKind::Word | TokenKind::Quoted | TokenKind::Number => {
                    self.advance()
                }
                _ => return Err(self.unexpected("partitions")),
            }
        }
        Ok(())
    }
}
