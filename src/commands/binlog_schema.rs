//! `binlog-schema list|update|delete` and its old form `operate-schema get|set|remove`: the structure that a task tracks
//! for a source table.

use futures::future::join_all;

use super::{
    cluster::Cluster,
    input::{read_file, task_name},
    reply::{Refusal, source_done, source_failed},
};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError},
    pb::{self, SchemaOp},
    schema::model::TableId,
    units::sync::tracked::{StructureAction, StructureRequest},
};

const DATABASE: Flag = Flag::text("database", "", "database of the table").short('d');
const TABLE: Flag = Flag::text("table", "", "name of the table").short('t');
const FLUSH: Flag = Flag::switch_on("flush", "writes the structure and a checkpoint at once");
const SYNC: Flag = Flag::switch_on("sync", "tells the master, for shard DDL locks of the optimistic mode");

/// The command line.
pub const SPEC: Spec = Spec::new("binlog-schema <command>", "Shows or changes the table structures that a task tracks")
    .group(&[
        Spec::new("list <task-name> <database> <table>", "Shows a structure"),
        Spec::new("update <task-name> <database> <table> [schema-file]", "Sets a structure").flags(&[
            FLUSH,
            SYNC,
            Flag::switch("from-source", "takes the structure that the source has"),
            Flag::switch("from-target", "takes the structure that the target has"),
        ]),
        Spec::new("delete <task-name> <database> <table>", "Forgets a structure"),
    ]);

/// The old form.
pub const OPERATE_SCHEMA: Spec = Spec::new(
    "operate-schema <operate-type> <-s source ...> <task-name | task-file> <-d database> <-t table> [schema-file]",
    "Old form of `binlog-schema`",
)
.hidden()
.flags(&[DATABASE, TABLE, FLUSH, SYNC]);

/// The dmctl side of `binlog-schema`.
pub async fn run(session: &mut Session, op: &str, matches: &Matches) -> Outcome {
    let usage = || Failure::Usage(String::new());
    let (op, [task, database, table], file) = match (op, matches.args.as_slice()) {
        ("list", [task, database, table]) => (SchemaOp::GetSchema, [task, database, table], None),
        ("delete", [task, database, table]) => (SchemaOp::RemoveSchema, [task, database, table], None),
        ("update", [task, database, table]) => (SchemaOp::SetSchema, [task, database, table], None),
        ("update", [task, database, table, file]) => (SchemaOp::SetSchema, [task, database, table], Some(file)),
        _ => return Err(usage()),
    };
    let mut request = request(op, task, database, table, matches);
    if op == SchemaOp::SetSchema {
        (request.from_source, request.from_target) = (matches.is("from-source"), matches.is("from-target"));
        match (file, request.from_source, request.from_target) {
            (_, true, true) => {
                return Err(Failure::Usage("from-source and from-target can not be used together".to_owned()));
            }
            (Some(_), true, _) | (Some(_), _, true) => {
                return Err(Failure::Usage("can not set schema-file when use from-source or from-target".to_owned()));
            }
            (None, false, false) => return Err(usage()),
            (Some(file), ..) => request.schema = read_file(file)?,
            (None, ..) => {}
        }
    }
    send(session, request).await
}

/// The dmctl side of `operate-schema`.
pub async fn run_operate_schema(session: &mut Session, matches: &Matches) -> Outcome {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    let (op, task, file) = match matches.args.as_slice() {
        [op, task] => (op, task, None),
        [op, task, file] => (op, task, Some(file)),
        _ => return usage(""),
    };
    let op = match (op.as_str(), file) {
        ("get", None) => SchemaOp::GetSchema,
        ("set", Some(_)) => SchemaOp::SetSchema,
        ("set", None) => return usage("must specify schema file for 'set' operation"),
        ("remove", None) => SchemaOp::RemoveSchema,
        ("get" | "remove", Some(_)) => return usage("schema file is only for 'set' operation"),
        (other, _) => return usage(&format!("invalid operate '{other}' on schema")),
    };
    if matches.sources().is_empty() {
        return usage("must specify at least one source (`-s` / `--source`)");
    }
    let (database, table) = (matches.one("database"), matches.one("table"));
    if database.is_empty() || table.is_empty() {
        return usage("must specify `--database` and `--table`");
    }
    let mut request = request(op, task, database, table, matches);
    if let Some(file) = file {
        request.schema = read_file(file)?;
    }
    send(session, request).await
}

fn request(op: SchemaOp, task: &str, database: &str, table: &str, matches: &Matches) -> pb::OperateSchemaRequest {
    let set = op == SchemaOp::SetSchema;
    pb::OperateSchemaRequest {
        op: op as i32,
        task: task_name(task),
        sources: matches.sources(),
        database: database.to_owned(),
        table: table.to_owned(),
        flush: set && matches.is("flush"),
        sync: set && matches.is("sync"),
        ..Default::default()
    }
}

async fn send(session: &mut Session, request: pb::OperateSchemaRequest) -> Outcome {
    let reply = session.rpc(request, |mut c, r| async move { c.operate_schema(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::OperateSchemaRequest) -> pb::OperateSchemaResponse {
    let state = cluster.state();
    let Some(task) = state.tasks.get(&request.task).filter(|task| !task.subtasks.is_empty()) else {
        return Refusal::refused(format!(
            "task {} has no source or not exist, please check the task name and status",
            request.task
        ));
    };
    let wanted = match wanted(&request) {
        Ok(wanted) => wanted,
        Err(error) => return pb::OperateSchemaResponse::failed(&error),
    };
    let mut sources = request.sources.clone();
    if sources.is_empty() {
        sources = task.subtasks.keys().cloned().collect();
    }
    let done = join_all(sources.iter().map(|source| of_source(cluster, &request.task, source, wanted.clone()))).await;
    pb::OperateSchemaResponse { result: true, msg: String::new(), sources: done }
}

async fn of_source(
    cluster: &dyn Cluster,
    task: &str,
    source: &str,
    wanted: StructureRequest,
) -> pb::CommonWorkerResponse {
    let state = cluster.state();
    if !state.tasks.get(task).is_some_and(|task| task.subtasks.contains_key(source)) {
        return source_failed(source, "", format!("source {source} has no subtask of task {task}"));
    }
    let worker = state.bindings.get(source).map(|binding| binding.worker.clone()).unwrap_or_default();
    match cluster.structure(source, task, wanted).await {
        Ok(msg) => pb::CommonWorkerResponse { msg, ..source_done(source, &worker) },
        Err(error) => source_failed(source, "", error),
    }
}

/// `sync` matters to shard DDL locks only.
fn wanted(request: &pb::OperateSchemaRequest) -> Result<StructureRequest, DmError> {
    let action = match (request.op(), request.from_source, request.from_target) {
        (SchemaOp::GetSchema, ..) => StructureAction::Show,
        (SchemaOp::RemoveSchema, ..) => StructureAction::Delete,
        (SchemaOp::SetSchema, true, false) => StructureAction::SetFromSource,
        (SchemaOp::SetSchema, false, true) => StructureAction::SetFromTarget,
        (SchemaOp::SetSchema, false, false) if !request.schema.trim().is_empty() => {
            StructureAction::Set { text: request.schema.clone() }
        }
        (SchemaOp::SetSchema, ..) => {
            return Err(DmError::new(Code::SchemaTrackerInvalidCreateTableStmt)
                .msg("give either a CREATE TABLE statement, or one of from-source and from-target"));
        }
        (op, ..) => {
            return Err(DmError::new(Code::MasterInvalidOperateOp).msg(format!(
                "operation {} is not one for structures (allowed: GetSchema, SetSchema, RemoveSchema)",
                op.as_str_name()
            )));
        }
    };
    if request.database.is_empty() || request.table.is_empty() {
        return Err(DmError::new(Code::SchemaTrackerCannotGetTable).msg("the database and the table must be given"));
    }
    Ok(StructureRequest {
        table: TableId::new(request.database.as_str(), request.table.as_str()),
        action,
        flush: request.flush,
    })
}
