//! gRPC `pb.Worker`: what a worker can say of itself. Operations come through the actors, so the rest is refused.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use crate::{
    commands::{later, reply::Refusal},
    pb::{self, worker_server::Worker},
};

/// What a worker shows of itself on its port.
#[async_trait]
pub trait WorkerView: Send + Sync + 'static {
    /// The status of the bound source's subtasks (all when `task` is empty).
    async fn query_status(&self, task: &str) -> pb::QueryStatusResponse;

    /// Its config as TOML.
    fn config(&self) -> String;
}

/// The service of one worker.
pub struct Service {
    pub view: Arc<dyn WorkerView>,
}

type Reply<T> = Result<Response<T>, Status>;

fn refused<R: Refusal>(method: &str) -> Reply<R> {
    Ok(Response::new(R::failed(&later::refusal(method))))
}

#[async_trait]
impl Worker for Service {
    async fn query_status(&self, request: Request<pb::QueryStatusRequest>) -> Reply<pb::QueryStatusResponse> {
        Ok(Response::new(self.view.query_status(&request.into_inner().name).await))
    }

    async fn get_worker_cfg(&self, _: Request<pb::GetWorkerCfgRequest>) -> Reply<pb::GetWorkerCfgResponse> {
        Ok(Response::new(pb::GetWorkerCfgResponse { cfg: self.view.config() }))
    }

    async fn check_subtasks_can_update(
        &self,
        _: Request<pb::CheckSubtasksCanUpdateRequest>,
    ) -> Reply<pb::CheckSubtasksCanUpdateResponse> {
        let msg = later::refusal("CheckSubtasksCanUpdate").to_string();
        Ok(Response::new(pb::CheckSubtasksCanUpdateResponse { success: false, msg }))
    }

    async fn purge_relay(&self, _: Request<pb::PurgeRelayRequest>) -> Reply<pb::CommonWorkerResponse> {
        refused("PurgeRelay")
    }

    async fn operate_schema(&self, _: Request<pb::OperateWorkerSchemaRequest>) -> Reply<pb::CommonWorkerResponse> {
        refused("OperateSchema")
    }

    async fn operate_v1_meta(&self, _: Request<pb::OperateV1MetaRequest>) -> Reply<pb::OperateV1MetaResponse> {
        refused("OperateV1Meta")
    }

    async fn handle_error(&self, _: Request<pb::HandleWorkerErrorRequest>) -> Reply<pb::CommonWorkerResponse> {
        refused("HandleError")
    }

    async fn get_worker_validator_status(
        &self,
        _: Request<pb::GetValidationStatusRequest>,
    ) -> Reply<pb::GetValidationStatusResponse> {
        refused("GetWorkerValidatorStatus")
    }

    async fn get_validator_error(
        &self,
        _: Request<pb::GetValidationErrorRequest>,
    ) -> Reply<pb::GetValidationErrorResponse> {
        refused("GetValidatorError")
    }

    async fn operate_validator_error(
        &self,
        _: Request<pb::OperateValidationErrorRequest>,
    ) -> Reply<pb::OperateValidationErrorResponse> {
        refused("OperateValidatorError")
    }

    async fn update_validator(&self, _: Request<pb::UpdateValidationWorkerRequest>) -> Reply<pb::CommonWorkerResponse> {
        refused("UpdateValidator")
    }
}
