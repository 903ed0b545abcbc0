//! Masters and workers (38001-40083).

use super::{Class, Code, Entry, Level, Scope, rows};

rows! {
    MasterSQLOpNilRequest DmMaster Internal Medium "no longer used: empty handle-sql request" "";
    MasterSQLOpNotSupport DmMaster Internal Medium "no longer used: unknown handle-sql operation" "";
    MasterSQLOpWithoutSharding DmMaster Internal Medium "no longer used: handle-sql without sharding" "";
    MasterGRPCCreateConn DmMaster Internal High "a worker can't be dialled" "";
    MasterGRPCSendOnCloseConn DmMaster Internal High "the connection to the worker is closed" "";
    MasterGRPCClientClose DmMaster Internal High "the connection to the worker can't be closed" "";
    MasterGRPCInvalidReqType DmMaster Internal High "unknown kind of request to a worker" "";
    MasterGRPCRequestError DmMaster Internal High "the request to the worker failed" "";
    MasterDeployMapperVerify DmMaster Internal High "no longer used: deploy map invalid" "";
    MasterConfigParseFlagSet DmMaster Internal Medium "flags can't be read" "";
    MasterConfigUnknownItem DmMaster Internal Medium "the config file has unknown keys" "";
    MasterConfigInvalidFlag DmMaster Internal Medium "arguments without a flag are not expected" "";
    MasterConfigTomlTransform DmMaster Internal Medium "the config file can't be read"
        "Correct the file at the line that the cause names.";
    MasterConfigTimeoutParse DmMaster Internal Medium "rpc-timeout is not a duration" "";
    MasterConfigUpdateCfgFile DmMaster Internal High "config file write failed" "";
    MasterShardingDDLDiff DmMaster Internal High "a shard sent other DDLs than those of the lock; its statement is different with the lock's"
        "Bring the shards to the same DDLs, or resolve the lock with `shard-ddl-lock unlock`.";
    MasterStartService DmMaster Internal High "the master's service can't be started" "";
    MasterNoEmitToken DmMaster Internal High "too many requests to the worker at once" "";
    MasterLockNotFound DmMaster Internal High "the DDL lock does not exist"
        "`shard-ddl-lock` lists all.";
    MasterLockIsResolving DmMaster Internal High "the DDL lock is being resolved" "";
    MasterWorkerCliNotFound DmMaster Internal High "no worker is bound to the source" "";
    MasterWorkerNotWaitLock DmMaster Internal High "the worker does not wait for the DDL lock" "";
    MasterHandleSQLReqFail DmMaster Internal High "no longer used: handle-sql failed" "";
    MasterOwnerExecDDL DmMaster Internal High "the lock's owner did not run the DDLs in time" "";
    MasterPartWorkerExecDDLFail DmMaster Internal High "the lock's owner ran the DDLs, but other shards could not skip them" "";
    MasterWorkerExistDDLLock DmMaster Internal High "the worker has a DDL lock"
        "Resolve the lock first.";
    MasterGetWorkerCfgExtractor DmMaster Internal High "no longer used: extractor" "";
    MasterTaskConfigExtractor DmMaster Internal High "no longer used: extractor" "";
    MasterWorkerArgsExtractor DmMaster Internal High "no worker found for a source"
        "`operate-source show` lists sources and workers.";
    MasterQueryWorkerConfig DmMaster Internal High "worker config query failed" "";
    MasterOperNotFound DmMaster Internal High "no longer used: operation log missing"
        "`query-status` shows the state.";
    MasterOperRespNotSuccess DmMaster Internal High "some error occurs in dm-worker"
        "Please execute `query-status` to check status.";
    MasterOperRequestTimeout DmMaster Internal High "the worker did not answer in time"
        "Please execute `query-status` to check status.";
    MasterHandleHTTPApis DmMaster Internal High "REST gateway setup failed" "";
    MasterHostPortNotValid DmMaster Internal High "master-addr is not host:port"
        "Write host:port; if others can't dial that host (as with :8261 or 0.0.0.0), set advertise-addr too.";
    MasterGetHostnameFail DmMaster Internal High "this machine's name can't be read" "";
    MasterGenEmbedEtcdConfigFail DmMaster Internal High "a setting of the cluster's log can't be derived"
        "Correct the setting that the message names.";
    MasterStartEmbedEtcdFail DmMaster Internal High "the cluster's log can't be started"
        "Check data-dir and that the peer address is free.";
    MasterParseURLFail DmMaster Internal High "a URL is malformed"
        "Write URLs such as http://10.0.0.1:8291.";
    MasterJoinEmbedEtcdFail DmMaster Internal High "joining the cluster failed"
        "Check that join names a running master, and that this member's name and data-dir are fresh.";
    MasterInvalidOperateOp DmMaster Internal Medium "operation is not valid for this request" "";
    MasterAdvertiseAddrNotValid DmMaster Internal High "advertise-addr is not host:port"
        "Write host:port with a host that others can dial.";
    MasterRequestIsNotForwardToLeader DmMaster Internal High "this master is not the leader and can't reach it" "";
    MasterIsNotAsyncRequest DmMaster Internal Medium "not a request that can be waited for" "";
    MasterFailToGetExpectResult DmMaster Internal Medium "the operation was not confirmed in time" "";
    MasterPessimistNotStarted DmMaster Internal Medium "the coordinator of pessimistic shard DDLs is not running" "";
    MasterOptimistNotStarted DmMaster Internal Medium "the coordinator of optimistic shard DDLs is not running" "";
    MasterMasterNameNotExist DmMaster Internal Low "no master of this name"
        "`list-member --master` lists all.";
    MasterInvalidOfflineType DmMaster Internal Low "only masters and workers can be taken offline"
        "Use --master or --worker.";
    MasterAdvertisePeerURLsNotValid DmMaster Internal High "advertise-peer-urls is malformed"
        "Write URLs such as http://10.0.0.1:8291.";
    MasterTLSConfigNotValid DmMaster Internal High "TLS settings are not valid"
        "Check that ssl-ca, ssl-cert and ssl-key are readable PEM files that belong together.";
    MasterBoundChanging DmMaster Internal Low "the source moves between workers"
        "Try again.";
    MasterFailToImportFromV10x DmMaster Internal High "import from v1.0 failed"
        "Look at the cause; nothing was changed in the v1.0 cluster.";
    MasterInconsistentOptimisticDDLsAndInfo DmMaster Internal High "counts differ" "";
    MasterOptimisticTableInfoBeforeNotExist DmMaster Internal High "previous table info missing" "";
    MasterOptimisticDownstreamMetaNotFound DmMaster Internal High "target settings of a task unknown" "";
    MasterInvalidClusterID DmMaster Internal High "cluster id record malformed" "";
    MasterStartTask DmMaster Internal High "OpenAPI start refused" "";
    WorkerParseFlagSet DmWorker Internal Medium "flags can't be read" "";
    WorkerInvalidFlag DmWorker Internal Medium "arguments without a flag are not expected" "";
    WorkerDecodeConfigFromFile DmWorker Internal Medium "the config file can't be read"
        "Correct the file at the line that the cause names.";
    WorkerUndecodedItemFromFile DmWorker Internal Medium "the config file has unknown keys"
        "Remove them or correct their spelling.";
    WorkerNeedSourceID DmWorker Internal Medium "the source config has no source-id" "";
    WorkerTooLongSourceID DmWorker Internal Medium "source-id is too long (allowed: 32 bytes)" "";
    WorkerRelayBinlogName DmWorker Internal Medium "relay-binlog-name is not a binlog file's name" "";
    WorkerWriteConfigFile DmWorker Internal Medium "no longer used: config write" "";
    WorkerLogInvalidHandler DmWorker Internal High "no longer used: task log" "";
    WorkerLogPointerInvalid DmWorker Internal High "no longer used: task log" "";
    WorkerLogFetchPointer DmWorker Internal High "no longer used: task log" "";
    WorkerLogUnmarshalPointer DmWorker Internal High "no longer used: task log" "";
    WorkerLogClearPointer DmWorker Internal High "no longer used: task log" "";
    WorkerLogTaskKeyNotValid DmWorker Internal High "no longer used: task log" "";
    WorkerLogUnmarshalTaskKey DmWorker Internal High "no longer used: task log" "";
    WorkerLogFetchLogIter DmWorker Internal High "no longer used: task log" "";
    WorkerLogGetTaskLog DmWorker Internal High "no longer used: task log" "";
    WorkerLogUnmarshalBinary DmWorker Internal High "no longer used: task log" "";
    WorkerLogForwardPointer DmWorker Internal High "no longer used: task log" "";
    WorkerLogMarshalTask DmWorker Internal High "no longer used: task log" "";
    WorkerLogSaveTask DmWorker Internal High "no longer used: task log" "";
    WorkerLogDeleteKV DmWorker Internal High "no longer used: task log" "";
    WorkerLogDeleteKVIter DmWorker Internal High "no longer used: task log" "";
    WorkerLogUnmarshalTaskMeta DmWorker Internal High "v1 meta decode failed" "";
    WorkerLogFetchTaskFromMeta DmWorker Internal High "v1 meta fetch failed" "";
    WorkerLogVerifyTaskMeta DmWorker Internal High "v1 meta invalid" "";
    WorkerLogSaveTaskMeta DmWorker Internal High "no longer used: task meta" "";
    WorkerLogGetTaskMeta DmWorker Internal High "no longer used: task meta" "";
    WorkerLogDeleteTaskMeta DmWorker Internal High "no longer used: task meta" "";
    WorkerMetaTomlTransform DmWorker Internal High "no longer used: TOML" "";
    WorkerMetaOldFileStat DmWorker Internal High "no longer used: stat" "";
    WorkerMetaOldReadFile DmWorker Internal High "no longer used: read" "";
    WorkerMetaEncodeTask DmWorker Internal High "no longer used: encode" "";
    WorkerMetaRemoveOldDir DmWorker Internal High "no longer used: remove" "";
    WorkerMetaTaskLogNotFound DmWorker Internal High "no longer used: no log" "";
    WorkerMetaHandleTaskOrder DmWorker Internal High "no longer used: order" "";
    WorkerMetaOpenTxn DmWorker Internal High "no longer used: txn open" "";
    WorkerMetaCommitTxn DmWorker Internal High "no longer used: txn commit" "";
    WorkerRelayStageNotValid DmWorker Internal High "relay operation in wrong stage" "";
    WorkerRelayOperNotSupport DmWorker Internal High "relay operation unknown" "";
    WorkerOpenKVDBFile DmWorker Internal High "v1 KV store open failed" "";
    WorkerUpgradeCheckKVDir DmWorker Internal High "v1 KV dir check failed" "";
    WorkerMarshalVerBinary DmWorker Internal High "v1 version encode failed" "";
    WorkerUnmarshalVerBinary DmWorker Internal High "v1 version decode failed" "";
    WorkerGetVersionFromKV DmWorker Internal High "v1 version load failed" "";
    WorkerSaveVersionToKV DmWorker Internal High "v1 version save failed" "";
    WorkerVerAutoDowngrade DmWorker Internal High "v1 downgrade refused" "";
    WorkerStartService DmWorker Internal High "the worker's service can't be started" "";
    WorkerAlreadyClosed DmWorker Internal High "the worker no longer serves this source" "";
    WorkerNotRunningStage DmWorker Internal High "the subtask is not running" "";
    WorkerNotPausedStage DmWorker Internal High "the subtask is not paused" "";
    WorkerUpdateTaskStage DmWorker Internal High "the config can only change while the subtask is paused"
        "Pause the task first.";
    WorkerMigrateStopRelay DmWorker Internal High "no longer used: relay stopped" "";
    WorkerSubTaskNotFound DmWorker Internal High "the subtask is not on this worker" "";
    WorkerSubTaskExists DmWorker Internal High "subtask already there" "";
    WorkerOperSyncUnitOnly DmWorker Internal High "this works in the Sync unit only" "";
    WorkerRelayUnitStage DmWorker Internal High "relay in wrong stage" "";
    WorkerNoSyncerRunning DmWorker Internal High "some subtask not in Sync unit" "";
    WorkerCannotUpdateSourceID DmWorker Internal High "source id immutable" "";
    WorkerNoAvailUnits DmWorker Internal High "the task mode has no unit" "";
    WorkerDDLLockInfoNotFound DmWorker Internal High "the DDL lock is unknown to the worker"
        "`shard-ddl-lock` lists all.";
    WorkerDDLLockInfoExists DmWorker Internal High "no longer used: lock info exists" "";
    WorkerCacheDDLInfoExists DmWorker Internal High "no longer used: cached info exists" "";
    WorkerExecSkipDDLConflict DmWorker Internal High "no longer used: exec and skip both set" "";
    WorkerExecDDLSyncerOnly DmWorker Internal High "no longer used: needs Sync unit" "";
    WorkerExecDDLTimeout DmWorker Internal High "the DDLs of a lock did not end in time"
        "Look at the target, and `query-status` for what runs.";
    WorkerWaitRelayCatchupTimeout DmWorker Internal High "relay did not reach the dump position in time" "";
    WorkerRelayIsPurging DmWorker Internal High "relay files are being purged"
        "Try again when the purge has ended.";
    WorkerHostPortNotValid DmWorker Internal High "worker-addr or advertise-addr is not host:port"
        "Write host:port; if others can't dial that host (as with :8262 or 0.0.0.0), set advertise-addr too.";
    WorkerNoStart DmWorker Internal High "the worker has no source" "";
    WorkerAlreadyStart DmWorker Internal High "the worker serves another source"
        "Free it first with `transfer-source` or `operate-source stop`.";
    WorkerSourceNotMatch DmWorker Internal High "the request is about another source than this worker's" "";
    WorkerFailToGetSubtaskConfigFromEtcd DmWorker Internal Medium "subtask config absent in etcd" "";
    WorkerFailToGetSourceConfigFromEtcd DmWorker Internal Medium "source config absent in etcd" "";
    WorkerDDLLockOpNotFound DmWorker Internal High "lock operation absent" "";
    WorkerTLSConfigNotValid DmWorker Internal High "TLS settings are not valid"
        "Check that ssl-ca, ssl-cert and ssl-key are readable PEM files that belong together.";
    WorkerFailConnectMaster DmWorker Internal High "no master can be joined"
        "Check that join names running masters that this node can reach.";
    WorkerWaitRelayCatchupGTID DmWorker Internal High "GTID sets not comparable" "";
    WorkerRelayConfigChanging DmWorker Internal Low "the relay assignment keeps changing"
        "Try again.";
    WorkerRouteTableDupMatch DmWorker Internal High "two route rules of one level match a table"
        "Make their patterns exclude each other.";
    WorkerUpdateSubTaskConfig DmWorker Internal High "only limited fields updatable, only in Sync unit" "";
    WorkerValidatorNotPaused DmWorker Internal High "validator must be stopped" "";
    WorkerServerClosed DmWorker Internal Low "the worker is shutting down" "";
}
