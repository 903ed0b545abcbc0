//! Relay, dump, load and sync units (30001-36071).

use super::{Class, Code, Entry, Level, Scope, rows};

rows! {
    RelayUUIDSuffixNotValid RelayUnit Internal High "suffix must step by one" "";
    RelayUUIDSuffixLessThanPrev RelayUnit Internal High "suffix went back" "";
    RelayLoadMetaData RelayUnit Internal High "relay.meta unreadable" "";
    RelayBinlogNameNotValid RelayUnit Internal High "relay-binlog-name is malformed"
        "Write a binlog file's name such as mysql-bin.000001.";
    RelayNoCurrentUUID RelayUnit Internal High "no active sub directory" "";
    RelayFlushLocalMeta RelayUnit Internal High "relay.meta write failed" "";
    RelayUpdateIndexFile RelayUnit Internal High "index write failed" "";
    RelayLogDirpathEmpty RelayUnit Internal High "the relay folder is not set"
        "Set relay-dir in the source file.";
    RelayReaderNotStateNew RelayUnit Internal High "reader start in wrong state" "";
    RelayReaderStateCannotClose RelayUnit Internal High "reader close in wrong state" "";
    RelayReaderNeedStart RelayUnit Internal High "reader used before start" "";
    RelayTCPReaderStartSync RelayUnit Upstream High "start by position failed" "";
    RelayTCPReaderNilGTID RelayUnit Internal High "GTID mode without GTID set" "";
    RelayTCPReaderStartSyncGTID RelayUnit Upstream High "start by GTID failed" "";
    RelayTCPReaderGetEvent RelayUnit Upstream High "pull of an event failed" "";
    RelayWriterNotStateNew RelayUnit Internal High "writer start in wrong state" "";
    RelayWriterStateCannotClose RelayUnit Internal High "writer close in wrong state" "";
    RelayWriterNeedStart RelayUnit Internal High "writer used before start" "";
    RelayWriterNotOpened RelayUnit Internal High "no open relay file" "";
    RelayWriterExpectRotateEv RelayUnit Internal High "rotate event expected" "";
    RelayWriterRotateEvWithNoWriter RelayUnit Internal High "real rotate without an open file" "";
    RelayWriterStatusNotValid RelayUnit Internal High "internal status type wrong" "";
    RelayWriterGetFileStat RelayUnit Internal High "stat failed" "";
    RelayWriterLatestPosGTFileSize RelayUnit Internal High "position beyond file" "";
    RelayWriterFileOperate RelayUnit Internal High "file operation failed" "";
    RelayCheckBinlogFileHeaderExist RelayUnit Internal High "file magic check failed" "";
    RelayCheckFormatDescEventExist RelayUnit Internal High "format description check failed" "";
    RelayCheckFormatDescEventParseEv RelayUnit Internal High "format description parse failed" "";
    RelayCheckIsDuplicateEvent RelayUnit Internal High "duplicate check failed" "";
    RelayUpdateGTID RelayUnit Internal High "GTID merge failed" "";
    RelayNeedPrevGTIDEvBeforeGTIDEv RelayUnit Internal High "GTID event came first" "";
    RelayNeedMaGTIDListEvBeforeGTIDEv RelayUnit Internal High "MariaDB GTID event came first" "";
    RelayMkdir RelayUnit Internal High "directory create failed" "";
    RelaySwitchMasterNeedGTID RelayUnit Internal High "another source server can only be followed by GTID"
        "Set enable-gtid: true in the source file.";
    RelayThisStrategyIsPurging RelayUnit Internal High "same purge strategy still active" "";
    RelayOtherStrategyIsPurging RelayUnit Internal High "another purge strategy active" "";
    RelayPurgeIsForbidden RelayUnit Internal High "relay files can't be purged now"
        "Try again later; the message says what is in the way.";
    RelayNoActiveRelayLog RelayUnit Internal High "no active relay file known" "";
    RelayPurgeRequestNotValid RelayUnit Internal High "purge request empty/contradictory" "";
    RelayTrimUUIDNotFound RelayUnit Internal High "uuid absent when trimming index" "";
    RelayRemoveFileFail RelayUnit Internal High "delete failed" "";
    RelayPurgeArgsNotValid RelayUnit Internal High "purge arguments wrong type" "";
    PreviousGTIDsNotValid RelayUnit Internal High "PreviousGTIDs invalid" "";
    RotateEventWithDifferentServerID RelayUnit Internal High "a rotate event came from another server"
        "Check that the source's address leads to one server only (no balancing proxy).";
    DumpUnitRuntime DumpUnit Internal High "the dump failed" "";
    DumpUnitGenTableRouter DumpUnit Internal High "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    DumpUnitGenBAList DumpUnit Internal High "block-allow list is not valid"
        "Correct the item that the cause names.";
    DumpUnitGlobalLock DumpUnit Internal High "the source refuses FLUSH TABLES WITH READ LOCK"
        "Grant RELOAD to the user at the source, or set extra-args: \"--consistency none\" in the mydumper config if nobody writes.";
    LoadUnitCreateSchemaFile LoadUnit Internal Medium "the schema file can't be created"
        "Check the disk and rights of the loader's dir.";
    LoadUnitInvalidFileEnding LoadUnit Internal High "a dumped file ends in the middle of a statement" "";
    LoadUnitParseQuoteValues LoadUnit Internal High "VALUES list parse failed" "";
    LoadUnitDoColumnMapping LoadUnit Internal High "column mapping failed" "";
    LoadUnitReadSchemaFile LoadUnit Internal High "a dumped schema file can't be read" "";
    LoadUnitParseStatement LoadUnit Internal High "a dumped statement can't be parsed" "";
    LoadUnitNotCreateTable LoadUnit Internal High "a CREATE TABLE was expected" "";
    LoadUnitDispatchSQLFromFile LoadUnit Internal High "the content of a dumped file can't be loaded" "";
    LoadUnitInvalidInsertSQL LoadUnit Internal High "a dumped INSERT is malformed" "";
    LoadUnitGenTableRouter LoadUnit Internal High "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    LoadUnitGenColumnMapping LoadUnit Internal High "column mapping is not valid"
        "Remove it; column mappings are no longer supported.";
    LoadUnitNoDBFile LoadUnit Internal High "the schema of a dumped file is unknown" "";
    LoadUnitNoTableFile LoadUnit Internal High "the table of a dumped file is unknown" "";
    LoadUnitDumpDirNotFound LoadUnit Internal High "the folder with dumped files is not there" "";
    LoadUnitDuplicateTableFile LoadUnit Internal High "a table has two schema files" "";
    LoadUnitGenBAList LoadUnit Internal High "block-allow list is not valid"
        "Correct the item that the cause names.";
    LoadTaskWorkerNotMatch Functional Internal High "the dumped files are on another worker"
        "Bring the source back to that worker with `transfer-source`, or start the task anew with --remove-meta.";
    LoadTaskCheckPointNotMatch Functional Internal High "the load's stored state and the target disagree"
        "Stop the task and start it with --remove-meta.";
    LoadLightningRuntime LoadUnit Internal High "the load failed" "";
    LoadLightningHasDup LoadUnit Internal Medium "the import is done, but rows with equal keys were recorded"
        "Look at the conflict tables in the target, decide which rows stay, then resume the task.";
    LoadLightningChecksum LoadUnit Internal Medium "checksums of dumped and imported data differ"
        "Drop the imported tables and start the task with --remove-meta.";
    SyncerUnitPanic SyncUnit Internal High "a panic was caught in the sync unit" "";
    SyncUnitInvalidTableName SyncUnit Internal High "the table of a row change is unclear" "";
    SyncUnitTableNameQuery SyncUnit Internal High "a table's name can't be parsed" "";
    SyncUnitNotSupportedDML SyncUnit Internal High "this kind of DML is not supported" "";
    SyncUnitAddTableInSharding SyncUnit Internal Medium "a shard table joined while a sharding DDL is unresolved" "";
    SyncUnitDropSchemaTableInSharding SyncUnit Internal Medium "a shard table was dropped while a sharding DDL is unresolved" "";
    SyncUnitInvalidShardMeta SyncUnit Internal High "a stored row about shard DDLs is malformed" "";
    SyncUnitDDLWrongSequence SyncUnit Internal High "a shard table sent its DDLs in another order than the others"
        "Run the missing DDLs in that shard, or skip them with `binlog skip`, in the order of the other shards.";
    SyncUnitDDLActiveIndexLarger SyncUnit Internal High "active index beyond sequence" "";
    SyncUnitDupTableGroup SyncUnit Internal High "shard group already there" "";
    SyncUnitShardingGroupNotFound SyncUnit Internal High "shard group missing" "";
    SyncUnitSafeModeSetCount SyncUnit Internal High "safe-mode counter misuse" "";
    SyncUnitCausalityConflict SyncUnit Internal High "key conflict must be resolved first" "";
    SyncUnitDMLStatementFound SyncUnit Internal High "the binlog has row changes as statements" "";
    SyncerUnitBinlogEventFilter SyncUnit Internal High "a binlog event filter stops at this event" "";
    SyncerUnitInvalidReplicaEvent SyncUnit Internal High "unknown rows event type" "";
    SyncerUnitParseStmt SyncUnit Internal High "the text of a DDL can't be parsed" "";
    SyncerUnitUUIDNotLatest SyncUnit Internal High "relay sub directory not the newest" "";
    SyncerUnitDDLExecChanCloseOrBusy SyncUnit Internal High "no longer used: DDL channel busy" "";
    SyncerUnitDDLChanDone SyncUnit Internal High "no longer used: DDL wait cancelled outside" "";
    SyncerUnitDDLChanCanceled SyncUnit Internal High "no longer used: DDL wait cancelled by close" "";
    SyncerUnitDDLOnMultipleTable SyncUnit Internal High "one DDL of shards touches several tables"
        "Replace it by one statement for each table with `binlog replace`.";
    SyncerUnitInjectDDLOnly SyncUnit Internal Low "no longer used: only DDL may be injected" "";
    SyncerUnitInjectDDLWithoutSchema SyncUnit Internal Low "no longer used: injected DDL needs schema" "";
    SyncerUnitNotSupportedOperate SyncUnit Internal Medium "this operation is not supported" "";
    SyncerUnitNilOperatorReq SyncUnit Internal Medium "the request is empty" "";
    SyncerUnitDMLColumnNotMatch SyncUnit Internal High "a row has another number of columns than the table known here"
        "Set the right structure with `binlog-schema update`, then resume the task.";
    SyncerUnitDMLOldNewValueMismatch SyncUnit Internal High "old and new row of an update have different numbers of columns" "";
    SyncerUnitDMLPruneColumnMismatch SyncUnit Internal High "generated-column pruning mismatch" "";
    SyncerUnitGenBinlogEventFilter SyncUnit Internal High "binlog event filters are not valid"
        "Correct the filter that the cause names.";
    SyncerUnitGenTableRouter SyncUnit Internal High "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    SyncerUnitGenColumnMapping SyncUnit Internal High "column mapping is not valid"
        "Remove it; column mappings are no longer supported.";
    SyncerUnitDoColumnMapping SyncUnit Internal High "no longer used: column mapping failed" "";
    SyncerUnitCacheKeyNotFound SyncUnit Internal High "internal cache miss" "";
    SyncerUnitHeartbeatCheckConfig SyncUnit Internal Medium "no longer used: heartbeat settings"
        "Leave the heartbeat keys out.";
    SyncerUnitHeartbeatRecordExists SyncUnit Internal Medium "no longer used: heartbeat record exists" "";
    SyncerUnitHeartbeatRecordNotFound SyncUnit Internal Medium "no longer used: heartbeat record missing" "";
    SyncerUnitHeartbeatRecordNotValid SyncUnit Internal Medium "no longer used: heartbeat record not valid" "";
    SyncerUnitOnlineDDLInvalidMeta SyncUnit Internal High "a stored row about online DDL is malformed" "";
    SyncerUnitOnlineDDLSchemeNotSupport SyncUnit Internal High "online-ddl-scheme is not supported"
        "Leave online-ddl-scheme out and use online-ddl: true.";
    SyncerUnitOnlineDDLOnMultipleTable SyncUnit Internal High "an online DDL touches several tables" "";
    SyncerUnitGhostApplyEmptyTable SyncUnit Internal High "no table for the online DDL (gh-ost)" "";
    SyncerUnitGhostRenameTableNotValid SyncUnit Internal High "rename of the online DDL needs old and new name (gh-ost)" "";
    SyncerUnitGhostRenameToGhostTable SyncUnit Internal High "a table was renamed to a temporary name (gh-ost)" "";
    SyncerUnitGhostRenameGhostTblToOther SyncUnit Internal High "a temporary table was renamed to another temporary name (gh-ost)" "";
    SyncerUnitGhostOnlineDDLOnGhostTbl SyncUnit Internal High "no DDLs are stored for a temporary table (gh-ost)" "";
    SyncerUnitPTApplyEmptyTable SyncUnit Internal High "no table for the online DDL (pt)" "";
    SyncerUnitPTRenameTableNotValid SyncUnit Internal High "rename of the online DDL needs old and new name (pt)" "";
    SyncerUnitPTRenameToPTTable SyncUnit Internal High "a table was renamed to a temporary name (pt)" "";
    SyncerUnitPTRenamePTTblToOther SyncUnit Internal High "a temporary table was renamed to another temporary name (pt)" "";
    SyncerUnitPTOnlineDDLOnPTTbl SyncUnit Internal High "no DDLs are stored for a temporary table (pt)"
        "Skip or replace the event with `binlog`, and run the DDL in the target by hand.";
    SyncerUnitRemoteSteamerWithGTID SyncUnit Internal High "GTID mode unsupported by the stream" "";
    SyncerUnitRemoteSteamerStartSync SyncUnit Internal High "reading from the source could not be started" "";
    SyncerUnitGetTableFromDB SyncUnit Internal High "table lookup failed" "";
    SyncerUnitFirstEndPosNotFound SyncUnit Internal High "first DDL end position missing for a group" "";
    SyncerUnitResolveCasualityFail SyncUnit Internal High "conflict resolve failed" "";
    SyncerUnitReopenStreamNotSupport SyncUnit Internal High "stream cannot be reopened" "";
    SyncerUnitUpdateConfigInSharding SyncUnit Internal High "the config can't change while a sharding DDL is unresolved"
        "Resolve the lock (see `shard-ddl-lock`), then update.";
    SyncerUnitExecWithNoBlockingDDL SyncUnit Internal High "unit not waiting for a shard DDL" "";
    SyncerUnitGenBAList SyncUnit Internal High "block-allow list is not valid"
        "Correct the item that the cause names.";
    SyncerUnitHandleDDLFailed SyncUnit Internal High "a DDL failed" "";
    SyncerShardDDLConflict SyncUnit Internal High "a shard's DDL conflicts with the structure of the others"
        "Bring the shards to one structure, or skip or replace the DDL with `binlog`.";
    SyncerFailpoint SyncUnit Internal Low "raised by test failpoint" "";
    SyncerEvent SyncUnit Internal High "event build for replace/inject failed" "";
    SyncerOperatorNotExist SyncUnit Internal Low "operator not exist" "";
    SyncerEventNotExist SyncUnit Internal High "the command has no events" "";
    SyncerParseDDL SyncUnit Internal High "a statement given to the command can't be parsed"
        "Correct the statement.";
    SyncerUnsupportedStmt SyncUnit Internal High "this statement is not allowed in this mode" "";
    SyncerGetEvent SyncUnit Upstream High "the binlog can't be read"
        "Check that the source is up, reachable, and still has the binlog; `query-status` shows the position needed.";
    SyncerDownstreamTableNotFound SyncUnit Internal High "the target table does not exist" "";
    SyncerReprocessWithSafeModeFail SyncUnit Internal Medium "the task must write in safe mode to go on, but safe-mode-duration is 0s"
        "Set safe-mode-duration to 60s and resume the task.";
}
