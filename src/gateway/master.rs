//! gRPC `pb.Master`: every request is logged and given to its command; what this version lacks says so.
//! Errors are replies with `result: false`, not gRPC errors, as dmctl expects.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{openapi, payload::Payload};
use crate::{
    commands::{
        binlog, binlog_schema, check_task, cluster::Cluster, config_files, encrypt, get_config, list_member,
        offline_member, operate_leader, operate_source, operate_task, query_status, relay, reply::Refusal,
        shard_ddl_lock, start_task, transfer_source, validation,
    },
    config::{MasterConfig, secret},
    pb::{self, master_server::Master},
};

/// The service of one master.
#[derive(Clone)]
pub struct Service {
    pub cluster: Arc<dyn Cluster>,
    pub config: Arc<MasterConfig>,
}

/// What a handler returns.
pub type Reply<T> = Result<Response<T>, Status>;

/// Logs a request and unwraps it.
fn logged<T: Payload>(method: &'static str, request: Request<T>) -> T {
    let request = request.into_inner();
    tracing::info!(payload = request.shown(), request = method, "");
    request
}

#[async_trait]
impl Master for Service {
    async fn start_task(&self, request: Request<pb::StartTaskRequest>) -> Reply<pb::StartTaskResponse> {
        let request = logged("StartTask", request);
        Ok(Response::new(start_task::apply(&*self.cluster, request).await))
    }

    async fn operate_task(&self, request: Request<pb::OperateTaskRequest>) -> Reply<pb::OperateTaskResponse> {
        let request = logged("OperateTask", request);
        Ok(Response::new(operate_task::apply(&*self.cluster, request).await))
    }

    async fn query_status(&self, request: Request<pb::QueryStatusListRequest>) -> Reply<pb::QueryStatusListResponse> {
        let request = logged("QueryStatus", request);
        Ok(Response::new(query_status::apply(&*self.cluster, request).await))
    }

    async fn check_task(&self, request: Request<pb::CheckTaskRequest>) -> Reply<pb::CheckTaskResponse> {
        let request = logged("CheckTask", request);
        Ok(Response::new(check_task::apply(&*self.cluster, request).await))
    }

    async fn operate_source(&self, request: Request<pb::OperateSourceRequest>) -> Reply<pb::OperateSourceResponse> {
        let request = logged("OperateSource", request);
        Ok(Response::new(operate_source::apply(&*self.cluster, request).await))
    }

    async fn list_member(&self, request: Request<pb::ListMemberRequest>) -> Reply<pb::ListMemberResponse> {
        let request = logged("ListMember", request);
        Ok(Response::new(list_member::apply(&*self.cluster, request).await))
    }

    async fn get_cfg(&self, request: Request<pb::GetCfgRequest>) -> Reply<pb::GetCfgResponse> {
        let request = logged("GetCfg", request);
        Ok(Response::new(match request.r#type() {
            pb::CfgType::TaskTemplateType => openapi::template(self, &request.name),
            _ => get_config::apply(&*self.cluster, &self.config, request).await,
        }))
    }

    async fn register_worker(&self, request: Request<pb::RegisterWorkerRequest>) -> Reply<pb::RegisterWorkerResponse> {
        let request = logged("RegisterWorker", request);
        Ok(Response::new(match self.cluster.register_worker(request.name, request.address).await {
            Ok(()) => pb::RegisterWorkerResponse { result: true, msg: String::new(), secret_key: secret::key_bytes() },
            Err(error) => pb::RegisterWorkerResponse::failed(&error),
        }))
    }

    async fn get_master_cfg(&self, request: Request<pb::GetMasterCfgRequest>) -> Reply<pb::GetMasterCfgResponse> {
        logged("GetMasterCfg", request);
        Ok(Response::new(pb::GetMasterCfgResponse { cfg: self.config.to_toml() }))
    }

    async fn list_task_configs(&self, request: Request<()>) -> Reply<pb::ListTaskConfigsResponse> {
        logged("ListTaskConfigs", request);
        Ok(Response::new(config_files::list_tasks(&*self.cluster)))
    }

    async fn check_progress(&self, _: Request<()>) -> Reply<pb::CheckProgressResponse> {
        Ok(Response::new(check_task::progress()))
    }

    async fn list_source_configs(&self, request: Request<()>) -> Reply<pb::ListSourceConfigsResponse> {
        logged("ListSourceConfigs", request);
        Ok(Response::new(config_files::list_sources(&*self.cluster)))
    }

    async fn update_task(&self, request: Request<pb::UpdateTaskRequest>) -> Reply<pb::UpdateTaskResponse> {
        let request = logged("UpdateTask", request);
        Ok(Response::new(start_task::apply_update(&*self.cluster, request).await))
    }

    async fn show_ddl_locks(&self, request: Request<pb::ShowDdlLocksRequest>) -> Reply<pb::ShowDdlLocksResponse> {
        let request = logged("ShowDDLLocks", request);
        Ok(Response::new(shard_ddl_lock::show(request)))
    }

    async fn unlock_ddl_lock(&self, request: Request<pb::UnlockDdlLockRequest>) -> Reply<pb::UnlockDdlLockResponse> {
        let request = logged("UnlockDDLLock", request);
        Ok(Response::new(shard_ddl_lock::unlock(&*self.cluster, &request)))
    }

    async fn operate_worker_relay_task(
        &self,
        request: Request<pb::OperateWorkerRelayRequest>,
    ) -> Reply<pb::OperateWorkerRelayResponse> {
        let request = logged("OperateWorkerRelayTask", request);
        Ok(Response::new(relay::pause(&*self.cluster, &request)))
    }

    async fn purge_worker_relay(
        &self,
        request: Request<pb::PurgeWorkerRelayRequest>,
    ) -> Reply<pb::PurgeWorkerRelayResponse> {
        let request = logged("PurgeWorkerRelay", request);
        Ok(Response::new(relay::purge(&request)))
    }

    async fn offline_member(&self, request: Request<pb::OfflineMemberRequest>) -> Reply<pb::OfflineMemberResponse> {
        let request = logged("OfflineMember", request);
        Ok(Response::new(offline_member::apply(&*self.cluster, request).await))
    }

    async fn operate_leader(&self, request: Request<pb::OperateLeaderRequest>) -> Reply<pb::OperateLeaderResponse> {
        let request = logged("OperateLeader", request);
        Ok(Response::new(operate_leader::apply(&*self.cluster, request).await))
    }

    async fn operate_schema(&self, request: Request<pb::OperateSchemaRequest>) -> Reply<pb::OperateSchemaResponse> {
        let request = logged("OperateSchema", request);
        Ok(Response::new(binlog_schema::apply(&*self.cluster, request).await))
    }

    async fn get_sub_task_cfg(&self, request: Request<pb::GetSubTaskCfgRequest>) -> Reply<pb::GetSubTaskCfgResponse> {
        let request = logged("GetSubTaskCfg", request);
        Ok(Response::new(get_config::subtasks(&*self.cluster, &request.name)))
    }

    async fn handle_error(&self, request: Request<pb::HandleErrorRequest>) -> Reply<pb::HandleErrorResponse> {
        let request = logged("HandleError", request);
        Ok(Response::new(binlog::apply(&*self.cluster, request).await))
    }

    async fn transfer_source(&self, request: Request<pb::TransferSourceRequest>) -> Reply<pb::TransferSourceResponse> {
        let request = logged("TransferSource", request);
        Ok(Response::new(transfer_source::apply(&*self.cluster, request).await))
    }

    async fn operate_relay(&self, request: Request<pb::OperateRelayRequest>) -> Reply<pb::OperateRelayResponse> {
        let request = logged("OperateRelay", request);
        Ok(Response::new(relay::operate(&*self.cluster, &request)))
    }

    async fn start_validation(
        &self,
        request: Request<pb::StartValidationRequest>,
    ) -> Reply<pb::StartValidationResponse> {
        let request = logged("StartValidation", request);
        Ok(Response::new(validation::apply_start(&*self.cluster, &request)))
    }

    async fn stop_validation(&self, request: Request<pb::StopValidationRequest>) -> Reply<pb::StopValidationResponse> {
        let request = logged("StopValidation", request);
        Ok(Response::new(validation::apply_stop(&*self.cluster, &request)))
    }

    async fn get_validation_status(
        &self,
        request: Request<pb::GetValidationStatusRequest>,
    ) -> Reply<pb::GetValidationStatusResponse> {
        let request = logged("GetValidationStatus", request);
        Ok(Response::new(validation::apply_status(&*self.cluster, &request)))
    }

    async fn get_validation_error(
        &self,
        request: Request<pb::GetValidationErrorRequest>,
    ) -> Reply<pb::GetValidationErrorResponse> {
        let request = logged("GetValidationError", request);
        Ok(Response::new(validation::apply_show_error(&*self.cluster, &request)))
    }

    async fn operate_validation_error(
        &self,
        request: Request<pb::OperateValidationErrorRequest>,
    ) -> Reply<pb::OperateValidationErrorResponse> {
        let request = logged("OperateValidationError", request);
        Ok(Response::new(validation::apply_operate_error(&*self.cluster, &request)))
    }

    async fn update_validation(
        &self,
        request: Request<pb::UpdateValidationRequest>,
    ) -> Reply<pb::UpdateValidationResponse> {
        let request = logged("UpdateValidation", request);
        Ok(Response::new(validation::apply_update(&*self.cluster, &request)))
    }

    async fn encrypt(&self, request: Request<pb::EncryptRequest>) -> Reply<pb::EncryptResponse> {
        let request = logged("Encrypt", request);
        Ok(Response::new(encrypt::apply(&request)))
    }
}
