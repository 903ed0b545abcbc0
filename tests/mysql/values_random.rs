//! Random values of every column type, as SQL expressions.

use rand::{Rng, rngs::StdRng};

use super::values_kinds::Random;

pub fn is_single_byte(name: &str) -> bool {
    let multi = [
        "big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis", "utf16", "utf16le", "utf32",
        "ucs2", "utf8",
    ];
    !multi.contains(&name)
}

impl Random {
    /// An SQL expression of a value.
    pub fn draw(self, rng: &mut StdRng) -> String {
        if rng.random_ratio(1, 12) {
            return "NULL".into();
        }
        match self {
            Random::Int { bits, unsigned: false } => (rng.random::<i64>() >> (64 - bits)).to_string(),
            Random::Int { bits, unsigned: true } => (rng.random::<u64>() >> (64 - bits)).to_string(),
            Random::Decimal(precision, scale) => decimal(rng, precision, scale),
            Random::Float => format!("{:e}", f64::from(finite(|| f32::from_bits(rng.random()), |n| n.is_finite()))),
            Random::Double => format!("{:e}", finite(|| f64::from_bits(rng.random()), |n| n.is_finite())),
            Random::Bits(n) => (rng.random::<u64>() >> (64 - n)).to_string(),
            Random::Bytes(longest) => format!("x'{}'", hex(&bytes(rng, longest))),
            Random::Text(longest) => format!("_utf8mb4 x'{}'", hex(text(rng, longest).as_bytes())),
            Random::Charset(name) => format!("_{name} x'{}'", hex(&charset_bytes(rng, name))),
            Random::Chinese(name) => {
                let character = |rng: &mut StdRng| match rng.random_range(0..3) {
                    0 => char::from(rng.random_range(32..127u8)),
                    _ => finite(|| char::from_u32(rng.random_range(0x4e00..0x9fa6)), Option::is_some).unwrap(),
                };
                let text: String = (0..rng.random_range(0..20)).map(|_| character(rng)).collect();
                format!("CONVERT(_utf8mb4 x'{}' USING {name})", hex(text.as_bytes()))
            }
            Random::Date => format!(
                "'{:04}-{:02}-{:02}'",
                rng.random_range(0..10_000),
                rng.random_range(0..13),
                rng.random_range(0..32)
            ),
            Random::Time(fsp) => {
                let sign = if rng.random() { "-" } else { "" };
                format!("'{sign}{}:{}{}'", rng.random_range(0..838), minutes(rng), fraction(rng, fsp))
            }
            Random::DateTime(fsp) => {
                let (year, month, day) =
                    (rng.random_range(1..10_000), rng.random_range(1..13), rng.random_range(1..29));
                let (hour, minutes) = (rng.random_range(0..24), minutes(rng));
                format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minutes}{}'", fraction(rng, fsp))
            }
            Random::Timestamp(fsp) => {
                let seconds = rng.random_range(1..i64::from(i32::MAX));
                format!("FROM_UNIXTIME({seconds}{})", fraction(rng, fsp))
            }
            Random::Year => rng.random_range(1901..2156).to_string(),
            Random::Number(top) => rng.random_range(1..=top).to_string(),
            Random::Json => json_sql(rng),
            Random::Geometry => format!("ST_GeomFromText('POINT({:e} {:e})')", coordinate(rng), coordinate(rng)),
            Random::Vector(size) => vector(rng, size),
            Random::Uuid => {
                let hex = hex(&rng.random::<[u8; 16]>());
                format!("'{}-{}-{}-{}-{}'", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            Random::Inet4 => format!("'{}'", std::net::Ipv4Addr::from(rng.random::<u32>())),
            Random::Inet6 => {
                format!("'{}'", std::net::Ipv6Addr::from(rng.random::<u128>() & u128::MAX << rng.random_range(0..100)))
            }
        }
    }
}

fn finite<T: Copy>(mut draw: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    std::iter::repeat_with(&mut draw).find(good).unwrap()
}

fn decimal(rng: &mut StdRng, precision: usize, scale: usize) -> String {
    let mut digits = |n: usize| (0..n).map(|_| char::from(b'0' + rng.random_range(0..10u8))).collect::<String>();
    let (whole, part) = (digits(precision - scale), digits(scale));
    let sign = if digits(1).as_str() < "5" { "-" } else { "" };
    format!("{sign}0{whole}.{part}")
}

fn minutes(rng: &mut StdRng) -> String {
    format!("{:02}:{:02}", rng.random_range(0..60), rng.random_range(0..60))
}

fn fraction(rng: &mut StdRng, fsp: u32) -> String {
    if fsp == 0 {
        String::new()
    } else {
        format!(".{:0width$}", rng.random_range(0..10u32.pow(fsp)), width = fsp as usize)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(rng: &mut StdRng, longest: usize) -> Vec<u8> {
    let length = rng.random_range(0..=longest);
    (0..length).map(|_| if rng.random_ratio(1, 5) { 0 } else { rng.random() }).collect()
}

fn text(rng: &mut StdRng, longest: usize) -> String {
    let length = rng.random_range(0..=longest);
    let character = |rng: &mut StdRng| match rng.random_range(0..6) {
        0 => char::from(rng.random_range(0..128u8)),
        1 => ['\'', '\\', '"', '\0', '\n', '%', '\u{1a}', ' '][rng.random_range(0..8)],
        2 => finite(|| char::from_u32(rng.random_range(0x80..0x1_0000)), Option::is_some).unwrap(),
        3 => finite(|| char::from_u32(rng.random_range(0x1_0000..0x11_0000)), Option::is_some).unwrap(),
        _ => char::from(rng.random_range(b'a'..=b'z')),
    };
    (0..length).map(|_| character(rng)).collect()
}

/// Well-formed bytes, of which not all need stand for a character.
fn charset_bytes(rng: &mut StdRng, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.random_range(0..20) {
        let ascii = rng.random_ratio(1, 3);
        let mut pick = |ranges: &[(u8, u8)]| {
            let (low, high) = ranges[rng.random_range(0..ranges.len())];
            rng.random_range(low..=high)
        };
        match name {
            "utf16" | "ucs2" => out.extend([pick(&[(0, 0xd7), (0xe0, 0xff)]), pick(&[(0, 0xff)])]),
            "utf16le" => out.extend([pick(&[(0, 0xff)]), pick(&[(0, 0xd7), (0xe0, 0xff)])]),
            "utf32" => out.extend([0, pick(&[(1, 0x10)]), pick(&[(0, 0xff)]), pick(&[(0, 0xff)])]),
            "utf8" => out.extend([pick(&[(0xe1, 0xec)]), pick(&[(0x80, 0xbf)]), pick(&[(0x80, 0xbf)])]),
            "ascii" => out.push(pick(&[(0, 127)])),
            _ if is_single_byte(name) => out.push(pick(&[(0, 255)])),
            _ if ascii => out.push(pick(&[(0, 127)])),
            "gbk" | "gb18030" => out.extend([pick(&[(0x81, 0xfe)]), pick(&[(0x40, 0x7e), (0x80, 0xfe)])]),
            "big5" => out.extend([pick(&[(0xa1, 0xf9)]), pick(&[(0x40, 0x7e), (0xa1, 0xfe)])]),
            "gb2312" => out.extend([pick(&[(0xa1, 0xf7)]), pick(&[(0xa1, 0xfe)])]),
            "sjis" | "cp932" => {
                out.extend([pick(&[(0x81, 0x9f), (0xe0, 0xfc)]), pick(&[(0x40, 0x7e), (0x80, 0xfc)])]);
                out.push(pick(&[(0xa1, 0xdf)]));
            }
            "euckr" => out.extend([pick(&[(0x81, 0xfe)]), pick(&[(0x41, 0x5a), (0x61, 0x7a), (0x81, 0xfe)])]),
            _ => {
                out.extend([pick(&[(0xa1, 0xfe)]), pick(&[(0xa1, 0xfe)]), 0x8e, pick(&[(0xa1, 0xdf)])]);
                out.extend([0x8f, pick(&[(0xa1, 0xfe)]), pick(&[(0xa1, 0xfe)])]);
            }
        }
    }
    out
}

fn coordinate(rng: &mut StdRng) -> f64 {
    rng.random_range(-180.0..180.0)
}

fn vector(rng: &mut StdRng, size: usize) -> String {
    let numbers: Vec<String> = (0..size).map(|_| format!("{:.3}", coordinate(rng))).collect();
    let floats: Vec<u8> = numbers.iter().flat_map(|n| n.parse::<f32>().unwrap().to_le_bytes()).collect();
    format!("x'{}'", hex(&floats))
}

fn json_sql(rng: &mut StdRng) -> String {
    let mut out = String::new();
    json(rng, 0, &mut out);
    format!("'{}'", out.replace('\\', "\\\\").replace('\'', "''"))
}

fn json(rng: &mut StdRng, depth: usize, out: &mut String) {
    match rng.random_range(0..if depth > 4 { 6 } else { 9 }) {
        0 => out.push_str(["null", "true", "false"][rng.random_range(0..3)]),
        1 => out.push_str(&(rng.random::<i64>() >> rng.random_range(0..64)).to_string()),
        2 => out.push_str(&(rng.random::<u64>() >> rng.random_range(0..64)).to_string()),
        3 => out.push_str(&format!("{:e}", rng.random_range(-1e6..1e6))),
        4 => out.push_str(&format!("{:.3}", rng.random_range(-1e6..1e6))),
        5 => out.push_str(&serde_json::to_string(&text(rng, 12)).unwrap()),
        kind => {
            let object = kind != 6;
            out.push(if object { '{' } else { '[' });
            for i in 0..rng.random_range(0..5) {
                out.push_str(if i > 0 { "," } else { "" });
                if object {
                    out.push_str(&format!("{}:", serde_json::to_string(&format!("{i}{}", text(rng, 5))).unwrap()));
                }
                json(rng, depth + 1, out);
            }
            out.push(if object { '}' } else { ']' });
        }
    }
}
