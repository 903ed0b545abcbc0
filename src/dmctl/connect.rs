//! The connection to a master: the listed endpoints are tried in turn.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::session::Target;
use crate::{
    error::{Code, DmError},
    pb::master_client::MasterClient,
};

/// How long one endpoint may take.
const DIAL_LIMIT: Duration = Duration::from_secs(3);

/// The largest reply that is read.
const REPLY_LIMIT: usize = 1 << 30;

/// Paths of TLS files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFiles {
    pub ca: String,
    pub cert: String,
    pub key: String,
}

impl TlsFiles {
    fn wanted(&self) -> bool {
        !(self.ca.is_empty() && self.cert.is_empty() && self.key.is_empty())
    }
}

/// Connects to the first endpoint that answers; 48001 names all of them when none does.
pub async fn connect(target: &Target) -> Result<MasterClient<Channel>, DmError> {
    if target.tls.wanted() {
        return Err(DmError::new(Code::CtlInvalidTLSCfg)
            .msg("connections with TLS are not supported by this version of dmctl")
            .workaround("Please connect without --ssl-ca, --ssl-cert and --ssl-key, from a trusted host."));
    }
    let mut reason = String::new();
    for address in &target.endpoints {
        match dial(address).await {
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

async fn dial(address: &str) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| format!("{address:?} is not host:port"))?
        .connect_timeout(DIAL_LIMIT);
    match tokio::time::timeout(DIAL_LIMIT, endpoint.connect()).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(e)) => Err(format!("{address}: {}", innermost(&e))),
        Err(_) => Err(format!("{address}: no answer in {} s", DIAL_LIMIT.as_secs())),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
