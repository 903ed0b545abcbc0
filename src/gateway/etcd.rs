//! gRPC `etcdserverpb.KV`: the one read of a master's etcd that DM's dmctl does itself, for `config export`.
//! There is no etcd here; every other key is refused, so that nobody takes an empty answer for the truth.

use tonic::{Request, Response, Status, async_trait};

use crate::pb::etcd::{RangeRequest, RangeResponse, ResponseHeader, kv_server::Kv};

/// Below this key DM keeps which workers pull the relay log of which source.
const RELAY_WORKERS: &[u8] = b"/dm-master/relay-worker/";

/// The service; it has no state because no worker of this version pulls relay logs.
pub struct RelayWorkers;

#[async_trait]
impl Kv for RelayWorkers {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let key = request.into_inner().key;
        if !key.starts_with(RELAY_WORKERS) {
            return Err(Status::unimplemented("there is no etcd here; only the relay workers can be read"));
        }
        let header = ResponseHeader { revision: 1, ..Default::default() };
        Ok(Response::new(RangeResponse { header: Some(header), ..Default::default() }))
    }
}
