//! Hides passwords in text that goes to a log or an error.

use std::sync::OnceLock;

use regex::{Captures, Regex};

use crate::config::MASK;

/// Replaces the values of password keys in YAML, TOML, JSON and key=value text, and the passwords of URLs and DSNs,
/// by `******`. What it does not recognise stays, so it is a second line of defence: nothing should bring a
/// password to a log in the first place.
pub fn redact(text: &str) -> String {
    static RULES: OnceLock<Option<[Regex; 5]>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        Some([
            // scheme://user:password@host and user:password@tcp(host)
            Regex::new(r"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:)(?P<secret>[^\s]*)(?P<tail>@)").ok()?,
            Regex::new(r"(?P<head>[^\s:@/]+:)(?P<secret>\S*)(?P<tail>@(?:tcp|unix)\()").ok()?,
            // IDENTIFIED BY '...' and its relatives
            Regex::new(r#"(?i)(?P<head>(?:identified\s+(?:with\s+\S+\s+)?(?:by|as)|password\s*\()\s*(?:password\s+)?)(?P<secret>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")(?P<tail>)"#).ok()?,
            // A line of YAML, or of escaped YAML: an unquoted value may hold blanks and commas.
            Regex::new(r#"(?im)(?P<head>(?:^|\\n)[ \t-]*[\w.-]*(?:password|passwd)[ \t]*:[ \t]+)(?P<secret>[^"'\s\\{\[][^\n]*?)(?P<tail>\\n|$)"#).ok()?,
            // password: x, "password": "x", password = 'x', -p style keys excluded
            Regex::new(
                r#"(?im)(?P<head>(?:"|')?\b[\w.-]*(?:password|passwd|secret-key|ssl-key-base64|ssl-key-bytes|secret_access_key|secret-access-key)(?:\\?"|')?[ \t]*[:=][ \t]*)(?P<secret>\\"(?:[^"\\]|\\\\(?:\\.|[^\\]))*\\"|"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\[[^\]]*\]|[^\s,;&}\]\\]+)(?P<tail>)"#,
            )
            .ok()?,
        ])
    });
    let Some(rules) = rules else { return MASK.to_owned() };
    rules.iter().fold(text.to_owned(), |text, rule| rule.replace_all(&text, hide).into_owned())
}

/// Keeps the quotes, so that the text still parses.
fn hide(found: &Captures<'_>) -> String {
    let secret = &found["secret"];
    // MySQL's "Access denied ... (using password: YES)" tells nothing.
    if matches!(secret, "YES)" | "NO)") {
        return found[0].to_owned();
    }
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| secret.starts_with(quote)).unwrap_or_default();
    let empty = !quote.is_empty() && secret.len() == 2 * quote.len();
    let mask = if secret.is_empty() || empty { "" } else { MASK };
    format!("{}{quote}{mask}{quote}{}", &found["head"], &found["tail"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_all_shapes_are_hidden() {
        for (text, shown) in [
            ("from:\n  password: s3cret\n  port: 1", "from:\n  password: ******\n  port: 1"),
            ("password: 's3''cret' # x", "password: '******' # x"),
            ("password: \"\"", "password: \"\""),
            ("{\"password\":\"s3\\\"cret\",\"port\":1}", "{\"password\":\"******\",\"port\":1}"),
            ("password = \"s3cret\"\nname = \"a\"", "password = \"******\"\nname = \"a\""),
            ("\"cfg\": \"password: s3cret\\nport: 1\"", "\"cfg\": \"password: ******\\nport: 1\""),
            ("from:\n  password: s3, cret\n  port: 1", "from:\n  password: ******\n  port: 1"),
            (r"a: b\n  password: s3 cret\n  port: 1", r"a: b\n  password: ******\n  port: 1"),
            (r#"a: b\n  password: \"s3\\\"cret\"\n  port"#, r#"a: b\n  password: \"******\"\n  port"#),
            ("{host: h, password: s3cret, user: u}", "{host: h, password: ******, user: u}"),
            ("mysql://root:s3cret@127.0.0.1:3306/x", "mysql://root:******@127.0.0.1:3306/x"),
            ("mysql://root:s3@cret@h/", "mysql://root:******@h/"),
            ("root:s3cret@tcp(127.0.0.1:3306)/", "root:******@tcp(127.0.0.1:3306)/"),
            ("CREATE USER a IDENTIFIED BY 's3cret'", "CREATE USER a IDENTIFIED BY '******'"),
            ("SET PASSWORD = PASSWORD('s3cret')", "SET PASSWORD = ******"),
            ("ssl-key-bytes: [1, 2]", "ssl-key-bytes: ******"),
            ("s3://b/p?secret-access-key=abc&x=1", "s3://b/p?secret-access-key=******&x=1"),
            (
                "Access denied for user 'root'@'h' (using password: YES)",
                "Access denied for user 'root'@'h' (using password: YES)",
            ),
            ("http://10.0.0.1:8261/status", "http://10.0.0.1:8261/status"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(redact(text), shown);
            assert!(!redact(text).contains("cret") || text.contains("secret-access-key"), "{text}");
        }
    }
}
