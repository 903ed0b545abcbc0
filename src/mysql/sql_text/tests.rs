//! Every writer against the standard library's formatting, at the edges and at random.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

fn text(write: impl FnOnce(&mut SqlText)) -> String {
    let mut out = SqlText::new();
    write(&mut out);
    String::from_utf8(out.as_bytes().to_vec()).unwrap()
}

#[test]
fn integers_of_every_length_are_written_as_the_standard_library_does() {
    let mut random = StdRng::seed_from_u64(1);
    let mut edges: Vec<u64> = (0..20).flat_map(|e| [10u64.pow(e), 10u64.pow(e) - 1, 10u64.pow(e) + 1]).collect();
    edges.extend([0, u64::MAX, i64::MAX as u64, i64::MIN as u64, u32::MAX.into(), 1 << 31]);
    edges.extend((0..20_000).map(|_| random.random::<u64>() >> random.random_range(0..64)));
    for n in edges {
        assert_eq!(text(|out| out.u64(n)), n.to_string());
        assert_eq!(text(|out| out.i64(n as i64)), (n as i64).to_string());
        assert_eq!(text(|out| out.u32(n as u32)), (n as u32).to_string());
    }
}

#[test]
fn every_day_of_a_timestamp_has_its_date() {
    // Day by day from a day that is known, by the rules of the calendar.
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for days in 0..=u32::MAX / 86_400 {
        assert_eq!(calendar_date(days), [year, month, day], "day {days}");
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
        day += 1;
        if day > last {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
}

#[test]
fn times_have_the_digits_of_their_column() {
    assert_eq!(text(|out| out.date(2024, 2, 29)), "'2024-02-29'");
    assert_eq!(text(|out| out.date(0, 0, 0)), "'0000-00-00'");
    assert_eq!(text(|out| out.time(true, [838, 59, 59], 500_000, 1)), "'-838:59:59.5'");
    assert_eq!(text(|out| out.time(false, [0, 0, 0], 0, 0)), "'00:00:00'");
    assert_eq!(text(|out| out.datetime([9999, 12, 31], [23, 59, 59], 999_999, 6)), "'9999-12-31 23:59:59.999999'");
    assert_eq!(text(|out| out.datetime([1, 2, 3], [4, 5, 6], 120_000, 3)), "'0001-02-03 04:05:06.120'");
    assert_eq!(text(|out| out.timestamp(0, 0, 2)), "'0000-00-00 00:00:00.00'");
    assert_eq!(text(|out| out.timestamp(u32::MAX, 1, 6)), "'2106-02-07 06:28:15.000001'");
}

#[test]
fn strings_of_every_length_are_quoted_or_told_in_digits() {
    let plain = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0"));
    let source = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(4);
    for length in 0..source.len() {
        for more in [0, 5, 40] {
            let data = format!("{source}{}", "'".repeat(40));
            let all = &data.as_bytes()[source.len() - length..][..length + more];
            assert_eq!(text(|out| out.utf8(&all[..length], all)), plain(&source[source.len() - length..]));
        }
        // One character that needs care, at every place.
        for at in 0..length {
            for special in ["'", "\\", "\0", "ü", "日", "🍣", "\u{7f}", "\n"] {
                let text_of = format!("{}{special}{}", &source[..at], &source[at..length]);
                let more = format!("{text_of}0123456789abcdef");
                assert_eq!(text(|out| out.utf8(text_of.as_bytes(), more.as_bytes())), plain(&text_of));
            }
            let mut bad = source.as_bytes()[..length].to_vec();
            bad[at] = 0xff;
            let hex: String = bad.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(text(|out| out.utf8(&bad, &bad)), format!("_utf8mb4 x'{hex}' /*T! COLLATE ascii_bin */"));
        }
    }
}

#[test]
fn bytes_are_hexadecimal_and_padded() {
    let all: Vec<u8> = (0..=255).collect();
    for length in 0..=all.len() {
        let hex: String = all[256 - length..].iter().map(|b| format!("{b:02x}")).collect();
        let wanted = if length == 0 { "''".to_owned() } else { format!("x'{hex}'") };
        assert_eq!(text(|out| out.binary(&all[256 - length..], 0)), wanted);
        assert_eq!(text(|out| out.binary(&all[256 - length..], length + 2)), format!("x'{hex}0000'"));
    }
    assert_eq!(text(|out| out.other_charset(b"\xe4'", "_gbk ", true, "")), "_gbk x'e427'");
    assert_eq!(text(|out| out.other_charset(b"a'", "_gbk ", true, "")), "'a'''");
    assert_eq!(text(|out| out.other_charset(b"ab", "_utf16 ", false, "!")), "_utf16 x'6162'!");
}

#[test]
fn decimals_of_the_manual_and_wrong_ones() {
    let decimal = |precision, scale, bytes: &[u8]| {
        let mut out = SqlText::new();
        out.decimal(&DecimalLayout::new(precision, scale).unwrap(), bytes).map(|()| out.as_bytes().to_vec())
    };
    assert_eq!(decimal(14, 4, &[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2]).unwrap(), b"1234567890.1234");
    assert_eq!(decimal(14, 4, &[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d]).unwrap(), b"-1234567890.1234");
    assert_eq!(decimal(1, 1, &[0x80]).unwrap(), b"0.0");
    assert_eq!(decimal(5, 0, &[0x80, 0, 0]).unwrap(), b"0");
    assert_eq!(decimal(7, 2, &[0x7f, 0xff, 0xff, 0xce]).unwrap(), b"-0.49");
    assert!(decimal(4, 2, &[0xff, 0xff]).is_err() && decimal(4, 2, &[0x80]).is_err());
    assert!(DecimalLayout::new(2, 4).is_none() && DecimalLayout::new(0, 0).is_none());
    assert!(DecimalLayout::new(66, 0).is_none());
}

#[test]
fn a_buffer_is_used_again() {
    let mut out = SqlText::new();
    out.push_str("abc");
    out.truncate(9);
    out.truncate(1);
    out.null();
    assert_eq!((out.as_bytes(), out.len(), out.is_empty()), (&b"aNULL"[..], 5, false));
    out.clear();
    assert!(out.is_empty() && out.to_bytes().is_empty());
}
