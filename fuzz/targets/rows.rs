//! Row images: never a panic, and both ways to SQL text (by values, by plan) are equal, also in what they refuse.
//!
//! Input: what the target wants of each column (one byte each, 8 of them, then in turns), the flavor and the event's
//! type in one byte, a table map's length in two bytes, the table map, the row event.
#![no_main]

mod binlog;

use dm::{
    config::Flavor,
    mysql::{
        binlog::{EventBody, RowImage, RowPlan, RowsEvent},
        literal::{Encoding, FixedType, complete, literal},
        sql_text::SqlText,
        value::Value,
    },
};
use libfuzzer_sys::fuzz_target;

const KINDS: [u8; 12] = [23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 171];

fuzz_target!(|data: &[u8]| {
    let Some((wanted, data)) = data.split_first_chunk::<8>() else { return };
    let Some((&[head, low, high], data)) = data.split_first_chunk::<3>() else { return };
    let length = usize::from(u16::from_le_bytes([low, high]));
    let Some((map, rows)) = data.split_at_checked(length) else { return };
    let flavor = if head & 0x80 == 0 { Flavor::Mysql } else { Flavor::Mariadb };
    let kind = KINDS[usize::from(head & 0x7f) % KINDS.len()];
    let events = binlog::decode(flavor, [binlog::event(binlog::TABLE_MAP, map), binlog::event(kind, rows)]);
    for event in events {
        if let EventBody::Rows(rows) = event.body {
            both_ways(&rows, wanted);
        }
    }
});

fn encoding(byte: u8) -> Encoding {
    let names = || ["a", "it's", "", "ü\\"].map(str::to_owned).to_vec();
    match byte % 14 {
        0 => Encoding::Text,
        1 => Encoding::Ascii,
        2 => Encoding::of_charset("gbk"),
        3 => Encoding::of_charset("utf16"),
        4 => Encoding::Padded(usize::from(byte)),
        5 => Encoding::EnumNames(names()),
        6 => Encoding::SetNames(names()),
        7 => Encoding::Unsigned([8, 16, 24, 32, 64][usize::from(byte >> 4) % 5]),
        8 => Encoding::TypedJson,
        9 => Encoding::TextOf(FixedType::Inet4),
        10 => Encoding::TextOf(FixedType::Inet6),
        11 => Encoding::TextOf(FixedType::Uuid),
        _ => Encoding::Plain,
    }
}

fn both_ways(event: &RowsEvent, wanted: &[u8; 8]) {
    let encodings: Vec<Encoding> =
        (0..event.table.columns.len()).map(|i| encoding(wanted[i % 8].wrapping_add(i as u8 / 8))).collect();
    if event.partial {
        event.rows().take(1000).for_each(drop);
        return;
    }
    let plan = RowPlan::new(event.table.clone(), &encodings);
    let (mut rows, mut images) = (event.rows(), event.images(&plan));
    for _ in 0..1000 {
        let (row, image) = (rows.next(), images.next_change());
        let (row, image) = match (row, image) {
            (Some(Ok(row)), Some(Ok(image))) => (row, image),
            (None, None) | (Some(Err(_)), Some(Err(_))) => return,
            (Some(Err(_)), Some(Ok(image))) => {
                // The cut doesn't look into values: writing them does.
                let refused = [image.before, image.after].iter().flatten().any(|i| by_plan(i, plan.width()).is_none());
                assert!(refused, "by values this is an error, by plan it is not: {:?}", event.table.columns);
                return;
            }
            (row, _) => panic!("by values {:?}, by plan not: {:?}", row.map(|r| r.is_ok()), event.table.columns),
        };
        for (row, image) in [(row.before, image.before), (row.after, image.after)] {
            let (Some(row), Some(image)) = (row, image) else { continue };
            assert_eq!(by_plan(&image, plan.width()), Some(by_values(row.values, &encodings)), "{:?}", event.table.columns);
        }
    }
}

fn by_values(values: Vec<Value>, encodings: &[Encoding]) -> String {
    let mut text = String::from("(");
    for (i, (value, encoding)) in values.into_iter().zip(encodings).enumerate() {
        if i > 0 {
            text.push(',');
        }
        literal(&complete(value, encoding), encoding, &mut text);
    }
    text
}

fn by_plan(image: &RowImage<'_>, width: usize) -> Option<String> {
    let mut out = SqlText::new();
    if width == 0 {
        out.push(b'(');
    }
    let columns: Vec<usize> = (0..width).collect();
    image.write_list(&columns, b'(', &mut out).ok()?;
    Some(String::from_utf8(out.as_bytes().to_vec()).expect("SQL text is UTF-8"))
}

