//! Decoding of whole files, captured from MySQL 9.7 and MariaDB 10.11, as they are and damaged.

use std::collections::VecDeque;

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Event, EventBody, EventDecoder, RowsKind, consts::*};
use crate::{
    config::Flavor,
    error::{Code, Result},
    mysql::{
        literal::{Encoding, literal},
        position::BinlogPosition,
    },
};

const MYSQL: &[u8] = include_bytes!("testdata/mysql-9.7.binlog");
const MARIADB: &[u8] = include_bytes!("testdata/mariadb-10.11.binlog");

fn files() -> [(Flavor, &'static [u8]); 2] {
    [(Flavor::Mysql, MYSQL), (Flavor::Mariadb, MARIADB)]
}

/// The bytes of each event behind the file's 4 magic bytes.
fn raw_events(file: &'static [u8]) -> Vec<Bytes> {
    let mut rest = &file[4..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let size = u32::from_le_bytes(rest[9..13].try_into().unwrap()) as usize;
        events.push(Bytes::from_static(&rest[..size]));
        rest = &rest[size..];
    }
    events
}

fn decoder(flavor: Flavor) -> EventDecoder {
    EventDecoder::new(flavor, BinlogPosition::new("bin.000002", 4)).with_statement_texts()
}

fn decode(flavor: Flavor, events: &[Bytes]) -> Result<Vec<Event>> {
    let (mut decoder, mut out) = (decoder(flavor), VecDeque::new());
    for raw in events {
        decoder.decode(raw.clone(), &mut out)?;
        while decoder.unfold(&mut out)? {}
    }
    Ok(out.into())
}

/// The literals of every row, one text a row.
fn rows(events: &[Event]) -> Vec<String> {
    let mut texts = Vec::new();
    for event in events {
        let EventBody::Rows(rows) = &event.body else { continue };
        for change in rows.rows() {
            let change = change.unwrap();
            let mut out = format!("{} {:?}:", rows.table.table, rows.kind);
            for row in [&change.before, &change.after].into_iter().flatten() {
                for value in &row.values {
                    out.push(' ');
                    literal(value, &Encoding::Text, &mut out);
                }
                out.push(';');
            }
            texts.push(out);
        }
    }
    texts
}

#[test]
fn every_row_of_the_files_is_read() {
    let mysql = rows(&decode(Flavor::Mysql, &raw_events(MYSQL)).unwrap());
    let numbers = "1 255 -9223372036854775808 -12345678.9012 1.5e0 -1e-1 513 2024 -8388608";
    assert_eq!(mysql[0], format!("n Insert: {numbers};"));
    assert_eq!(mysql[1], "n Insert: 2 NULL NULL NULL NULL NULL NULL NULL NULL;");
    assert!(
        mysql[2].starts_with("s Insert: 1 'text' 'caf' _utf8mb4 x'00ff' /*T! COLLATE ascii_bin */ 2 5 'a' "),
        "{}",
        mysql[2]
    );
    let json = r#"'{"a": [1, 2.5, "x", null, true, {"b": -70000}], "k": 18446744073709551615}'"#;
    assert!(mysql[2].contains(json), "{}", mysql[2]);
    let times = "'2024-02-29' '-01:02:03.456' '2024-02-29 12:34:56.789012' '2001-09-09 01:46:40.25'";
    assert_eq!(mysql[3], format!("t Insert: 1 {times};"));
    assert!(mysql[4].starts_with(&format!("n Update: {numbers}; 1 255 ")) && mysql[4].ends_with(" 7;"));
    assert_eq!(mysql[7], format!("t Delete: 1 {times};"));
    assert_eq!(mysql.len(), 11, "{mysql:#?}");

    let mariadb = rows(&decode(Flavor::Mariadb, &raw_events(MARIADB)).unwrap());
    // MariaDB writes no signs unless asked to.
    assert_eq!(mariadb[0], format!("n Insert: {};", numbers.replace("255", "-1")));
    assert_eq!(mariadb[3], mysql[3]);
    assert_eq!(mariadb[8], format!("s Insert: 5 '{}' NULL NULL NULL NULL NULL NULL NULL;", "z".repeat(200)));
    assert_eq!(mariadb[10], format!("c Insert: 1 '{}';", "ab".repeat(200)));
    assert_eq!(mariadb.len(), 11, "{mariadb:#?}");
}

#[test]
fn transactions_have_their_ids_and_positions_only_grow() {
    for (flavor, file) in files() {
        let events = decode(flavor, &raw_events(file)).unwrap();
        let ids: Vec<String> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Gtid(gtid) => gtid.gtid.as_ref().map(|gtid| gtid.to_string()),
                _ => None,
            })
            .collect();
        assert!(ids.len() >= 11, "{ids:?}");
        assert_eq!(ids.iter().any(|id| id.ends_with(":tag_1:1")), flavor == Flavor::Mysql, "{ids:?}");
        assert!(events.is_sorted_by_key(|event| event.end));
        assert!(events.iter().all(|event| !matches!(event.body, EventBody::Unknown { ignorable: false })));
        let ddl: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Query(query) => Some((query.schema.clone(), query.text()?, query.status.time_zone.clone())),
                _ => None,
            })
            .collect();
        assert!(ddl.iter().any(|(schema, sql, _)| schema == "fx" && *sql == "ALTER TABLE n ADD z INT"), "{ddl:?}");
        let last = events.last().unwrap();
        let EventBody::Rotate { name, pos: 4, fake: false } = &last.body else { panic!("{last:?}") };
        assert_eq!(name, "mysql-bin.000003");
        let description = events.iter().find_map(|event| match &event.body {
            EventBody::FormatDescription(description) => Some(description.clone()),
            _ => None,
        });
        assert!(description.unwrap().checksum);
    }
}

#[test]
fn full_metadata_names_columns_and_keys() {
    let events = decode(Flavor::Mysql, &raw_events(MYSQL)).unwrap();
    let map = events.iter().find_map(|event| match &event.body {
        EventBody::TableMap(map) if map.table == "s" => Some(map.clone()),
        _ => None,
    });
    let map = map.unwrap();
    let names: Vec<_> = map.columns.iter().map(|column| column.name.clone().unwrap()).collect();
    assert_eq!(names, ["id", "a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(map.primary_key, [0]);
    assert_eq!((map.columns[4].members.len(), map.columns[5].members.len()), (2, 3));
    assert_eq!((map.columns[2].collation, map.columns[3].collation), (Some(8), Some(63)));
    assert_eq!((map.columns[0].unsigned, map.columns[0].nullable, map.columns[1].nullable), (Some(false), false, true));
}

#[test]
fn the_same_table_map_is_shared() {
    let events = decode(Flavor::Mariadb, &raw_events(MARIADB)).unwrap();
    let maps: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::TableMap(map) if map.table == "t" => Some(map.clone()),
            _ => None,
        })
        .collect();
    assert!(maps.len() == 2 && std::sync::Arc::ptr_eq(&maps[0], &maps[1]));
}

#[test]
fn damage_is_found_by_the_checksum() {
    for (flavor, file) in files() {
        let events = raw_events(file);
        for (i, raw) in events.iter().enumerate().skip(1) {
            let mut bad = raw.to_vec();
            let middle = bad.len() / 2;
            bad[middle.max(13)] ^= 0x10;
            let mut all = events[..i].to_vec();
            all.push(bad.into());
            let error = decode(flavor, &all).unwrap_err();
            assert_eq!(error.code(), Code::BinlogEventDecode);
            assert!(error.message().contains("binlog checksum mismatch, data may be corrupted"), "{error}");
        }
    }
}

/// Bytes that pass the checksum but are wrong end in an error or in other values, never in a panic.
#[test]
fn no_damage_makes_the_decoder_panic() {
    let mut random = StdRng::seed_from_u64(11);
    for (flavor, file) in files() {
        let events = raw_events(file);
        for (i, raw) in events.iter().enumerate().skip(1) {
            for _ in 0..300 {
                let mut bad = raw[..raw.len() - CHECKSUM_LEN].to_vec();
                if random.random_bool(0.3) {
                    bad.truncate(random.random_range(HEADER_LEN..=bad.len()));
                }
                for _ in 0..random.random_range(0..4) {
                    let at = random.random_range(0..bad.len());
                    bad[at] = if random.random_bool(0.5) {
                        random.random()
                    } else {
                        bad[at] ^ 1 << random.random_range(0..8)
                    };
                }
                survive(flavor, &events[..i], seal(bad));
            }
        }
    }
}

/// Length and checksum as they should be.
fn seal(mut raw: Vec<u8>) -> Bytes {
    let size = (raw.len() + CHECKSUM_LEN) as u32;
    raw[9..13].copy_from_slice(&size.to_le_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&raw);
    raw.extend_from_slice(&crc.sum().to_le_bytes());
    raw.into()
}

fn survive(flavor: Flavor, before: &[Bytes], bad: Bytes) {
    let (mut decoder, mut out) = (decoder(flavor), VecDeque::new());
    for raw in before {
        // Only what later events need: the format and the tables.
        if matches!(raw[4], FORMAT_DESCRIPTION | TABLE_MAP) {
            decoder.decode(raw.clone(), &mut out).unwrap();
            while decoder.unfold(&mut out).unwrap() {}
        }
    }
    out.clear();
    let _ = decoder.decode(bad, &mut out);
    while let Ok(true) = decoder.unfold(&mut out) {}
    for event in out {
        if let EventBody::Rows(rows) = event.body {
            let _ = rows.rows().take(10_000).filter(Result::is_ok).count();
        }
    }
}

#[test]
fn positions_pass_4_gib() {
    let events = raw_events(MARIADB);
    let (mut decoder, mut out) = (decoder(Flavor::Mariadb), VecDeque::new());
    decoder.decode(events[0].clone(), &mut out).unwrap();
    let xid = events.iter().find(|raw| raw[4] == XID).unwrap();
    let mut end = |log_pos: u32| {
        let mut raw = xid[..xid.len() - CHECKSUM_LEN].to_vec();
        raw[13..17].copy_from_slice(&log_pos.to_le_bytes());
        decoder.decode(seal(raw), &mut out).unwrap();
        out.pop_back().unwrap().end
    };
    assert_eq!(end(u32::MAX - 10), u64::from(u32::MAX) - 10);
    assert_eq!(end(21), (1 << 32) + 21);
    assert_eq!(end(u32::MAX), (1 << 33) - 1);
    assert_eq!(end(0), (1 << 33) - 1);
    assert_eq!(end(5), (1 << 33) + 5);
    // Within a transaction of MariaDB 11.7 and later the sizes tell.
    let mut raw = events.iter().find(|raw| raw[4] == QUERY).unwrap().to_vec();
    raw.truncate(raw.len() - CHECKSUM_LEN);
    raw[13..17].fill(0);
    let raw = seal(raw);
    decoder.decode(raw.clone(), &mut out).unwrap();
    assert_eq!(out.pop_back().unwrap().end, (1 << 33) + 5 + raw.len() as u64);
}

#[test]
fn a_json_array_without_room_for_its_head_is_refused() {
    // a small array of one element that says it is 3 bytes long: its entry would begin behind them
    assert!(super::json::read(&Bytes::from_static(&[2, 1, 0, 3, 0, 4, 1])).is_err());
}

#[test]
fn a_rotate_to_an_impossible_position_overflows_nothing() {
    let events = raw_events(MARIADB);
    let (mut decoder, mut out) = (decoder(Flavor::Mariadb), VecDeque::new());
    decoder.decode(events[0].clone(), &mut out).unwrap();
    let rotate = events.iter().find(|raw| raw[4] == ROTATE).unwrap();
    let mut raw = rotate[..rotate.len() - CHECKSUM_LEN].to_vec();
    raw[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    decoder.decode(seal(raw), &mut out).unwrap();
    let xid = events.iter().find(|raw| raw[4] == XID).unwrap();
    let mut raw = xid[..xid.len() - CHECKSUM_LEN].to_vec();
    raw[13..17].copy_from_slice(&5u32.to_le_bytes());
    decoder.decode(seal(raw), &mut out).unwrap();
    assert_eq!(out.pop_back().unwrap().end, u64::MAX);
}

#[test]
fn rows_without_their_table_are_refused_and_unknown_types_told() {
    let events = raw_events(MARIADB);
    let rows = events.iter().find(|raw| raw[4] == WRITE_ROWS_V1).unwrap();
    let error = decode(Flavor::Mariadb, &[events[0].clone(), rows.clone()]).unwrap_err();
    assert!(error.message().contains("no table map came before it"), "{error}");
    for (flags, expected) in [(0u16, false), (FLAG_IGNORABLE, true)] {
        let mut raw = vec![0; HEADER_LEN + 8];
        raw[4] = 99;
        raw[17..19].copy_from_slice(&flags.to_le_bytes());
        let all = decode(Flavor::Mariadb, &[events[0].clone(), seal(raw)]).unwrap();
        assert!(matches!(all[1].body, EventBody::Unknown { ignorable } if ignorable == expected));
    }
    assert_eq!(decode(Flavor::Mysql, &[Bytes::from_static(b"short")]).unwrap_err().code(), Code::BinlogEventDecode);
}

#[test]
fn an_iterator_of_rows_ends_after_an_error() {
    let events = decode(Flavor::Mysql, &raw_events(MYSQL)).unwrap();
    for event in &events {
        let EventBody::Rows(rows) = &event.body else { continue };
        let whole = rows.clone();
        let cut = whole.clone().with_data(rows.data().slice(..rows.data().len() - 1));
        let results: Vec<bool> = cut.rows().map(|row| row.is_ok()).collect();
        assert_eq!(results.len(), whole.rows().count());
        assert_eq!(results.iter().filter(|ok| !**ok).count(), 1);
        assert!(rows.kind == RowsKind::Update || rows.is_full());
    }
}
