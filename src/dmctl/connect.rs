//! The connection to a master: the listed endpoints are tried in turn. Of several, one that is frozen or cut off (it
//! accepts connections, but answers nothing) is passed over.

use std::time::Duration;

use tonic::{Status, transport::Channel};

use super::session::Target;
use crate::{
    error::{Code, DmError},
    mysql::tls::client_config,
    pb::{GetMasterCfgRequest, master_client::MasterClient},
    transport::dial::channel,
};

/// How long one endpoint may take.
const DIAL_LIMIT: Duration = Duration::from_secs(3);

/// The largest reply that is read.
const REPLY_LIMIT: usize = 1 << 30;

/// How long a master may take to show its config, where there are others to ask.
const LIFE_LIMIT: Duration = Duration::from_secs(1);

/// Connects to the first endpoint that answers, beginning with number `first`, and says which it is; 48001 names all of
/// them when none does.
pub async fn connect(target: &Target, first: usize) -> Result<(MasterClient<Channel>, usize), DmError> {
    client_config(&target.tls).await.map_err(|why| DmError::new(Code::CtlLoadTLSCfg).cause(why))?;
    let (mut reason, mut silent) = (String::new(), None);
    let count = target.endpoints.len();
    for number in (0..count).map(|i| first.wrapping_add(i) % count) {
        let Some(address) = target.endpoints.get(number) else { continue };
        match channel(address, &target.tls, DIAL_LIMIT).await {
            Ok(channel) => {
                let client = MasterClient::new(channel)
                    .max_decoding_message_size(REPLY_LIMIT)
                    .max_encoding_message_size(REPLY_LIMIT);
                if count == 1 || lives(client.clone()).await {
                    return Ok((client, number));
                }
                silent.get_or_insert((client, number));
            }
            Err(e) => reason = e,
        }
    }
    // Slow is better than nothing.
    if let Some(found) = silent {
        return Ok(found);
    }
    let addresses = target.endpoints.join(",");
    Err(DmError::new(Code::CtlGRPCCreateConn)
        .msg(format!("can't connect to {addresses}"))
        .cause(reason)
        .workaround("Please check that dm-master runs and that --master-addr names its address and port."))
}

/// Whether a master answers at all: its own config is what each has, whoever leads.
async fn lives(mut client: MasterClient<Channel>) -> bool {
    let asked = client.get_master_cfg(GetMasterCfgRequest {});
    matches!(tokio::time::timeout(LIFE_LIMIT, asked).await, Ok(answer) if answer.as_ref().err().is_none_or(told))
}

/// An error that the server itself made.
fn told(status: &Status) -> bool {
    status.code() != tonic::Code::Unavailable
}
