//! MariaDB's sequences. Their options are read over: no table depends on them.

use super::{
    ast::{SequenceVerb, StatementKind, TableRole},
    cursor::Parser,
    lexer::TokenKind,
};
use crate::error::Result;

impl Parser<'_> {
    /// After CREATE [OR REPLACE], ALTER or DROP, at SEQUENCE.
    pub(super) fn sequence(&mut self, verb: SequenceVerb, or_replace: bool) -> Result<StatementKind> {
        self.expect_word("SEQUENCE")?;
        let guard_at = self.last_end();
        let guarded = if verb == SequenceVerb::Create { self.if_not_exists() } else { self.if_exists() };
        match verb {
            SequenceVerb::Create if !guarded && !or_replace => self.guard_with(guard_at, " IF NOT EXISTS"),
            SequenceVerb::Drop if !guarded => self.guard_with(guard_at, " IF EXISTS"),
            _ => {}
        }
        let mut sequences = vec![self.table(TableRole::Subject)?];
        while verb == SequenceVerb::Drop && self.take_symbol(',') {
            sequences.push(self.table(TableRole::Subject)?);
        }
        while !self.at_end() && !self.is_symbol(';') {
            match self.kind(0) {
                TokenKind::Symbol('=' | '-' | ',' | '+') | TokenKind::Word | TokenKind::Quoted => self.advance(),
                TokenKind::Number | TokenKind::Text | TokenKind::DoubleText => self.advance(),
                _ => return Err(self.unexpected("an option of a sequence")),
            }
        }
        self.expect_end()?;
        Ok(StatementKind::Sequence { verb, sequences, if_exists: guarded && verb != SequenceVerb::Create })
    }
}
