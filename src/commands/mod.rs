//! One file per dmctl command: its arguments, its request, what it does on the leader, its reply.
//!
//! `SPEC` is the command line, `run` the dmctl side (request and printing), `apply` the leader's side. What several
//! commands share stands in `input` (files and names that users give), `probe` (asking a source), `reply`.

pub mod binlog;
pub mod binlog_schema;
pub mod check_task;
pub mod cluster;
pub mod config;
pub mod config_files;
pub mod get_config;
pub mod help;
mod input;
pub mod later;
pub mod list_member;
pub mod match_rules;
pub mod operate_source;
pub mod operate_task;
pub mod pause_task;
mod probe;
pub mod query_status;
pub mod reply;
pub mod resume_task;
pub mod start_task;
pub mod stop_task;
#[cfg(test)]
pub mod testing;
pub mod version;

use crate::dmctl::{
    cobra::{Matches, Spec, Tool},
    session::{Outcome, Session},
};

/// Every command.
pub const ALL: &[Spec] = &[
    binlog::SPEC,
    binlog_schema::SPEC,
    check_task::SPEC,
    config::SPEC,
    later::ENCRYPT,
    get_config::SPEC,
    binlog::HANDLE_ERROR,
    help::SPEC,
    list_member::SPEC,
    match_rules::SPEC,
    later::OFFLINE_MEMBER,
    later::OPERATE_LEADER,
    binlog_schema::OPERATE_SCHEMA,
    operate_source::SPEC,
    later::PAUSE_RELAY,
    pause_task::SPEC,
    later::PURGE_RELAY,
    query_status::SPEC,
    later::RESUME_RELAY,
    resume_task::SPEC,
    later::SHARD_DDL_LOCK,
    later::SHOW_DDL_LOCKS,
    later::START_RELAY,
    start_task::SPEC,
    later::STOP_RELAY,
    stop_task::SPEC,
    later::TRANSFER_SOURCE,
    later::UNLOCK_DDL_LOCK,
    later::VALIDATION,
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
        ["help"] => help::run(session, tool, matches),
        other => later::run(other),
    }
}
