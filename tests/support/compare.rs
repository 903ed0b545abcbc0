//! Comparing two servers value by value: per table the row count and two order-free sums over all columns as text,
//! so that a lost, doubled or changed row shows, also in tables without a key.

use std::collections::BTreeMap;

use mysql_async::{Conn, Row, prelude::Queryable};

/// What one table holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    pub rows: u64,
    pub sums: (String, String),
}

/// The base tables of a schema.
pub async fn tables(conn: &mut Conn, schema: &str) -> Vec<String> {
    conn.query(format!(
        "SELECT table_name FROM information_schema.tables \
         WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE' ORDER BY 1"
    ))
    .await
    .unwrap()
}

async fn columns(conn: &mut Conn, schema: &str, table: &str) -> Vec<(String, String)> {
    conn.query(format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = '{schema}' AND table_name = '{}' ORDER BY ordinal_position",
        table.replace('\\', "\\\\").replace('\'', "''")
    ))
    .await
    .unwrap()
}

/// Each column as a text that is the same on every server for the same value.
fn value_texts(cols: &[(String, String)]) -> Vec<String> {
    cols.iter()
        .map(|(name, kind)| {
            let name = format!("`{}`", name.replace('`', "``"));
            match kind.as_str() {
                // HEX of a number rounds it to an integer, and the servers print doubles with different digits.
                "float" | "double" => {
                    let exponent = format!("FLOOR(LOG10(ABS({name} * 1e0)))");
                    format!(
                        "CASE WHEN {name} IS NULL THEN 'N' WHEN {name} = 0 THEN '0' ELSE \
                         CONCAT_WS(':', {exponent}, CAST(ROUND({name} * 1e0 / POW(10, {exponent}) * 1e10) AS SIGNED)) END"
                    )
                }
                "decimal" => format!("COALESCE(CAST({name} AS CHAR), 'N')"),
                "json" => format!("COALESCE(HEX(REPLACE(CAST({name} AS CHAR), ' ', '')), 'N')"),
                "longtext" => format!("COALESCE(HEX({name}), 'N')"),
                _ => format!("COALESCE(HEX({name}), 'N')"),
            }
        })
        .collect()
}

/// The digest over the columns named (in the order of the source), session in UTC.
async fn digest_of(conn: &mut Conn, schema: &str, table: &str, cols: &[(String, String)]) -> Result<Digest, String> {
    conn.query_drop("SET time_zone = '+00:00', NAMES utf8mb4").await.unwrap();
    let texts = value_texts(cols);
    let all = format!("CONCAT_WS('#', {})", texts.join(", "));
    let sql = format!(
        "SELECT COUNT(*), COALESCE(SUM(CRC32({all})), 0), COALESCE(SUM(CRC32(SHA2({all}, 256))), 0) FROM `{schema}`.`{}`",
        table.replace('`', "``")
    );
    let row: Option<Row> = conn.query_first(&sql).await.map_err(|e| format!("{e}\n{sql}"))?;
    let (rows, a, b) = mysql_async::from_row::<(u64, String, String)>(row.unwrap());
    Ok(Digest { rows, sums: (a, b) })
}

/// The difference between a source table and a target table, `None` when they hold the same rows.
/// Columns are those of the source; a target may have more.
pub async fn difference(source: &mut Conn, from: (&str, &str), target: &mut Conn, to: (&str, &str)) -> Option<String> {
    let cols = columns(source, from.0, from.1).await;
    if !tables(target, to.0).await.iter().any(|t| t.eq_ignore_ascii_case(to.1)) {
        return Some(format!("{}.{} does not exist on the target", to.0, to.1));
    }
    let there = columns(target, to.0, to.1).await;
    if let Some((missing, _)) = cols.iter().find(|(c, _)| !there.iter().any(|(t, _)| t.eq_ignore_ascii_case(c))) {
        return Some(format!("{}.{} has no column {missing}", to.0, to.1));
    }
    let a = digest_of(source, from.0, from.1, &cols).await.unwrap_or_else(|e| panic!("{e}"));
    // DDL may be at work on the target while it is looked at: that is a difference, which goes away
    let b = match digest_of(target, to.0, to.1, &cols).await {
        Ok(digest) => digest,
        Err(error) => return Some(format!("{}.{} can't be read: {error}", to.0, to.1)),
    };
    (a != b).then(|| format!("{}.{}: source {a:?}, target {b:?}", from.0, from.1))
}

/// All differences between two schemas, table by table, including tables that only the target has.
pub async fn schema_differences(source: &mut Conn, from: &str, target: &mut Conn, to: &str) -> Vec<String> {
    let mine = tables(source, from).await;
    let mut out = Vec::new();
    for table in &mine {
        out.extend(difference(source, (from, table), target, (to, table)).await);
    }
    for table in tables(target, to).await {
        if !mine.iter().any(|t| t.eq_ignore_ascii_case(&table)) {
            out.push(format!("{to}.{table} is only on the target"));
        }
    }
    out
}

/// The rows of a schema's tables that one side has more often than the other, at most a few of each table.
pub async fn rows_that_differ(source: &mut Conn, target: &mut Conn, schema: &str) -> Vec<String> {
    let mut out = Vec::new();
    for table in tables(source, schema).await {
        if difference(source, (schema, &table), target, (schema, &table)).await.is_none() {
            continue;
        }
        let cols = columns(source, schema, &table).await;
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for (side, conn) in [(1, &mut *source), (-1, &mut *target)] {
            let sql = format!(
                "SELECT CONCAT_WS('#', {}) FROM `{schema}`.`{}`",
                value_texts(&cols).join(", "),
                table.replace('`', "``")
            );
            match conn.query::<String, _>(&sql).await {
                Ok(rows) => rows.into_iter().for_each(|row| *counts.entry(row).or_default() += side),
                Err(error) => out.push(format!("{table}: {error}")),
            }
        }
        let names: Vec<&str> = cols.iter().map(|(name, _)| name.as_str()).collect();
        out.push(format!("{schema}.{table} ({})", names.join("#")));
        let differing = counts.into_iter().filter(|(_, count)| *count != 0).take(8);
        out.extend(differing.map(|(row, count)| format!("  {count:+} (source minus target): {row:.600}")));
    }
    out
}
