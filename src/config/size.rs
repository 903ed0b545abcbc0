//! Sizes in bytes: `500m`, `1GiB`, `64`.

use super::yaml::{Decoder, Node, Via, Yaml};

/// Reads a size; a plain number is multiplied by `plain_unit`. Units are powers of 1024, any case, with or without
/// `b`/`iB`. `None` for anything else, negative or beyond 64 bits.
pub fn parse_size(text: &str, plain_unit: u64) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let scale = if unit.is_empty() {
        plain_unit
    } else {
        let prefix = unit.strip_suffix('b').unwrap_or(&unit);
        let prefix = prefix.strip_suffix('i').unwrap_or(prefix);
        match prefix {
            "" if unit == "b" => 1,
            "k" => 1 << 10,
            "m" => 1 << 20,
            "g" => 1 << 30,
            "t" => 1 << 40,
            "p" => 1 << 50,
            _ => return None,
        }
    };
    let bytes = number * scale as f64;
    (bytes < 9.2e18).then_some(bytes as u64)
}

/// Reads a number of bytes or a size text, prints the number.
pub struct Bytes;

impl Via<u64> for Bytes {
    fn decode(node: &Node, d: &mut Decoder) -> Option<u64> {
        let parsed = node.text().and_then(|text| parse_size(text, 1));
        if parsed.is_none() {
            d.mismatch(node, "config.ByteSize", "bytes, or a size such as 500m or 1GiB");
        }
        parsed
    }

    fn encode(value: &u64) -> Yaml {
        Yaml::Number(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, unit, bytes) in [
            ("64", 1 << 20, Some(64 << 20)),
            ("64", 1, Some(64)),
            ("500m", 1, Some(500 << 20)),
            ("1GiB", 1, Some(1 << 30)),
            ("1.5KB", 1, Some(1536)),
            ("7b", 9, Some(7)),
            (" 2 T ", 1, Some(2 << 40)),
            ("", 1, None),
            ("m", 1, None),
            ("-1", 1, None),
            ("5x", 1, None),
            ("5i", 1, None),
            ("1e400", 1, None),
            ("999999999999P", 1, None),
        ] {
            assert_eq!(parse_size(text, unit), bytes, "{text}");
        }
    }
}
