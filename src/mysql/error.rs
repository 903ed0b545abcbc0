//! Errors of database connections in the words and codes users of DM know.

use std::io;

use mysql_async::{DriverError, Error, IoError, ServerError};

use crate::error::{Code, DmError, Scope};

/// What a connection that broke while in use is called; operators' scripts match on it.
const INVALID_CONNECTION: &str = "invalid connection";
/// What a connection that was unusable before anything was sent is called.
const BAD_CONNECTION: &str = "driver: bad connection";

/// Longest piece of a statement that goes into a message.
const LONGEST_SQL: usize = 1024;

/// A statement for a message: at most 1024 bytes, then `...`. Callers must pass statement text without row values.
pub fn short_sql(sql: &str) -> String {
    if sql.len() <= LONGEST_SQL {
        return sql.to_owned();
    }
    let mut end = LONGEST_SQL;
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &sql[..end])
}

/// The server's error number, when the server answered with one.
pub fn server_errno(error: &Error) -> Option<u16> {
    match error {
        Error::Server(server) => Some(server.code),
        _ => None,
    }
}

/// The connection broke: whether the last statement took effect is unknown.
pub fn is_connection_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) => true,
        Error::Driver(driver) => {
            matches!(driver, DriverError::ConnectionClosed | DriverError::PacketOutOfOrder)
        }
        // Killed, shutting down, or idle too long: the server closes after saying so.
        Error::Server(server) => matches!(server.code, 1053 | 1927 | 3032 | 4031),
        _ => false,
    }
}

/// Server errors after which the same statement may be sent again at once: deadlocks, and TiDB's write conflicts,
/// region and schema changes.
pub fn is_retryable(error: &Error) -> bool {
    match error {
        Error::Server(server) => match server.code {
            1213 | 8005 | 8022 | 8027 | 8028 | 8245 | 9001 | 9003 | 9004 | 9007 => true,
            1105 => {
                let text = server.message.to_lowercase();
                text.contains("information schema is out of date") || text.contains("information schema is changed")
            }
            _ => false,
        },
        _ => false,
    }
}

/// The innermost cause in the shape of the driver whose texts users' scripts match.
pub fn cause(error: &Error) -> String {
    match error {
        Error::Server(server) => server_cause(server),
        Error::Io(IoError::Io(io)) => io_cause(io),
        Error::Driver(DriverError::ConnectionClosed | DriverError::PacketOutOfOrder) => INVALID_CONNECTION.into(),
        Error::Driver(DriverError::PoolDisconnected) => BAD_CONNECTION.into(),
        // These carry values or packets: only their kind may be shown.
        Error::Driver(DriverError::FromValue { .. } | DriverError::FromRow { .. }) => {
            "a value of the result has another type than expected".into()
        }
        Error::Driver(DriverError::UnexpectedPacket { .. }) => "malformed packet".into(),
        Error::Driver(DriverError::PacketTooLarge) => {
            "packet for query is too large. Try adjusting the `max-allowed-packet` of the database config".into()
        }
        other => other.to_string(),
    }
}

/// A server's error in that shape, without the row values that it may quote.
pub fn server_cause(error: &ServerError) -> String {
    // Duplicate entry 'x' for key 'k'; Incorrect integer value: 'x' for column 'c' at row 1; ...
    const QUOTE_VALUES: [u16; 9] = [1062, 1292, 1300, 1366, 1367, 1411, 1525, 1586, 3854];
    let text = &error.message;
    let (start, end) = match text.find('\'') {
        Some(start) if QUOTE_VALUES.contains(&error.code) => {
            // Values may hold quotes: up to the last one before what the server says of the place.
            let rest = text.rfind("' for ").or_else(|| text.rfind('\'')).filter(|end| *end > start);
            (start + 1, rest.unwrap_or(text.len()))
        }
        _ => return format!("Error {} ({}): {text}", error.code, error.state),
    };
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    format!("Error {} ({}): {before}?{after}", error.code, error.state)
}

fn io_cause(error: &io::Error) -> String {
    use io::ErrorKind::*;
    match error.kind() {
        BrokenPipe | ConnectionReset | ConnectionAborted | UnexpectedEof | NotConnected => INVALID_CONNECTION.into(),
        TimedOut => "i/o timeout".into(),
        _ => error.to_string(),
    }
}

/// A failed call as a DM error: 10003 when the connection broke in use, 10002 when it was unusable, else `code`
/// (10005 for a query, 10006 for a statement, 10007 for BEGIN, 10001 in general). Takes no statement text; use
/// [`db_error_sql`] to name the statement.
pub fn db_error(error: Error, code: Code, side: Scope) -> DmError {
    let cause = cause(&error);
    let code = match cause.as_str() {
        INVALID_CONNECTION => Code::DBInvalidConn,
        BAD_CONNECTION => Code::DBBadConn,
        _ => code,
    };
    DmError::new(code).scope(side).cause(cause)
}

/// The same, with the statement (shortened; must hold no row values) in the message.
pub fn db_error_sql(error: Error, code: Code, side: Scope, sql: &str) -> DmError {
    let wrapped = db_error(error, code, side);
    let verb = if code == Code::DBQueryFailed { "query" } else { "execute" };
    let message = match wrapped.code() {
        Code::DBBadConn | Code::DBInvalidConn => format!("{}: {}", wrapped.message(), short_sql(sql)),
        _ => format!("{verb} statement failed: {}", short_sql(sql)),
    };
    wrapped.msg(message)
}

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::*;

    fn server(code: u16, state: &str, message: &str) -> Error {
        Error::Server(ServerError { code, state: state.into(), message: message.into() })
    }

    fn io(kind: io::ErrorKind) -> Error {
        Error::Io(IoError::Io(kind.into()))
    }

    #[test]
    fn server_errors_look_as_scripts_expect() {
        let error = db_error(server(1062, "23000", "Duplicate entry"), Code::DBExecuteFailed, Scope::Downstream);
        assert_eq!(error.raw_cause(), "Error 1062 (23000): Duplicate entry");
        assert_eq!((error.code(), error.scope_of()), (Code::DBExecuteFailed, Scope::Downstream));
    }

    #[test]
    fn row_values_are_not_quoted() {
        for (code, message, shown) in [
            (1062, "Duplicate entry 'it's' for key 'PRIMARY'", "Duplicate entry '?' for key 'PRIMARY'"),
            (
                1366,
                "Incorrect integer value: 'x' for column `d`.`t`.`c` at row 1",
                "Incorrect integer value: '?' for column `d`.`t`.`c` at row 1",
            ),
            (1300, "Invalid gbk character string: '81FF'", "Invalid gbk character string: '?'"),
            (1292, "Truncated incorrect DOUBLE value: 'abc'", "Truncated incorrect DOUBLE value: '?'"),
            (1062, "Duplicate entry", "Duplicate entry"),
            (1146, "Table 'd.t' doesn't exist", "Table 'd.t' doesn't exist"),
        ] {
            assert_eq!(cause(&server(code, "HY000", message)), format!("Error {code} (HY000): {shown}"));
        }
    }

    #[test]
    fn a_broken_connection_has_its_own_code() {
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
            assert!(is_connection_lost(&io(kind)));
            let error = db_error(io(kind), Code::DBExecuteFailed, Scope::Downstream);
            assert_eq!((error.code(), error.raw_cause()), (Code::DBInvalidConn, "invalid connection"));
        }
        let error = db_error(Error::Driver(DriverError::PoolDisconnected), Code::DBQueryFailed, Scope::Upstream);
        assert_eq!((error.code(), error.raw_cause()), (Code::DBBadConn, "driver: bad connection"));
    }

    #[test]
    fn retryable_means_safe_to_send_again() {
        assert!(is_retryable(&server(1213, "40001", "Deadlock found")));
        assert!(is_retryable(&server(1105, "HY000", "Information schema is changed during the execution")));
        assert!(!is_retryable(&server(1105, "HY000", "unknown error")));
        assert!(!is_retryable(&server(1205, "HY000", "Lock wait timeout exceeded")));
        assert!(!is_retryable(&io(io::ErrorKind::BrokenPipe)));
    }

    #[test]
    fn long_statements_are_cut_at_a_character() {
        let sql = format!("{}ü{}", "a".repeat(1023), "b".repeat(100));
        assert_eq!(short_sql(&sql), format!("{}...", "a".repeat(1023)));
        assert_eq!(short_sql("SELECT 1"), "SELECT 1");
    }
}
