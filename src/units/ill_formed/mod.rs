//! Bytes that are no text of their character set: how a target says so, how they are brought in all the same, and what can
//! be done where that is not possible (decision 38).

mod events;
mod keeper;
mod plan;
mod statement;

pub use keeper::Keeper;

/// The character set of which the target says that bytes are no text of it (decision 13: the literals are such that it
/// refuses those bytes and never changes them).
pub fn charset(code: u16, message: &str) -> Option<&str> {
    const INVALID_CHARACTER_STRING: u16 = 1300;
    const INCORRECT_VALUE: u16 = 1366;
    const NOT_OF_CHARSET: u16 = 1253;
    match code {
        // Of the literals of ASCII text, and of UTF-8 on TiDB (`mysql::literal`).
        NOT_OF_CHARSET if message.ends_with("'ascii'") => Some("ascii"),
        NOT_OF_CHARSET if message.contains("'ascii_bin'") => Some("utf8mb4"),
        INVALID_CHARACTER_STRING => message.strip_prefix("Invalid ")?.split(' ').next(),
        INCORRECT_VALUE if message.starts_with("Incorrect string value") => Some("valid"),
        _ => None,
    }
}

/// Whether a target refuses rows for bytes that are no text.
pub fn is_refusal(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Server(server) if charset(server.code, &server.message).is_some())
}

/// What to do about columns (their quoted names) of a target table; `mended` is said of a row that was mended on the source.
pub fn advice(charset: &str, columns: &str, table: &str, mended: &str) -> String {
    format!(
        "A text of the row (columns {columns} of {table}) holds bytes that are no {charset} text, and the target's column of text \
         doesn't keep them: the cause says why, and what to grant where only a right is missing. Make the column VARBINARY or a \
         BLOB there, which keeps the bytes as they are, and resume; or mend the row on the source, {mended}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_from_other_refusals() {
        assert_eq!(charset(1300, "Invalid gbk character string: '81FF'"), Some("gbk"));
        let value = "Incorrect string value: '\\xFF' for column `d`.`t`.`a` at row 1";
        assert_eq!(charset(1366, value), Some("valid"));
        assert_eq!(charset(1366, "Incorrect integer value: 'x' for column `d`.`t`.`a` at row 1"), None);
        let ascii = "COLLATION 'utf8mb4_bin' is not valid for CHARACTER SET 'ascii'";
        assert_eq!(charset(1253, ascii), Some("ascii"));
        let tidb = "COLLATION 'ascii_bin' is not valid for CHARACTER SET 'utf8mb4'";
        assert_eq!(charset(1253, tidb), Some("utf8mb4"));
        assert_eq!(charset(1062, "Duplicate entry 'Invalid gbk' for key 'PRIMARY'"), None);
    }
}
