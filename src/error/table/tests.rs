use super::*;
use crate::error::DmError;

#[test]
fn every_code_has_one_row_in_order() {
    let ranges = [functional::ROWS, config::ROWS, units::ROWS, node::ROWS, cluster::ROWS];
    let rows: Vec<Code> = ranges.concat().into_iter().map(|(code, _)| code).collect();
    assert_eq!(rows, Code::ALL);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    for code in Code::ALL {
        let entry = code.entry();
        assert_eq!(entry.name, format!("{code:?}"));
        assert!(!entry.text.is_empty(), "{code:?}");
    }
}

#[test]
fn messages_say_something_and_workarounds_are_sentences() {
    for code in Code::ALL {
        let entry = code.entry();
        assert!(!entry.text.ends_with('.') && !entry.text.contains("as above"), "{code:?}");
        assert!(entry.workaround.is_empty() || entry.workaround.ends_with('.'), "{code:?}");
    }
}

#[test]
fn oddities_of_the_original() {
    for (number, class) in [
        (11126, Class::BinlogOp),
        (11129, Class::SyncUnit),
        (34017, Class::Functional),
        (46009, Class::DmMaster),
        (46010, Class::DmMaster),
        (46015, Class::DmMaster),
        (46016, Class::DmMaster),
        (46017, Class::DmMaster),
        (26007, Class::TaskCheck),
        (46014, Class::Scheduler),
        (50000, Class::NotSet),
    ] {
        let code = Code::ALL.iter().find(|code| **code as u16 == number).unwrap();
        assert_eq!(code.entry().class, class, "{number}");
    }
}

/// Whole texts that users of the original know, from its replies.
#[test]
fn known_texts() {
    let cases = [
        (
            DmError::new(Code::SchedulerSourceCfgExist).msg("source config with ID mysql-01 already exists"),
            "[code=46007:class=scheduler:scope=internal:level=medium], Message: source config with ID mysql-01 already exists",
        ),
        (
            DmError::new(Code::DBDriverError)
                .scope(Scope::Upstream)
                .cause("dial tcp 127.0.0.1:1: connect: connection refused"),
            "[code=10001:class=database:scope=upstream:level=high], Message: database driver error, RawCause: dial tcp 127.0.0.1:1: connect: connection refused, Workaround: Please check the database connection and the database config in configuration file.",
        ),
        (
            DmError::new(Code::SchedulerSubTaskExist)
                .msg("subtasks with name cap for sources [mysql-01] already exist"),
            "[code=46014:class=scheduler:scope=internal:level=medium], Message: subtasks with name cap for sources [mysql-01] already exist, Workaround: Please use `query-status` command to see tasks.",
        ),
        (
            DmError::new(Code::SchedulerWorkerNotExist).msg("dm-worker with name worker9 not exists"),
            "[code=46004:class=scheduler:scope=internal:level=medium], Message: dm-worker with name worker9 not exists",
        ),
        (
            DmError::new(Code::MasterOperRespNotSuccess)
                .msg("some error occurs in dm-worker: relay is disabled for this source"),
            "[code=38032:class=dm-master:scope=internal:level=high], Message: some error occurs in dm-worker: relay is disabled for this source, Workaround: Please execute `query-status` to check status.",
        ),
        (
            DmError::new(Code::SchedulerWorkerOnline).msg("dm-worker with name worker2 is still online"),
            "[code=46005:class=scheduler:scope=internal:level=medium], Message: dm-worker with name worker2 is still online, Workaround: Please shut it down first.",
        ),
        (
            DmError::new(Code::SchedulerSourceOpTaskExist)
                .msg("source with name mysql-01 need to operate has existing tasks [cap]"),
            "[code=46010:class=dm-master:scope=internal:level=medium], Message: source with name mysql-01 need to operate has existing tasks [cap], Workaround: Please `stop-task` first.",
        ),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn rendering_rules() {
    let error = DmError::new(Code::DBExecuteFailed).cause("first").cause("second").msg("m").workaround("w");
    assert_eq!(error.raw_cause(), "first", "the innermost cause stays");
    let error = error.annotate("startLocation: [x]").scope(Scope::Downstream);
    assert_eq!(
        error.to_string(),
        "[code=10006:class=database:scope=downstream:level=high], Message: startLocation: [x]: m, RawCause: first, Workaround: w"
    );
    let shown = error.to_process_error();
    assert_eq!((shown.err_code, shown.err_class.as_str(), shown.err_scope.as_str()), (10006, "database", "downstream"));
    assert_eq!((shown.err_level.as_str(), shown.raw_cause.as_str(), shown.workaround.as_str()), ("high", "first", "w"));
    let bare = DmError::new(Code::NotSet).msg("whole text").to_process_error();
    assert_eq!((bare.err_code, bare.err_class.as_str(), bare.message.as_str()), (50000, "not-set", "whole text"));
    assert_eq!((bare.raw_cause.as_str(), bare.workaround.as_str()), ("", ""));
}
