//! Commands that DM has and this version does not: they are listed, and say so.

use crate::{
    dmctl::{
        cobra::Spec,
        session::{Failure, Outcome},
    },
    error::{Code, DmError},
};

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
);
pub const OFFLINE_MEMBER: Spec = Spec::new(
    "offline-member <--master/--worker> <--name master-name/worker-name>",
    "Forgets a member that was shut down",
);
pub const OPERATE_LEADER: Spec = Spec::new("operate-leader <operate-type>", "`evict`/`cancel-evict` the leader");
pub const ENCRYPT: Spec = Spec::new("encrypt <plain-text>", "Encrypts a text with the cluster's key");
pub const SHARD_DDL_LOCK: Spec = Spec::new("shard-ddl-lock [task]", "Shows or resolves shard DDL locks")
    .with_subcommands(&[Spec::new("unlock <lock-id>", "Resolves a shard DDL lock by force")]);
pub const SHOW_DDL_LOCKS: Spec =
    Spec::new("show-ddl-locks [-s source ...] [task-name | task-file]", "Shows DDL locks").hidden();
pub const UNLOCK_DDL_LOCK: Spec = Spec::new("unlock-ddl-lock <lock-ID>", "Resolves a DDL lock by force").hidden();
pub const BINLOG: Spec = Spec::new("binlog <command>", "Handles binlog events that a task failed on").group(&[
    Spec::new("skip <task-name>", "Skips the event"),
    Spec::new("replace <task-name> <replace-sql1> <replace-sql2>...", "Puts other statements in the event's place"),
    Spec::new("revert <task-name>", "Takes an earlier skip, replace or inject back"),
    Spec::new("inject <task-name> <inject-sql1> <inject-sql2>...", "Puts statements before the event"),
    Spec::new("list <task-name>", "Lists what was set for later events"),
]);
pub const HANDLE_ERROR: Spec = Spec::new(
    "handle-error <task-name | task-file> [-s source ...] [-b binlog-pos] <skip/replace/revert>",
    "Old form of `binlog`",
)
.hidden();
pub const BINLOG_SCHEMA: Spec =
    Spec::new("binlog-schema <command>", "Shows or changes the table structures that a task tracks").group(&[
        Spec::new("list <task-name> <database> <table>", "Shows a structure"),
        Spec::new("update <task-name> <database> <table> [schema-file]", "Sets a structure"),
        Spec::new("delete <task-name> <database> <table>", "Forgets a structure"),
    ]);
pub const OPERATE_SCHEMA: Spec = Spec::new(
    "operate-schema <operate-type> <-s source ...> <task-name | task-file> <-d database> <-t table> [schema-file]",
    "Old form of `binlog-schema`",
)
.hidden();
pub const VALIDATION: Spec =
    Spec::new("validation", "Compares migrated rows with the source while a task runs").group(&[
        Spec::new("start [--all-task] [task-name]", "Starts validation"),
        Spec::new("stop [--all-task] [task-name]", "Stops validation"),
        Spec::new("status [--table-stage stage] <task-name>", "Shows how validation stands"),
        Spec::new("show-error [--error error-state] <task-name>", "Shows rows that differ"),
        Spec::new("ignore-error <task-name> <error-id|--all>", "Marks differing rows as ignored"),
        Spec::new("resolve-error <task-name> <error-id|--all>", "Marks differing rows as resolved"),
        Spec::new("clear-error <task-name> <error-id|--all>", "Forgets differing rows"),
        Spec::new("update [task-name]", "Changes a running validation"),
    ]);

/// The answer of dmctl.
pub fn run(names: &[&str]) -> Outcome {
    Err(Failure::Text(format!("command `{}` is not supported by this version yet", names.join(" "))))
}

/// The answer of a server (38041).
pub fn refusal(operation: &str) -> DmError {
    DmError::new(Code::MasterInvalidOperateOp).msg(format!("{operation} is not supported by this version yet"))
}
