//! One file per dmctl command: its arguments, its request, what it does on the leader, its reply.
//!
//! `SPEC` is the command line, `run` the dmctl side (request and printing), `apply` the leader's side. What several
//! commands share stands in `input` (files and names that users give), `probe` (asking a source), `reply`.

pub mod binlog;
pub mod binlog_schema;
pub mod check_task;
pub mod cluster;
pub mod completion;
pub mod config;
pub mod config_files;
pub mod diag;
pub mod encrypt;
pub mod get_config;
pub mod help;
mod input;
pub mod later;
pub mod list_member;
pub mod match_rules;
pub mod offline_member;
pub mod operate_leader;
pub mod operate_source;
pub mod operate_task;
pub mod pause_task;
mod probe;
pub mod query_status;
pub mod relay;
pub mod reply;
pub mod resume_task;
pub mod shard_ddl_lock;
pub mod source_patterns;
pub mod start_task;
mod status_table;
pub mod stop_task;
#[cfg(any(test, fuzzing))]
pub mod testing;
pub mod transfer_source;
pub mod validation;
pub mod version;
mod wait;

use crate::{
    dmctl::{
        cobra::{Matches, Spec, Tool},
        session::{Outcome, Session},
    },
    pb::{RelayOp, RelayOpV2},
};

/// Every command.
pub const ALL: &[Spec] = &[
    binlog::SPEC,
    binlog_schema::SPEC,
    check_task::SPEC,
    completion::SPEC,
    completion::ASK,
    config::SPEC,
    diag::SPEC,
    encrypt::SPEC,
    get_config::SPEC,
    binlog::HANDLE_ERROR,
    help::SPEC,
    list_member::SPEC,
    match_rules::SPEC,
    offline_member::SPEC,
    operate_leader::SPEC,
    binlog_schema::OPERATE_SCHEMA,
    operate_source::SPEC,
    relay::PAUSE,
    pause_task::SPEC,
    relay::PURGE,
    query_status::SPEC,
    relay::RESUME,
    resume_task::SPEC,
    shard_ddl_lock::SPEC,
    shard_ddl_lock::SHOW,
    relay::START,
    start_task::SPEC,
    relay::STOP,
    stop_task::SPEC,
    transfer_source::SPEC,
    shard_ddl_lock::UNLOCK,
    validation::SPEC,
];

/// Runs the command at `path` (names from the root's child on) on the dmctl side.
pub async fn run(session: &mut Session, tool: &Tool, path: &[&'static Spec], matches: &Matches) -> Outcome {
    let names: Vec<&str> = path.iter().map(|spec| spec.name()).collect();
    match names.as_slice() {
        ["start-task"] => start_task::run(session, matches).await,
        ["stop-task"] => stop_task::run(session, matches).await,
        ["pause-task"] => pause_task::run(session, matches).await,
        ["resume-task"] => resume_task::run(session, matches).await,
        ["check-task"] => check_task::run(session, matches).await,
        ["query-status"] => query_status::run(session, matches).await,
        ["operate-source"] => operate_source::run(session, matches).await,
        ["list-member"] => list_member::run(session, matches).await,
        ["match"] => match_rules::run(session, matches).await,
        ["get-config"] => get_config::run(session, matches).await,
        ["config", rest @ ..] => config::run(session, rest, matches).await,
        ["binlog", op] => binlog::run(session, op, matches).await,
        ["handle-error"] => binlog::run_handle_error(session, matches).await,
        ["binlog-schema", op] => binlog_schema::run(session, op, matches).await,
        ["operate-schema"] => binlog_schema::run_operate_schema(session, matches).await,
        ["completion"] => completion::run(session, matches),
        ["__complete"] => completion::ask(session, matches).await,
        ["diag"] => diag::run(session, matches).await,
        ["encrypt"] => encrypt::run(session, matches).await,
        ["start-relay"] => relay::run_operate(session, matches, RelayOpV2::StartRelayV2).await,
        ["stop-relay"] => relay::run_operate(session, matches, RelayOpV2::StopRelayV2).await,
        ["pause-relay"] => relay::run_pause(session, matches, RelayOp::PauseRelay).await,
        ["resume-relay"] => relay::run_pause(session, matches, RelayOp::ResumeRelay).await,
        ["purge-relay"] => relay::run_purge(session, matches).await,
        ["shard-ddl-lock"] | ["show-ddl-locks"] => shard_ddl_lock::run_show(session, matches).await,
        ["shard-ddl-lock", "unlock"] | ["unlock-ddl-lock"] => shard_ddl_lock::run_unlock(session, matches).await,
        ["validation", op] => validation::run(session, op, matches).await,
        ["offline-member"] => offline_member::run(session, matches).await,
        ["operate-leader"] => operate_leader::run(session, matches).await,
        ["transfer-source"] => transfer_source::run(session, matches).await,
        ["help"] => help::run(session, tool, matches),
        other => later::run(other),
    }
}
