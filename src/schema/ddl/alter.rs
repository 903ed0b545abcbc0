//! ALTER TABLE.

use super::{
    ast::{AlterSpec, Position, StatementKind, TableOptions, TableRole},
    cursor::Parser,
    index::Constraint,
    spans::{AlterClause, CharsetLevel, ClauseKind},
};
use crate::error::Result;

impl Parser<'_> {
    /// After `ALTER [ONLINE] [IGNORE] TABLE`.
    pub(super) fn alter_table(&mut self) -> Result<StatementKind> {
        let if_exists = self.if_exists();
        let table = self.table(TableRole::Subject)?;
        self.wait_clause()?;
        let mut specs = Vec::new();
        let mut after_comma = true;
        while !self.at_end() && !self.is_symbol(';') {
            self.alter_clause(&mut specs, after_comma)?;
            // Options and partition clauses may follow without a comma.
            after_comma = self.take_symbol(',');
        }
        self.expect_end()?;
        Ok(StatementKind::AlterTable { table, if_exists, specs })
    }

    /// One clause, noted with its span; options that follow an option without a comma belong to its clause.
    fn alter_clause(&mut self, specs: &mut Vec<AlterSpec>, after_comma: bool) -> Result<()> {
        let (start, first) = (self.span().start, specs.len());
        let execution = self.is_one_of(0, &["ALGORITHM", "LOCK", "FORCE", "WITH", "WITHOUT"]);
        let kind = if execution { ClauseKind::Execution } else { ClauseKind::Change };
        self.items.clear();
        self.alter_spec(specs)?;
        let end = self.last_end();
        let kind = match specs.get(first) {
            Some(AlterSpec::Partition(_) | AlterSpec::ConvertPartition { .. } | AlterSpec::ConvertTable { .. }) => {
                ClauseKind::Partition
            }
            _ => kind,
        };
        let is_option = |spec: Option<&AlterSpec>| matches!(spec, Some(AlterSpec::Options(_)));
        let joins = !after_comma && first > 0 && is_option(specs.get(first)) && is_option(specs.get(first - 1));
        match self.clauses.last_mut().filter(|_| joins) {
            Some(last) => (last.span.end, last.specs.end) = (end, specs.len()),
            None => {
                let items = std::mem::take(&mut self.items);
                self.clauses.push(AlterClause { span: start..end, specs: first..specs.len(), items, kind });
            }
        }
        Ok(())
    }

    fn alter_spec(&mut self, specs: &mut Vec<AlterSpec>) -> Result<()> {
        if let Some(spec) = self.partition_spec()? {
            specs.push(spec);
        } else if self.take_word("ADD") {
            self.add_spec(specs)?;
        } else if self.take_word("DROP") {
            specs.push(self.drop_spec()?);
        } else if self.take_word("MODIFY") {
            self.take_word("COLUMN");
            let if_exists = self.if_exists();
            let column = Box::new(self.column_def()?);
            specs.push(AlterSpec::ModifyColumn { column, position: self.position()?, if_exists });
        } else if self.take_word("CHANGE") {
            self.take_word("COLUMN");
            let if_exists = self.if_exists();
            let old = self.column_name()?;
            let column = Box::new(self.column_def()?);
            specs.push(AlterSpec::ChangeColumn { old, column, position: self.position()?, if_exists });
        } else if self.take_word("ALTER") {
            specs.push(self.alter_item()?);
        } else if self.take_word("RENAME") {
            specs.push(self.rename_spec()?);
        } else if self.take_words(&["CONVERT", "TO"]) {
            specs.push(self.convert_spec()?);
        } else {
            specs.push(self.option_spec()?);
        }
        Ok(())
    }

    /// After ADD: columns, indexes or constraints.
    fn add_spec(&mut self, specs: &mut Vec<AlterSpec>) -> Result<()> {
        if self.take_words(&["SYSTEM", "VERSIONING"]) {
            specs.push(AlterSpec::AddSystemVersioning);
            return Ok(());
        }
        let said_column = self.take_word("COLUMN");
        let if_not_exists = self.if_not_exists();
        if self.take_symbol('(') {
            loop {
                let start = self.span().start;
                self.add_item(specs, if_not_exists, false)?;
                self.items.push(start..self.last_end());
                if !self.take_symbol(',') {
                    break;
                }
            }
            return self.expect_symbol(')');
        }
        self.add_item(specs, if_not_exists, said_column)
    }

    fn add_item(&mut self, specs: &mut Vec<AlterSpec>, if_not_exists: bool, said_column: bool) -> Result<()> {
        let constraint = if said_column { None } else { self.constraint()? };
        specs.push(match constraint {
            Some(Constraint::Index { index, if_not_exists }) => AlterSpec::AddIndex { index, if_not_exists },
            Some(Constraint::ForeignKey { key, if_not_exists }) => AlterSpec::AddForeignKey { key, if_not_exists },
            Some(Constraint::Check(check)) => AlterSpec::AddCheck { check },
            Some(Constraint::Period(period)) => AlterSpec::AddPeriod(period),
            None => {
                let column = Box::new(self.column_def()?);
                AlterSpec::AddColumn { column, position: self.position()?, if_not_exists }
            }
        });
        Ok(())
    }

    fn position(&mut self) -> Result<Option<Position>> {
        if self.take_word("FIRST") {
            return Ok(Some(Position::First));
        }
        if self.take_word("AFTER") {
            return Ok(Some(Position::After(self.column_name()?)));
        }
        Ok(None)
    }

    fn drop_spec(&mut self) -> Result<AlterSpec> {
        if self.take_words(&["SYSTEM", "VERSIONING"]) {
            return Ok(AlterSpec::DropSystemVersioning);
        }
        if self.is_word("PERIOD") && (self.is_one_of(1, &["FOR"]) || self.is_words(&["PERIOD", "IF", "EXISTS"])) {
            self.advance();
            self.if_exists();
            self.expect_word("FOR")?;
            return Ok(AlterSpec::DropPeriod { name: self.name()? });
        }
        if self.take_words(&["PRIMARY", "KEY"]) {
            return Ok(AlterSpec::DropPrimaryKey);
        }
        if self.take_words(&["FOREIGN", "KEY"]) {
            self.if_exists();
            return Ok(AlterSpec::DropForeignKey { name: self.name()? });
        }
        if self.take_any(&["KEY", "INDEX"]).is_some() {
            let if_exists = self.if_exists();
            return Ok(AlterSpec::DropIndex { name: self.name()?, if_exists });
        }
        if self.take_word("CONSTRAINT") {
            self.if_exists();
            return Ok(AlterSpec::DropConstraint { name: self.name()? });
        }
        if self.take_word("CHECK") {
            return Ok(AlterSpec::DropCheck { name: self.name()? });
        }
        self.take_word("COLUMN");
        let if_exists = self.if_exists();
        let name = self.column_name()?;
        let _ = self.take_any(&["RESTRICT", "CASCADE"]);
        Ok(AlterSpec::DropColumn { name, if_exists })
    }

    /// After ALTER inside ALTER TABLE: a column's default or visibility, an index's, a check's.
    fn alter_item(&mut self) -> Result<AlterSpec> {
        if self.take_any(&["INDEX", "KEY"]).is_some() {
            self.if_exists();
            let index = self.name()?;
            let invisible = match self.take_any(&["VISIBLE", "INVISIBLE", "IGNORED", "NOT"]) {
                Some("INVISIBLE" | "IGNORED") => true,
                Some("NOT") => return self.expect_word("IGNORED").map(|()| visibility(index, false)),
                Some(_) => false,
                None => return Err(self.unexpected("VISIBLE or INVISIBLE")),
            };
            return Ok(visibility(index, invisible));
        }
        if self.take_any(&["CHECK", "CONSTRAINT"]).is_some() {
            self.name()?;
            self.enforcement();
            return Ok(AlterSpec::Neutral);
        }
        self.take_word("COLUMN");
        let if_exists = self.if_exists();
        let column = self.column_name()?;
        if self.take_words(&["DROP", "DEFAULT"]) {
            return Ok(AlterSpec::SetDefault { column, default: None, if_exists });
        }
        self.expect_word("SET")?;
        match self.take_any(&["DEFAULT", "VISIBLE", "INVISIBLE"]) {
            Some("DEFAULT") => {
                let default = Some(self.default_value()?);
                Ok(AlterSpec::SetDefault { column, default, if_exists })
            }
            Some(word) => Ok(AlterSpec::SetColumnVisibility { column, invisible: word == "INVISIBLE" }),
            None => Err(self.unexpected("DEFAULT, VISIBLE or INVISIBLE")),
        }
    }

    fn rename_spec(&mut self) -> Result<AlterSpec> {
        if self.take_word("COLUMN") {
            let if_exists = self.if_exists();
            let old = self.column_name()?;
            self.expect_word("TO")?;
            return Ok(AlterSpec::RenameColumn { old, new: self.column_name()?, if_exists });
        }
        if self.take_any(&["INDEX", "KEY"]).is_some() {
            self.if_exists();
            let old = self.name()?;
            self.expect_word("TO")?;
            return Ok(AlterSpec::RenameIndex { old, new: self.name()? });
        }
        if self.take_any(&["TO", "AS"]).is_none() {
            self.take_symbol('=');
        }
        Ok(AlterSpec::RenameTo { table: self.table(TableRole::NewName)? })
    }

    fn convert_spec(&mut self) -> Result<AlterSpec> {
        let start = self.span().start;
        if !self.charset_keyword() {
            return Err(self.unexpected("CHARACTER SET"));
        }
        let names = self.charset_names.len();
        let name = self.charset_name(start, false, CharsetLevel::Conversion)?;
        let charset = Some(name).filter(|name| !name.eq_ignore_ascii_case("default"));
        let start = self.span().start;
        let collation = if self.take_word("COLLATE") {
            Some(self.charset_name(start, true, CharsetLevel::Conversion)?)
        } else {
            None
        };
        self.charset_place(names, CharsetLevel::Conversion, false, self.last_end());
        Ok(AlterSpec::ConvertTo { charset, collation })
    }

    /// Table options and clauses that change nothing in the model.
    fn option_spec(&mut self) -> Result<AlterSpec> {
        if self.take_any(&["ALGORITHM", "LOCK"]).is_some() {
            self.take_symbol('=');
            self.any_name()?;
        } else if self.take_word("FORCE")
            || self.take_words(&["WITH", "VALIDATION"])
            || self.take_words(&["WITHOUT", "VALIDATION"])
            || self.take_words(&["ENABLE", "KEYS"])
            || self.take_words(&["DISABLE", "KEYS"])
            || self.take_words(&["DISCARD", "TABLESPACE"])
            || self.take_words(&["IMPORT", "TABLESPACE"])
        {
        } else if self.take_any(&["SECONDARY_LOAD", "SECONDARY_UNLOAD"]).is_some() {
            if self.take_word("PARTITION") {
                self.parenthesised()?;
            }
        } else if self.take_words(&["ORDER", "BY"]) {
            self.order_by()?;
        } else {
            let mut options = TableOptions::default();
            if !self.table_option(&mut options)? {
                return Err(self.unexpected("a clause of ALTER TABLE"));
            }
            return Ok(AlterSpec::Options(options));
        }
        Ok(AlterSpec::Neutral)
    }

    fn order_by(&mut self) -> Result<()> {
        loop {
            self.column_name()?;
            let _ = self.take_any(&["ASC", "DESC"]);
            // A comma may also begin the next clause; an order column is a single name.
            let more = self.is_symbol(',') && self.is_order_column_after_comma();
            if !more {
                return Ok(());
            }
            self.advance();
        }
    }

    fn is_order_column_after_comma(&self) -> bool {
        use super::lexer::TokenKind::{End, Symbol};
        let name = self.is_name_at(1);
        let ends = matches!(self.kind(2), End | Symbol(',' | ';' | '.')) || self.is_one_of(2, &["ASC", "DESC"]);
        name && ends && !self.is_word_at(1, "FORCE")
    }
}

fn visibility(index: String, invisible: bool) -> AlterSpec {
    AlterSpec::SetIndexVisibility { index, invisible }
}
