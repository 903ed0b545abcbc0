//! Both ways from a row image to SQL text are equal: by values and [`literal`], and by plan and [`SqlText`].

use std::sync::Arc;

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    RowsEvent, RowsKind,
    plan::{RowImage, RowPlan},
    table_map::{Column, TableMap, column_type as ty},
};
use crate::mysql::{
    literal::{Encoding, FixedType, complete, literal},
    sql_text::SqlText,
    value::Value,
};

const KINDS: &[u8] = &[
    ty::TINY,
    ty::SHORT,
    ty::INT24,
    ty::LONG,
    ty::LONGLONG,
    ty::FLOAT,
    ty::DOUBLE,
    ty::NEWDECIMAL,
    ty::VARCHAR,
    ty::VAR_STRING,
    ty::STRING,
    ty::TINY_BLOB,
    ty::MEDIUM_BLOB,
    ty::LONG_BLOB,
    ty::BLOB,
    ty::GEOMETRY,
    ty::VECTOR,
    ty::VARCHAR_COMPRESSED,
    ty::BLOB_COMPRESSED,
    ty::JSON,
    ty::ENUM,
    ty::SET,
    ty::BIT,
    ty::YEAR,
    ty::DATE,
    ty::NEWDATE,
    ty::TIMESTAMP,
    ty::TIMESTAMP2,
    ty::TIME,
    ty::TIME2,
    ty::DATETIME,
    ty::DATETIME2,
    ty::NULL,
    77,
];

fn column(random: &mut StdRng) -> Column {
    let kind = KINDS[random.random_range(0..KINDS.len())];
    let wrong = random.random_bool(0.02);
    let meta = match kind {
        _ if wrong => random.random(),
        ty::NEWDECIMAL => {
            let precision: u16 = random.random_range(1..=65);
            precision << 8 | random.random_range(0..=precision.min(30))
        }
        ty::VARCHAR | ty::VAR_STRING | ty::STRING | ty::VARCHAR_COMPRESSED => random.random_range(0..700),
        ty::TINY_BLOB..=ty::BLOB | ty::GEOMETRY | ty::VECTOR | ty::BLOB_COMPRESSED | ty::JSON => {
            random.random_range(1..=4)
        }
        ty::ENUM => random.random_range(1..=2),
        ty::SET => random.random_range(1..=8),
        ty::BIT => random.random_range(1..=64),
        _ => random.random_range(0..=6),
    };
    let unsigned = [None, Some(false), Some(true)][random.random_range(0..3)];
    Column { kind, meta, unsigned, ..Column::default() }
}

fn encoding(random: &mut StdRng, column: &Column) -> Encoding {
    let names = || ["a", "it's", "", "ü\\"].map(str::to_owned).to_vec();
    let charset = ["gbk", "latin1", "utf16", "swe7", "ascii"];
    match random.random_range(0..11) {
        0 => Encoding::Text,
        1 => Encoding::of_charset(charset[random.random_range(0..charset.len())]),
        2 => Encoding::Padded(random.random_range(0..40)),
        3 => Encoding::EnumNames(names()),
        4 => Encoding::SetNames(names()),
        5 => Encoding::Unsigned([8, 16, 24, 32, 64][random.random_range(0..5)]),
        6 => column.integer_bits().map_or(Encoding::Text, Encoding::Unsigned),
        7 => Encoding::TypedJson,
        8 => Encoding::TextOf([FixedType::Inet4, FixedType::Inet6, FixedType::Uuid][random.random_range(0..3)]),
        9 => Encoding::Text,
        _ => Encoding::Plain,
    }
}

/// A value as a server may have written it; some are damaged.
fn stored(random: &mut StdRng, column: &Column, out: &mut Vec<u8>) {
    let counted = |length_bytes: usize, value: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(&(value.len() as u64).to_le_bytes()[..length_bytes]);
        out.extend_from_slice(value);
    };
    let fixed = match column.kind {
        ty::VARCHAR | ty::VAR_STRING | ty::STRING | ty::VARCHAR_COMPRESSED => {
            let value = string(random, column.meta.min(90).into());
            return counted(if column.meta > 255 { 2 } else { 1 }, &value, out);
        }
        ty::TINY_BLOB..=ty::BLOB | ty::GEOMETRY | ty::VECTOR | ty::BLOB_COMPRESSED => {
            let value = string(random, 90);
            return counted(column.meta.clamp(1, 4).into(), &value, out);
        }
        ty::JSON => return counted(column.meta.clamp(1, 4).into(), &[4, random.random_range(0..4)], out),
        ty::NEWDECIMAL => return decimal(random, column, out),
        ty::TINY | ty::YEAR => 1,
        ty::SHORT => 2,
        ty::INT24 | ty::DATE | ty::NEWDATE | ty::TIME => 3,
        ty::LONG | ty::FLOAT | ty::TIMESTAMP => 4,
        ty::LONGLONG | ty::DOUBLE | ty::DATETIME => 8,
        ty::TIMESTAMP2 => 4 + usize::from(column.meta).div_ceil(2),
        ty::TIME2 => 3 + usize::from(column.meta).div_ceil(2),
        ty::DATETIME2 => 5 + usize::from(column.meta).div_ceil(2),
        ty::ENUM | ty::SET => column.meta.into(),
        ty::BIT => usize::from(column.meta).div_ceil(8),
        _ => 0,
    };
    let shift = random.random_range(0..64);
    let small = (random.random::<u64>() >> shift).to_le_bytes();
    let integer = column.integer_bits().is_some();
    for (i, small) in small.iter().chain([&0; 4]).enumerate().take(fixed) {
        // Fractions of seconds below the limit, most often.
        let fraction = matches!(column.kind, ty::TIME2 | ty::DATETIME2 | ty::TIMESTAMP2) && i + 3 >= fixed;
        let byte: u8 = if integer { *small } else { random.random() };
        out.push(if fraction && random.random_bool(0.9) { byte % 15 } else { byte });
    }
}

/// Digits that are right in nine of ten values.
fn decimal(random: &mut StdRng, column: &Column, out: &mut Vec<u8>) {
    let (precision, scale) = ((column.meta >> 8) as usize, (column.meta & 0xff) as usize);
    let whole = precision.saturating_sub(scale);
    let bytes_of = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
    let start = out.len();
    let mut groups = vec![whole % 9];
    groups.extend(std::iter::repeat_n(9, whole / 9 + scale / 9));
    groups.push(scale % 9);
    for digits in groups {
        let damaged = random.random_bool(0.02);
        let top = if damaged { u32::MAX } else { 10u32.pow(digits as u32) - 1 };
        let value = if random.random_bool(0.3) { 0 } else { random.random_range(0..=top) };
        out.extend_from_slice(&value.to_be_bytes()[4 - bytes_of[digits]..]);
    }
    if let Some(first) = out.get_mut(start) {
        *first ^= 0x80;
    }
    if random.random() {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn string(random: &mut StdRng, longest: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let style = random.random_range(0..5);
    let length = random.random_range(0..=longest);
    while out.len() < length {
        match style {
            0 => out.push(random.random()),
            1 if random.random_bool(0.1) => out.extend_from_slice("日ü🍣".as_bytes()),
            2 if random.random_bool(0.05) => out.push(b"'\\\0\n\""[random.random_range(0..5)]),
            _ => out.push(random.random_range(b' '..=b'~')),
        }
    }
    out.truncate(longest);
    out
}

struct Table {
    map: Arc<TableMap>,
    encodings: Vec<Encoding>,
}

fn table(random: &mut StdRng) -> Table {
    let columns: Vec<Column> = (0..random.random_range(1..12)).map(|_| column(random)).collect();
    let encodings = columns.iter().map(|column| encoding(random, column)).collect();
    let map = TableMap { schema: "s".into(), table: "t".into(), columns, ..TableMap::default() };
    Table { map: Arc::new(map), encodings }
}

/// An event of up to three changes; one image in five lacks columns.
fn event(random: &mut StdRng, table: &Table) -> RowsEvent {
    let kind = [RowsKind::Insert, RowsKind::Update, RowsKind::Delete][random.random_range(0..3)];
    let width = table.map.columns.len();
    let mut body = vec![width as u8];
    let mut sets = Vec::new();
    for _ in 0..if kind == RowsKind::Update { 2 } else { 1 } {
        let set: Vec<bool> = if random.random_bool(0.8) {
            vec![true; width]
        } else {
            (0..width).map(|_| random.random_bool(0.7)).collect()
        };
        body.extend(bits(&set));
        sets.push(set);
    }
    for _ in 0..random.random_range(1..4) {
        for set in &sets {
            let present: Vec<usize> = (0..width).filter(|i| set[*i]).collect();
            let nulls: Vec<bool> = present.iter().map(|_| random.random_bool(0.2)).collect();
            body.extend(bits(&nulls));
            for (i, _) in present.iter().zip(&nulls).filter(|(_, null)| !**null) {
                stored(random, &table.map.columns[*i], &mut body);
            }
        }
    }
    if random.random_bool(0.05) {
        body.truncate(random.random_range(1 + 2 * width.div_ceil(8)..=body.len().max(2 + 2 * width.div_ceil(8))));
    }
    RowsEvent::parse(kind, table.map.clone(), 1, &Bytes::from(body)).unwrap()
}

fn bits(flags: &[bool]) -> Vec<u8> {
    flags.chunks(8).map(|chunk| chunk.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

fn by_values(row: &[Value], encodings: &[Encoding]) -> Vec<String> {
    let mut texts = Vec::new();
    for (value, encoding) in row.iter().zip(encodings) {
        let mut text = String::new();
        literal(&complete(value.clone(), encoding), encoding, &mut text);
        texts.push(text);
    }
    texts
}

fn by_plan(row: &RowImage<'_>, width: usize) -> Option<Vec<String>> {
    let mut out = SqlText::new();
    let mut texts = Vec::new();
    for column in 0..width {
        out.clear();
        row.write(column, &mut out).ok()?;
        texts.push(String::from_utf8(out.as_bytes().to_vec()).expect("SQL text is UTF-8"));
        assert_eq!(row.is_null(column), texts[column] == "NULL");
    }
    Some(texts)
}

/// Compares all changes of an event; gives how many were equal.
fn compare(table: &Table, event: &RowsEvent) -> usize {
    let plan = RowPlan::new(table.map.clone(), &table.encodings);
    let (mut rows, mut images, mut equal) = (event.rows(), event.images(&plan), 0);
    loop {
        match (rows.next(), images.next_change()) {
            (None, None) => return equal,
            (Some(Ok(change)), Some(Ok(images))) => {
                for (row, image) in [(change.before, images.before), (change.after, images.after)] {
                    assert_eq!(row.is_some(), image.is_some());
                    let (Some(row), Some(image)) = (row, image) else { continue };
                    let wanted = by_values(&row.values, &table.encodings);
                    assert_eq!(by_plan(&image, plan.width()), Some(wanted), "{:?}", table.map.columns);
                    assert!(image.values().is_ok());
                }
                equal += 1;
            }
            (Some(Err(_)), Some(Err(_))) => return equal,
            (Some(Err(_)), Some(Ok(images))) => {
                // The cut doesn't look into values: writing them does.
                let rows = [images.before, images.after];
                let refused = rows.iter().flatten().any(|row| by_plan(row, plan.width()).is_none());
                assert!(refused, "{:?}", table.map.columns);
                return equal;
            }
            (a, b) => panic!("{:?} {:?} {:?}", a.map(|a| a.is_ok()), b.map(|b| b.is_ok()), table.map.columns),
        }
    }
}

#[test]
fn random_rows_of_every_type_are_equal_both_ways() {
    let mut random = StdRng::seed_from_u64(20);
    let mut equal = 0;
    for _ in 0..8_000 {
        let table = table(&mut random);
        for _ in 0..3 {
            equal += compare(&table, &event(&mut random, &table));
        }
    }
    assert!(equal > 12_000, "most rows are whole: {equal}");
}

#[test]
fn a_plan_of_another_layout_is_refused() {
    let mut random = StdRng::seed_from_u64(21);
    let (a, b) = (table(&mut random), table(&mut random));
    let event = event(&mut random, &a);
    let plan = RowPlan::new(b.map.clone(), &b.encodings);
    assert!(event.images(&plan).next_change().is_some_and(|change| change.is_err()));
}
