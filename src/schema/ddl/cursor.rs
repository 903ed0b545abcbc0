//! A cursor over tokens: the small steps that every part of the grammar is made of.

use std::{borrow::Cow, ops::Range};

use super::{
    ParseContext,
    ast::{DatabaseRef, Edit, ObjectRef, TableRef, TableRole},
    lexer::{Token, TokenKind},
    refusal::{not_understood, refused},
    spans::{AlterClause, CharsetLevel, CharsetName, CharsetPlace},
    unquote,
};
use crate::{
    error::{DmError, Result},
    schema::model::TableId,
};

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 2_000;

/// The parser's state. The grammar's files add methods to it.
pub(super) struct Parser<'a> {
    pub(super) sql: &'a str,
    pub(super) context: &'a ParseContext,
    tokens: Vec<Token>,
    at: usize,
    pub(super) tables: Vec<TableRef>,
    pub(super) database: Option<DatabaseRef>,
    pub(super) edits: Vec<Edit>,
    pub(super) guard: Option<Edit>,
    pub(super) clauses: Vec<AlterClause>,
    /// Items of the parentheses of the clause that is read.
    pub(super) items: Vec<Range<usize>>,
    /// Clauses that were read over.
    pub(super) unknown: Vec<Range<usize>>,
    pub(super) objects: Vec<ObjectRef>,
    pub(super) charset_names: Vec<CharsetName>,
    pub(super) charset_places: Vec<CharsetPlace>,
}

impl<'a> Parser<'a> {
    /// `tokens` ends with `End`.
    pub(super) fn new(sql: &'a str, context: &'a ParseContext, tokens: Vec<Token>) -> Self {
        Parser {
            sql,
            context,
            tokens,
            at: 0,
            tables: Vec::new(),
            database: None,
            edits: Vec::new(),
            guard: None,
            clauses: Vec::new(),
            items: Vec::new(),
            unknown: Vec::new(),
            objects: Vec::new(),
            charset_names: Vec::new(),
            charset_places: Vec::new(),
        }
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    /// The kind of the token `ahead` places from here; `End` past the end.
    pub(super) fn kind(&self, ahead: usize) -> TokenKind {
        self.token(ahead).map_or(TokenKind::End, |token| token.kind)
    }

    /// The text of the token `ahead`, as written.
    pub(super) fn raw(&self, ahead: usize) -> &'a str {
        self.token(ahead).and_then(|token| self.sql.get(token.span())).unwrap_or("")
    }

    /// The span of the next token; empty at the end.
    pub(super) fn span(&self) -> Range<usize> {
        self.token(0).map_or(self.sql.len()..self.sql.len(), Token::span)
    }

    fn last(&self) -> Option<&Token> {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i))
    }

    /// Where the last consumed token ended.
    pub(super) fn last_end(&self) -> usize {
        self.last().map_or(0, |token| token.span().end)
    }

    /// Where the last consumed token began.
    pub(super) fn last_start(&self) -> usize {
        self.last().map_or(0, |token| token.span().start)
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(self.kind(0), TokenKind::End)
    }

    /// Whether the token `ahead` is an unquoted word.
    pub(super) fn is_any_word(&self, ahead: usize) -> bool {
        self.kind(ahead) == TokenKind::Word
    }

    /// Whether the token `ahead` can be a name.
    pub(super) fn is_name_at(&self, ahead: usize) -> bool {
        matches!(self.kind(ahead), TokenKind::Word | TokenKind::Quoted)
    }

    /// Whether the next token is a string.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind(0), TokenKind::Text | TokenKind::DoubleText)
    }

    /// The next token in upper case, when it is an unquoted word: what one matches keywords against.
    pub(super) fn keyword(&self) -> Keyword {
        if self.is_any_word(0) { Keyword::of(self.raw(0)) } else { Keyword::of("") }
    }

    /// Whether the token `ahead` is this keyword.
    pub(super) fn is_word_at(&self, ahead: usize, keyword: &str) -> bool {
        self.is_any_word(ahead) && self.raw(ahead).eq_ignore_ascii_case(keyword)
    }

    /// Whether the token `ahead` is one of these keywords.
    pub(super) fn is_one_of(&self, ahead: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is_word_at(ahead, keyword))
    }

    pub(super) fn is_word(&self, keyword: &str) -> bool {
        self.is_word_at(0, keyword)
    }

    /// Whether these keywords come next.
    pub(super) fn is_words(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(i, keyword)| self.is_word_at(i, keyword))
    }

    /// Consumes these keywords, or nothing.
    pub(super) fn take_words(&mut self, keywords: &[&str]) -> bool {
        let found = self.is_words(keywords);
        if found {
            self.at += keywords.len();
        }
        found
    }

    pub(super) fn take_word(&mut self, keyword: &str) -> bool {
        self.take_words(&[keyword])
    }

    /// Consumes one of these keywords and returns it.
    pub(super) fn take_any<'k>(&mut self, keywords: &[&'k str]) -> Option<&'k str> {
        let found = keywords.iter().find(|keyword| self.is_word(keyword))?;
        self.advance();
        Some(found)
    }

    pub(super) fn is_symbol_at(&self, ahead: usize, symbol: char) -> bool {
        self.kind(ahead) == TokenKind::Symbol(symbol)
    }

    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub(super) fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect_word(&mut self, keyword: &str) -> Result<()> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    pub(super) fn expect_symbol(&mut self, symbol: char) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    /// A name, quoted or not.
    pub(super) fn name(&mut self) -> Result<String> {
        self.name_value().map(Cow::into_owned)
    }

    /// Consumes a name that nobody asks for.
    pub(super) fn any_name(&mut self) -> Result<()> {
        self.name_value().map(|_| ())
    }

    fn name_value(&mut self) -> Result<Cow<'a, str>> {
        let name = match self.kind(0) {
            TokenKind::Word => Cow::Borrowed(self.raw(0)),
            TokenKind::Quoted => unquote::name(self.raw(0)),
            _ => return Err(self.unexpected("a name")),
        };
        self.advance();
        // Identifiers are utf8mb3 on the server: what they can't hold is a question mark there, too.
        if name.bytes().any(|byte| byte >= 0xf0) {
            return Ok(Cow::Owned(name.chars().map(|c| if c > '\u{ffff}' { '?' } else { c }).collect()));
        }
        Ok(name)
    }

    /// A name or a string: character sets, engines and the like may be written either way.
    pub(super) fn name_or_text(&mut self) -> Result<String> {
        if self.is_text() { self.text() } else { self.name() }
    }

    /// The name behind CHARACTER SET or COLLATE (its keyword began at `start`), noted with its level.
    pub(super) fn charset_name(&mut self, start: usize, collation: bool, level: CharsetLevel) -> Result<String> {
        let from = self.span().start;
        let name = self.name_or_text()?;
        let end = self.last_end();
        let noted = CharsetName { name: name.clone(), span: from..end, clause: start..end, collation, level };
        self.charset_names.push(noted);
        Ok(name)
    }

    /// Notes that a character set may stand at `at`, beside what was written since `names`.
    pub(super) fn charset_place(&mut self, names: usize, level: CharsetLevel, implied: bool, at: usize) {
        let written = |collation: bool| {
            let names = self.charset_names.get(names..).unwrap_or(&[]);
            let mut of_level = names.iter().filter(|name| name.level == level && name.collation == collation);
            of_level.next_back().map(|name| name.name.clone())
        };
        let (charset, collation) = (written(false), written(true));
        let place = CharsetPlace { at, level, charset, collation, implied };
        self.charset_places.push(place);
    }

    /// A string; neighbouring strings are one.
    pub(super) fn text(&mut self) -> Result<String> {
        let escapes = !self.context.sql_mode.no_backslash_escapes;
        let mut out: Option<String> = None;
        while self.is_text() {
            let part = unquote::text(self.raw(0), escapes);
            match &mut out {
                Some(text) => text.push_str(&part),
                None => out = Some(part.into_owned()),
            }
            self.advance();
        }
        out.ok_or_else(|| self.unexpected("a string"))
    }

    /// An unsigned number; one over 32 bits is their greatest.
    pub(super) fn number(&mut self) -> Result<u32> {
        let number = match self.kind(0) {
            TokenKind::Number => self.raw(0).parse::<u64>().ok().map(|n| n.min(u64::from(u32::MAX)) as u32),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected("a number"))?;
        self.advance();
        Ok(number)
    }

    /// A table name, which is noted in the statement's tables.
    pub(super) fn table(&mut self, role: TableRole) -> Result<TableId> {
        let start = self.span().start;
        self.take_symbol('.'); // `.t` is the default schema's t
        let first = self.name()?;
        let (schema, name) =
            if self.take_symbol('.') { (first, self.name()?) } else { (self.context.default_schema.clone(), first) };
        if schema.is_empty() {
            return Err(self.error(format!("table `{name}` is named without a schema and there is no default one")));
        }
        let span = start..self.last_end();
        self.tables.push(TableRef { schema: schema.clone(), name: name.clone(), span, role });
        Ok(TableId { schema, name })
    }

    /// How many tokens are consumed.
    pub(super) fn consumed(&self) -> usize {
        self.at
    }

    /// Goes back (or on) to where that many tokens were consumed.
    pub(super) fn go_to(&mut self, consumed: usize) {
        self.at = consumed.min(self.tokens.len());
    }

    /// A column name that may be qualified (`t.c`, `s.t.c`); the last part counts.
    pub(super) fn column_name(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.take_symbol('.') {
            name = self.name()?;
        }
        Ok(name)
    }

    /// A parenthesised run of tokens, whatever is in it; returns the text between the parentheses.
    pub(super) fn parenthesised(&mut self) -> Result<&'a str> {
        let start = self.span().end;
        self.expect_symbol('(')?;
        let mut depth = 1_usize;
        loop {
            match self.kind(0) {
                TokenKind::Symbol('(') => depth += 1,
                TokenKind::Symbol(')') => depth -= 1,
                TokenKind::End => return Err(self.unexpected("`)`")),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Err(self.error("parentheses are nested too deeply".to_owned()));
            }
            let end = self.span().start;
            self.advance();
            if depth == 0 {
                return Ok(self.sql.get(start..end).unwrap_or("").trim());
            }
        }
    }

    /// Consumes `IF NOT EXISTS`.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }

    /// Consumes `IF EXISTS`.
    pub(super) fn if_exists(&mut self) -> bool {
        self.take_words(&["IF", "EXISTS"])
    }

    /// Consumes MariaDB's `WAIT n` / `NOWAIT`.
    pub(super) fn wait_clause(&mut self) -> Result<()> {
        if self.take_word("WAIT") {
            self.number()?;
        } else {
            self.take_word("NOWAIT");
        }
        Ok(())
    }

    /// The statement must end here, but for a semicolon.
    pub(super) fn expect_end(&mut self) -> Result<()> {
        while self.take_symbol(';') {}
        if self.at_end() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// Everything to the end is of no interest.
    pub(super) fn skip_rest(&mut self) {
        self.at = self.tokens.len();
    }

    /// Error 11006: something else was expected here.
    pub(super) fn unexpected(&self, expected: &str) -> DmError {
        let found = match self.kind(0) {
            TokenKind::End => "the end of the text".to_owned(),
            TokenKind::Word => format!("`{}`", self.raw(0)),
            TokenKind::Quoted => "a quoted name".to_owned(),
            TokenKind::Text | TokenKind::DoubleText => "a string".to_owned(),
            TokenKind::Number | TokenKind::Bytes => "a number".to_owned(),
            TokenKind::Symbol(symbol) => format!("`{symbol}`"),
        };
        self.error(format!("expected {expected}, found {found} at byte {}", self.span().start))
    }

    /// Error 11006 with a reason.
    pub(super) fn error(&self, reason: String) -> DmError {
        not_understood(self.sql, &reason)
    }

    /// Error 11007: understood, but not migrated.
    pub(super) fn refused(&self, what: &str) -> DmError {
        refused(self.sql, what)
    }
}

/// An unquoted word in upper case, on the stack. Longer words than any keyword are empty here.
pub(super) struct Keyword {
    bytes: [u8; 28],
    length: u8,
}

impl Keyword {
    fn of(word: &str) -> Self {
        let mut keyword = Keyword { bytes: [0; 28], length: 0 };
        if let Some(place) = keyword.bytes.get_mut(..word.len()) {
            place.copy_from_slice(word.as_bytes());
            place.make_ascii_uppercase();
            keyword.length = word.len() as u8;
        }
        keyword
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}
