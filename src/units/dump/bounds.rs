//! Where a table is cut into chunks: values of its key, so that every chunk has about the same number of rows.
//!
//! Integers are divided between the least and the greatest, asked of the optimizer how many rows each part has, and
//! divided again where there are too many (skew). Other keys are walked along the index, or where it doesn't sort by them (prefixes),
//! cut at some of their values. The first chunk has no lower end and
//! the last no upper one, so the chunks hold every row whatever is inserted later.

use super::{
    keys::{KeyColumn, KeyKind, SplitKey},
    plan::TablePlan,
};
use crate::{
    error::{Code, Result, Scope},
    mysql::{RowConn, rows::TextRows},
    schema::model::quote_name,
    units::link,
};

/// A place in a key: literals of its leading columns.
type Cut = Vec<String>;

const MOST_CHUNKS: usize = 100_000;
/// A chunk of so many times the wanted rows is cut again.
const LARGE: u64 = 4;
/// Values of which one becomes a cut, where they are a sample.
const OF_CHUNK: u64 = 16;
/// What InnoDB keeps of a row beside its values, about.
const LEAST_ROW: u64 = 20;

/// Bytes of a row; where the server doesn't know, of the first ones.
pub async fn row_bytes(conn: &mut RowConn, table: &TablePlan) -> Result<u64> {
    let known = table.estimated_bytes.checked_div(table.estimated_rows).unwrap_or(0);
    if known >= LEAST_ROW || table.columns.is_empty() {
        return Ok(known.max(LEAST_ROW));
    }
    let lengths: Vec<String> =
        table.columns.iter().map(|(name, _)| format!("IFNULL(LENGTH({}), 0)", quote_name(name))).collect();
    let (schema, name) = (quote_name(&table.schema), quote_name(&table.table));
    let sql = format!(
        "SELECT CAST(AVG(n) AS UNSIGNED) FROM (SELECT {} n FROM {schema}.{name} LIMIT 16) s",
        lengths.join(" + ")
    );
    Ok(query(conn, &sql).await?.text(0, 0).parse().unwrap_or(0).max(LEAST_ROW))
}

/// The conditions that split a table into chunks of about so many rows, or of more where these would be too many. One empty condition:
/// not split.
pub async fn conditions(conn: &mut RowConn, table: &TablePlan, rows: u64) -> Result<Vec<String>> {
    let whole = vec![String::new()];
    let Some(key) = table.key.as_ref().filter(|_| rows > 0) else { return Ok(whole) };
    let cutter = Cutter { table, key, rows: rows.max(least_rows(table.estimated_rows)) };
    let cuts = match cutter.cuts(conn).await {
        Ok(cuts) => cuts,
        // What the server doesn't want to compare isn't split; a lost connection, or a table that is gone, is another matter.
        Err(e) if e.code() == Code::DBQueryFailed && !super::is_structure_change(&e) => {
            tracing::warn!(schema = %table.schema, table = %table.table, error = %e, "the table can't be split by its key");
            return Ok(whole);
        }
        Err(e) => return Err(e),
    };
    Ok(between(&key.columns, &cuts))
}

/// Rows of a chunk at the least: a table that has more than the most chunks is not to end in one that has all the others. The server's
/// guess may be half of what there is.
fn least_rows(rows: u64) -> u64 {
    rows / (MOST_CHUNKS as u64 / 2)
}

/// The conditions of the chunks between cuts.
fn between(columns: &[KeyColumn], cuts: &[Cut]) -> Vec<String> {
    let mut out = Vec::with_capacity(cuts.len() + 1);
    let mut from: Option<&[String]> = None;
    for cut in cuts {
        out.push(range(columns, from, Some(cut)));
        from = Some(cut);
    }
    out.push(range(columns, from, None));
    out
}

/// `from <= key < to`. Leading columns that are the same in both are compared once, so that the server reads nothing beside the range.
fn range(columns: &[KeyColumn], from: Option<&[String]>, to: Option<&[String]>) -> String {
    if let (Some([value, from @ ..]), Some([same, to @ ..]), Some((column, columns))) =
        (from, to, columns.split_first())
        && value == same
        && !from.is_empty()
        && !to.is_empty()
    {
        let rest = range(columns, Some(from), Some(to));
        return format!("{} AND {rest}", column.compares("=", value));
    }
    let from = from.map(|cut| compare(columns, cut, ">", ">="));
    let to = to.map(|cut| compare(columns, cut, "<", "<"));
    from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ")
}

/// `key <last> cut`, column by column, as optimizers see one range of an index in it.
fn compare(columns: &[KeyColumn], cut: &[String], strict: &str, last: &str) -> String {
    let (Some(column), Some(value)) = (columns.first(), cut.first()) else { return "1".into() };
    if cut.len() < 2 {
        return column.compares(last, value);
    }
    let rest = compare(columns.get(1..).unwrap_or_default(), cut.get(1..).unwrap_or_default(), strict, last);
    let [bound, beyond, same] = [&format!("{strict}="), strict, "="].map(|operator| column.compares(operator, value));
    format!("({bound} AND ({beyond} OR ({same} AND {rest})))")
}

struct Cutter<'a> {
    table: &'a TablePlan,
    key: &'a SplitKey,
    /// Wanted in a chunk.
    rows: u64,
}

impl Cutter<'_> {
    fn source(&self) -> String {
        self.source_with("FORCE")
    }

    fn source_with(&self, hint: &str) -> String {
        let (schema, table) = (quote_name(&self.table.schema), quote_name(&self.table.table));
        format!("FROM {schema}.{table} {hint} INDEX ({})", quote_name(&self.key.index))
    }

    async fn cuts(&self, conn: &mut RowConn) -> Result<Vec<Cut>> {
        match self.key.columns.first() {
            Some(first) if first.kind == KeyKind::Integer => {
                let column = quote_name(&first.name);
                let Some(ends) = self.ends(conn, &column).await? else { return Ok(Vec::new()) };
                let cuts = self.divide(conn, &column, ends).await?;
                self.cut_again(conn, cuts, ends).await
            }
            _ => self.walk(conn, None, None).await,
        }
    }

    /// The least and the greatest value of the first column; None: no rows.
    async fn ends(&self, conn: &mut RowConn, column: &str) -> Result<Option<(i128, i128)>> {
        let sql = format!("SELECT CAST(MIN({column}) AS CHAR), CAST(MAX({column}) AS CHAR) {}", self.source());
        let ends = query(conn, &sql).await?;
        let end = |at: usize| ends.text(0, at).parse::<i128>().ok();
        Ok(end(0).zip(end(1)))
    }

    /// Chunks that have many more rows than they should are cut again: a server that has just got them says nothing of them
    /// yet. As many distinct integers as one chunk may have rows need no look.
    async fn cut_again(&self, conn: &mut RowConn, cuts: Vec<Cut>, (min, max): (i128, i128)) -> Result<Vec<Cut>> {
        let most = i128::from(self.rows.saturating_mul(LARGE));
        let value = |cut: Option<&Cut>, end: i128| match cut.map(Vec::as_slice) {
            Some([one]) => one.parse().unwrap_or(end),
            _ => end,
        };
        let mut out: Vec<Cut> = Vec::new();
        let mut from: Option<Cut> = None;
        for to in cuts.into_iter().map(Some).chain([None]) {
            let distinct = value(to.as_ref(), max + 1) - value(from.as_ref(), min);
            let few = self.key.columns.len() == 1 && distinct <= most;
            if !few && self.is_large(conn, from.as_deref(), to.as_deref()).await? {
                out.extend(self.walk(conn, from.take(), to.clone()).await?);
            }
            out.extend(to.clone());
            from = to;
        }
        Ok(out)
    }

    async fn is_large(&self, conn: &mut RowConn, from: Option<&[String]>, to: Option<&[String]>) -> Result<bool> {
        let columns = &self.key.columns;
        let (list, offset) = (names(columns), self.rows.saturating_mul(LARGE));
        let condition = match range(columns, from, to) {
            all if all.is_empty() => all,
            some => format!(" WHERE {some}"),
        };
        let sorted = if self.is_sorted() { format!(" ORDER BY {list}") } else { String::new() };
        let sql = format!("SELECT {list} {}{condition}{sorted} LIMIT 1 OFFSET {offset}", self.source());
        Ok(!query(conn, &sql).await?.rows.is_empty())
    }

    async fn divide(&self, conn: &mut RowConn, column: &str, (min, max): (i128, i128)) -> Result<Vec<Cut>> {
        let single = self.key.columns.len() == 1;
        if single && max - min < i128::from(self.rows) {
            return Ok(Vec::new());
        }
        let total = self.estimate(conn, column, min, max + 1).await?.max(self.table.estimated_rows);
        let count = i128::from(total.div_ceil(self.rows)).clamp(1, MOST_CHUNKS as i128);
        let width = ((max - min + 1) + count - 1) / count;
        let mut parts = Vec::new();
        let mut from = min;
        while from <= max {
            parts.push((from, (from + width).min(max + 1)));
            from += width;
        }
        parts.reverse();
        let mut out: Vec<Cut> = Vec::new();
        let mut gathered = 0;
        while let Some((from, to)) = parts.pop() {
            let rows = self.estimate(conn, column, from, to).await?;
            let room = out.len() + parts.len() < MOST_CHUNKS;
            if rows > self.rows * 2 && to - from > 1 && room {
                let middle = from + (to - from) / 2;
                parts.extend([(middle, to), (from, middle)]);
                continue;
            }
            if gathered > 0 && gathered + rows > self.rows + self.rows / 4 {
                out.push(vec![from.to_string()]);
                gathered = 0;
            }
            if rows > self.rows * 2 && !single && room {
                let (start, end) = (vec![from.to_string()], vec![to.to_string()]);
                out.extend(self.walk(conn, Some(start), Some(end)).await?);
            }
            gathered += rows;
        }
        Ok(out)
    }

    /// Rows of `from <= column < to`, as the optimizer guesses.
    async fn estimate(&self, conn: &mut RowConn, column: &str, from: i128, to: i128) -> Result<u64> {
        // MySQL 8.0 and later don't count the rows of an index that they are forced to.
        let rows_of = self.source_with("USE");
        let sql = format!("EXPLAIN FORMAT=TRADITIONAL SELECT 1 {rows_of} WHERE {column} >= {from} AND {column} < {to}");
        let plan = query(conn, &sql).await?;
        Ok(plan.column("rows").and_then(|at| plan.text(0, at).parse().ok()).unwrap_or(0))
    }

    /// The index has the rows in the order of all columns.
    fn is_sorted(&self) -> bool {
        self.key.columns.iter().all(|column| column.prefix.is_none())
    }

    /// Cuts so that about the same number of rows lies between them: some of the rows' values, in order. It reads the rows twice.
    async fn sample(&self, conn: &mut RowConn, start: Option<Cut>, end: Option<Cut>) -> Result<Vec<Cut>> {
        let columns = &self.key.columns;
        let condition = range(columns, start.as_deref(), end.as_deref());
        let (given, source) = match condition.is_empty() {
            true => (String::new(), self.source_with("USE")),
            false => (format!(" WHERE {condition}"), self.source()),
        };
        let rows =
            query(conn, &format!("SELECT COUNT(*) {source}{given}")).await?.text(0, 0).parse::<u64>().unwrap_or(0);
        let chunks = rows.div_ceil(self.rows.max(1));
        if chunks < 2 {
            return Ok(Vec::new());
        }
        let part = (chunks.saturating_mul(OF_CHUNK).min(MOST_CHUNKS as u64) as f64 / rows as f64).min(1.0);
        let values: Vec<String> = columns.iter().map(KeyColumn::value).collect();
        let values = values.join(",");
        let also = if condition.is_empty() { String::new() } else { format!(" AND {condition}") };
        // As texts they are compared by no more than this.
        query(conn, "SET SESSION max_sort_length = 4096").await?;
        let sql = format!("SELECT {values} {source} WHERE RAND(1) < {part:.9}{also} ORDER BY {values}");
        let found = query(conn, &sql).await?;
        let step = found.rows.len().div_ceil(usize::try_from(chunks).unwrap_or(usize::MAX)).max(1);
        let mut out: Vec<Cut> =
            found.rows.iter().skip(step).step_by(step).filter_map(|row| cut(columns, row)).collect();
        out.dedup();
        out.retain(|cut| Some(cut) != start.as_ref());
        Ok(out)
    }

    /// Every so many rows of the index a cut.
    async fn walk(&self, conn: &mut RowConn, start: Option<Cut>, end: Option<Cut>) -> Result<Vec<Cut>> {
        if !self.is_sorted() {
            return self.sample(conn, start, end).await;
        }
        let columns = &self.key.columns;
        let values: Vec<String> = columns.iter().map(KeyColumn::value).collect();
        let (values, list) = (values.join(","), names(columns));
        let mut out: Vec<Cut> = Vec::new();
        let mut last = start;
        let mut offset = self.rows;
        while out.len() < MOST_CHUNKS {
            let strict = offset == 0;
            let from = last.as_ref().map(|cut| compare(columns, cut, ">", if strict { ">" } else { ">=" }));
            let to = end.as_ref().map(|cut| compare(columns, cut, "<", "<"));
            let given: Vec<String> = from.into_iter().chain(to).collect();
            let condition = if given.is_empty() { String::new() } else { format!(" WHERE {}", given.join(" AND ")) };
            let sql = format!("SELECT {values} {}{condition} ORDER BY {list} LIMIT 1 OFFSET {offset}", self.source());
            let found = query(conn, &sql).await?;
            let Some(cut) = found.rows.first().and_then(|row| cut(columns, row)) else { break };
            // Rows that the literals don't tell apart: the next ones.
            if last.as_ref() == Some(&cut) {
                if strict {
                    // The server finds them behind the literal all the same.
                    break;
                }
                offset = 0;
                continue;
            }
            offset = self.rows;
            last = Some(cut.clone());
            out.push(cut);
        }
        Ok(out)
    }
}

fn names(columns: &[KeyColumn]) -> String {
    columns.iter().map(|column| quote_name(&column.name)).collect::<Vec<_>>().join(",")
}

/// A small result. The error doesn't quote the query, which holds values of keys.
async fn query(conn: &mut RowConn, sql: &str) -> Result<TextRows> {
    let failed = |e| link::failed(Code::DBQueryFailed, Scope::Upstream, "find the chunks of a table", &e);
    conn.rows(sql).await.map_err(failed)
}

fn cut(columns: &[KeyColumn], row: &[Option<Vec<u8>>]) -> Option<Cut> {
    columns.iter().zip(row).map(|(column, value)| column.kind.literal(value.as_deref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<KeyColumn> {
        names.iter().map(|name| KeyColumn { name: (*name).to_owned(), kind: KeyKind::Integer, prefix: None }).collect()
    }

    #[test]
    fn chunks_cover_everything_once() {
        let one = columns(&["a"]);
        assert_eq!(between(&one, &[]), vec![""]);
        let cuts = [vec!["5".to_owned()], vec!["9".to_owned()]];
        assert_eq!(between(&one, &cuts), vec!["`a` < 5", "`a` >= 5 AND `a` < 9", "`a` >= 9"]);
    }

    #[test]
    fn a_table_of_any_size_has_not_too_many_chunks() {
        assert_eq!([0, 49_999, 2_000_000].map(least_rows), [0, 0, 40]);
        // More than rows: 200,000 in a chunk from ten thousand million rows on.
        assert_eq!(least_rows(20_000_000_000), 400_000);
    }

    #[test]
    fn keys_of_several_columns_are_compared_in_order() {
        let two = columns(&["a", "b"]);
        let cuts = [vec!["1".to_owned(), "2".to_owned()], vec!["7".to_owned()]];
        assert_eq!(
            between(&two, &cuts),
            vec![
                "(`a` <= 1 AND (`a` < 1 OR (`a` = 1 AND `b` < 2)))",
                "(`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` >= 2))) AND `a` < 7",
                "`a` >= 7"
            ]
        );
        let near = [vec!["1".to_owned(), "2".to_owned()], vec!["1".to_owned(), "5".to_owned()]];
        assert_eq!(between(&two, &near)[1], "`a` = 1 AND `b` >= 2 AND `b` < 5");
    }
}
