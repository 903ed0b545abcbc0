//! Databases and shared functions (10001-11130).

use super::{Class, Code, Entry, Level, Scope, rows};

rows! {
    DBDriverError Database NotSet High "database driver error"
        "Please check the database connection and the database config in configuration file.";
    DBBadConn Database NotSet High "database driver: bad connection"
        "Check that the database is up and reachable from this node, then resume the task.";
    DBInvalidConn Database NotSet High "database driver: invalid connection"
        "Check that the database is up and reachable from this node, then resume the task.";
    DBUnExpect Database NotSet High "the database answered in an unexpected way" "";
    DBQueryFailed Database NotSet High "query failed" "";
    DBExecuteFailed Database NotSet High "statement failed" "";
    DBExecuteFailedBegin Database NotSet High "transaction could not be started" "";
    ParseMydumperMeta Functional Internal High "the dump's metadata file can't be understood" "";
    GetFileSize Functional Internal High "size of a file can't be read" "";
    DropMultipleTables Functional Internal High "a DROP TABLE with several tables can't be taken here"
        "Skip the event and drop the tables one by one.";
    RenameMultipleTables Functional Internal High "a RENAME TABLE with several tables can't be taken here"
        "Skip the event and rename the tables one by one.";
    AlterMultipleTables Functional Internal High "an ALTER TABLE with several tables can't be taken here"
        "Skip the event and alter the tables one by one.";
    ParseSQL Functional Internal High "SQL can't be parsed" "";
    UnknownTypeDDL Functional Internal High "this kind of DDL is not handled"
        "Replace the event by statements that are, or skip it: `binlog replace` and `binlog skip`.";
    RestoreASTNode Functional Internal High "a parsed statement can't be written back as text" "";
    ParseGTID Functional Internal High "GTID is malformed" "";
    NotSupportedFlavor Functional Internal High "flavor is not supported (allowed: mysql, mariadb)"
        "Set flavor in the source file to mysql or mariadb, or leave it out.";
    NotMySQLGTID Functional Internal High "a MySQL GTID set is needed" "";
    NotMariaDBGTID Functional Internal High "a MariaDB GTID set is needed" "";
    NotUUIDString Functional Internal High "not a UUID" "";
    MariaDBDomainID Functional Internal High "MariaDB domain id is beyond 32 bits" "";
    InvalidServerID Functional Internal High "server id is not a number" "";
    GetSQLModeFromStr Functional Internal High "sql_mode is not understood" "";
    VerifySQLOperateArgs Functional Internal Low "arguments of the command are not valid"
        "Look at the command's help.";
    StatFileSize Functional Internal High "space of a disk can't be read" "";
    ReaderAlreadyRunning Functional Internal High "the relay reader runs already" "";
    ReaderAlreadyStarted Functional Internal High "the relay reader can't be started in its state" "";
    ReaderStateCannotClose Functional Internal High "the relay reader can't be closed in its state" "";
    ReaderShouldStartSync Functional Internal High "the relay reader must be started first" "";
    EmptyRelayDir Functional Internal High "the relay folder's name is empty"
        "Set relay-dir in the source file.";
    ReadDir Functional Internal High "a folder can't be listed" "";
    BaseFileNotFound Functional Internal High "the relay file to start with is not there" "";
    BinFileCmpCondNotSupport Functional Internal High "unknown condition for comparing binlog files" "";
    BinlogFileNotValid Functional Internal High "a binlog file's name must be prefix.number" "";
    BinlogFilesNotFound Functional Internal High "no binlog file found" "";
    GetRelayLogStat Functional Internal High "a relay file can't be examined" "";
    AddWatchForRelayLogDir Functional Internal High "file watch failed" "";
    WatcherStart Functional Internal High "file watcher failed to start" "";
    WatcherChanClosed Functional Internal High "watcher channel closed" "";
    WatcherChanRecvError Functional Internal High "watcher reported an error" "";
    RelayLogFileSizeSmaller Functional Internal High "a relay file became smaller while it was read"
        "Stop relay, purge the relay folder and start relay again.";
    BinlogFileNotSpecified Functional Internal High "the name of a binlog file is missing" "";
    NoRelayLogMatchPos Functional Internal High "no relay file has the position" "";
    FirstRelayLogNotMatchPos Functional Internal High "the first relay file does not hold the start position" "";
    ParserParseRelayLog Functional Internal High "an event of a relay file can't be decoded" "";
    NoSubdirToSwitch Functional Internal High "all folders of the relay log are read" "";
    NeedSyncAgain Functional Internal High "the relay reader must start again" "";
    SyncClosed Functional Internal High "the relay reader is closed" "";
    SchemaTableNameNotValid Functional Internal High "a table's name must be of the form `schema`.`table`" "";
    GenTableRouter Functional Internal High "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    EncryptSecretKeyNotValid Functional Internal High "AES key length unsupported" "";
    EncryptGenCipher Functional Internal High "cipher creation failed" "";
    EncryptGenIV Functional Internal High "random IV generation failed" "";
    CiphertextLenNotValid Functional Internal High "ciphertext too short" "";
    CiphertextContextNotValid Functional Internal High "separator byte missing in ciphertext" "";
    InvalidBinlogPosStr Functional Internal High "a binlog position must be of the form name:position" "";
    EncCipherTextBase64Decode Functional Internal High "ciphertext is not base64" "";
    BinlogWriteBinaryData Functional Internal High "event encode: binary write failed" "";
    BinlogWriteDataToBuffer Functional Internal High "event encode: buffer write failed" "";
    BinlogHeaderLengthNotValid Functional Internal High "event header length wrong" "";
    BinlogEventDecode Functional Internal High "a binlog event can't be decoded" "";
    BinlogEmptyNextBinName Functional Internal High "rotate event without next name" "";
    BinlogParseSID Functional Internal High "server UUID bytes invalid" "";
    BinlogEmptyGTID Functional Internal High "GTID set is empty" "";
    BinlogGTIDSetNotValid Functional Internal High "GTID set is not valid for the flavor" "";
    BinlogGTIDMySQLNotValid Functional Internal High "not a valid MySQL GTID set" "";
    BinlogGTIDMariaDBNotValid Functional Internal High "not a valid MariaDB GTID set" "";
    BinlogMariaDBServerIDMismatch Functional Internal High "server ids differ" "";
    BinlogOnlyOneGTIDSupport Functional Internal High "exactly one GTID required" "";
    BinlogOnlyOneIntervalInUUID Functional Internal High "exactly one interval required" "";
    BinlogIntervalValueNotValid Functional Internal High "interval must cover one transaction" "";
    BinlogEmptyQuery Functional Internal High "query event without text" "";
    BinlogTableMapEvNotValid Functional Internal High "table map event incomplete" "";
    BinlogExpectFormatDescEv Functional Internal High "format description expected" "";
    BinlogExpectTableMapEv Functional Internal High "table map expected" "";
    BinlogExpectRowsEv Functional Internal High "rows event expected" "";
    BinlogUnexpectedEv Functional Internal High "unexpected event" "";
    BinlogParseSingleEv Functional Internal High "single event parse failed" "";
    BinlogEventTypeNotValid Functional Internal High "event type unsupported" "";
    BinlogEventNoRows Functional Internal High "rows event without rows" "";
    BinlogEventNoColumns Functional Internal High "rows event without columns" "";
    BinlogEventRowLengthNotEq Functional Internal High "row width differs from column types" "";
    BinlogColumnTypeNotSupport Functional Internal High "column type unsupported" "";
    BinlogGoMySQLTypeNotSupport Functional Internal High "column type unsupported by generator" "";
    BinlogColumnTypeMisMatch Functional Internal High "value does not fit the column type" "";
    BinlogDummyEvSizeTooSmall Functional Internal High "filler event too small" "";
    BinlogFlavorNotSupport Functional Internal High "flavor unsupported" "";
    BinlogDMLEmptyData Functional Internal High "no DML data" "";
    BinlogLatestGTIDNotInPrev Functional Internal High "latest GTID outside previous set" "";
    BinlogReadFileByGTID Functional Internal High "file reader has no GTID mode" "";
    BinlogWriterNotStateNew Functional Internal High "writer start in wrong state" "";
    BinlogWriterStateCannotClose Functional Internal High "writer close in wrong state" "";
    BinlogWriterNeedStart Functional Internal High "writer used before start" "";
    BinlogWriterOpenFile Functional Internal High "open for write failed" "";
    BinlogWriterGetFileStat Functional Internal High "stat failed" "";
    BinlogWriterWriteDataLen Functional Internal High "write failed" "";
    BinlogWriterFileNotOpened Functional Internal High "no open file" "";
    BinlogWriterFileSync Functional Internal High "fsync failed" "";
    BinlogPrevGTIDEvNotValid Functional Internal High "PreviousGTIDs event expected" "";
    BinlogDecodeMySQLGTIDSet Functional Internal High "GTID set bytes invalid" "";
    BinlogNeedMariaDBGTIDSet Functional Internal High "MariaDB GTID list expected" "";
    BinlogParseMariaDBGTIDSet Functional Internal High "MariaDB GTID set invalid" "";
    BinlogMariaDBAddGTIDSet Functional Internal High "merge into GTID set failed" "";
    TracingEventDataNotValid Functional Internal High "no longer used: tracer, bad event data" "";
    TracingUploadData Functional Internal High "no longer used: tracer, upload failed" "";
    TracingEventTypeNotValid Functional Internal High "no longer used: tracer, unknown event type" "";
    TracingGetTraceCode Functional Internal High "no longer used: tracer, caller info missing" "";
    TracingDataChecksum Functional Internal High "no longer used: tracer, checksum failed" "";
    TracingGetTSO Functional Internal High "no longer used: tracer, TSO failed" "";
    BackoffArgsNotValid Functional Internal Medium "backoff parameter out of range" "";
    InitLoggerFail Functional Internal Medium "the log can't be started" "";
    GTIDTruncateInvalid Functional Internal High "cannot cut a GTID set down" "";
    RelayLogGivenPosTooBig Functional Internal High "the position asked for is behind the end of the file"
        "If the source's binlog was reset, start the task anew with --remove-meta; else correct the position.";
    ElectionCampaignFail Functional Internal High "this master's campaign for leadership failed" "";
    ElectionGetLeaderIDFail Functional Internal Medium "the leader's name can't be read" "";
    BinlogInvalidFilenameWithUUIDSuffix Functional Internal High "relay-style binlog name invalid" "";
    DecodeEtcdKeyFail Functional Internal Medium "etcd key cannot be decoded" "";
    ShardDDLOptimismTrySyncFail Functional Internal Medium "a shard's table structure conflicts with the others"
        "Look at `shard-ddl-lock`, bring the shards to one structure, or skip or replace the DDL with `binlog`.";
    ConnInvalidTLSConfig Functional Internal Medium "TLS settings of a database connection are not valid"
        "Check that ssl-ca, ssl-cert and ssl-key are readable PEM files that belong together.";
    ConnRegistryTLSConfig Functional Internal Medium "TLS settings can't be registered" "";
    UpgradeVersionEtcdFail Functional Internal High "the cluster's version can't be read or written"
        "Check that a majority of masters is up.";
    InvalidV1WorkerMetaPath Functional Internal Medium "the v1.0 worker's meta folder is not valid"
        "Give the folder that the v1.0 worker used.";
    FailUpdateV1DBSchema Functional Internal Medium "meta tables of v1.0 can't be brought up to date"
        "Look at the cause, correct it in the target and start again.";
    BinlogStatusVarsParse Functional Internal Medium "query event status variables invalid" "";
    VerifyHandleErrorArgs Functional Internal Low "arguments of the command are not valid"
        "Look at `help binlog`.";
    RewriteSQL Functional Internal High "tables of a statement can't be renamed" "";
    NoUUIDDirMatchGTID Functional Internal High "no relay sub directory holds the GTID" "";
    NoRelayPosMatchGTID Functional Internal High "no relay position has the GTID" "";
    ReaderReachEndOfFile Functional Internal Low "relay reader hit end of file (internal signal)" "";
    MetadataNoBinlogLoc Functional Upstream Low "the dump's metadata file has no binlog position"
        "Check that binlog is on at the source and that the user may read its status, then dump again.";
    PreviousGTIDNotExist Functional Internal High "binlog has no PreviousGTIDs event" "";
    NoMasterStatus Functional Upstream Medium "the source's binlog status is empty"
        "Switch the source's binlog on (log_bin) and grant REPLICATION CLIENT (MariaDB: BINLOG MONITOR).";
    BinlogNotLogColumn BinlogOp Upstream High "the source did not write all columns to the binlog"
        "Set binlog_row_image = FULL at the source for all sessions; rows written before are incomplete, dump again.";
    ShardDDLOptimismNeedSkipAndRedirect Functional Internal High "conflicting DDL parked until all shards send it" "";
    ShardDDLOptimismAddNotFullyDroppedColumn Functional Internal Medium "a column is added again before its drop was finished in all shards"
        "Wait until all shards have dropped the column, or resolve the lock with `shard-ddl-lock unlock`.";
    SyncerCancelledDDL SyncUnit Internal High "a DDL job was cancelled in the target"
        "Find out who cancelled it; then skip or replace the DDL with `binlog`, or resume the task to run it again.";
    IncorrectReturnColumnsNum Functional Upstream Medium "the source's binlog status has an unexpected number of columns"
        "Check that the source is a supported MySQL or MariaDB version.";
}
