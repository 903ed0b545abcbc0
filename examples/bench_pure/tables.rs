//! Tables of several shapes as a server would log them: a format description, a table map and row events of about 8 KiB
//! each, the same bytes for every decoder.

use dm::mysql::literal::Encoding;
use flate2::Crc;
use rand::{Rng, SeedableRng, rngs::StdRng};

const TABLE_MAP: u8 = 19;
const WRITE_ROWS: u8 = 30;
const EVENT_BYTES: usize = 8192;
const EVENTS: usize = 64;

/// A column: what the table map says, what the target wants, and how values are made.
struct Column {
    kind: u8,
    meta: &'static [u8],
    encoding: Encoding,
    make: fn(&mut StdRng, u64, &mut Vec<u8>),
}

/// A table's events.
pub struct Table {
    pub name: &'static str,
    pub target: bool,
    pub encodings: Vec<Encoding>,
    /// Whole events with their checksums; the first is the format description, the second the table map.
    pub events: Vec<Vec<u8>>,
    pub rows: u64,
    /// Bytes of the row images.
    pub image_bytes: u64,
}

pub fn all() -> Vec<Table> {
    let chars = |meta| text(254, meta, |random, _, out| ascii(random, 119..120, 2, out));
    vec![
        table(
            "narrow: id, int x 3, bigint, smallint, tinyint",
            true,
            vec![id(), int(), int(), wild(), big(), small(), tiny()],
        ),
        table(
            "narrow: id, int, varchar(20), varchar(60), int unsigned",
            true,
            vec![id(), int(), name(), title(), unsigned()],
        ),
        table("narrow: id, varchar(60) x 2, tinyint", true, vec![id(), title(), title(), tiny()]),
        table("sysbench: id, int, char(120) x 2", false, vec![id(), int(), chars(&[238, 224]), chars(&[238, 224])]),
        table(
            "decimal: id, decimal(12,2) x 5",
            false,
            vec![id(), decimal(), decimal(), decimal(), decimal(), decimal()],
        ),
        table("times: id, datetime, datetime(6), timestamp, date, time", false, times()),
        table(
            "text: id, text of 1000 (ASCII with quotes)",
            false,
            vec![id(), text(252, &[2], |random, _, out| prose(random, out))],
        ),
        table("text: id, text of 1000 (Chinese)", false, vec![id(), text(252, &[2], |_, n, out| chinese(n, out))]),
        table("blob: id, blob of 1000", false, vec![id(), plain(252, &[2], |random, _, out| blob(random, out))]),
        table("wide: 64 columns of all these", false, (0..64).map(wide).collect()),
    ]
}

fn id() -> Column {
    plain(8, &[], |_, n, out| out.extend((n + 5_000_000).to_le_bytes()))
}

fn int() -> Column {
    plain(3, &[], |random, _, out| out.extend(random.random_range(0..1_000_000i32).to_le_bytes()))
}

/// All 32 bits.
fn wild() -> Column {
    plain(3, &[], |random, _, out| out.extend(random.random::<i32>().to_le_bytes()))
}

fn unsigned() -> Column {
    Column { encoding: Encoding::Unsigned(32), ..wild() }
}

fn big() -> Column {
    plain(8, &[], |random, _, out| out.extend(random.random_range(0..1i64 << 40).to_le_bytes()))
}

fn small() -> Column {
    plain(2, &[], |random, _, out| out.extend(random.random::<i16>().to_le_bytes()))
}

fn tiny() -> Column {
    plain(1, &[], |random, _, out| out.push(random.random_range(0..2)))
}

fn name() -> Column {
    text(15, &[80, 0], |random, _, out| ascii(random, 8..20, 1, out))
}

fn title() -> Column {
    text(15, &[240, 0], |random, _, out| ascii(random, 20..60, 1, out))
}

fn decimal() -> Column {
    plain(246, &[12, 2], |random, _, out| money(random, out))
}

fn wide(i: usize) -> Column {
    match i % 8 {
        0 => id(),
        1 => int(),
        2 => name(),
        3 => decimal(),
        4 => plain(18, &[0], |random, _, out| datetime(random, out)),
        5 => tiny(),
        6 => unsigned(),
        _ => big(),
    }
}

fn times() -> Vec<Column> {
    vec![
        id(),
        plain(18, &[0], |random, _, out| datetime(random, out)),
        plain(18, &[6], |random, _, out| {
            datetime(random, out);
            out.extend(&random.random_range(0..1_000_000u32).to_be_bytes()[1..]);
        }),
        plain(17, &[0], |random, _, out| {
            out.extend(random.random_range(1_500_000_000..1_800_000_000u32).to_be_bytes())
        }),
        plain(10, &[], |random, _, out| {
            let (month, day) = (random.random_range(1..13u32), random.random_range(1..29u32));
            out.extend(&(random.random_range(2000..2030u32) << 9 | month << 5 | day).to_le_bytes()[..3]);
        }),
        plain(19, &[0], |random, _, out| {
            let (minute, second) = (random.random_range(0..60u32), random.random_range(0..60u32));
            let clock = random.random_range(0..24u32) << 12 | minute << 6 | second;
            out.extend(&(clock + 0x80_0000).to_be_bytes()[1..]);
        }),
    ]
}

fn blob(random: &mut StdRng, out: &mut Vec<u8>) {
    out.extend(1000u16.to_le_bytes());
    out.extend((0..1000).map(|_| random.random::<u8>()));
}

fn plain(kind: u8, meta: &'static [u8], make: fn(&mut StdRng, u64, &mut Vec<u8>)) -> Column {
    Column { kind, meta, encoding: Encoding::Plain, make }
}

fn text(kind: u8, meta: &'static [u8], make: fn(&mut StdRng, u64, &mut Vec<u8>)) -> Column {
    Column { kind, meta, encoding: Encoding::Text, make }
}

fn ascii(random: &mut StdRng, length: std::ops::Range<usize>, length_bytes: usize, out: &mut Vec<u8>) {
    let length = random.random_range(length);
    out.extend(&length.to_le_bytes()[..length_bytes]);
    out.extend((0..length).map(|_| random.random_range(b'a'..=b'z')));
}

fn money(random: &mut StdRng, out: &mut Vec<u8>) {
    let whole = random.random_range(0..100_000u32);
    out.extend([0x80, 0]);
    let group = whole.to_be_bytes();
    // 10 digits before the point: one digit in a byte, nine in four.
    out.truncate(out.len() - 1);
    out.extend(group);
    out.push(random.random_range(0..100));
}

fn datetime(random: &mut StdRng, out: &mut Vec<u8>) {
    let year_month = random.random_range(2000..2030u64) * 13 + random.random_range(1..13);
    let day = year_month << 5 | random.random_range(1..29);
    let clock = random.random_range(0..24u64) << 12 | random.random_range(0..60) << 6 | random.random_range(0..60);
    out.extend(&((day << 17 | clock) + 0x80_0000_0000).to_be_bytes()[3..]);
}

fn prose(random: &mut StdRng, out: &mut Vec<u8>) {
    out.extend(1000u16.to_le_bytes());
    out.extend((0..1000).map(|_| match random.random_range(0..100) {
        0 => b'\'',
        1 => b'\n',
        2..15 => b' ',
        _ => random.random_range(b'a'..=b'z'),
    }));
}

fn chinese(n: u64, out: &mut Vec<u8>) {
    let text = "数据库迁移工具把所有行和每个变化送到目标".repeat(17);
    let bytes = &text.as_bytes()[3 * (n as usize % 7)..][..999];
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

fn table(name: &'static str, target: bool, columns: Vec<Column>) -> Table {
    let mut random = StdRng::seed_from_u64(7);
    let mut events = vec![format_description(), event(TABLE_MAP, &table_map(&columns))];
    let (mut rows, mut image_bytes) = (0, 0);
    for _ in 0..EVENTS {
        // Table id 1, flags, no extra data, column count, all columns present.
        let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, columns.len() as u8];
        body.extend(vec![0xff; columns.len().div_ceil(8)]);
        let start = body.len();
        while body.len() < EVENT_BYTES {
            body.extend(vec![0; columns.len().div_ceil(8)]);
            for column in &columns {
                (column.make)(&mut random, rows, &mut body);
            }
            rows += 1;
        }
        image_bytes += (body.len() - start) as u64;
        events.push(event(WRITE_ROWS, &body));
    }
    let encodings = columns.into_iter().map(|column| column.encoding).collect();
    Table { name, target, encodings, events, rows, image_bytes }
}

fn table_map(columns: &[Column]) -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 1, b'b', 0, 1, b't', 0, columns.len() as u8];
    body.extend(columns.iter().map(|column| column.kind));
    let meta: Vec<u8> = columns.iter().flat_map(|column| column.meta).copied().collect();
    body.push(meta.len() as u8);
    body.extend(meta);
    body.extend(vec![0xff; columns.len().div_ceil(8)]);
    body
}

/// Header, body, CRC32.
fn event(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = (19 + body.len() + 4) as u32;
    let mut raw = vec![0; 4];
    raw.push(kind);
    raw.extend(1u32.to_le_bytes());
    raw.extend(size.to_le_bytes());
    raw.extend(100u32.to_le_bytes());
    raw.extend([0, 0]);
    raw.extend(body);
    let mut crc = Crc::new();
    crc.update(&raw);
    raw.extend(crc.sum().to_le_bytes());
    raw
}

/// Of MySQL 8: the lengths of fixed parts by event type, then the checksum's kind.
fn format_description() -> Vec<u8> {
    let mut body = vec![4, 0];
    let mut version = [0u8; 50];
    version[..6].copy_from_slice(b"8.0.40");
    body.extend(version);
    body.extend([0; 4]);
    body.push(19);
    let mut lengths = [0u8; 41];
    lengths[18] = 8;
    lengths[22..32].fill(10);
    body.extend(lengths);
    body.push(1);
    event(15, &body)
}
