//! `/cluster/...`.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tonic::Request;

use super::{Answer, Call, Done, Fault, documents};
use crate::{
    gateway::master::Service,
    pb::{self, master_server::Master, members::Member},
};

/// Runs an operation.
pub async fn run(service: &Service, name: &str, call: &Call) -> Done {
    match name {
        "getClusterInfo" => Ok(Answer::ok(info(service))),
        "updateClusterInfo" => {
            documents::put(service, documents::TOPOLOGY, &call.body).await?;
            Ok(Answer::ok(info(service)))
        }
        "getClusterMasterList" => Ok(Answer::list(masters(service).await)),
        "getClusterWorkerList" => Ok(Answer::list(workers(service).await)),
        "offlineMaster" => offline(service, "master", call.of("master-name")).await,
        _ => offline(service, "worker", call.of("worker-name")).await,
    }
}

fn info(service: &Service) -> Value {
    let mut info = json!({ "cluster_id": service.cluster.state().cluster_id });
    if let Some(topology) = documents::get(service, documents::TOPOLOGY) {
        info["topology"] = topology;
    }
    info
}

async fn masters(service: &Service) -> Vec<Value> {
    let (mut leader, mut list) = (String::new(), Vec::new());
    for member in service.cluster.members().await {
        match member.member {
            Some(Member::Leader(found)) => leader = found.name,
            Some(Member::Master(found)) => list = found.masters,
            _ => {}
        }
    }
    let one = |master: &pb::MasterInfo| {
        json!({
            "name": master.name,
            "alive": master.alive,
            "leader": master.name == leader,
            "addr": master.peer_ur_ls.first().cloned().unwrap_or_default(),
        })
    };
    list.iter().map(one).collect()
}

async fn workers(service: &Service) -> Vec<Value> {
    let members = service.cluster.members().await;
    let workers = members.into_iter().find_map(|member| match member.member {
        Some(Member::Worker(found)) => Some(found.workers),
        _ => None,
    });
    let one = |worker: &pb::WorkerInfo| {
        json!({
            "name": worker.name,
            "addr": worker.addr,
            "bound_stage": worker.stage,
            "bound_source_name": worker.source,
        })
    };
    workers.unwrap_or_default().iter().map(one).collect()
}

async fn offline(service: &Service, kind: &str, name: &str) -> Done {
    let request = pb::OfflineMemberRequest { r#type: kind.into(), name: name.into() };
    let reply = service.offline_member(Request::new(request)).await.map_err(|status| status.message().to_owned())?;
    let reply = reply.into_inner();
    if reply.result { Ok(Answer::Empty(StatusCode::NO_CONTENT)) } else { Err(Fault::Text(reply.msg)) }
}
