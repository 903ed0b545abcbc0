//! Comparing two servers value by value: per table the row count and two order-free sums over all columns as text,
//! so that a lost, doubled or changed row shows, also in tables without a key. Where the target is TiDB the values are read
//! and compared here (`exact.rs`), else the servers make the sums.

pub mod exact;

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

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
         WHERE table_schema = '{}' AND table_type = 'BASE TABLE' ORDER BY 1",
        escaped(schema)
    ))
    .await
    .unwrap()
}

/// Inside quotes.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\'', "''")
}

async fn columns(conn: &mut Conn, schema: &str, table: &str) -> Vec<(String, String)> {
    conn.query(format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
        escaped(schema),
        escaped(table)
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
        "SELECT COUNT(*), COALESCE(SUM(CRC32({all})), 0), COALESCE(SUM(CRC32(SHA2({all}, 256))), 0) FROM `{}`.`{}`",
        schema.replace('`', "``"),
        table.replace('`', "``")
    );
    let row: Option<Row> = conn.query_first(&sql).await.map_err(|e| format!("{e}\n{sql}"))?;
    let (rows, a, b) = mysql_async::from_row::<(u64, String, String)>(row.unwrap());
    Ok(Digest { rows, sums: (a, b) })
}

/// The same of rows that were read.
fn digest_of_rows(rows: &[Vec<String>]) -> Digest {
    let sum = |salt: u8| {
        let hash = |row: &Vec<String>| {
            let mut hasher = DefaultHasher::new();
            (salt, row).hash(&mut hasher);
            hasher.finish()
        };
        rows.iter().fold(0u64, |sum, row| sum.wrapping_add(hash(row))).to_string()
    };
    Digest { rows: rows.len() as u64, sums: (sum(0), sum(1)) }
}

async fn is_tidb(conn: &mut Conn) -> bool {
    let version: Option<String> = conn.query_first("SELECT VERSION()").await.unwrap();
    version.unwrap_or_default().contains("TiDB")
}

/// The source's columns with their types on the target; Err: the target has no such column.
async fn exact_columns(
    source: &mut Conn,
    from: (&str, &str),
    there: &[(String, String)],
) -> Result<Vec<exact::Column>, String> {
    let sql = format!(
        "SELECT column_name, data_type, COALESCE(character_set_name, '') FROM information_schema.columns \
         WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
        escaped(from.0),
        escaped(from.1)
    );
    let columns: Vec<(String, String, String)> = source.query(sql).await.unwrap();
    let joined = columns.into_iter().map(|(name, kind, charset)| {
        let found = there.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name));
        let target_kind = found.ok_or_else(|| format!("no column {name}"))?.1.clone();
        Ok(exact::Column { name, kind, charset, target_kind })
    });
    joined.collect()
}

/// The digests of both sides; Err: what can't be read on the target.
async fn digests(
    source: &mut Conn,
    from: (&str, &str),
    target: &mut Conn,
    to: (&str, &str),
    cols: &[(String, String)],
    there: &[(String, String)],
) -> Result<(Digest, Digest), String> {
    // DDL may be at work on the target while it is looked at: that is a difference, which goes away
    if !is_tidb(target).await {
        let a = digest_of(source, from.0, from.1, cols).await.unwrap_or_else(|e| panic!("{e}"));
        return Ok((a, digest_of(target, to.0, to.1, cols).await?));
    }
    let (a, b) = exact_rows(source, from, target, to, there).await?;
    Ok((digest_of_rows(&a), digest_of_rows(&b)))
}

type Rows = Vec<Vec<String>>;

/// All rows of a table on both sides in their exact form (see `exact.rs`).
pub async fn exact_tables(
    source: &mut Conn,
    from: (&str, &str),
    target: &mut Conn,
    to: (&str, &str),
) -> Result<(Rows, Rows), String> {
    let there = columns(target, to.0, to.1).await;
    exact_rows(source, from, target, to, &there).await
}

async fn exact_rows(
    source: &mut Conn,
    from: (&str, &str),
    target: &mut Conn,
    to: (&str, &str),
    there: &[(String, String)],
) -> Result<(Rows, Rows), String> {
    let columns = exact_columns(source, from, there).await?;
    let name =
        |(schema, table): (&str, &str)| format!("`{}`.`{}`", schema.replace('`', "``"), table.replace('`', "``"));
    let a = exact::rows(source, &name(from), &columns, exact::Side::Source).await.unwrap_or_else(|e| panic!("{e}"));
    Ok((a, exact::rows(target, &name(to), &columns, exact::Side::Target).await?))
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
    match digests(source, from, target, to, &cols, &there).await {
        Ok((a, b)) => (a != b).then(|| format!("{}.{}: source {a:?}, target {b:?}", from.0, from.1)),
        Err(error) => Some(format!("{}.{} can't be read: {error}", to.0, to.1)),
    }
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
        match all_rows(source, target, (schema, &table), &cols).await {
            Ok((a, b)) => {
                a.into_iter().for_each(|row| *counts.entry(row.join("#")).or_default() += 1);
                b.into_iter().for_each(|row| *counts.entry(row.join("#")).or_default() -= 1);
            }
            Err(error) => out.push(format!("{table}: {error}")),
        }
        let names: Vec<&str> = cols.iter().map(|(name, _)| name.as_str()).collect();
        out.push(format!("{schema}.{table} ({})", names.join("#")));
        let differing = counts.into_iter().filter(|(_, count)| *count != 0).take(8);
        out.extend(differing.map(|(row, count)| format!("  {count:+} (source minus target): {row:.600}")));
    }
    out
}

/// The rows of a table on both sides, as they are compared.
async fn all_rows(
    source: &mut Conn,
    target: &mut Conn,
    name: (&str, &str),
    cols: &[(String, String)],
) -> Result<(Rows, Rows), String> {
    if is_tidb(target).await {
        return exact_tables(source, name, target, name).await;
    }
    let list = value_texts(cols).join(", ");
    let sql = format!("SELECT CONCAT_WS('#', {list}) FROM `{}`.`{}`", name.0, name.1.replace('`', "``"));
    let mut both = Vec::new();
    for conn in [source, target] {
        let rows: Vec<String> = conn.query(&sql).await.map_err(|e| e.to_string())?;
        both.push(rows.into_iter().map(|row| vec![row]).collect::<Rows>());
    }
    let b = both.pop().unwrap_or_default();
    Ok((both.pop().unwrap_or_default(), b))
}
