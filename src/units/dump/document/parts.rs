//! Documents of more scalars than a query can tell the types of at once: their rows are read once more, alone, and each
//! scalar that needs it is asked for by its path, some hundred in a query. Only MySQL before 8.0.14 is asked so.

use std::{collections::BTreeMap, ops::Range};

use mysql_async::Error;

use super::{Node, Walk, date, datetime, literals, time};
use crate::{
    mysql::{
        RowConn,
        rows::{Fields, malformed},
    },
    schema::model::quote_name,
    units::dump::{
        keys::KeyKind,
        plan::TablePlan,
        row::{self, ColumnKind},
    },
};

/// Scalars of one query.
const ASKED: usize = 500;

/// Where a row is found again within the snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A condition on its key.
    Key(String),
    /// Its number among the rows of the query: a table whose rows can't be told apart.
    Number(u64),
}

/// The rows of a query that are written after it.
pub struct Later<'a> {
    table: &'a TablePlan,
    /// The query.
    select: &'a str,
    pub places: Vec<Place>,
}

impl<'a> Later<'a> {
    /// `select`: the query, whose list of columns is `row::select_list`'s.
    pub fn new(table: &'a TablePlan, select: &'a str) -> Later<'a> {
        Later { table, select, places: Vec::new() }
    }

    /// `FROM ... WHERE ...` of the query.
    fn from(&self) -> &str {
        let head = format!("SELECT {} ", row::select_list(&self.table.columns));
        self.select.strip_prefix(head.as_str()).unwrap_or_default()
    }

    /// Notes a row as the server sent it, the query's row number `number` from 0.
    pub fn note(&mut self, payload: &[u8], number: u64) {
        let place = self.key(payload).map_or(Place::Number(number), Place::Key);
        self.places.push(place);
    }

    fn key(&self, payload: &[u8]) -> Option<String> {
        let key = self.table.key.as_ref().filter(|_| self.table.has_key)?;
        let mut fields = Fields(payload);
        let mut values: BTreeMap<&str, (&ColumnKind, Option<&[u8]>)> = BTreeMap::new();
        for (name, kind) in &self.table.columns {
            let first = fields.next().flatten()?;
            if kind.has_second() {
                fields.next().flatten()?;
            }
            values.insert(name, (kind, first));
        }
        let mut conditions = Vec::new();
        for column in &key.columns {
            let (kind, value) = values.get(column.name.as_str())?;
            let as_read = match &column.kind {
                // Read as UTF-8.
                KeyKind::Charset(charset) => charset.starts_with("utf8") && **kind == ColumnKind::Text,
                _ => true,
            };
            let literal = column.kind.literal(*value).filter(|_| as_read)?;
            conditions.push(format!("{} = {literal}", quote_name(&column.name)));
        }
        // The leading columns alone may be of several rows.
        (!conditions.is_empty() && key.whole).then(|| conditions.join(" AND "))
    }

    /// The text of a row, `(value,value,...)`. The connection is free.
    pub async fn row(&self, conn: &mut RowConn, place: &Place) -> Result<Vec<u8>, Error> {
        let plain: Vec<(String, ColumnKind)> = self.table.columns.iter().map(without_types).collect();
        let payload = self.ask(conn, &row::select_list(&plain), place).await?;
        let mut fields = Fields(&payload);
        let mut out = vec![b'('];
        for (i, ((name, kind), (_, read_as))) in self.table.columns.iter().zip(&plain).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let first = fields.next().flatten().ok_or_else(malformed)?;
            let second = if read_as.has_second() { fields.next().flatten().ok_or_else(malformed)? } else { None };
            match first {
                None => out.extend_from_slice(b"NULL"),
                Some(bytes) if matches!(kind, ColumnKind::Json(Some(_))) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
                    self.document(conn, &quote_name(name), text, place, &mut out).await?;
                }
                Some(bytes) => row::append_value(&mut out, bytes, second, read_as),
            }
        }
        out.push(b')');
        Ok(out)
    }

    /// Asks for the types of a document and appends it as a literal.
    async fn document(
        &self,
        conn: &mut RowConn,
        column: &str,
        text: &str,
        place: &Place,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let text = text.replace('\n', "\\n");
        let questions = questions(&text);
        // A row that is found by its number must be the one whose text was read.
        let same = format!("MD5(CAST({column} AS CHAR CHARACTER SET utf8mb4)) ");
        let first = self.ask(conn, &same, place).await?;
        let mut types: Vec<String> = Vec::with_capacity(questions.len());
        for some in questions.chunks(ASKED) {
            let asked = self.ask(conn, &format!("{same}, {}", expression(column, some)), place).await?;
            let mut fields = Fields(&asked);
            let (now, found) = (fields.next().flatten(), fields.next().flatten().flatten());
            if Fields(&first).next().flatten() != now {
                return Err(malformed());
            }
            let found = found.and_then(|found| std::str::from_utf8(found).ok()).ok_or_else(malformed)?;
            types.extend(found.split(',').map(str::to_owned));
        }
        if types.len() != questions.len() {
            return Err(malformed());
        }
        let mut walk = Walk::new(&text, true);
        for (question, kind) in questions.iter().zip(&types) {
            walk.scalar(&question.path, &question.place, Some(kind));
        }
        let (typed, whole) = (walk.out, walk.whole);
        literals(text, typed, whole, out);
        Ok(())
    }

    /// The row of a query over one row.
    async fn ask(&self, conn: &mut RowConn, list: &str, place: &Place) -> Result<Vec<u8>, Error> {
        let table = format!("{}.{}", quote_name(&self.table.schema), quote_name(&self.table.table));
        let sql = match place {
            Place::Key(condition) => format!("SELECT {list} FROM {table} WHERE {condition}"),
            Place::Number(number) => format!("SELECT {list} {} LIMIT {number}, 1", self.from()),
        };
        conn.query(&sql).await?;
        let found = conn.next().await?.map(<[u8]>::to_vec);
        conn.finish().await?;
        found.ok_or_else(malformed)
    }
}

fn without_types((name, kind): &(String, ColumnKind)) -> (String, ColumnKind) {
    let kind = if matches!(kind, ColumnKind::Json(_)) { ColumnKind::Json(None) } else { kind.clone() };
    (name.clone(), kind)
}

/// A scalar whose type its text doesn't tell.
struct Question {
    path: String,
    place: Range<usize>,
}

/// Numbers, and strings that may be dates, times or binary data.
fn questions(text: &str) -> Vec<Question> {
    fn walk(node: &Node, path: &str, text: &str, out: &mut Vec<Question>) {
        match node {
            Node::Scalar(place) if is_asked(text.get(place.clone()).unwrap_or_default()) => {
                out.push(Question { path: path.to_owned(), place: place.clone() });
            }
            Node::Scalar(_) => {}
            Node::Array(elements) => {
                elements.iter().enumerate().for_each(|(i, node)| walk(node, &format!("{path}[{i}]"), text, out));
            }
            Node::Object(members) => {
                for (key, node) in members {
                    walk(node, &format!("{path}.{}", text.get(key.clone()).unwrap_or_default()), text, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    if let Some(root) = Node::parse(text) {
        walk(&root, "$", text, &mut out);
    }
    out
}

fn is_asked(scalar: &str) -> bool {
    match scalar.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) => {
            text.starts_with("base64:type")
                || date(text).is_some()
                || datetime(text).is_some()
                || text.contains(':') && time(text).is_some()
        }
        None => scalar.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
    }
}

fn expression(column: &str, questions: &[Question]) -> String {
    let one = |question: &Question| {
        let mut path = String::new();
        crate::mysql::literal::quoted(&question.path, &mut path);
        format!("JSON_TYPE(JSON_EXTRACT({column},{path}))")
    };
    format!("CONCAT_WS(',',{})", questions.iter().map(one).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::dump::{document::TypesBy, keys::SplitKey};

    #[test]
    fn scalars_that_text_does_not_tell_are_asked_for() {
        let text = r#"{"a": [1, "x", null, "2024-01-02"], "b\"c": {"d": "10:11:12.000000", "e": true}, "f": "base64:type15:YQ=="}"#;
        let asked: Vec<String> = questions(text).into_iter().map(|q| q.path).collect();
        assert_eq!(
            asked,
            [r"$.a[0]".replace("a", "\"a\""), "$.\"a\"[3]".into(), r#"$."b\"c"."d""#.into(), "$.\"f\"".into()]
        );
        let sql = expression("`j`", &questions("[1]"));
        assert_eq!(sql, "CONCAT_WS(',',JSON_TYPE(JSON_EXTRACT(`j`,'$[0]')))");
    }

    #[test]
    fn rows_are_found_by_their_keys() {
        let columns = vec![
            ("j".to_owned(), ColumnKind::Json(Some(TypesBy::Numbers { sized: true }))),
            ("id".to_owned(), ColumnKind::Number),
        ];
        let kind = KeyKind::Integer;
        let key = |whole| SplitKey {
            index: "PRIMARY".into(),
            columns: vec![crate::units::dump::keys::KeyColumn { name: "id".into(), kind: kind.clone(), prefix: None }],
            whole,
        };
        let plan = |key| TablePlan { columns: columns.clone(), key, has_key: true, ..TablePlan::default() };
        let payload = b"\x021 \x01*\x0242";
        for (plan, place) in [
            (plan(Some(key(true))), Place::Key("`id` = 42".into())),
            (plan(Some(key(false))), Place::Number(7)),
            (plan(None), Place::Number(7)),
        ] {
            let mut later = Later::new(&plan, "");
            later.note(payload, 7);
            assert_eq!(later.places, [place]);
        }
    }
}
