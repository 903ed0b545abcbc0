//! What is compared: a table as a list of facts, one short line each, whoever tells them.

use std::collections::BTreeSet;

/// What a column has when a row doesn't say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Given {
    #[default]
    Nothing,
    /// A literal's value.
    Literal(String),
    Now,
    /// The text of an expression.
    Expression(String),
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnFacts {
    pub name: String,
    /// As information_schema writes it, spelled alike for all servers.
    pub ty: String,
    pub nullable: bool,
    pub charset: String,
    pub collation: String,
    pub default: Given,
    /// The expression, and whether it is stored.
    pub generated: Option<(String, bool)>,
    pub auto_increment: bool,
    pub on_update_now: bool,
    pub invisible: bool,
    pub comment: String,
}

/// A table: its columns in order, everything else as lines in any order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableFacts {
    pub columns: Vec<ColumnFacts>,
    pub lines: BTreeSet<String>,
}

impl ColumnFacts {
    /// One of the columns that system versioning adds, or a hash of a long unique key: in no catalogue, but in each row.
    pub fn is_hidden(&self) -> bool {
        self.invisible && (matches!(&*self.name, "row_start" | "row_end") || self.name.starts_with("DB_ROW_HASH_"))
    }

    /// All but the texts that a server may rewrite.
    pub fn head(&self) -> String {
        let null = if self.nullable { "NULL" } else { "NOT NULL" };
        let mut line = format!("column {} {} {null} {} {}", self.name, self.ty, self.charset, self.collation);
        for (is, word) in [
            (self.auto_increment, " AUTO_INCREMENT"),
            (self.on_update_now, " ON UPDATE NOW"),
            (self.invisible, " INVISIBLE"),
        ] {
            line.push_str(if is { word } else { "" });
        }
        if let Some((_, stored)) = self.generated {
            line.push_str(if stored { " STORED" } else { " VIRTUAL" });
        }
        if !self.comment.is_empty() {
            line.push_str(&format!(" COMMENT {:?}", self.comment));
        }
        line
    }
}

/// One part of a key: the column's name or the folded expression, the prefix, the direction.
pub fn part(column: &str, prefix: Option<u32>, descending: bool) -> String {
    let prefix = prefix.map(|length| format!("({length})")).unwrap_or_default();
    format!("{column}{prefix}{}", if descending { " DESC" } else { "" })
}

/// A part of a key that is an expression. `->` is printed as the functions it stands for, in each version's way.
pub fn key_expression(expression: &str) -> String {
    let json = expression.contains("->") || expression.to_lowercase().contains("json_");
    if json { "json".to_owned() } else { folded(expression) }
}

/// A key's line.
pub fn key(name: &str, unique: bool, kind: &str, parts: &[String], invisible: bool, comment: &str) -> String {
    let unique = if unique { "unique " } else { "" };
    let invisible = if invisible { " INVISIBLE" } else { "" };
    let comment = if comment.is_empty() { String::new() } else { format!(" COMMENT {comment:?}") };
    format!("key {name}: {unique}{kind} ({}){invisible}{comment}", parts.join(", "))
}

/// A foreign key's line.
pub fn foreign_key(name: &str, columns: &[String], parent: (&str, &str), parent_columns: &[String]) -> String {
    format!("foreign key {name}: ({}) -> {}.{}({})", columns.join(", "), parent.0, parent.1, parent_columns.join(", "))
}

/// The table's own line.
pub fn table(charset: &str, collation: &str, engine: &str, comment: &str) -> String {
    format!("table {charset} {collation} engine {} comment {comment:?}", engine.to_ascii_lowercase())
}

/// What a table is divided by: method and expression, as information_schema tells them.
pub fn partitioning(what: &str, method: &str, expression: &str) -> String {
    // Each server prints calls and operators in its own way.
    format!("{what} by {method} ({})", folded(expression).replace("toseconds", "to_seconds"))
}

/// A partition at its place. Values in a list have no order.
pub fn partition(at: usize, name: &str, sub: &str, values: &str, comment: &str) -> String {
    let mut list: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    list.sort();
    // With subpartitions, the catalogue shows their comments only.
    let (sub, comment) = if sub.is_empty() { (String::new(), comment) } else { (format!(" / {sub}"), "") };
    format!("partition {at} {name}{sub} values {} comment {comment:?}", list.join(","))
}

/// A type in the spelling that all servers share: display widths, year(4), and escapes in members differ.
pub fn type_text(text: &str) -> String {
    // MariaDB's compression is a property of the storage; information_schema can't print what utf8mb3 lacks.
    let mut text = text
        .replace("year(4)", "year")
        .replace("\\\\", "\\")
        .replace(" /*M!100301 COMPRESSED*/", "")
        .replace(" /*!100301 COMPRESSED*/", "");
    text = text.chars().map(|c| if u32::from(c) > 0xFFFF { '?' } else { c }).collect();
    if text == "geometrycollection" {
        text = "geomcollection".into();
    }
    let integer = ["tinyint(", "smallint(", "mediumint(", "int(", "bigint("].iter().any(|name| text.starts_with(name));
    if let (true, Some(open), Some(close)) = (integer, text.find('('), text.find(')'))
        && !text.contains("zerofill")
        && text != "tinyint(1)"
    {
        text.replace_range(open..=close, "");
    }
    text
}

/// A character set or collation with `utf8` spelled `utf8mb3`; `binary` is none.
pub fn charset_text(name: &str) -> String {
    match name {
        "binary" => String::new(),
        "utf8" => "utf8mb3".to_owned(),
        other => other.replace("utf8_", "utf8mb3_"),
    }
}

/// The value of a default in the form in which the type keeps it, as far as that is plain.
pub fn literal(ty: &str, text: &str) -> String {
    let base = ty.split(['(', ' ']).next().unwrap_or("");
    match base {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => decimal(text, 0),
        "decimal" => {
            decimal(text, ty.rsplit([',', '(']).next().and_then(digits).filter(|_| ty.contains(',')).unwrap_or(0))
        }
        "float" => text.trim().parse::<f32>().map_or_else(|_| text.to_owned(), |value| value.to_string()),
        "double" => text.trim().parse::<f64>().map_or_else(|_| text.to_owned(), |value| value.to_string()),
        "bit" => bits(text),
        "year" => format!("{text:0>4}"),
        "date" | "datetime" | "timestamp" if text == "0" || text == "0000-00-00" => "zero".to_owned(),
        "datetime" | "timestamp" if text.starts_with("0000-00-00 00:00:00") => "zero".to_owned(),
        "binary" | "varbinary" => binary(text),
        _ => text.to_owned(),
    }
}

fn digits(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// A decimal with `scale` digits behind the point, rounded as the server rounds: half away from zero.
fn decimal(text: &str, scale: usize) -> String {
    let trimmed = text.trim();
    let (sign, number) = match trimmed.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return trimmed.parse::<f64>().map_or_else(|_| text.to_owned(), |value| format!("{value:.scale$}"));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let up = fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5');
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(scale).collect();
    let mut digits: Vec<u8> = format!("0{whole}{fraction}").into_bytes();
    if up {
        let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
        let at = digits.len() - nines;
        digits[at..].fill(b'0');
        digits[at - 1] += 1;
    }
    let digits = String::from_utf8(digits).unwrap();
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let zero = digits.bytes().all(|digit| digit == b'0');
    format!("{}{whole}{}{fraction}", if zero { "" } else { sign }, if scale == 0 { "" } else { "." })
}

/// Old servers print bytes as text of their own character set, up to the first that is none; MySQL 8 prints hex.
fn binary(text: &str) -> String {
    let text = &*text.replace("\\0", "\0");
    let hex = text.strip_prefix("0x").filter(|digits| digits.len() % 2 == 0).and_then(|digits| {
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()
    });
    let text = hex.map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let end = text.find(|c: char| !c.is_ascii() || c == '?').unwrap_or(text.len());
    text[..end].trim_end_matches('\0').to_owned()
}

/// `b'0101'` is 5, and so is the character with that number.
fn bits(text: &str) -> String {
    let inner = text.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\''));
    let bytes = || text.bytes().fold(0_u64, |value, byte| value << 8 | u64::from(byte)).to_string();
    match inner {
        Some(digits) => u64::from_str_radix(digits, 2).map_or_else(|_| text.to_owned(), |value| value.to_string()),
        None if text.parse::<u64>().is_ok() => text.to_owned(),
        None => bytes(),
    }
}

/// An expression without what a server changes when it prints one: case, blanks, quotes of names, parentheses and
/// introducers of strings.
pub fn folded(expression: &str) -> String {
    let text = expression.replace("\\'", "'");
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                cut_introducer(&mut out);
                out.push('\'');
                for inner in chars.by_ref().take_while(|inner| *inner != c) {
                    out.push(inner);
                }
                out.push('\'');
            }
            '`' | '(' | ')' => {}
            c if c.is_whitespace() => {}
            c => out.extend(c.to_lowercase()),
        }
    }
    out.replace("!=", "<>").replace("now", "current_timestamp")
}

fn cut_introducer(out: &mut String) {
    for name in ["_utf8mb4", "_utf8mb3", "_utf8", "_latin1", "_gbk", "_ascii", "_binary"] {
        if let Some(rest) = out.strip_suffix(name) {
            out.truncate(rest.len());
            return;
        }
    }
}
