//! What SHOW GRANTS says a user may do.

/// A privilege on everything, on schemas that match a pattern, or on one table.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Level {
    Global,
    /// As in the grant, with `%`, `_` and backslash escapes.
    Schema(String),
    Table(String, String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Grant {
    /// Upper case; `ALL` for all of the level.
    privileges: Vec<String>,
    level: Level,
}

/// All grants of one user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grants {
    grants: Vec<Grant>,
    /// MySQL's partial revokes: what a global grant doesn't cover.
    revoked: Vec<(Vec<String>, String)>,
    /// Roles that are granted, as written in the grant.
    pub roles: Vec<String>,
    /// Lines that say nothing we understand.
    pub unknown: usize,
}

impl Grants {
    /// Reads the lines of SHOW GRANTS.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut out = Grants::default();
        for line in lines {
            if out.add(line).is_none() {
                out.unknown += 1;
            }
        }
        out
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (revoke, rest) = match line.strip_prefix("GRANT ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("REVOKE ")?),
        };
        let Some((privileges, rest)) = split_outside_quotes(rest, " ON ") else {
            let (role, _) = split_outside_quotes(rest, " TO ")?;
            self.roles.extend(split_list(role));
            return Some(());
        };
        let (object, _) = split_outside_quotes(rest, if revoke { " FROM " } else { " TO " })?;
        let privileges: Vec<String> = split_list(privileges)
            .into_iter()
            // `SELECT (a, b)`: only some columns, which is not enough.
            .filter(|p| !p.contains('('))
            .map(|p| if p.eq_ignore_ascii_case("ALL PRIVILEGES") { "ALL".to_owned() } else { p.to_ascii_uppercase() })
            .collect();
        let level = match object.strip_prefix("TABLE ").unwrap_or(object) {
            "*.*" => Level::Global,
            // Proxies, procedures and functions.
            other if other.starts_with("PROCEDURE ") || other.starts_with("FUNCTION ") => return Some(()),
            other => {
                let (schema, table) = split_outside_quotes(other, ".")?;
                match table {
                    "*" => Level::Schema(unquote(schema)),
                    table => Level::Table(unquote(schema), unquote(table)),
                }
            }
        };
        match (revoke, level) {
            (true, Level::Schema(schema)) => self.revoked.push((privileges, schema)),
            (true, _) => {}
            (false, level) => self.grants.push(Grant { privileges, level }),
        }
        Some(())
    }

    /// Whether one of these privileges is granted on everything.
    pub fn global(&self, any_of: &[&str]) -> bool {
        self.grants.iter().any(|g| g.level == Level::Global && g.has(any_of))
    }

    /// Whether one of these privileges is granted on a whole schema.
    pub fn on_schema(&self, any_of: &[&str], schema: &str) -> bool {
        let revoked = self.revoked.iter().any(|(privileges, pattern)| {
            like(pattern, schema) && any_of.iter().all(|p| privileges.iter().any(|r| r == p || r == "ALL"))
        });
        let own = |g: &Grant| matches!(&g.level, Level::Schema(pattern) if like(pattern, schema) && g.has(any_of));
        (self.global(any_of) && !revoked) || self.grants.iter().any(own)
    }

    /// Whether one of these privileges is granted on a table.
    pub fn on_table(&self, any_of: &[&str], schema: &str, table: &str) -> bool {
        let own = |g: &Grant| matches!(&g.level, Level::Table(s, t) if s == schema && t == table && g.has(any_of));
        self.on_schema(any_of, schema) || self.grants.iter().any(own)
    }
}

impl Grant {
    fn has(&self, any_of: &[&str]) -> bool {
        self.privileges.iter().any(|p| p == "ALL" || any_of.contains(&p.as_str()))
    }
}

/// Splits at the first `by` that isn't inside quotes or parentheses.
fn split_outside_quotes<'a>(text: &'a str, by: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0usize);
    for (at, c) in text.char_indices() {
        if quote.is_none() && depth == 0 && text[at..].starts_with(by) {
            return Some((&text[..at], &text[at + by.len()..]));
        }
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '`' | '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn split_list(mut text: &str) -> Vec<String> {
    let mut out = Vec::new();
    while let Some((first, rest)) = split_outside_quotes(text, ",") {
        out.push(first.trim().to_owned());
        text = rest;
    }
    out.push(text.trim().to_owned());
    out
}

fn unquote(name: &str) -> String {
    let name = name.trim();
    let inner = name.strip_prefix('`').and_then(|n| n.strip_suffix('`'));
    inner.map_or_else(|| name.trim_matches(['\'', '"']).to_owned(), |n| n.replace("``", "`"))
}

/// SQL's LIKE with backslash escapes; names of schemas.
fn like(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    like_from(&p, &n)
}

fn like_from(p: &[char], n: &[char]) -> bool {
    match p {
        [] => n.is_empty(),
        ['%', rest @ ..] => (0..=n.len()).any(|skip| like_from(rest, &n[skip..])),
        ['\\', c, rest @ ..] => n.first() == Some(c) && like_from(rest, &n[1..]),
        ['_', rest @ ..] => !n.is_empty() && like_from(rest, &n[1..]),
        [c, rest @ ..] => n.first() == Some(c) && like_from(rest, &n[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let grants = Grants::parse([
            "GRANT RELOAD, REPLICATION CLIENT ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*X' WITH GRANT OPTION",
            "GRANT SELECT, LOCK TABLES ON `a\\_b%`.* TO `u`@`%`",
            "GRANT ALL PRIVILEGES ON `all ON x`.* TO `u`@`%`",
            "GRANT SELECT (a, b), INSERT ON `c`.`t``1` TO `u`@`%`",
            "GRANT `r1`@`%`,`r2`@`%` TO `u`@`%`",
            "GRANT EXECUTE ON PROCEDURE `a`.`p` TO `u`@`%`",
        ]);
        assert!(grants.global(&["RELOAD"]) && !grants.global(&["SELECT"]));
        assert!(grants.on_schema(&["SELECT"], "a_b1") && !grants.on_schema(&["SELECT"], "aXb1"));
        assert!(grants.on_schema(&["DROP"], "all ON x"));
        assert!(grants.on_table(&["INSERT"], "c", "t`1") && !grants.on_table(&["SELECT"], "c", "t`1"));
        assert_eq!(grants.roles, ["`r1`@`%`", "`r2`@`%`"]);
        assert_eq!(grants.unknown, 0);
    }

    #[test]
    fn partial_revokes_and_rubbish() {
        let lines = ["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", "REVOKE SELECT ON `secret`.* FROM `u`@`%`", "what?"];
        let grants = Grants::parse(lines);
        assert!(grants.on_table(&["SELECT"], "open", "t") && !grants.on_table(&["SELECT"], "secret", "t"));
        assert_eq!(grants.unknown, 1);
    }
}
