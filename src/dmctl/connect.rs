//! The connection to a master: the listed endpoints are tried in turn.

use std::time::Duration;

use tonic::transport::Channel;

use super::session::Target;
use crate::{
    error::{Code, DmError},
    mysql::tls::client_config,
    pb::master_client::MasterClient,
    transport::dial::channel,
};

/// How long one endpoint may take.
const DIAL_LIMIT: Duration = Duration::from_secs(3);

/// The largest reply that is read.
const REPLY_LIMIT: usize = 1 << 30;

/// Connects to the first endpoint that answers; 48001 names all of them when none does.
pub async fn connect(target: &Target) -> Result<MasterClient<Channel>, DmError> {
    client_config(&target.tls).await.map_err(|why| DmError::new(Code::CtlLoadTLSCfg).cause(why))?;
    let mut reason = String::new();
    for address in &target.endpoints {
        match channel(address, &target.tls, DIAL_LIMIT).await {
            Ok(channel) => {
                return Ok(MasterClient::new(channel)
                    .max_decoding_message_size(REPLY_LIMIT)
                    .max_encoding_message_size(REPLY_LIMIT));
            }
            Err(e) => reason = e,
        }
    }
    let addresses = target.endpoints.join(",");
    Err(DmError::new(Code::CtlGRPCCreateConn)
        .msg(format!("can't connect to {addresses}"))
        .cause(reason)
        .workaround("Please check that dm-master runs and that --master-addr names its address and port."))
}
