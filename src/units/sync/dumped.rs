//! Structures from the schema files of a dump, or the ledger of a streamed load: the source's tables as they were where the stream begins.

use std::path::Path;

use super::start::SourceFacts;
use crate::{
    error::{Code, DmError},
    schema::{
        Tracker,
        ddl::{self, ParseContext},
        load::{Session, parse_create_table},
        model::TableId,
        server::SqlMode,
    },
    units::dump::{files, names::FileKind},
};

/// Puts the structure of every dumped table into the tracker. No folder, no structures: it was cleaned up, and tables
/// are found at their first row.
pub fn read(dir: &Path, source: &SourceFacts, tracker: &mut Tracker) -> Result<(), DmError> {
    let failed = |what: &Path, e: std::io::Error| {
        DmError::new(Code::SchemaTrackerInit).msg(format!("cannot read {} of the dump", what.display())).cause(e)
    };
    let mut texts = Vec::new();
    for (path, kind) in files::list(dir).map_err(|e| failed(dir, e))? {
        if matches!(kind, FileKind::SchemaCreate { .. } | FileKind::TableCreate { .. }) {
            let text = files::text(&path).map_err(|e| failed(&path, e))?;
            texts.push((kind, text));
        }
    }
    put(texts, source, tracker)
}

/// Puts structures into the tracker: what each text creates, and the text.
pub fn put(mut texts: Vec<(FileKind, String)>, source: &SourceFacts, tracker: &mut Tracker) -> Result<(), DmError> {
    // Databases first: their character sets are inherited.
    texts.sort_by_key(|(kind, _)| !matches!(kind, FileKind::SchemaCreate { .. }));
    let session = Session {
        server: source.dialect,
        sql_mode: SqlMode::default(),
        lower_case_table_names: source.lower_case_table_names,
        explicit_defaults_for_timestamp: source.explicit_timestamps,
    };
    for (kind, text) in texts {
        let (schema, table) = match kind {
            FileKind::SchemaCreate { schema } => (schema, None),
            FileKind::TableCreate { schema, table } => (schema, Some(table)),
            _ => continue,
        };
        let is_create = |sql: &&str| sql.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("CREATE"));
        for sql in statements(&text).into_iter().filter(is_create) {
            match &table {
                // As SHOW CREATE TABLE printed it: nothing is implied.
                Some(table) => tracker.put(parse_create_table(sql, &TableId::new(&schema, table), &session)?),
                None => {
                    let context = ParseContext {
                        default_schema: schema.clone(),
                        sql_mode: session.sql_mode,
                        server: session.server,
                    };
                    tracker.apply(&ddl::parse(sql, &context)?)?;
                }
            }
        }
    }
    tracing::info!(tables = tracker.tables().count(), "init table info from what was loaded");
    Ok(())
}

/// Statements of a schema file: each ends with a semicolon at a line's end; lines of comments stand between them.
fn statements(text: &str) -> Vec<&str> {
    text.split(";\n")
        .map(|part| part.trim().trim_end_matches(';'))
        .map(|part| {
            let mut rest = part;
            while let Some(line) = rest.strip_prefix("/*").or_else(|| rest.strip_prefix("--")) {
                rest = line.split_once('\n').map_or("", |(_, after)| after).trim_start();
            }
            rest
        })
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_statements() {
        let text = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES binary*/;\nCREATE TABLE `t` (\n`a` int COMMENT 'x;y'\n);\n";
        assert_eq!(statements(text), ["CREATE TABLE `t` (\n`a` int COMMENT 'x;y'\n)"]);
    }
}
