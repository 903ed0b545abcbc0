//! Which errors a supervisor resumes by itself: the one place that knows (error facts: section 2).
//!
//! An error is judged by its code and by fragments of its raw cause. Server errors are in the raw cause as
//! `Error <number> (<sqlstate>): <text>`; all comparisons ignore case. Whatever is not listed is resumable.

use super::Code;
use crate::pb;

/// Statements that fail again however often they are tried.
const DDL_FRAGMENTS: &[&str] = &[
    "can't drop column with index",
    "with tidb_enable_change_multi_schema is disable",
    "unsupported add column",
    "unsupported modify column",
    "unsupported modify charset",
    "unsupported modify collate",
    "unsupported drop integer primary key",
    "unsupported collation",
    "invalid default value for",
    "unsupported drop primary key",
    // Name too long, too many columns, too many keys.
    "error 1059",
    "error 1117",
    "error 1069",
];

/// Rows that the target refuses: duplicate, too long, wrong value, transaction entry too large.
const DML_FRAGMENTS: &[&str] = &["error 1062", "error 1406", "error 1366", "error 8025"];

/// The source no longer has the events that are needed.
const FIRST_LOG_MISSING: &str = "could not find first log file name in binary log index file";
/// The same with auto-position, where both parts must be in the text.
const GTIDS_PURGED: [&str; 2] = ["auto_position", "purged"];

/// Damage of a relay file; other parse errors of relay files may go away.
const RELAY_FRAGMENTS: &[&str] = &["binlog checksum mismatch, data may be corrupted", "get event err eof"];

/// An import that failed for a reason that may go away.
const IMPORT_FRAGMENTS: &[&str] = &["doesn't exist", "is in mode import"];

/// Codes that need a decision of the operator.
const UNIT_CODES: &[Code] = &[
    Code::SyncUnitDDLWrongSequence,
    Code::DumpUnitGlobalLock,
    Code::DumpUnitRuntime,
    Code::SyncerUnitDMLColumnNotMatch,
    Code::SyncerCancelledDDL,
    Code::LoadLightningHasDup,
    Code::LoadLightningChecksum,
];

/// Of a lock that is refused for now: others' statements and transactions hold it off.
const HELD_OFF: &[&str] = &["error 1205", "error 1213"];

/// The same for the relay unit.
const RELAY_CODES: &[Code] = &[
    Code::RelayUUIDSuffixNotValid,
    Code::RelayUUIDSuffixLessThanPrev,
    Code::RelayBinlogNameNotValid,
    Code::RelayNoCurrentUUID,
    Code::RelayLogDirpathEmpty,
];

fn contains_any(text: &str, fragments: &[&str]) -> bool {
    fragments.iter().any(|fragment| text.contains(fragment))
}

/// Whether a subtask that stopped with this error may be resumed without an operator.
/// A subtask is resumed only if all its errors are resumable.
pub fn is_resumable(error: &pb::ProcessError) -> bool {
    let cause = error.raw_cause.to_lowercase();
    if contains_any(&cause, DDL_FRAGMENTS) || contains_any(&cause, DML_FRAGMENTS) {
        return false;
    }
    if cause.contains(FIRST_LOG_MISSING) || GTIDS_PURGED.iter().all(|part| cause.contains(part)) {
        return false;
    }
    if error.err_code == Code::ParserParseRelayLog as i32 {
        return !contains_any(&error.message.to_lowercase(), RELAY_FRAGMENTS);
    }
    if error.err_code == Code::DumpUnitGlobalLock as i32 && contains_any(&cause, HELD_OFF) {
        return true;
    }
    if UNIT_CODES.iter().any(|code| *code as i32 == error.err_code) {
        return false;
    }
    if error.err_code == Code::LoadLightningRuntime as i32 {
        return contains_any(&cause, IMPORT_FRAGMENTS);
    }
    true
}

/// The same for the relay unit, which is judged by its code alone.
pub fn is_relay_resumable(error: &pb::ProcessError) -> bool {
    !RELAY_CODES.iter().any(|code| *code as i32 == error.err_code)
}

/// Whether a database error met by a helper of a unit (validator, checkers) is worth another try.
pub fn is_db_error_retryable(text: &str) -> bool {
    let text = text.to_lowercase();
    !(contains_any(&text, DDL_FRAGMENTS) || contains_any(&text, DML_FRAGMENTS) || text.contains("context canceled"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DmError;

    fn error(code: Code, message: &str, cause: &str) -> pb::ProcessError {
        let mut error = DmError::new(code).cause(cause);
        if !message.is_empty() {
            error = error.msg(message);
        }
        error.to_process_error()
    }

    #[test]
    fn raw_causes_decide_first() {
        for cause in [
            "Error 8200 (HY000): Unsupported modify column: type",
            "Error 8200 (HY000): UNSUPPORTED ADD COLUMN x",
            "Error 8200 (HY000): can't drop column with index c with tidb_enable_change_multi_schema is disable",
            "Error 1067 (42000): Invalid default value for 'c'",
            "Error 1273 (HY000): Unsupported collation when new collation is enabled: 'x'",
            "Error 1059 (42000): Identifier name 'x' is too long",
            "Error 1117 (HY000): Too many columns",
            "Error 1069 (42000): Too many keys",
            "Error 1062 (23000): Duplicate entry '1' for key 'PRIMARY'",
            "error 1406 (22001): data too long",
            "Error 1366 (HY000): Incorrect value",
            "Error 8025 (HY000): entry too large",
            "ERROR 1236 (HY000): Could not find first log file name in binary log index file",
            "Error 1236 (HY000): The replica is connecting using SOURCE_AUTO_POSITION = 1, but the source has purged binary logs containing GTIDs that the replica requires.",
            "Error 1236 (HY000): The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs containing GTIDs that the slave requires.",
        ] {
            assert!(!is_resumable(&error(Code::DBExecuteFailed, "", cause)), "{cause}");
        }
        for cause in [
            "invalid connection",
            "dial tcp 127.0.0.1:1: connect: connection refused",
            "Error 1205 (HY000): Lock wait timeout exceeded",
            "Error 1236 (HY000): log event entry exceeded max_allowed_packet",
            "",
        ] {
            assert!(is_resumable(&error(Code::DBExecuteFailed, "", cause)), "{cause}");
        }
    }

    #[test]
    fn codes_decide_next() {
        for number in [36008, 32004, 32001, 36027, 11129, 34020, 34021] {
            let code = *Code::ALL.iter().find(|code| **code as i32 == number).unwrap();
            assert!(!is_resumable(&error(code, "", "anything")), "{number}");
        }
        let held_off = "Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction";
        assert!(is_resumable(&error(Code::DumpUnitGlobalLock, "", held_off)));
        for code in [Code::DBBadConn, Code::SchemaTrackerCannotFetchDownstreamTable, Code::SyncerGetEvent, Code::NotSet]
        {
            assert!(is_resumable(&error(code, "", "anything")), "{code:?}");
        }
    }

    #[test]
    fn relay_files_and_imports() {
        let relay = Code::ParserParseRelayLog;
        assert_eq!(relay as i32, 11038);
        assert!(!is_resumable(&error(relay, "relay: Binlog checksum mismatch, data may be corrupted", "x")));
        assert!(!is_resumable(&error(relay, "parse: get event err EOF", "x")));
        assert!(is_resumable(&error(relay, "other", "get event err EOF")));
        let import = Code::LoadLightningRuntime;
        assert_eq!(import as i32, 34019);
        assert!(!is_resumable(&error(import, "", "checksum")));
        assert!(is_resumable(&error(import, "", "Error 1146 (42S02): Table 'a.b' doesn't exist")));
        assert!(is_resumable(&error(import, "", "cluster is in mode Import")));
    }

    #[test]
    fn relay_unit_and_plain_errors() {
        for number in [30001, 30002, 30004, 30005, 30008] {
            let code = *Code::ALL.iter().find(|code| **code as i32 == number).unwrap();
            assert!(!is_relay_resumable(&error(code, "", "")), "{number}");
        }
        assert!(is_relay_resumable(&error(Code::RelayTCPReaderGetEvent, "", "Error 1062")));
        assert!(is_db_error_retryable("invalid connection"));
        assert!(!is_db_error_retryable("Error 1062 (23000): Duplicate entry"));
        assert!(!is_db_error_retryable("Context canceled"));
    }
}
