//! Cluster state, validator, schema tracker, scheduler, dmctl, HTTP (42001-50000).

use super::{Class, Code, Entry, Level, Scope, rows};

rows! {
    TracerParseFlagSet DmTracer Internal Medium "no longer used: tracer" "";
    TracerConfigTomlTransform DmTracer Internal Medium "no longer used: tracer config"
        "Leave the tracer out.";
    TracerConfigInvalidFlag DmTracer Internal Medium "no longer used: tracer" "";
    TracerTraceEventNotFound DmTracer Internal Medium "no longer used: tracer" "";
    TracerTraceIDNotProvided DmTracer Internal Medium "no longer used: tracer" "";
    TracerParamNotValid DmTracer Internal Medium "no longer used: tracer" "";
    TracerPostMethodOnly DmTracer Internal Medium "no longer used: tracer" "";
    TracerEventAssertionFail DmTracer Internal High "no longer used: tracer" "";
    TracerEventTypeNotValid DmTracer Internal High "no longer used: tracer" "";
    TracerStartService DmTracer Internal High "no longer used: tracer" "";
    HAFailTxnOperation Ha Internal High "a change of the cluster's state failed"
        "Check that a majority of masters is up, and try again.";
    HAInvalidItem Ha Internal High "an item of the cluster's state is malformed"
        "Report it with the master's log; the message names the item.";
    HAFailWatchEtcd Ha Internal High "changes of the cluster's state can't be followed"
        "Check the network between the nodes.";
    HAFailLeaseOperation Ha Internal High "a lease of the cluster's state failed"
        "Check the network between the nodes.";
    HAFailKeepalive Ha Internal High "signs of life can't be sent"
        "Check the network between worker and masters.";
    ValidatorLoadPersistedData Validator Internal High "validator meta load failed" "";
    ValidatorPersistData Validator Internal High "validator meta save failed" "";
    ValidatorGetEvent Validator Internal High "validator binlog read failed" "";
    ValidatorProcessRowEvent Validator Internal High "row event handling failed" "";
    ValidatorValidateChange Validator Internal High "row comparison failed" "";
    ValidatorNotFound Validator NotSet Medium "validation not enabled for the subtask" "";
    ValidatorPanic Validator Internal High "panic caught in validator" "";
    ValidatorTooMuchPending Validator Internal Medium "pending rows over limit" "";
    SchemaTrackerInvalidJSON SchemaTracker Downstream High "the stored structure of a table is not valid" "";
    SchemaTrackerCannotCreateSchema SchemaTracker Internal High "tracker cannot create schema" "";
    SchemaTrackerCannotCreateTable SchemaTracker Internal High "tracker cannot create table" "";
    SchemaTrackerCannotSerialize SchemaTracker Internal High "table info encode failed" "";
    SchemaTrackerCannotGetTable SchemaTracker Internal High "the structure of a table is not known here" "";
    SchemaTrackerCannotExecDDL SchemaTracker Internal High "a DDL does not fit the structure known here"
        "Set the right structure with `binlog-schema update`, or skip or replace the DDL with `binlog`.";
    SchemaTrackerCannotFetchDownstreamTable SchemaTracker Downstream Medium "cannot fetch downstream table schema" "";
    SchemaTrackerCannotParseDownstreamTable SchemaTracker Internal High "the target table's structure can't be parsed" "";
    SchemaTrackerInvalidCreateTableStmt SchemaTracker Internal Medium "not a CREATE TABLE statement" "";
    SchemaTrackerRestoreStmtFail SchemaTracker Internal Medium "statement render failed" "";
    SchemaTrackerCannotDropTable SchemaTracker Internal High "tracker drop failed" "";
    SchemaTrackerInit SchemaTracker Internal High "tracker start failed" "";
    SchemaTrackerMarshalJSON SchemaTracker Downstream High "JSON encode failed" "";
    SchemaTrackerUnMarshalJSON SchemaTracker Downstream High "JSON decode failed" "";
    SchemaTrackerUnSchemaNotExist SchemaTracker Downstream High "schema unknown to tracker" "";
    SchemaTrackerCannotSetDownstreamSQLMode SchemaTracker Internal High "sql_mode set failed" "";
    SchemaTrackerCannotInitDownstreamParser SchemaTracker Internal High "parser for target sql_mode failed" "";
    SchemaTrackerCannotMockDownstreamTable SchemaTracker Internal High "target structure build failed" "";
    SchemaTrackerCannotFetchDownstreamCreateTableStmt SchemaTracker Internal High "SHOW CREATE TABLE failed" "";
    SchemaTrackerIsClosed SchemaTracker Internal High "tracker closed" "";
    SchedulerNotStarted Scheduler Internal High "the scheduler is not started, the leader may be changing" "";
    SchedulerStarted Scheduler Internal Medium "the scheduler is started already" "";
    SchedulerWorkerExist Scheduler Internal Medium "a worker of this name exists" "";
    SchedulerWorkerNotExist Scheduler Internal Medium "the worker does not exist" "";
    SchedulerWorkerOnline Scheduler Internal Medium "the worker is still online"
        "Please shut it down first.";
    SchedulerWorkerInvalidTrans Scheduler Internal Medium "a worker's stage can't change like this" "";
    SchedulerSourceCfgExist Scheduler Internal Medium "the source exists already" "";
    SchedulerSourceCfgNotExist Scheduler Internal Medium "the source does not exist" "";
    SchedulerSourcesUnbound DmMaster Internal Medium "sources have no worker" "";
    SchedulerSourceOpTaskExist DmMaster Internal Medium "the source still has tasks"
        "Please `stop-task` first.";
    SchedulerRelayStageInvalidUpdate Scheduler Internal Medium "relay can't be set to this stage" "";
    SchedulerRelayStageSourceNotExist Scheduler Internal Medium "sources of the request do not exist" "";
    SchedulerMultiTask Scheduler Internal Medium "one request names several tasks" "";
    SchedulerSubTaskExist Scheduler Internal Medium "subtasks exist already"
        "Please use `query-status` command to see tasks.";
    SchedulerSubTaskStageInvalidUpdate DmMaster Internal Medium "a subtask can't be set to this stage" "";
    SchedulerSubTaskOpTaskNotExist DmMaster Internal Medium "the task does not exist"
        "`query-status` lists all tasks.";
    SchedulerSubTaskOpSourceNotExist DmMaster Internal Medium "the task has no such sources" "";
    SchedulerTaskNotExist Scheduler Internal Medium "the task does not exist"
        "`query-status` lists all tasks.";
    SchedulerRequireRunningTaskInSyncUnit Scheduler Internal High "a source can only move while its tasks run in the Sync unit"
        "Wait until they do, or pause them.";
    SchedulerRelayWorkersBusy Scheduler Internal High "workers pull relay for other sources"
        "Stop their relay first with `stop-relay`.";
    SchedulerRelayWorkersWrongBound Scheduler Internal High "workers are bound to other sources"
        "Name the worker that the source is bound to; `operate-source show` lists all.";
    SchedulerRelayWorkersWrongRelay Scheduler Internal High "workers pull relay for other sources"
        "Stop relay of the source for which they pull.";
    SchedulerSourceOpRelayExist Scheduler Internal High "workers still pull relay for the source"
        "Stop it first with `stop-relay`.";
    SchedulerLatchInUse Scheduler Internal Low "somebody else works on this"
        "Try again when that has ended.";
    SchedulerSourceCfgUpdate Scheduler Internal Low "a source can only be changed while its relay is off and no task runs" "";
    SchedulerWrongWorkerInput Scheduler Internal Medium "the worker named is bound to another source" "";
    SchedulerBoundDiffWithStartedRelay Scheduler Internal Medium "the worker pulls relay for another source"
        "Stop that relay first with `stop-relay`.";
    SchedulerStartRelayOnSpecified Scheduler Internal Low "relay runs on named workers"
        "Name workers in `start-relay` too, or stop relay first.";
    SchedulerStopRelayOnSpecified Scheduler Internal Low "relay runs on named workers"
        "Name the workers in `stop-relay`.";
    SchedulerStartRelayOnBound Scheduler Internal Low "relay runs on the bound worker"
        "Leave worker names out of `start-relay`, or stop relay first.";
    SchedulerStopRelayOnBound Scheduler Internal Low "relay runs on the bound worker"
        "Leave worker names out of `stop-relay`.";
    SchedulerPauseTaskForTransferSource Scheduler Internal Low "a task can't be paused for the move of its source"
        "Pause it by hand and try again.";
    SchedulerWorkerNotFree Scheduler Internal Low "the worker is not free" "";
    SchedulerSubTaskNotExist Scheduler Internal Medium "subtasks do not exist"
        "`query-status` shows which do.";
    SchedulerSubTaskCfgUpdate Scheduler Internal Low "a subtask's config can't change while it runs" "";
    CtlGRPCCreateConn Dmctl Internal High "can't connect to the master"
        "Check --master-addr, and that a master is up and reachable from here.";
    CtlInvalidTLSCfg Dmctl Internal Medium "TLS settings are not valid"
        "Check that ssl-ca, ssl-cert and ssl-key are readable PEM files that belong together.";
    CtlLoadTLSCfg Dmctl Internal High "TLS files can't be read"
        "Check that ssl-ca, ssl-cert and ssl-key are readable PEM files that belong together.";
    OpenAPICommonError OpenApi Internal High "the request is not valid" "";
    OpenAPITaskSourceNotFound OpenApi Internal High "the task names no known source"
        "Name a source that exists.";
    NotSet NotSet NotSet High "unknown error" "";
}
