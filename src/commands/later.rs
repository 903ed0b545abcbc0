//! Commands that DM has and this version does not: they are listed, and say so.

use super::start_task::START_TIME;
use crate::{
    dmctl::{
        cobra::{Flag, Spec},
        session::{Failure, Outcome},
    },
    error::{Code, DmError},
};

const UNLOCK_FLAGS: &[Flag] = &[
    Flag::text("owner", "", "source that takes the owner's place").short('o'),
    Flag::switch("force-remove", "removes the lock although statements could not be run").short('f'),
    Flag::text("action", "skip", "what becomes of the statements: skip or exec").short('a'),
    DATABASE,
    TABLE,
];
const DATABASE: Flag = Flag::text("database", "", "database of the table").short('d');
const TABLE: Flag = Flag::text("table", "", "name of the table").short('t');
const ALL_ERRORS: Flag = Flag::switch("all", "all rows that differ");
const ALL_TASK: Flag = Flag::switch("all-task", "all tasks");

pub const TRANSFER_SOURCE: Spec =
    Spec::new("transfer-source <source-id> <worker-id>", "Transfers an upstream source to another free worker");
pub const START_RELAY: Spec =
    Spec::new("start-relay <-s source-id> [worker ...]", "Starts pulling the relay log of a source");
pub const STOP_RELAY: Spec =
    Spec::new("stop-relay <-s source-id> [worker ...]", "Stops pulling the relay log of a source");
pub const PAUSE_RELAY: Spec = Spec::new("pause-relay <-s source ...>", "Pauses the relay unit of sources");
pub const RESUME_RELAY: Spec = Spec::new("resume-relay <-s source ...>", "Resumes the relay unit of sources");
pub const PURGE_RELAY: Spec = Spec::new(
    "purge-relay <-s source> <-f filename> [--sub-dir directory]",
    "Removes relay log files of a source that are older than a file",
)
.flags(&[
    Flag::text("filename", "", "files before this one are removed, such as \"mysql-bin.000006\"").short('f'),
    Flag::text("sub-dir", "", "relay sub-directory of the file; the latest one if not given"),
]);
pub const OFFLINE_MEMBER: Spec = Spec::new(
    "offline-member <--master/--worker> <--name master-name/worker-name>",
    "Forgets a member that was shut down",
)
.flags(&[
    Flag::switch("master", "the member is a master").short('m'),
    Flag::switch("worker", "the member is a worker").short('w'),
    Flag::text("name", "", "name of the member").short('n'),
]);
pub const OPERATE_LEADER: Spec = Spec::new("operate-leader <operate-type>", "`evict`/`cancel-evict` the leader");
pub const ENCRYPT: Spec = Spec::new("encrypt <plain-text>", "Encrypts a text with the cluster's key");
pub const SHARD_DDL_LOCK: Spec = Spec::new("shard-ddl-lock [task]", "Shows or resolves shard DDL locks")
    .with_subcommands(&[Spec::new("unlock <lock-id>", "Resolves a shard DDL lock by force").flags(UNLOCK_FLAGS)]);
pub const SHOW_DDL_LOCKS: Spec =
    Spec::new("show-ddl-locks [-s source ...] [task-name | task-file]", "Shows DDL locks").hidden();
pub const UNLOCK_DDL_LOCK: Spec =
    Spec::new("unlock-ddl-lock <lock-ID>", "Resolves a DDL lock by force").hidden().flags(UNLOCK_FLAGS);
pub const VALIDATION: Spec =
    Spec::new("validation", "Compares migrated rows with the source while a task runs").group(&[
        Spec::new("start [--all-task] [task-name]", "Starts validation").flags(&[
            ALL_TASK,
            Flag::text("mode", "full", "how rows are compared: full or fast"),
            START_TIME,
        ]),
        Spec::new("stop [--all-task] [task-name]", "Stops validation").flags(&[ALL_TASK]),
        Spec::new("status [--table-stage stage] <task-name>", "Shows how validation stands").flags(&[Flag::text(
            "table-stage",
            "",
            "only tables of this stage: running or stopped",
        )]),
        Spec::new("show-error [--error error-state] <task-name>", "Shows rows that differ").flags(&[Flag::text(
            "error",
            "unprocessed",
            "which ones: all, ignored or unprocessed",
        )]),
        Spec::new("ignore-error <task-name> <error-id|--all>", "Marks differing rows as ignored").flags(&[ALL_ERRORS]),
        Spec::new("resolve-error <task-name> <error-id|--all>", "Marks differing rows as resolved")
            .flags(&[ALL_ERRORS]),
        Spec::new("clear-error <task-name> <error-id|--all>", "Forgets differing rows").flags(&[ALL_ERRORS]),
        Spec::new("update [task-name]", "Changes a running validation").flags(&[
            Flag::text(
                "cutover-binlog-pos",
                "",
                "binlog file and position from which the new settings hold, such as '(mysql-bin.000001, 5989)'",
            ),
            Flag::text("cutover-binlog-gtid", "", "the same as a GTID set, for sources with GTID"),
        ]),
    ]);

/// The answer of dmctl.
pub fn run(names: &[&str]) -> Outcome {
    Err(Failure::Text(format!("command `{}` is not supported by this version yet", names.join(" "))))
}

/// The answer of a server (38041).
pub fn refusal(operation: &str) -> DmError {
    DmError::new(Code::MasterInvalidOperateOp).msg(format!("{operation} is not supported by this version yet"))
}
