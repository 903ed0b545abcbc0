//! What arrives at the node port, behind its handshake: any bytes are a request or a reply of some kind, or malformed;
//! what was read is written so that it reads back the same. Changes of the cluster's state are applied: the state takes
//! or refuses each, and its snapshot reads back the same.
#![no_main]

use dm::{
    actors::{
        member::messages::{MemberAsk, MemberReply},
        scheduler::messages::{SchedulerAsk, SchedulerReply},
    },
    coordinator::{
        ClusterChange,
        consensus::messages::{VoterAsk, VoterReply},
        state::ClusterState,
    },
    wire,
};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read = wire::decode::<T>(bytes).ok()?;
    let written = wire::encode(&read);
    let back = wire::decode::<T>(&written).expect("it was written here");
    assert_eq!(wire::encode(&back), written);
    Some(read)
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 8 {
        0 => drop(read::<MemberAsk>(bytes)),
        1 => drop(read::<MemberReply>(bytes)),
        2 => drop(read::<SchedulerAsk>(bytes)),
        3 => drop(read::<SchedulerReply>(bytes)),
        4 => drop(read::<VoterAsk>(bytes)),
        5 => drop(read::<VoterReply>(bytes)),
        6 => drop(read::<ClusterState>(bytes)),
        _ => {
            let mut state = ClusterState::default();
            for change in read::<Vec<ClusterChange>>(bytes).unwrap_or_default() {
                let _ = format!("{change:?}");
                state.apply(change);
            }
            assert_eq!(wire::decode::<ClusterState>(&wire::encode(&state)).expect("a snapshot"), state);
        }
    }
});
