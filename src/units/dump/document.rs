//! JSON documents of a dump: text loses the types of decimals, dates and binary data, so the server is asked for them.

pub mod parts;

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    mysql::{
        binlog::json_text::reads_back,
        json::{self, Json, Scalar, TypedScalar},
        value::{Date, DateTime, Time},
    },
    schema::ServerInfo,
};

/// How a server tells the types of a document's scalars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypesBy {
    /// JSON_TABLE over a column of the row: MySQL 8.0.14 and later.
    Table,
    /// A number for each scalar: MySQL 5.7.8 and later. `sized`: it has JSON_STORAGE_SIZE (5.7.22, 8.0.2).
    Numbers { sized: bool },
}

impl TypesBy {
    /// None: MariaDB, whose JSON is text.
    pub fn of(server: &ServerInfo) -> Option<TypesBy> {
        match (server.is_mariadb(), server.version) {
            (true, _) => None,
            (false, 80_014..) => Some(TypesBy::Table),
            (false, version) => {
                Some(TypesBy::Numbers { sized: matches!(version, 50_722..80_000) || version >= 80_002 })
            }
        }
    }
}

/// An expression that is NULL when text tells all types of a document, else the types of its scalars: the root's, those of
/// the members of all objects, those of the elements of all arrays, parts joined by `|`, each container's children before
/// those of the containers in it. [`TOO_MANY`] where they can't be asked for.
///
/// Text tells all when the document that is read from it is equal (dates and binary data are equal to no string) and is stored in as
/// many bytes: a decimal takes more than the number that its text is read as. MySQL 5.7 prints whole doubles as integers, which
/// are as long from 32 bits on.
pub fn types_of(column: &str, by: TypesBy) -> String {
    let text = format!("CAST({column} AS CHAR)");
    let equal = format!("{column} = CAST({text} AS JSON)");
    let size = format!("JSON_STORAGE_SIZE({column}) = JSON_STORAGE_SIZE({text})");
    match by {
        TypesBy::Table => {
            let types = format!(
                "CONCAT_WS('|', JSON_TYPE({column}), {}, {})",
                listed(column, MEMBERS),
                listed(column, ELEMENTS)
            );
            format!("IF({size} AND {equal}, NULL, {types})")
        }
        TypesBy::Numbers { sized } => {
            let many = |path| format!("JSON_LENGTH({}) > {MOST_NUMBERS}", found(column, path));
            let types = format!(
                "IF({} OR {}, '{TOO_MANY}', CONCAT_WS('|', JSON_TYPE({column}), {}, {}))",
                many(MEMBERS),
                many(ELEMENTS),
                numbered(column, MEMBERS),
                numbered(column, ELEMENTS)
            );
            let plain = match sized {
                true => format!("{text} NOT REGEXP '[0-9]{{10}}' AND {size}"),
                false => format!("{text} NOT REGEXP '[0-9]'"),
            };
            // The text of binary data has line breaks there, and isn't JSON: nothing may read it as that.
            format!("IF(IF(JSON_VALID({text}), IF({plain}, {equal}, FALSE), FALSE), NULL, {types})")
        }
    }
}

/// What [`types_of`] gives for a document of more members or elements than numbers: its row is read again ([`parts`]).
pub const TOO_MANY: &str = "*";
/// Each type costs a walk through the whole document.
const MOST_NUMBERS: u32 = 1_000;

const MEMBERS: &str = "$**.*";
const ELEMENTS: &str = "$**[*]";

fn found(column: &str, path: &str) -> String {
    format!("JSON_EXTRACT({column}, '{path}')")
}

/// The types of what a path finds. JSON's null comes out of the table as NULL.
fn listed(column: &str, path: &str) -> String {
    format!(
        "IFNULL((SELECT GROUP_CONCAT(IFNULL(JSON_TYPE(v), 'NULL') ORDER BY n) FROM JSON_TABLE({column}, '{path}' \
         COLUMNS (n FOR ORDINALITY, v JSON PATH '$')) AS t), '')"
    )
}

/// The same by the place in the array of all that a path finds. Places are four digits, of which the first ones are left out
/// early where the array ends before.
fn numbered(column: &str, path: &str) -> String {
    const PLACES: [(&str, &str); 4] =
        [("a.d", "a"), ("a.d + b.d", "b"), ("a.d + b.d + c.d", "c"), ("a.d + b.d + c.d + e.d", "e")];
    let (found, place) = (found(column, path), PLACES[3].0);
    let digits = |step: u32, name: &str| {
        let all: Vec<String> = (0..10).map(|digit| format!("SELECT {} AS d", digit * step)).collect();
        format!("({}) AS {name}", all.join(" UNION ALL "))
    };
    let steps = [1000, 100, 10, 1];
    let tables: Vec<String> = PLACES.iter().zip(steps).map(|((_, name), step)| digits(step, name)).collect();
    let bounds: Vec<String> = PLACES.iter().map(|(sum, _)| format!("{sum} < JSON_LENGTH({found})")).collect();
    format!(
        "IFNULL((SELECT GROUP_CONCAT(JSON_TYPE(JSON_EXTRACT({found}, CONCAT('$[', {place}, ']'))) ORDER BY {place}) \
         FROM {} WHERE {}), '')",
        tables.join(" STRAIGHT_JOIN "),
        bounds.join(" AND ")
    )
}

/// Appends a document as a literal. What its text doesn't tell is in comments that only MySQL reads; `types` as
/// [`types_of`] gives them.
pub fn append(out: &mut Vec<u8>, text: &str, types: Option<&str>) {
    // MySQL 5.7 prints the line breaks of base64 data bare, which no server takes back.
    let text = text.replace('\n', "\\n");
    let (typed, whole) = Node::parse(&text).map(|root| root.typed(&text, types)).unwrap_or_default();
    literals(text, typed, whole, out);
}

/// Appends a document with what its text doesn't tell: typed scalars, and where doubles end that are printed as integers.
fn literals(text: String, typed: Vec<TypedScalar>, mut whole: Vec<usize>, out: &mut Vec<u8>) {
    whole.sort_unstable();
    let text = pointed(text, &whole);
    let mut sql = String::with_capacity(text.len() + 32);
    let plain = typed.is_empty();
    json::write_sql(&Json::new(text, typed), &mut sql);
    if !plain {
        sql = commented(&sql);
    }
    out.extend_from_slice(sql.as_bytes());
}

/// The text with `.0` behind the numbers that end at these places: what every server, TiDB included, reads as a double.
fn pointed(text: String, ends: &[usize]) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for end in ends {
        out.push_str(text.get(from..*end).unwrap_or_default());
        out.push_str(".0");
        from = *end;
    }
    if from == 0 { text } else { out + text.get(from..).unwrap_or_default() }
}

/// `JSON_SET('text',...)` with everything but the text in comments for MySQL 5.7.8 and later.
fn commented(sql: &str) -> String {
    let (Some(body), Some(end)) = (sql.strip_prefix("JSON_SET("), literal_end(sql, "JSON_SET(".len())) else {
        return sql.to_owned();
    };
    let text = &body[..end - "JSON_SET(".len()];
    let tail = sql[end..].replace("/*!80004 ", "*//*!80004 ").replace(" AS t), */", " AS t), *//*!50708 ");
    format!("/*!50708 JSON_SET( */{text}/*!50708 {tail} */")
}

/// A row of a dump with its documents as texts alone. TiDB executes comments for any version of MySQL, and has neither
/// JSON_TABLE nor JSON's decimals.
pub fn plain_text(row: &[u8]) -> Cow<'_, [u8]> {
    const OPENINGS: [&[u8]; 2] = [b"/*!50708 ", b"/*!80004 "];
    let opening = |rest: &[u8]| OPENINGS.iter().any(|opening| rest.starts_with(opening));
    if memchr::memmem::find(row, OPENINGS[0]).is_none() {
        return Cow::Borrowed(row);
    }
    let (mut out, mut rest, mut inside) = (Vec::with_capacity(row.len()), row, false);
    while let Some(first) = rest.first() {
        let length = match first {
            b'\'' => literal_length(rest),
            b'/' if !inside && opening(rest) => {
                inside = true;
                rest = rest.get(OPENINGS[0].len()..).unwrap_or_default();
                continue;
            }
            b'*' if inside && rest.starts_with(b"*/") => {
                inside = false;
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            _ => 1,
        };
        let (token, tail) = rest.split_at(length.min(rest.len()));
        if !inside {
            out.extend_from_slice(token);
        }
        rest = tail;
    }
    Cow::Owned(out)
}

/// Bytes of the literal at the beginning; all when it doesn't end.
fn literal_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Where the literal ends that begins at `start`.
fn literal_end(sql: &str, start: usize) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut at = start + 1;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\\', _) | (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// A document's shape; scalars and keys by their place in the text.
enum Node {
    Scalar(std::ops::Range<usize>),
    Array(Vec<Node>),
    Object(Vec<(std::ops::Range<usize>, Node)>),
}

impl Node {
    /// Reads text as servers print it; None when it is something else.
    fn parse(text: &str) -> Option<Node> {
        let mut at = 0;
        let node = Node::read(text.as_bytes(), &mut at, 0)?;
        (at == text.len()).then_some(node)
    }

    fn read(text: &[u8], at: &mut usize, depth: usize) -> Option<Node> {
        let open = *text.get(*at)?;
        if !matches!(open, b'{' | b'[') || depth > 110 {
            return (depth <= 110).then(|| Node::Scalar(scalar(text, at)));
        }
        let close = open + 2;
        let (mut members, mut elements) = (Vec::new(), Vec::new());
        *at += 1;
        while *text.get(*at)? != close {
            while matches!(text.get(*at)?, b',' | b' ') {
                *at += 1;
            }
            if open == b'{' {
                let key = scalar(text, at);
                while matches!(text.get(*at)?, b':' | b' ') {
                    *at += 1;
                }
                members.push((key, Node::read(text, at, depth + 1)?));
            } else {
                elements.push(Node::read(text, at, depth + 1)?);
            }
        }
        *at += 1;
        Some(if open == b'{' { Node::Object(members) } else { Node::Array(elements) })
    }

    /// The scalars that text doesn't tell, and where the doubles end that MySQL 5.7 prints as integers.
    fn typed(&self, text: &str, types: Option<&str>) -> (Vec<TypedScalar>, Vec<usize>) {
        let mut parts = types.unwrap_or_default().split('|');
        let mut list = || parts.next().filter(|p| !p.is_empty()).map(|p| p.split(',').collect()).unwrap_or_default();
        let root: Vec<&str> = list();
        let mut walk = Walk { members: list(), elements: list(), ..Walk::new(text, types.is_some()) };
        if let Node::Scalar(place) = self {
            walk.scalar("$", place, root.first().copied());
        }
        walk.children(self, "$");
        (walk.out, walk.whole)
    }
}

/// The scalar at `at`: up to the quote that ends a string, or to what can't be in a number or a word.
fn scalar(text: &[u8], at: &mut usize) -> std::ops::Range<usize> {
    let start = *at;
    let string = text.get(start) == Some(&b'"');
    *at += 1;
    while let Some(byte) = text.get(*at) {
        match byte {
            b'\\' if string => *at += 1,
            b'"' if string => {
                *at += 1;
                break;
            }
            b',' | b']' | b'}' | b':' | b' ' if !string => break,
            _ => {}
        }
        *at += 1;
    }
    *at = (*at).min(text.len());
    start..*at
}

struct Walk<'a> {
    text: &'a str,
    /// The server told the types; else all numbers with a point are doubles.
    known: bool,
    members: Vec<&'a str>,
    elements: Vec<&'a str>,
    /// How many of both lists were used.
    at: [usize; 2],
    out: Vec<TypedScalar>,
    /// Ends of the doubles that are printed as integers.
    whole: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, known: bool) -> Walk<'a> {
        let (members, elements) = (Vec::new(), Vec::new());
        Walk { text, known, members, elements, at: [0, 0], out: Vec::new(), whole: Vec::new() }
    }

    /// All children of a container take their types before the children of the first child.
    fn children<'n>(&mut self, node: &'n Node, path: &str) {
        let children: Vec<(String, &'n Node, Option<&str>)> = match node {
            Node::Scalar(_) => return,
            Node::Array(elements) => {
                let first = self.at[1];
                self.at[1] += elements.len();
                let child = |(i, node)| (format!("{path}[{i}]"), node, self.elements.get(first + i).copied());
                elements.iter().enumerate().map(child).collect()
            }
            Node::Object(members) => {
                let first = self.at[0];
                self.at[0] += members.len();
                let child = |(i, (key, node)): (usize, &'n (std::ops::Range<usize>, Node))| {
                    let key = self.text.get(key.clone()).unwrap_or_default();
                    (format!("{path}.{key}"), node, self.members.get(first + i).copied())
                };
                members.iter().enumerate().map(child).collect()
            }
        };
        for (path, node, kind) in &children {
            if let Node::Scalar(place) = node {
                self.scalar(path, place, *kind);
            }
        }
        for (path, node, _) in children {
            self.children(node, &path);
        }
    }

    fn scalar(&mut self, path: &str, place: &std::ops::Range<usize>, kind: Option<&str>) {
        let Some(text) = self.text.get(place.clone()) else { return };
        let string = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let scalar = match (kind, string) {
            (Some("DECIMAL"), None) => Some(Scalar::Decimal(text.into())),
            (Some("DOUBLE"), None) if is_whole(text) => {
                self.whole.push(place.end);
                None
            }
            (Some("DOUBLE"), None) => long_double(text),
            (None, None) if !self.known => long_double(text),
            (Some("DATE"), Some(text)) => date(text).map(Scalar::Date),
            (Some("DATETIME"), Some(text)) => datetime(text).map(Scalar::DateTime),
            (Some("TIMESTAMP"), Some(text)) => datetime(text).map(Scalar::Timestamp),
            (Some("TIME"), Some(text)) => time(text).map(Scalar::Time),
            (Some("BLOB" | "BIT" | "OPAQUE"), Some(text)) => opaque(text),
            _ => None,
        };
        self.out.extend(scalar.map(|scalar| TypedScalar { path: path.to_owned(), scalar }));
    }
}

/// A double that MySQL 5.7 prints as an integer.
fn is_whole(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// A double that some servers don't read back exactly from text.
fn long_double(text: &str) -> Option<Scalar> {
    if !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    (!reads_back(number)).then_some(Scalar::Double(number))
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Date { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? })
}

fn datetime(text: &str) -> Option<DateTime> {
    let (day, clock) = text.split_once(' ')?;
    let clock = time(clock)?;
    let hour = u8::try_from(clock.hours).ok()?;
    let (minute, second) = (clock.minutes, clock.seconds);
    Some(DateTime { date: date(day)?, hour, minute, second, micros: clock.micros, fsp: 6 })
}

fn time(text: &str) -> Option<Time> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, micros) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes, seconds) = (hours.parse().ok()?, minutes.parse().ok()?, seconds.parse().ok()?);
    let micros = format!("{micros:0<6}").get(..6)?.parse().ok()?;
    Some(Time { negative, hours, minutes, seconds, micros, fsp: 6 })
}

/// `base64:type<N>:<data>`, the data in lines.
fn opaque(text: &str) -> Option<Scalar> {
    use base64::Engine;
    let (kind, data) = text.strip_prefix("base64:type")?.split_once(':')?;
    let data = base64::engine::general_purpose::STANDARD.decode(data.replace("\\n", "")).ok()?;
    Some(Scalar::Opaque { kind: kind.parse().ok()?, data: Bytes::from(data) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subtask::Flavor;

    fn sql(text: &str, types: Option<&str>) -> String {
        let mut out = Vec::new();
        append(&mut out, text, types);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_document_is_its_text_on_tidb() {
        let row = b"(1,'/*!50708 x*/',/*!50708 JSON_SET( */'[\"a''*/\\\\\"]'/*!50708 ,'$[0]',JSON_EXTRACT(f(*//*!80004 (SELECT '*/'), *//*!50708 CAST(x'80' AS BINARY)),'$[0]')) */,2";
        let plain = plain_text(row);
        assert_eq!(std::str::from_utf8(&plain).unwrap(), "(1,'/*!50708 x*/','[\"a''*/\\\\\"]',2");
        let other = b"(_ascii x'ff' /*!80000 COLLATE utf8mb4_bin */";
        assert!(matches!(plain_text(other), Cow::Borrowed(_)));
    }

    #[test]
    fn plain_text_stays_plain() {
        assert_eq!(sql(r#"{"a": [1, 2.5, "it's"]}"#, None), r#"'{"a": [1, 2.5, "it''s"]}'"#);
        assert_eq!(sql("not JSON", None), "'not JSON'");
        assert_eq!(sql("", None), "''");
        assert_eq!(sql("{", None), "'{'");
    }

    #[test]
    fn servers_are_asked_as_they_can() {
        let by = |flavor, version| TypesBy::of(&ServerInfo { flavor, version });
        assert_eq!(by(Flavor::Mariadb, 101_000), None);
        assert_eq!(by(Flavor::Mysql, 80_014), Some(TypesBy::Table));
        for (version, sized) in [(50_708, false), (50_722, true), (50_744, true), (80_001, false), (80_011, true)] {
            assert_eq!(by(Flavor::Mysql, version), Some(TypesBy::Numbers { sized }), "{version}");
        }
        let (table, numbers) = (types_of("`j`", TypesBy::Table), types_of("`j`", TypesBy::Numbers { sized: false }));
        assert!(table.contains("JSON_TABLE") && !numbers.contains("JSON_TABLE") && !numbers.contains("STORAGE"));
    }

    #[test]
    fn types_find_their_scalars() {
        let text =
            r#"{"a": {"b": 1.10, "c": [true, {"d": "2024-01-02"}, [null, 1.5]]}, "e": [2, {"f": false}], "g": "z"}"#;
        let types =
            "OBJECT|OBJECT,ARRAY,STRING,DECIMAL,ARRAY,DATE,BOOLEAN|BOOLEAN,OBJECT,ARRAY,NULL,DOUBLE,INTEGER,OBJECT";
        let want = format!(
            "/*!50708 JSON_SET( */'{text}'/*!50708 ,'$.\"a\".\"b\"',1.10,'$.\"a\".\"c\"[1].\"d\"',CAST('2024-01-02' AS DATE)) */"
        );
        assert_eq!(sql(text, Some(types)), want);
        assert_eq!(sql("1.10", Some("DECIMAL||")), "/*!50708 JSON_SET( */'1.10'/*!50708 ,'$',1.10) */");
        // As MySQL 5.7 prints it.
        assert_eq!(sql("1", Some("DOUBLE||")), "'1.0'");
        let (text, types) =
            (r#"[-0, 12, {"a": 7, "b": 1.5}, 100000000000000]"#, "ARRAY|DOUBLE,DECIMAL|DOUBLE,INTEGER,OBJECT,DOUBLE");
        let want =
            r#"/*!50708 JSON_SET( */'[-0.0, 12, {"a": 7.0, "b": 1.5}, 100000000000000.0]'/*!50708 ,'$[2]."b"',1.5) */"#;
        assert_eq!(sql(text, Some(types)), want);
    }

    #[test]
    fn binary_data_in_lines_is_read() {
        let data = format!("base64:type252:{}\nYQ==", "YWFh".repeat(19));
        let text = sql(&format!("[\"{data}\"]"), Some("ARRAY||BLOB"));
        assert!(text.contains("\\\\nYQ==") && text.contains(&format!("x'{}'", "61".repeat(58))), "{text}");
        assert!(text.contains("(*//*!80004 (SELECT v FROM"), "{text}");
        assert!(text.contains(" AS t), *//*!50708 CAST(x'"), "{text}");
        assert_eq!(text.matches("/*!").count(), text.matches("*/").count());
    }

    #[test]
    fn long_doubles_are_numbers_of_sql() {
        assert!(sql("[123456789012345.67]", None).contains(",'$[0]',1.2345678901234567e14)"));
        assert_eq!(sql("[1.5]", None), "'[1.5]'");
    }
}
