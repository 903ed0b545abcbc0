//! Several statements in one text.

use super::{
    super::server::{ServerInfo, SqlMode},
    lexer::{TokenKind, tokenize},
};

/// The statements of a text, each with its semicolon and the blanks before it; those without a word are left out.
/// Err: what is wrong with the text.
pub fn texts(sql: &str) -> Result<Vec<&str>, &'static str> {
    let tokens = tokenize(sql, SqlMode::default(), ServerInfo::default())?.tokens;
    let (mut out, mut start, mut words) = (Vec::new(), 0, false);
    for token in tokens {
        let end = match token.kind {
            TokenKind::Symbol(';') => token.span().end,
            TokenKind::End => sql.len(),
            _ => {
                words = true;
                continue;
            }
        };
        if std::mem::take(&mut words) {
            out.extend(sql.get(start..end));
        }
        start = end;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        assert_eq!(texts("a ';' b; c `;` d;"), Ok(vec!["a ';' b;", " c `;` d;"]));
        assert_eq!(texts(" ; a /* ; */ b ;; -- x;"), Ok(vec![" a /* ; */ b ;"]));
        assert_eq!(texts("a"), Ok(vec!["a"]));
        assert_eq!(texts(" ;"), Ok(vec![]));
        assert!(texts("a 'b").is_err());
    }
}
