//! How a worker finds its cluster: it registers with a master, then asks for the masters' cluster ports.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tonic::{Response, Status, transport::Channel};

use crate::{
    actors::node::FindMasters,
    config::Security,
    coordinator::consensus::Voter,
    error::{Code, DmError, Result},
    pb::{self, master_client::MasterClient},
    transport::dial::channel,
};

/// DM's numbers (behaviour facts 1).
const ROUNDS: usize = 5;
const DIAL: Duration = Duration::from_secs(3);
const REPLY: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);

/// What a worker learns by joining.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Joined {
    /// The cluster's secret key; empty when it has none.
    pub secret_key: Vec<u8>,
}

/// Registers `name` at `address` with the first of `masters` that accepts; tries all, five times. 40077 otherwise.
pub async fn register(masters: &[String], name: &str, address: &str, security: &Security) -> Result<Joined> {
    let mut last = String::new();
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        for master in masters {
            match register_once(master, name, address, security).await {
                Ok(joined) => {
                    tracing::info!(master, name, address, "joined the cluster");
                    return Ok(joined);
                }
                Err(why) => {
                    tracing::warn!(master, round = round + 1, error = why, "can't join the cluster");
                    last = format!("{master}: {why}");
                }
            }
        }
    }
    Err(DmError::new(Code::WorkerFailConnectMaster)
        .msg(format!("cannot join with master endpoints: {}, error: {last}", masters.join(",")))
        .workaround(
            "Please check the network connection, that dm-master runs there, and `join` and `name` of this worker.",
        ))
}

async fn register_once(master: &str, name: &str, address: &str, security: &Security) -> Result<Joined, String> {
    let mut client = dial(master, security).await?;
    let request = pb::RegisterWorkerRequest { name: name.into(), address: address.into() };
    let reply = in_time(client.register_worker(request)).await?;
    match reply.result {
        true => Ok(Joined { secret_key: reply.secret_key }),
        false => Err(reply.msg),
    }
}

async fn dial(master: &str, security: &Security) -> Result<MasterClient<Channel>, String> {
    let address = master.rsplit_once("://").map_or(master, |(_, address)| address);
    channel(address, security, DIAL).await.map(MasterClient::new)
}

async fn in_time<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, String> {
    match tokio::time::timeout(REPLY, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err(format!("no answer in {} s", REPLY.as_secs())),
    }
}

/// Asks the masters in turn for all masters' cluster ports, before every round of dialling; when none answers, the
/// ports known last are dialled again.
pub fn find_masters(masters: Vec<String>, security: Security) -> FindMasters {
    let known = Arc::new(Mutex::new(Vec::new()));
    Arc::new(move || {
        let (masters, known, security) = (masters.clone(), known.clone(), security.clone());
        async move {
            for master in &masters {
                match cluster_ports(master, &security).await {
                    Ok(ports) if !ports.is_empty() => {
                        *known.lock().unwrap_or_else(PoisonError::into_inner) = ports.clone();
                        return ports;
                    }
                    Ok(_) => tracing::debug!(master, "it names no master"),
                    Err(why) => tracing::debug!(master, error = why, "it does not tell where the masters are"),
                }
            }
            known.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
        .boxed()
    })
}

async fn cluster_ports(master: &str, security: &Security) -> Result<Vec<String>, String> {
    let voters = list_masters(master, security).await?;
    Ok(voters.iter().flat_map(|voter| &voter.peer_urls).filter_map(|url| super::peer_address(url)).collect())
}

/// The masters of a cluster, as the first of `addresses` that answers knows them.
pub async fn masters(addresses: &[String], security: &Security) -> Result<Vec<Voter>, String> {
    let mut last = String::new();
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        for address in addresses {
            match list_masters(address, security).await {
                Ok(voters) if !voters.is_empty() => return Ok(voters),
                Ok(_) => last = format!("{address} names no master"),
                Err(why) => last = format!("{address}: {why}"),
            }
        }
    }
    Err(last)
}

async fn list_masters(master: &str, security: &Security) -> Result<Vec<Voter>, String> {
    let request = pb::ListMemberRequest { master: true, ..Default::default() };
    let mut client = dial(master, security).await?;
    let reply = in_time(client.list_member(request)).await?;
    if !reply.result {
        return Err(reply.msg);
    }
    let mut voters = Vec::new();
    for member in reply.members {
        let Some(pb::members::Member::Master(list)) = member.member else { continue };
        voters.extend(list.masters.into_iter().map(|m| Voter { name: m.name, peer_urls: m.peer_ur_ls }));
    }
    Ok(voters)
}
