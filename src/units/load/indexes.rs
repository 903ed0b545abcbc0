//! Secondary indexes after the rows: a table that the load makes and that will be large is made without its plain indexes, and
//! gets them in one statement when its rows are in, which sorts once instead of descending a tree for every row.
//!
//! What is still to come stands in the table itself, as the beginning of its comment, and leaves it in the statement that adds
//! the indexes: any later load that meets the table goes on there, whatever became of the load's own tables.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use mysql_async::{Conn, Row, prelude::Queryable};

use super::{create, create_all::Target, folder::SchemaFile};
use crate::{
    config::SubtaskConfig,
    error::{Code, Result, Scope},
    schema::{load::in_schemas, model::quote_name},
    units::link,
};

/// Begins the comment of a table that has no secondary indexes yet.
pub const MARK: &str = "DM: secondary indexes follow the rows; ";
/// Tables whose indexes are built at the same time.
const AT_ONCE: usize = 2;

/// The text of a CREATE TABLE without its plain indexes and with the mark; None: nothing is left out. Lines are those that
/// servers print. Indexes stay that a foreign key or AUTO_INCREMENT may need, and those of partitioned tables.
pub fn without(sql: &str) -> Option<String> {
    if sql.contains("FOREIGN KEY")
        || sql.contains("PARTITION BY")
        || sql.contains(" AUTO_INCREMENT") && !counted_by_primary(sql)
    {
        return None;
    }
    let (body, options) = sql.rsplit_once("\n)")?;
    let mut lines: Vec<&str> = body.lines().collect();
    let all = lines.len();
    lines.retain(|line| !is_plain_index(line));
    if lines.len() == all || lines.len() < 2 {
        return None;
    }
    let mut body = lines.join("\n");
    if body.ends_with(',') {
        body.pop();
    }
    let options = match options.split_once(" COMMENT='") {
        Some((before, comment)) => format!("{before} COMMENT='{MARK}{comment}"),
        None => format!("{options} COMMENT='{MARK}'"),
    };
    Some(format!("{body}\n){options}"))
}

/// A line `  KEY `name` (...)` and no more than columns, USING and a comment behind it.
fn is_plain_index(line: &str) -> bool {
    line.strip_prefix("  KEY `").is_some()
}

/// The AUTO_INCREMENT column is the first of the primary key.
fn counted_by_primary(sql: &str) -> bool {
    let column = sql.lines().find(|line| line.starts_with("  `") && line.contains(" AUTO_INCREMENT"));
    let name = column.and_then(|line| line.trim_start().strip_prefix('`')?.split_once("` ").map(|(name, _)| name));
    name.is_some_and(|name| sql.contains(&format!("\n  PRIMARY KEY (`{name}`")))
}

/// The definitions that [`without`] leaves out, by name.
fn definitions(sql: &str) -> BTreeMap<String, String> {
    let body = sql.rsplit_once("\n)").map_or("", |(body, _)| body);
    let plain = body.lines().filter(|line| is_plain_index(line)).map(|line| line.trim().trim_end_matches(','));
    plain
        .filter_map(|text| Some((text.strip_prefix("KEY `")?.split_once("` ")?.0.replace("``", "`"), text.to_owned())))
        .collect()
}

/// The table's own comment as it stands in its CREATE TABLE: a COMMENT takes nothing but a plain string, whose escapes are
/// those of the session, which is of the same kind as the one that made the table.
fn comment(sql: &str) -> &str {
    let options = sql.rsplit_once("\n)").map_or("", |(_, options)| options);
    let Some(text) = options.split_once(" COMMENT=").map(|(_, text)| text) else { return "''" };
    let (mut bytes, mut escaped) = (text.bytes().enumerate().skip(1).peekable(), false);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'\'' if bytes.peek().is_some_and(|(_, next)| *next == b'\'') => escaped = true,
            b'\'' => return &text[..=at],
            _ => {}
        }
    }
    "''"
}

/// Adds what is missing to the tables of this load that bear the mark. `texts`: each table's CREATE TABLE of the source, in the
/// file where there is none.
pub async fn build(
    config: &SubtaskConfig,
    session: &[(String, String)],
    conn: &mut Conn,
    texts: BTreeMap<Target, (SchemaFile, Option<String>)>,
    how: &create::Creating<'_>,
) -> Result<()> {
    let mut jobs = Vec::new();
    let marked =
        link::answered(&config.to, Scope::Downstream, "look for tables without indexes", marked(conn, &texts)).await?;
    for target in marked {
        let Some((file, text)) = texts.get(&target) else { continue };
        let text = text.clone().map_or_else(|| create::read(file), Ok)?;
        let sql = how.rewritten(&text, file)?.unwrap_or(text);
        let there = link::answered(&config.to, Scope::Downstream, "look for indexes", names(conn, &target)).await?;
        let name = format!("{}.{}", quote_name(&target.0), quote_name(&target.1));
        let missing = definitions(&sql).into_iter().filter(|(name, _)| !there.contains(&name.to_lowercase()));
        let mut changes: Vec<String> = missing.map(|(_, text)| format!("ADD {text}")).collect();
        changes.push(format!("COMMENT={}", comment(&sql)));
        jobs.push(format!("ALTER TABLE {name} {}", changes.join(", ")));
    }
    let work = jobs.into_iter().map(|sql| async move {
        tracing::info!(task = %config.name, %sql, "indexes are built");
        // It takes as long as it takes; a connection that is gone is noticed by its keepalive.
        let mut conn = link::connect(&config.to, session, Scope::Downstream).await?;
        let done = conn.query_drop(&sql).await;
        done.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Downstream, &sql, &e))
    });
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// Those of the tables whose comment begins with the mark, by name.
async fn marked(conn: &mut Conn, texts: &BTreeMap<Target, (SchemaFile, Option<String>)>) -> Result<Vec<Target>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE {} AND \
         TABLE_COMMENT LIKE '{MARK}%'",
        in_schemas("TABLE_SCHEMA", texts.keys().map(|(schema, _)| schema.as_str()))
    );
    conn.query(&sql)
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "look for tables without indexes", &e))
}

/// Names of a table's indexes, in lower case.
async fn names(conn: &mut Conn, (schema, table): &Target) -> Result<BTreeSet<String>> {
    let sql = format!("SHOW INDEX FROM {}.{}", quote_name(schema), quote_name(table));
    let rows: Vec<Row> =
        conn.query(&sql).await.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, &sql, &e))?;
    Ok(rows.iter().filter_map(|row| row.get::<String, _>(2)).map(|name| name.to_lowercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `k` int(11) DEFAULT 0,\n  PRIMARY KEY (`id`),\n  \
                         UNIQUE KEY `u` (`k`,`id`),\n  KEY `k``1` (`k`) USING BTREE,\n  KEY `b` (`k`,`id`)\n) ENGINE=InnoDB COMMENT='it''s'";

    #[test]
    fn a_comment_is_taken_as_it_stands() {
        for (options, expected) in [
            ("", "''"),
            (" ENGINE=InnoDB COMMENT='a'", "'a'"),
            (" COMMENT='it''s \\\\ \\' large\\\\' STATS_PERSISTENT=1", "'it''s \\\\ \\' large\\\\'"),
            (" COMMENT='''' ENGINE=x", "''''"),
        ] {
            assert_eq!(comment(&format!("CREATE TABLE t (\n  `a` int COMMENT='x'\n){options}")), expected, "{options}");
        }
    }

    #[test]
    fn plain_indexes_are_left_out_and_known_again() {
        let want = format!(
            "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `k` int(11) DEFAULT 0,\n  PRIMARY KEY (`id`),\n  \
             UNIQUE KEY `u` (`k`,`id`)\n) ENGINE=InnoDB COMMENT='{MARK}it''s'"
        );
        assert_eq!(without(TABLE).as_deref(), Some(want.as_str()));
        let texts: Vec<String> = definitions(TABLE).into_values().collect();
        assert_eq!(texts, ["KEY `b` (`k`,`id`)", "KEY `k``1` (`k`) USING BTREE"]);
        assert!(
            without(&TABLE.replace(" COMMENT='it''s'", ""))
                .unwrap()
                .ends_with(&format!("\n) ENGINE=InnoDB COMMENT='{MARK}'"))
        );
    }

    #[test]
    fn what_others_may_need_stays() {
        assert_eq!(without(&TABLE.replace("PRIMARY KEY (`id`)", "PRIMARY KEY (`k`)")), None);
        assert_eq!(without(&format!("{TABLE}\n PARTITION BY HASH (`id`)")), None);
        let foreign = "CREATE TABLE `t` (\n  `a` int,\n  KEY `a` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`a`)\n)";
        assert_eq!(without(foreign), None);
        assert_eq!(without("CREATE TABLE `t` (\n  `a` int\n)"), None);
        assert_eq!(without("rubbish"), None);
    }
}
