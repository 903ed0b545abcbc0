//! `binlog skip|replace|revert|inject|list` and its old form `handle-error`: what becomes of an event that a task failed
//! on, or has yet to reach.

use futures::future::join_all;
use serde::Serialize;

use super::{
    cluster::{Cluster, OperatorChange},
    input::task_name,
    reply::{Refusal, source_done, source_failed},
};
use crate::{
    actors::member::messages::FailureReport,
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, EventClass, Result},
    mysql::position::BinlogPosition,
    pb::{self, ErrorOp},
    rules::operator::Operator,
    schema::ddl::{self, ParseContext, Statement, StatementKind},
};

const BINLOG_POS: Flag =
    Flag::text("binlog-pos", "", "the position of the event, such as \"mysql-bin.000003:3270\"").short('b');

/// The command line.
pub const SPEC: Spec = Spec::new("binlog <command>", "Handles binlog events that a task failed on")
    .flags(&[BINLOG_POS.inherited()])
    .group(&[
        Spec::new("skip <task-name>", "Skips the event"),
        Spec::new("replace <task-name> <replace-sql1> <replace-sql2>...", "Puts other statements in the event's place"),
        Spec::new("revert <task-name>", "Takes an earlier skip, replace or inject back"),
        Spec::new("inject <task-name> <inject-sql1> <inject-sql2>...", "Puts statements before the event"),
        Spec::new("list <task-name>", "Lists what was set for later events"),
    ]);

/// The old form.
pub const HANDLE_ERROR: Spec = Spec::new(
    "handle-error <task-name | task-file> [-s source ...] [-b binlog-pos] <skip/replace/revert>",
    "Old form of `binlog`",
)
.hidden()
.flags(&[BINLOG_POS]);

/// The dmctl side of `binlog`.
pub async fn run(session: &mut Session, op: &str, matches: &Matches) -> Outcome {
    match matches.args.split_first() {
        Some((task, sqls)) => send(session, op, task, sqls, matches).await,
        None => Err(Failure::Usage(String::new())),
    }
}

/// The dmctl side of `handle-error`.
pub async fn run_handle_error(session: &mut Session, matches: &Matches) -> Outcome {
    match matches.args.as_slice() {
        [task, op, sqls @ ..] => send(session, op, task, sqls, matches).await,
        _ => Err(Failure::Usage(String::new())),
    }
}

async fn send(session: &mut Session, op: &str, task: &str, sqls: &[String], matches: &Matches) -> Outcome {
    let op = match (op, sqls.is_empty()) {
        ("skip", true) => ErrorOp::Skip,
        ("revert", true) => ErrorOp::Revert,
        ("list", true) => ErrorOp::List,
        ("replace", false) => ErrorOp::Replace,
        ("inject", false) => ErrorOp::Inject,
        _ => return Err(Failure::Usage(String::new())),
    };
    let binlog_pos = matches.one("binlog-pos").to_owned();
    if !binlog_pos.is_empty() {
        position(&binlog_pos)?;
    }
    let sqls = statements(&sqls.join(" "))?;
    let request =
        pb::HandleErrorRequest { op: op as i32, task: task_name(task), sources: matches.sources(), binlog_pos, sqls };
    let reply = session.rpc(request, |mut c, r| async move { c.handle_error(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// `name:pos`, also with a relay directory in the name. Error 11118.
fn position(text: &str) -> Result<BinlogPosition> {
    let invalid = |why: &str| {
        DmError::new(Code::VerifyHandleErrorArgs)
            .msg(format!("invalid --binlog-pos {text} in handle-error operation: {why}"))
    };
    let (name, pos) = text.rsplit_once(':').ok_or_else(|| invalid("it should be like file-name:pos"))?;
    let pos = pos.parse().map_err(|_| invalid("the pos should be digital"))?;
    let (position, _) = BinlogPosition::new(name, pos).split_relay()?;
    if position.sequence().is_none() {
        return Err(invalid("the name is not that of a binlog file"));
    }
    Ok(position)
}

/// The statements of a text, as written, each checked to be one that may be put into a binlog's place. Errors 36067,
/// 36024.
fn statements(text: &str) -> Result<Vec<String>> {
    let invalid = |why: String| {
        DmError::new(Code::SyncerParseDDL)
            .msg(format!("invalid sql '{}'", crate::mysql::error::short_sql(text)))
            .cause(why)
    };
    let texts = ddl::texts(text).map_err(|why| invalid(why.to_owned()))?;
    for text in &texts {
        let plain = text.trim().trim_end_matches(';');
        let context = ParseContext { default_schema: UNNAMED.into(), ..ParseContext::default() };
        let statement = ddl::parse(plain, &context)
            .map_err(|error| invalid(format!("{}: {}", error.message(), error.raw_cause())))?;
        check(plain, &statement)?;
    }
    Ok(texts.into_iter().map(str::to_owned).collect())
}

/// What stands for the database that a statement doesn't name: no database is called so.
const UNNAMED: &str = "\u{1}";

/// Only DDL, with the database before every table: there is no session whose default could be meant.
fn check(text: &str, statement: &Statement) -> Result<()> {
    if matches!(statement.kind, StatementKind::Dml(_)) {
        return Err(DmError::new(Code::SyncerUnitInjectDDLOnly)
            .msg("only DDL statements can be put before an event or in its place, not row changes"));
    }
    if statement.tables.iter().any(|table| table.schema == UNNAMED) {
        return Err(DmError::new(Code::SyncerUnitInjectDDLWithoutSchema)
            .msg(format!("injected DDL {} without schema name not valid", crate::mysql::error::short_sql(text)))
            .workaround("Please write the table's database before its name."));
    }
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::HandleErrorRequest) -> pb::HandleErrorResponse {
    let state = cluster.state();
    let Some(task) = state.tasks.get(&request.task).filter(|task| !task.subtasks.is_empty()) else {
        return Refusal::refused(format!(
            "task {} has no source or not exist, please check the task name and status",
            request.task
        ));
    };
    let mut sources = request.sources.clone();
    if sources.is_empty() {
        sources = task.subtasks.keys().cloned().collect();
    }
    let done = join_all(sources.iter().map(|source| async {
        let worker = state.bindings.get(source).map(|binding| binding.worker.clone()).unwrap_or_default();
        match handle(cluster, &request, source).await {
            Ok(msg) => pb::CommonWorkerResponse { msg, ..source_done(source, &worker) },
            Err(reason) => source_failed(source, "", reason),
        }
    }))
    .await;
    pb::HandleErrorResponse { result: true, msg: String::new(), sources: done }
}

/// One source. The error is the text of the reply.
async fn handle(cluster: &dyn Cluster, request: &pb::HandleErrorRequest, source: &str) -> Result<String, String> {
    let words = |error: DmError| error.to_string();
    let task = &request.task;
    let Some(operators) = operators_of(cluster, task, source) else {
        return Err(format!("source {source} has no subtask of task {task}"));
    };
    let report = cluster.failure(source, task).await.map_err(words)?;
    if report.unit != pb::UnitType::Sync as i32 {
        let unit = pb::UnitType::try_from(report.unit).unwrap_or_default().as_str_name();
        let error = DmError::new(Code::WorkerOperSyncUnitOnly)
            .msg(format!("such operation is only available for syncer. current unit is {unit}"));
        return Err(words(error));
    }
    let place = place(request, &report, source)?;
    match request.op() {
        ErrorOp::List => Ok(listed(task, &operators, &place.position)),
        ErrorOp::Revert => {
            let change = OperatorChange::Remove { position: known_position(&operators, &place) };
            cluster.operate_event(source, task, change).await.map_err(words)?;
            Ok(String::new())
        }
        op @ (ErrorOp::Skip | ErrorOp::Replace | ErrorOp::Inject) => {
            let texts = request.sqls.iter().map(|sql| statements(sql)).collect::<Result<Vec<_>>>().map_err(words)?;
            let texts = texts.concat();
            if texts.is_empty() && op != ErrorOp::Skip {
                return Err(words(DmError::new(Code::SyncerEventNotExist).msg("no statement was given")));
            }
            let operator = operator(op, texts, place, &operators);
            let change = OperatorChange::Set { operator, passed: report.flushed };
            cluster.operate_event(source, task, change).await.map_err(words)?;
            Ok(String::new())
        }
        ErrorOp::InvalidErrorOp => {
            let error = DmError::new(Code::MasterInvalidOperateOp).msg(format!(
                "operation {} is not one for events (allowed: Skip, Replace, Revert, Inject, List)",
                request.op
            ));
            Err(words(error))
        }
    }
}

fn operators_of(cluster: &dyn Cluster, task: &str, source: &str) -> Option<Vec<Operator>> {
    Some(cluster.state().tasks.get(task)?.subtasks.get(source)?.operators.clone())
}

/// Which event is meant.
struct Place {
    position: BinlogPosition,
    gtid: String,
    /// What an earlier operator put before it has run.
    injected: bool,
}

fn place(request: &pb::HandleErrorRequest, report: &FailureReport, source: &str) -> Result<Place, String> {
    if !request.binlog_pos.is_empty() {
        let position = position(&request.binlog_pos).map_err(|error| error.to_string())?;
        return Ok(Place { position, gtid: String::new(), injected: false });
    }
    let Some(event) = &report.event else { return Err(format!("source '{source}' has no error")) };
    if event.class == EventClass::Rows && matches!(request.op(), ErrorOp::Skip | ErrorOp::Replace) {
        return Err(format!(
            "only support to handle ddl error currently: the event at {} holds row changes. Give its position with \
             --binlog-pos to leave all of them out, or mend the cause and resume-task",
            event.position
        ));
    }
    Ok(Place { position: event.position.clone(), gtid: event.gtid.clone(), injected: event.injected })
}

/// The operator for a failed event may be known under the event's GTID.
fn known_position(operators: &[Operator], place: &Place) -> BinlogPosition {
    let same = |operator: &&Operator| !place.gtid.is_empty() && operator.gtid == place.gtid;
    operators.iter().find(same).map_or(&place.position, |operator| &operator.position).clone()
}

fn operator(op: ErrorOp, texts: Vec<String>, place: Place, known: &[Operator]) -> Operator {
    let earlier = known.iter().find(|operator| operator.position == place.position);
    // What ran before the event has run: it stays part of its place.
    let before = earlier.filter(|_| place.injected).map(|operator| operator.before.clone()).unwrap_or_default();
    let (before, instead) = match op {
        ErrorOp::Inject => (before.into_iter().chain(texts).collect(), None),
        ErrorOp::Replace => (before, Some(texts)),
        _ => (before, Some(Vec::new())),
    };
    Operator { position: place.position, gtid: place.gtid, before, instead }
}

/// One entry of the list.
#[derive(Serialize)]
struct Listed<'a> {
    op: i32,
    task: &'a str,
    #[serde(rename = "binlogPos")]
    binlog_pos: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sqls: &'a [String],
}

fn listed(task: &str, operators: &[Operator], from: &BinlogPosition) -> String {
    let mut list = Vec::new();
    for operator in operators.iter().filter(|operator| operator.position >= *from) {
        let mut add = |op: ErrorOp, sqls| {
            list.push(Listed { op: op as i32, task, binlog_pos: operator.position.to_string(), sqls });
        };
        if !operator.before.is_empty() {
            add(ErrorOp::Inject, operator.before.as_slice());
        }
        match operator.instead.as_deref() {
            Some([]) => add(ErrorOp::Skip, &[]),
            Some(texts) => add(ErrorOp::Replace, texts),
            None => {}
        }
    }
    serde_json::to_string(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_checked_before_anything_is_sent() {
        assert_eq!(position("mysql-bin.000003:3270").unwrap(), BinlogPosition::new("mysql-bin.000003", 3270));
        assert_eq!(position("mysql-bin|000001.000003:3270").unwrap(), BinlogPosition::new("mysql-bin.000003", 3270));
        let text = position("mysql-bin:should-be-digital").unwrap_err().to_string();
        assert!(
            text.contains("Message: invalid --binlog-pos mysql-bin:should-be-digital in handle-error operation: the pos should be digital"),
            "{text}"
        );
        assert!(position("mysql-bin.000003").is_err() && position("x:3").is_err());
    }

    #[test]
    fn statements_are_kept_as_written() {
        let texts = statements("alter table d.t drop primary key; alter table d.t add unique (c);").unwrap();
        assert_eq!(texts, ["alter table d.t drop primary key;", " alter table d.t add unique (c);"]);
        let code = |sql: &str| statements(sql).unwrap_err().code();
        assert_eq!(
            code("alter table tb add column a int; alter table tb2 b int;"),
            Code::SyncerUnitInjectDDLWithoutSchema
        );
        assert_eq!(code("alter table d.tb2 b int;"), Code::SyncerParseDDL);
        assert_eq!(code("insert into d.t values (1)"), Code::SyncerUnitInjectDDLOnly);
        assert!(statements("alter table d.t b int").unwrap_err().message().starts_with("invalid sql 'alter"));
    }

    #[test]
    fn what_ran_before_a_failed_event_stays() {
        let place = |injected| Place { position: BinlogPosition::new("b.000001", 7), gtid: String::new(), injected };
        let first = operator(ErrorOp::Inject, vec!["i".into()], place(false), &[]);
        assert_eq!((first.before.len(), &first.instead), (1, &None));
        let known = [first];
        let skip = operator(ErrorOp::Skip, Vec::new(), place(true), &known);
        assert_eq!((skip.before.as_slice(), skip.instead.as_deref()), (&["i".to_owned()][..], Some(&[][..])));
        assert!(operator(ErrorOp::Skip, Vec::new(), place(false), &known).before.is_empty());
        let list = listed("t", &[skip], &BinlogPosition::new("b.000001", 7));
        assert_eq!(
            list,
            r#"[{"op":4,"task":"t","binlogPos":"(b.000001, 7)","sqls":["i"]},{"op":1,"task":"t","binlogPos":"(b.000001, 7)"}]"#
        );
        assert_eq!(listed("t", &[], &BinlogPosition::default()), "[]");
    }
}
