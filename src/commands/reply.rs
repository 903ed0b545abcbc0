//! Parts of replies that several commands build.

use crate::{error::DmError, pb};

/// One source's part of a reply: done.
pub fn source_done(source: &str, worker: &str) -> pb::CommonWorkerResponse {
    pb::CommonWorkerResponse { result: true, msg: String::new(), source: source.into(), worker: worker.into() }
}

/// One source's part of a reply: not done, and why.
pub fn source_failed(source: &str, worker: &str, reason: impl ToString) -> pb::CommonWorkerResponse {
    pb::CommonWorkerResponse { result: false, msg: reason.to_string(), source: source.into(), worker: worker.into() }
}

/// A reply that carries nothing but an error.
pub trait Refusal: Default {
    /// `result` is false and `msg` holds the text.
    fn refused(msg: String) -> Self;

    /// The same for an error with DM's code.
    fn failed(error: &DmError) -> Self {
        Self::refused(error.to_string())
    }
}

macro_rules! refusals {
    ($($reply:ident),* $(,)?) => {
        $(#[allow(clippy::needless_update)] // some replies have no other field
        impl Refusal for pb::$reply {
            fn refused(msg: String) -> Self {
                pb::$reply { result: false, msg, ..Default::default() }
            }
        })*
    };
}

refusals!(
    StartTaskResponse,
    OperateTaskResponse,
    UpdateTaskResponse,
    QueryStatusListResponse,
    ShowDdlLocksResponse,
    UnlockDdlLockResponse,
    OperateWorkerRelayResponse,
    PurgeWorkerRelayResponse,
    CheckTaskResponse,
    OperateSourceResponse,
    RegisterWorkerResponse,
    OfflineMemberResponse,
    OperateLeaderResponse,
    ListMemberResponse,
    OperateSchemaResponse,
    GetSubTaskCfgResponse,
    GetCfgResponse,
    HandleErrorResponse,
    TransferSourceResponse,
    OperateRelayResponse,
    StartValidationResponse,
    StopValidationResponse,
    UpdateValidationResponse,
    EncryptResponse,
    ListTaskConfigsResponse,
    ListSourceConfigsResponse,
    GetValidationStatusResponse,
    GetValidationErrorResponse,
    OperateValidationErrorResponse,
    CommonWorkerResponse,
    QueryStatusResponse,
    OperateV1MetaResponse,
);
