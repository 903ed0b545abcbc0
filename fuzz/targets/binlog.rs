//! Events around fuzzed bodies: header, no checksum.
#![allow(dead_code)] // Each target takes what it needs.

use std::collections::VecDeque;

use bytes::Bytes;
use dm::{
    config::Flavor,
    mysql::{
        binlog::{Event, EventDecoder},
        position::BinlogPosition,
    },
};

pub const TABLE_MAP: u8 = 19;

pub fn event(kind: u8, body: &[u8]) -> Bytes {
    let mut raw = vec![0, 0, 0, 0, kind, 1, 0, 0, 0];
    raw.extend((19 + body.len() as u32).to_le_bytes());
    raw.extend([4, 0, 0, 0, 0, 0]);
    raw.extend(body);
    raw.into()
}

pub fn decoder(flavor: Flavor) -> EventDecoder {
    EventDecoder::new(flavor, BinlogPosition::new("bin.000001", 4)).with_statement_texts()
}

/// What the events say; stops at the first that cannot be read.
pub fn decode(flavor: Flavor, events: impl IntoIterator<Item = Bytes>) -> VecDeque<Event> {
    let (mut decoder, mut out) = (decoder(flavor), VecDeque::new());
    for raw in events {
        let unfolded = |decoder: &mut EventDecoder, out: &mut _| {
            while decoder.unfold(out)? {}
            Ok::<_, dm::error::DmError>(())
        };
        if decoder.decode(raw, &mut out).and_then(|()| unfolded(&mut decoder, &mut out)).is_err() {
            break;
        }
    }
    out
}
