//! The table filter of `-f`: rules `schema.table` between commas, each part with `*`, `?` and `[a-z]`, or a regular
//! expression between slashes, or quoted; `!` in front shuts out. The last rule that matches counts; none: left out.

use regex::{Regex, RegexBuilder};

/// The rules in their order.
#[derive(Clone, Debug)]
pub struct TableFilter(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    shuts_out: bool,
    schema: Regex,
    table: Regex,
}

impl PartialEq for TableFilter {
    fn eq(&self, other: &Self) -> bool {
        let texts = |filter: &Self| -> Vec<(bool, String, String)> {
            filter.0.iter().map(|r| (r.shuts_out, r.schema.to_string(), r.table.to_string())).collect()
        };
        texts(self) == texts(other)
    }
}

impl Eq for TableFilter {}

impl TableFilter {
    /// Reads the rules; the error is the rule that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules = split(text, ',').into_iter().map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(|rule| Rule::parse(rule).ok_or_else(|| rule.to_owned())).collect::<Result<_, _>>().map(TableFilter)
    }

    /// Whether a table is let in. Names are compared without regard to case.
    pub fn selects(&self, schema: &str, table: &str) -> bool {
        let last = self.0.iter().rev().find(|rule| rule.schema.is_match(schema) && rule.table.is_match(table));
        last.is_some_and(|rule| !rule.shuts_out)
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        let (shuts_out, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let parts = split(text, '.');
        let &[schema, table] = parts.as_slice() else { return None };
        Some(Rule { shuts_out, schema: pattern(schema)?, table: pattern(table)? })
    }
}

/// Splits where no quote, class or expression is open.
fn split(text: &str, by: char) -> Vec<&str> {
    let (mut out, mut from, mut open) = (Vec::new(), 0, None);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match open {
            _ if escaped => escaped = false,
            _ if c == '\\' => escaped = true,
            Some(end) if c == end => open = None,
            Some(_) => {}
            None if c == by => {
                out.push(&text[from..at]);
                from = at + by.len_utf8();
            }
            None => {
                open = match c {
                    '`' | '"' => Some(c),
                    '[' => Some(']'),
                    '/' => Some('/'),
                    _ => None,
                }
            }
        }
    }
    out.push(&text[from..]);
    out
}

fn pattern(text: &str) -> Option<Regex> {
    let text = text.trim();
    let between = |c: char| text.strip_prefix(c).and_then(|t| t.strip_suffix(c)).filter(|_| text.len() > 1);
    let expression = if let Some(expression) = between('/') {
        expression.to_owned()
    } else if let Some(name) = between('`').or_else(|| between('"')) {
        format!("^{}$", regex::escape(&name.replace("``", "`").replace("\"\"", "\"")))
    } else {
        wildcards(text)?
    };
    RegexBuilder::new(&expression).case_insensitive(true).build().ok()
}

fn wildcards(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut out = String::from("^");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (not, class) = class.strip_prefix('!').map_or(("", class.as_str()), |rest| ("^", rest));
                let safe = class.replace('\\', "\\\\").replace('[', "\\[").replace('^', "\\^").replace("&&", "&");
                out.push_str(&format!("[{not}{safe}]"));
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_counts() {
        let filter = TableFilter::parse("*.*, !/^(mysql|sys)$/.*, !a[0-9].t?, a1.`t.x`, \"c,d\".*, e\\.f.*").unwrap();
        for (schema, table, let_in) in [
            ("x", "y", true),
            ("MySQL", "y", false),
            ("a1", "t2", false),
            ("a1", "t22", true),
            ("a1", "t.x", true),
            ("sys", "t", false),
            ("c,d", "t", true),
            ("e.f", "t", true),
        ] {
            assert_eq!(filter.selects(schema, table), let_in, "{schema}.{table}");
        }
        assert!(!TableFilter::parse("a.*").unwrap().selects("b", "t"));
        for bad in ["a", "a.b.c", ".", "a./(/", "[z-a].t"] {
            assert_eq!(TableFilter::parse(bad), Err(bad.to_owned()));
        }
    }
}
