//! Literals of random values. They read the same under every sql_mode and session character set: texts that are not
//! plain are hexadecimal with their character set in front.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::tables::{Column, Kind};

/// Ids and other small numbers are below this.
pub const SMALL: i64 = 160;

/// A literal for the column; NULL now and then where the column takes it.
pub fn literal(rng: &mut StdRng, column: &Column) -> String {
    if !column.not_null && rng.random_ratio(1, 8) {
        return "NULL".into();
    }
    value(rng, column.kind)
}

fn value(rng: &mut StdRng, kind: Kind) -> String {
    match kind {
        Kind::Small => rng.random_range(0..SMALL).to_string(),
        Kind::Int(bits) => {
            let (low, high) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
            number(rng, low, high)
        }
        Kind::Unsigned(bits) => number(rng, 0, (1i128 << bits) - 1),
        Kind::Decimal(digits, scale) => decimal(rng, digits, scale),
        Kind::Float => {
            one(rng, &["0", "1.1", "-1.1", "3.402823e38", "1.17549e-38", "0.1", "16777217", "1e10", "-7.25"])
        }
        Kind::Double => match rng.random_range(0..3) {
            0 => format!("{}e{}", rng.random_range(-9_999_999..9_999_999), rng.random_range(-200..200)),
            1 => format!("{:?}", rng.random::<f64>()),
            _ => one(rng, &["0", "1.7976931348623157e308", "2.2250738585072014e-308", "-0.1", "1e15", "123456789.123"]),
        },
        Kind::Bit(bits) => format!("b'{:b}'", rng.random::<u64>() >> (64 - bits)),
        Kind::Date => date(rng),
        Kind::Time(digits) => match rng.random_range(0..4) {
            0 => one(rng, &["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"]),
            _ => format!("'{}{}{}'", one(rng, &["", "-"]), clock(rng, 200), fraction(rng, digits)),
        },
        Kind::DateTime(digits) => match rng.random_range(0..12) {
            0 => one(rng, &["'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"]),
            _ => format!("'20{:02}-{}{}'", rng.random_range(0..30), day_clock(rng), fraction(rng, digits)),
        },
        Kind::Timestamp(digits) => match rng.random_range(0..12) {
            0 => one(rng, &["'0000-00-00 00:00:00'", "'1970-01-03 00:00:00'", "'2038-01-17 23:59:59'"]),
            _ => format!("'20{:02}-{}{}'", rng.random_range(0..36), day_clock(rng), fraction(rng, digits)),
        },
        Kind::Year => one(rng, &["0", "1901", "2155", "2024", "1999"]),
        Kind::Text(length) => text(rng, length),
        Kind::Alike => one(
            rng,
            &["'a'", "'A'", "'b'", "'B '", "'ab'", "'Ab'", "_utf8mb4 x'C3A9'", "'e'", "'c'", "''", "' '", "'zz'"],
        ),
        Kind::Latin1(length) => {
            format!("_latin1 x'{}'", hex_of(rng, length, &[0x41, 0xe9, 0xfc, 0xdf, 0x20, 0x27, 0x5c]))
        }
        Kind::Gbk(length) => {
            let pairs = ["C4E3", "BAC3", "41", "D6D0", "855C", "20"];
            let count = rng.random_range(0..=length.min(12));
            format!("_gbk x'{}'", (0..count).map(|_| *pairs.choose(rng).unwrap()).collect::<String>())
        }
        Kind::Bytes(length) => {
            let count = if rng.random_ratio(1, 6) { 0 } else { rng.random_range(0..=length.min(60)) };
            format!("x'{}'", (0..count).map(|_| format!("{:02X}", rng.random::<u8>())).collect::<String>())
        }
        Kind::Large => match rng.random_range(0..10) {
            0 => format!("REPEAT('0123456789abcdef', {})", rng.random_range(1..16_000)),
            _ => format!("REPEAT(MD5({}), {})", rng.random::<u32>(), rng.random_range(0..40)),
        },
        Kind::Enum => one(rng, &["'a'", "'b'", "'c d'", "_utf8mb4 x'C3A9'", "1", "4", "'nothing of it'"]),
        Kind::Set => one(rng, &["'w'", "'w,z'", "''", "'x,y,z'", "5", "15", "'w,nothing'"]),
        Kind::Json => format!("'{}'", json(rng, 0)),
        Kind::Point => format!("ST_GeomFromText('POINT({} {})')", rng.random_range(-90..90), rng.random_range(-9..9)),
        Kind::Uuid => format!("'{:08x}-0000-4000-8000-{:012x}'", rng.random::<u32>(), rng.random::<u32>()),
        Kind::Inet6 => one(rng, &["'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'"]),
    }
}

pub fn one(rng: &mut StdRng, of: &[&str]) -> String {
    (*of.choose(rng).unwrap()).to_owned()
}

fn number(rng: &mut StdRng, low: i128, high: i128) -> String {
    match rng.random_range(0..4) {
        0 => [low, high, 0, 1][rng.random_range(0..4)].to_string(),
        1 => rng.random_range(low..=high).to_string(),
        _ => rng.random_range(low.max(-100)..=high.min(100)).to_string(),
    }
}

fn decimal(rng: &mut StdRng, digits: u32, scale: u32) -> String {
    let whole = rng.random_range(0..=digits - scale);
    let mut run = |count: u32| (0..count).map(|_| char::from(b'0' + rng.random_range(0..10u8))).collect::<String>();
    let (whole, part) = (run(whole), run(scale.min(9)));
    format!("{}{}.{part}", one(rng, &["", "-"]), if whole.is_empty() { "0" } else { &whole })
}

fn clock(rng: &mut StdRng, hours: u32) -> String {
    format!("{:02}:{:02}:{:02}", rng.random_range(0..hours), rng.random_range(0..60), rng.random_range(0..60))
}

fn day_clock(rng: &mut StdRng) -> String {
    format!("{:02}-{:02} {}", rng.random_range(1..13), rng.random_range(1..29), clock(rng, 24))
}

fn date(rng: &mut StdRng) -> String {
    match rng.random_range(0..8) {
        0 => one(rng, &["'0000-00-00'", "'1000-01-01'", "'9999-12-31'", "'2024-00-00'", "'2023-02-30'"]),
        _ => format!(
            "'{}-{:02}-{:02}'",
            1900 + rng.random_range(0..200),
            rng.random_range(1..13),
            rng.random_range(1..29)
        ),
    }
}

fn fraction(rng: &mut StdRng, digits: u32) -> String {
    if digits == 0 { String::new() } else { format!(".{:06}", rng.random_range(0..1_000_000)) }
}

fn hex_of(rng: &mut StdRng, length: usize, bytes: &[u8]) -> String {
    let count = rng.random_range(0..=length.min(12));
    (0..count).map(|_| format!("{:02X}", bytes.choose(rng).unwrap())).collect()
}

fn text(rng: &mut StdRng, length: usize) -> String {
    const PIECES: [&str; 14] =
        ["a", "B", " ", "é", "ß", "漢", "😀", "'", "\"", "\\", "\0", "\n", "%", "long words and more of them "];
    let mut out = String::new();
    for _ in 0..rng.random_range(0..10) {
        let piece = PIECES.choose(rng).unwrap();
        if out.chars().count() + piece.chars().count() <= length {
            out.push_str(piece);
        }
    }
    if out.is_empty() {
        return "''".into();
    }
    format!("_utf8mb4 x'{}'", out.bytes().map(|byte| format!("{byte:02X}")).collect::<String>())
}

/// JSON in the form in which MySQL prints it (keys by length, then by bytes), for MariaDB keeps texts as they are.
pub fn json(rng: &mut StdRng, depth: u32) -> String {
    let kinds = if depth < 3 { 8 } else { 5 };
    match rng.random_range(0..kinds) {
        0 => rng.random_range(-1_000_000_000_000i64..1_000_000_000_000).to_string(),
        1 => one(rng, &["true", "false", "null"]),
        2 => one(rng, &["1.5", "-0.25", "123456.75"]),
        3 => one(rng, &["\"\"", "\"text\"", "\"it is\"", "\"long long long long long long text\""]),
        4 => rng.random_range(0..300).to_string(),
        5 => {
            let items: Vec<String> = (0..rng.random_range(0..4)).map(|_| json(rng, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let keys = ["a", "b", "aa", "ab", "key", "name", "long key"];
            let mut pairs = Vec::new();
            for key in keys {
                if rng.random_ratio(1, 3) {
                    pairs.push(format!("\"{key}\": {}", json(rng, depth + 1)));
                }
            }
            format!("{{{}}}", pairs.join(", "))
        }
    }
}
