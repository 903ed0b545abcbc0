//! Streams of raw events: each is read or refused, positions only grow within a file.
//!
//! Input: one byte for the flavor, then events: type, length of the body in two bytes, body.
#![no_main]

mod binlog;

use dm::{config::Flavor, mysql::binlog::EventBody};
use libfuzzer_sys::fuzz_target;

/// ROTATE_EVENT.
const ROTATE: u8 = 4;

fuzz_target!(|data: &[u8]| {
    let Some((head, mut rest)) = data.split_first() else { return };
    let flavor = if head & 1 == 0 { Flavor::Mysql } else { Flavor::Mariadb };
    let mut decoder = binlog::decoder(flavor);
    let mut out = std::collections::VecDeque::new();
    while let Some((&[kind, low, high], tail)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(tail.len());
        let (body, tail) = tail.split_at(length);
        rest = tail;
        let before = decoder.position().clone();
        let read = decoder.decode(binlog::event(kind, body), &mut out);
        let after = decoder.position();
        // A rotate says where to be, also within the same file: a server sends one at the start of every stream.
        let grows = kind == ROTATE || after.name != before.name || after.pos >= before.pos;
        assert!(grows, "a position went back");
        if let Err(error) = read {
            assert!(!error.message().is_empty());
        }
    }
    for event in out {
        match event.body {
            EventBody::Rows(rows) => rows.rows().take(1000).for_each(drop),
            EventBody::Query(query) => drop(query.text().map(str::len)),
            EventBody::Gtid(gtid) => drop(gtid.gtid.map(|gtid| gtid.to_string())),
            EventBody::PreviousGtids(set) | EventBody::GtidList(set) => drop(set.to_string()),
            _ => {}
        }
    }
});
