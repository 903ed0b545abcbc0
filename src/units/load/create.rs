//! Creates schemas and tables on the target from the dump's schema files.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{folder::SchemaFile, indexes, store::absent_is_none};
use crate::{
    error::{Code, DmError, Result, Scope},
    rules::{ExtraColumn, Router, check_places},
    schema::{
        collation::{CollationPolicy, SourceDefaults},
        ddl::{self, CharsetRules, ParseContext, StatementKind},
        model::{TableId, quote_name, quote_text},
    },
    units::{dump::files, engine, link, mapped::MappedCollations},
};

/// What the texts are rewritten by.
pub struct Creating<'a> {
    pub task: &'a str,
    pub router: &'a Router,
    pub policy: &'a CollationPolicy,
    pub source: &'a SourceDefaults,
    pub mapped: &'a MappedCollations,
}

/// Creates a schema as the source has it, under its target name, unless it is there.
pub async fn schema(conn: &mut Conn, file: &SchemaFile, text: &str, how: &Creating<'_>) -> Result<()> {
    let sql = match how.rewritten(text, file)? {
        Some(sql) => sql,
        None => create_statement(text, "DATABASE", &quote_name(&file.target_schema)).ok_or_else(|| unparsable(file))?,
    };
    execute(conn, file, sql).await
}

impl Creating<'_> {
    /// The CREATE statement of a file for the target, IF NOT EXISTS included. None when our grammar doesn't read it
    /// (somebody else's dump): then only its name is replaced.
    pub fn rewritten(&self, text: &str, file: &SchemaFile) -> Result<Option<String>> {
        let Some(sql) = create_text(text) else { return Ok(None) };
        // The dump's session has no SQL mode, so that quotes are plain.
        let context =
            ParseContext { default_schema: file.schema.clone(), server: self.source.server, ..ParseContext::default() };
        let statement = match ddl::parse(sql, &context) {
            Ok(statement) => statement,
            Err(error) => {
                tracing::warn!(file = %file.name, %error, "a schema file is not understood, it goes to the target as it is");
                return Ok(None);
            }
        };
        let own = match &statement.kind {
            StatementKind::CreateTable(create) if !file.target_table.is_empty() => create.table.clone(),
            StatementKind::CreateDatabase { name, .. } if file.target_table.is_empty() => {
                TableId::new(name.as_str(), "")
            }
            _ => return Ok(None),
        };
        let map = |schema: &str, table: &str| {
            if (schema, table) == (own.schema.as_str(), own.name.as_str()) {
                return (file.target_schema.clone(), file.target_table.clone());
            }
            self.router.route(schema, table).unwrap_or_else(|_| (schema.to_owned(), table.to_owned()))
        };
        let mut changes = statement.changes(map, true);
        let rules = CharsetRules {
            policy: self.policy,
            source: self.source,
            inherited: None,
            target_inherited: None,
            target_table: None,
        };
        let (charsets, mapped) = statement.charset_changes(&rules)?;
        changes.extend(charsets);
        let target = TableId::new(file.target_schema.as_str(), file.target_table.as_str());
        let name = if target.name.is_empty() { quote_name(&target.schema) } else { target.to_string() };
        for one in mapped {
            self.mapped.add(self.task, &name, &one.mapping);
        }
        Ok(Some(changes.apply(sql).trim().to_owned()))
    }
}

/// Creates a schema that has no file, with the target's defaults.
pub async fn bare_schema(conn: &mut Conn, name: &str) -> Result<()> {
    let sql = format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(name));
    conn.query_drop(&sql).await.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Downstream, &sql, &e))
}

/// Creates a table, unless it is there. Returns whether the target table has no rows.
pub async fn table(conn: &mut Conn, file: &SchemaFile, text: &str, how: &Creating<'_>) -> Result<bool> {
    let name = format!("{}.{}", quote_name(&file.target_schema), quote_name(&file.target_table));
    let some = format!("SELECT 1 FROM {name} LIMIT 1");
    let exists = format!("SHOW TABLES FROM {} LIKE {}", quote_name(&file.target_schema), like(&file.target_table));
    let there: Option<String> = absent_is_none(conn.query_first(exists).await, "look for the target table")?;
    if there.is_some() {
        let row: Option<u8> = absent_is_none(conn.query_first(some).await, "look into the target table")?;
        return Ok(row.is_none());
    }
    new_table(conn, file, text, false, how).await
}

/// Creates a table that isn't there, or is since a moment; `large`: its plain indexes come after its rows. True: it has no
/// rows.
pub async fn new_table(
    conn: &mut Conn,
    file: &SchemaFile,
    text: &str,
    large: bool,
    how: &Creating<'_>,
) -> Result<bool> {
    let name = format!("{}.{}", quote_name(&file.target_schema), quote_name(&file.target_table));
    let sql = match how.rewritten(text, file)? {
        Some(sql) => sql,
        None => create_statement(text, "TABLE", &name).ok_or_else(|| {
            DmError::new(Code::LoadUnitNotCreateTable)
                .msg(format!("{} holds no CREATE TABLE statement", file.path.display()))
                .workaround("Please check the dump file, or dump again (start the task with `--remove-meta`).")
        })?,
    };
    let sql = if large { indexes::without(&sql).unwrap_or(sql) } else { sql };
    execute(conn, file, sql).await?;
    Ok(true)
}

/// Refuses to begin when a target table has no place for the columns that routes add (34010).
/// `data`: schema and table on the target, and the columns.
pub async fn places<'a>(
    conn: &mut Conn,
    data: impl Iterator<Item = (&'a str, &'a str, &'a [ExtraColumn])>,
) -> Result<()> {
    let mut known: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (schema, table, extra) in data.filter(|(_, _, extra)| !extra.is_empty()) {
        let target = (schema, table);
        let name = format!("{}.{}", quote_name(target.0), quote_name(target.1));
        let columns = match known.entry(target) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                let sql = format!("SHOW COLUMNS FROM {name}");
                let rows: Vec<Row> = conn
                    .query(&sql)
                    .await
                    .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, &sql, &e))?;
                place.insert(rows.iter().filter_map(|row| row.get::<String, _>(0)).collect())
            }
        };
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        check_places(extra, &name, &columns, &[], Code::LoadUnitGenTableRouter)?;
    }
    Ok(())
}

fn like(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\\\\\").replace('%', "\\%").replace('_', "\\_").replace('\'', "''");
    format!("'{escaped}'")
}

/// The text of a schema file.
pub fn read(file: &SchemaFile) -> Result<String> {
    files::text(&file.path).map_err(|e| {
        DmError::new(Code::LoadUnitReadSchemaFile)
            .msg(format!("cannot read schema file {}", file.path.display()))
            .cause(e)
            .workaround("Please check that the file is there and readable for the worker's user, then resume the task.")
    })
}

fn unparsable(file: &SchemaFile) -> DmError {
    DmError::new(Code::LoadUnitParseStatement)
        .msg(format!("{} holds no CREATE DATABASE statement", file.path.display()))
        .workaround("Please check the dump file, or dump again (start the task with `--remove-meta`).")
}

/// Those of the target tables whose engine has no transactions: schema, table and engine.
pub async fn without_transactions(
    conn: &mut Conn,
    targets: impl Iterator<Item = (&str, &str)>,
) -> Result<Vec<(String, String, String)>> {
    let targets: BTreeSet<_> = targets.collect();
    let schemas: BTreeSet<String> = targets.iter().map(|(schema, _)| quote_text(schema)).collect();
    if schemas.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT table_schema, table_name, COALESCE(engine, '') FROM information_schema.tables WHERE table_schema IN ({})",
        Vec::from_iter(schemas).join(", ")
    );
    let rows: Vec<(String, String, String)> = conn.query(&sql).await.map_err(|e| {
        link::failed(Code::DBQueryFailed, Scope::Downstream, "read the engines of the target tables", &e)
    })?;
    let plain = rows.into_iter().filter(|(schema, table, engine)| {
        !engine::is_transactional(engine) && targets.contains(&(schema.as_str(), table.as_str()))
    });
    Ok(plain.collect())
}

async fn execute(conn: &mut Conn, file: &SchemaFile, sql: String) -> Result<()> {
    match conn.query_drop(&sql).await {
        // Another source of the task may have created it meanwhile.
        Err(e) if matches!(link::errno(&e), 1007 | 1050) => Ok(()),
        Err(e) => {
            Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, &format!("create from {}", file.name), &e))
        }
        Ok(()) => Ok(()),
    }
}

/// The CREATE statement in a file's text, without what stands before it and the semicolon behind it.
pub fn create_text(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = skip_blanks(rest);
        if keyword(rest, "CREATE").is_some() {
            return Some(rest.trim_end().trim_end_matches(';').trim_end());
        }
        rest = rest.split_once(';')?.1;
    }
}

/// `CREATE <what> IF NOT EXISTS <name> <the rest as it is>`, from a file's text; comments and SET before it are left out.
fn create_statement(text: &str, what: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = skip_blanks(rest);
        if let Some(after) = keyword(rest, "CREATE") {
            let mut rest = skip_blanks(after);
            while let Some(after) = ["OR", "REPLACE", "TEMPORARY"].iter().find_map(|w| keyword(rest, w)) {
                rest = skip_blanks(after);
            }
            let rest = keyword(rest, what).or_else(|| keyword(rest, "SCHEMA").filter(|_| what == "DATABASE"))?;
            return finish(skip_blanks(rest), what, name);
        }
        // SET NAMES and the like: up to the semicolon.
        rest = rest.split_once(';')?.1;
    }
}

fn finish(mut rest: &str, what: &str, name: &str) -> Option<String> {
    for (i, word) in ["IF", "NOT", "EXISTS"].iter().enumerate() {
        match keyword(rest, word) {
            Some(after) => rest = skip_blanks(after),
            None if i == 0 => break,
            None => return None,
        }
    }
    // `/*!32312 IF NOT EXISTS*/` was passed as a comment.
    rest = skip_name(skip_blanks(rest))?;
    if let Some(after) = skip_blanks(rest).strip_prefix('.') {
        rest = skip_name(skip_blanks(after))?;
    }
    let body = rest.trim_end().trim_end_matches(';').trim();
    Some(format!("CREATE {what} IF NOT EXISTS {name} {body}"))
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Blanks and comments, executable ones too.
fn skip_blanks(mut text: &str) -> &str {
    loop {
        text = text.trim_start().trim_start_matches('\u{feff}');
        if let Some(comment) = text.strip_prefix("/*") {
            let rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
            // The semicolon behind `/*!40101 SET ...*/` ends nothing else.
            text = rest.strip_prefix(';').unwrap_or(rest);
        } else if text.starts_with("--") || text.starts_with('#') {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        } else {
            return text;
        }
    }
}

fn skip_name(text: &str) -> Option<&str> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '`' | '"')) else {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
        return (end > 0).then(|| &text[end..]);
    };
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return text.get(at + 1..),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{config::subtask::RouteRule, schema::collation::Catalog};

    #[test]
    fn names_are_replaced_and_the_rest_stays() {
        let text = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\nCREATE TABLE `a``b` (\n  `x` int DEFAULT ';'\n) ENGINE=InnoDB;\n";
        let want = "CREATE TABLE IF NOT EXISTS `d`.`t` (\n  `x` int DEFAULT ';'\n) ENGINE=InnoDB";
        assert_eq!(create_statement(text, "TABLE", "`d`.`t`").as_deref(), Some(want));
        let database = "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `s` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;";
        let want = "CREATE DATABASE IF NOT EXISTS `n` /*!40100 DEFAULT CHARACTER SET utf8mb4 */";
        assert_eq!(create_statement(database, "DATABASE", "`n`").as_deref(), Some(want));
        let other = "SET NAMES binary; -- x;\ncreate table if not exists db.t(a int)";
        assert_eq!(create_statement(other, "TABLE", "n").as_deref(), Some("CREATE TABLE IF NOT EXISTS n (a int)"));
    }

    #[test]
    fn texts_are_rewritten_by_the_grammar() {
        let mut catalog = Catalog::default();
        catalog.add("utf8mb4_unicode_520_nopad_ci", "utf8mb4");
        catalog.set_default("utf8mb4", "utf8mb4_general_ci");
        let policy = CollationPolicy::new(catalog, "loose", &BTreeMap::new(), "map").unwrap();
        let route = RouteRule {
            schema_pattern: "s".into(),
            target_schema: "d".into(),
            table_pattern: "parent".into(),
            target_table: "p".into(),
            ..RouteRule::default()
        };
        let (mapped, source) = (MappedCollations::default(), SourceDefaults::default());
        let router = Router::new(&[route], false).unwrap();
        let how = Creating { task: "t", router: &router, policy: &policy, source: &source, mapped: &mapped };
        let file = SchemaFile {
            path: "f".into(),
            name: "f".into(),
            schema: "s".into(),
            target_schema: "d".into(),
            target_table: "t2".into(),
        };
        let text = "/*!40101 SET NAMES utf8mb4*/;\nCREATE TABLE `t` (\n  `a` text COLLATE utf8mb4_0900_ai_ci,\n  CONSTRAINT \
                    `f` FOREIGN KEY (`x`) REFERENCES `parent` (`id`)\n) DEFAULT CHARSET=utf8mb4;\n";
        let want = "CREATE TABLE IF NOT EXISTS `d`.`t2` (\n  `a` text COLLATE utf8mb4_unicode_520_nopad_ci,\n  CONSTRAINT \
                    `f` FOREIGN KEY (`x`) REFERENCES `d`.`p` (`id`)\n) DEFAULT CHARSET=utf8mb4 COLLATE \
                    utf8mb4_unicode_520_nopad_ci";
        assert_eq!(how.rewritten(text, &file).unwrap().as_deref(), Some(want));
        assert_eq!(mapped.notes().len(), 1);
        assert_eq!(how.rewritten("CREATE TABLE `t` (a NOSUCHTYPE(3 4))", &file).unwrap(), None);
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "DROP TABLE t;", "CREATE VIEW v AS SELECT 1;", "/* open", "CREATE TABLE `open"] {
            assert_eq!(create_statement(text, "TABLE", "n"), None, "{text}");
        }
    }

    #[test]
    fn patterns_match_only_the_name() {
        assert_eq!(like("a_b%'"), "'a\\_b\\%'''");
    }
}
