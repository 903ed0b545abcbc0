//! Statements that DM doesn't migrate (behaviours, section 8), and statements that aren't DDL. They are recognised by
//! their first words and never read further: some hold passwords or a program.

use super::{
    ast::{Dml, ObjectRef, Skipped, StatementKind, TransactionControl},
    cursor::Parser,
    lexer::TokenKind,
};

impl Parser<'_> {
    /// A statement by its first word, unless that is one of the DDL verbs.
    pub(super) fn not_ddl(&mut self) -> Option<StatementKind> {
        if self.is_one_of(0, &["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"]) {
            return None;
        }
        if !self.is_any_word(0) {
            // Nothing but comments, or a parenthesised query.
            let query = self.at_end() || self.is_symbol('(') || self.is_symbol(';');
            return query.then_some(StatementKind::Skipped(Skipped::Query));
        }
        let kind = match self.keyword().as_str() {
            "BEGIN" => StatementKind::Transaction(TransactionControl::Begin),
            "START" if self.is_word_at(1, "TRANSACTION") => StatementKind::Transaction(TransactionControl::Begin),
            "COMMIT" => StatementKind::Transaction(TransactionControl::Commit),
            "SAVEPOINT" | "RELEASE" => StatementKind::Transaction(TransactionControl::Savepoint),
            "ROLLBACK" if self.is_word_at(1, "TO") || self.is_words(&["ROLLBACK", "WORK", "TO"]) => {
                StatementKind::Transaction(TransactionControl::Savepoint)
            }
            "ROLLBACK" => StatementKind::Transaction(TransactionControl::Rollback),
            "XA" => StatementKind::Transaction(TransactionControl::Xa),
            "INSERT" => StatementKind::Dml(Dml::Insert),
            "UPDATE" => StatementKind::Dml(Dml::Update),
            "DELETE" => StatementKind::Dml(Dml::Delete),
            "REPLACE" => StatementKind::Dml(Dml::Replace),
            "LOAD" if !self.is_word_at(1, "INDEX") => StatementKind::Dml(Dml::Load),
            "WITH" => self.common_table_expression(),
            "GRANT" | "REVOKE" => StatementKind::Skipped(Skipped::Account),
            "SET" if self.is_one_of(1, &["PASSWORD", "ROLE", "DEFAULT"]) => StatementKind::Skipped(Skipped::Account),
            "SET" | "USE" | "PREPARE" | "EXECUTE" | "DEALLOCATE" | "LOCK" | "UNLOCK" | "HANDLER" | "SIGNAL"
            | "RESIGNAL" => StatementKind::Skipped(Skipped::Session),
            "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "CHECKSUM" | "CACHE" | "LOAD" | "FLUSH" => {
                StatementKind::Skipped(Skipped::Maintenance)
            }
            "INSTALL" | "UNINSTALL" | "CHANGE" | "START" | "STOP" | "SHUTDOWN" | "RESTART" | "KILL" | "RESET"
            | "PURGE" | "BINLOG" | "CLONE" | "IMPORT" | "BACKUP" => StatementKind::Skipped(Skipped::Server),
            "SELECT" | "SHOW" | "DESC" | "DESCRIBE" | "EXPLAIN" | "HELP" | "DO" | "CALL" | "VALUES" | "TABLE"
            | "GET" => StatementKind::Skipped(Skipped::Query),
            _ => return None,
        };
        self.skip_rest();
        Some(kind)
    }

    /// `WITH ... UPDATE/DELETE/INSERT` is a row change, `WITH ... SELECT` a query.
    fn common_table_expression(&self) -> StatementKind {
        let mut depth = 0_i64;
        for ahead in 0.. {
            match self.kind(ahead) {
                TokenKind::End => break,
                TokenKind::Symbol('(') => depth += 1,
                TokenKind::Symbol(')') => depth -= 1,
                TokenKind::Word if depth == 0 => {
                    let verbs = [("UPDATE", Dml::Update), ("DELETE", Dml::Delete), ("INSERT", Dml::Insert)];
                    if let Some((_, dml)) = verbs.into_iter().find(|(verb, _)| self.is_word_at(ahead, verb)) {
                        return StatementKind::Dml(dml);
                    }
                }
                _ => {}
            }
        }
        StatementKind::Skipped(Skipped::Query)
    }

    /// An object of CREATE, ALTER or DROP that is not migrated; the verb is consumed. None for tables, indexes,
    /// databases and unknown words.
    pub(super) fn skipped_object(&mut self, verb: &str) -> Option<Skipped> {
        self.view_and_routine_prefix();
        let view = match verb {
            "CREATE" => Skipped::CreateView,
            "ALTER" => Skipped::AlterView,
            _ => Skipped::DropView,
        };
        let objects: [(&[&str], Skipped); 27] = [
            (&["TEMPORARY"], Skipped::TemporaryTable),
            (&["VIEW"], view),
            (&["JSON", "DUALITY"], view),
            (&["JSON", "RELATIONAL", "DUALITY"], view),
            (&["TRIGGER"], Skipped::Trigger),
            (&["PROCEDURE"], Skipped::Routine),
            (&["FUNCTION"], Skipped::Routine),
            (&["AGGREGATE"], Skipped::Routine),
            (&["PACKAGE", "BODY"], Skipped::Routine),
            (&["PACKAGE"], Skipped::Routine),
            (&["LIBRARY"], Skipped::Routine),
            (&["PREPARE"], Skipped::Session),
            (&["EVENT"], Skipped::Event),
            (&["USER"], Skipped::Account),
            (&["ROLE"], Skipped::Account),
            (&["TABLESPACE"], Skipped::Tablespace),
            (&["UNDO"], Skipped::Tablespace),
            (&["LOGFILE"], Skipped::Tablespace),
            (&["SERVER"], Skipped::Server),
            (&["INSTANCE"], Skipped::Server),
            (&["RESOURCE"], Skipped::Server),
            (&["SPATIAL", "REFERENCE"], Skipped::Server),
            (&["SQL", "SECURITY"], view),
            (&["BINDING"], Skipped::Server),
            (&["GLOBAL", "BINDING"], Skipped::Server),
            (&["PLACEMENT"], Skipped::Server),
            (&["STATISTICS"], Skipped::Maintenance),
        ];
        let (words, skipped) = objects.into_iter().find(|(words, _)| self.is_words(words))?;
        if is_object(skipped) {
            self.take_words(words);
            self.note_objects(verb == "DROP");
        }
        self.skip_rest();
        Some(skipped)
    }

    /// Notes the names that follow, as far as they can be read.
    fn note_objects(&mut self, several: bool) {
        let _ = self.take_words(&["VIEW"]) || self.take_words(&["FUNCTION"]);
        let _ = self.if_not_exists() || self.if_exists();
        loop {
            let start = self.span().start;
            let Ok(first) = self.name() else { return };
            let (schema, name) = match self.take_symbol('.').then(|| self.name()) {
                None => (self.context.default_schema.clone(), first),
                Some(Ok(name)) => (first, name),
                Some(Err(_)) => return,
            };
            self.objects.push(ObjectRef { schema, name, span: start..self.last_end() });
            if !(several && self.take_symbol(',')) {
                return;
            }
        }
    }

    /// `ALGORITHM = x`, `DEFINER = user@host`, `SQL SECURITY x`: before a view or a stored program.
    fn view_and_routine_prefix(&mut self) {
        loop {
            if self.is_word("ALGORITHM") && self.is_symbol_at(1, '=') {
                for _ in 0..3 {
                    self.advance();
                }
            } else if self.is_word("DEFINER") && self.is_symbol_at(1, '=') {
                for _ in 0..3 {
                    self.advance();
                }
                if self.take_symbol('@') {
                    self.advance();
                } else if self.take_symbol('(') {
                    self.take_symbol(')');
                }
            } else if self.take_word("MATERIALIZED") {
            } else if self.is_words(&["SQL", "SECURITY"]) {
                for _ in 0..3 {
                    self.advance();
                }
            } else {
                return;
            }
        }
    }
}

/// Statements about things with a name in a schema.
fn is_object(skipped: Skipped) -> bool {
    use Skipped::{AlterView, CreateView, DropView, Event, Routine, Trigger};
    matches!(skipped, CreateView | AlterView | DropView | Trigger | Routine | Event)
}
