//! Binlog events as a BINLOG statement takes them: a format description, a table map, and one row written or changed.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::schema::{
    BaseType,
    charset::max_bytes,
    column_type::ColumnType,
    model::{Column, TableId},
};

/// Which row events a server takes: MariaDB has the first ones only, MySQL 9 has dropped those.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rows {
    V1,
    V2,
}

const FORMAT_DESCRIPTION: u8 = 15;
const TABLE_MAP: u8 = 19;
const HEADER: u8 = 19;
/// Any number: it joins a table map and its rows.
const TABLE: u64 = 77;
const STMT_END: u16 = 1;

/// The size of what stands before the variable part of each type of event, from type 1 on.
const POST_HEADERS: [u8; 35] = [
    56, 13, 0, 8, 0, 18, 0, 4, 4, 4, 4, 18, 0, 0, 92, 0, 4, 26, 8, 0, 0, 0, 8, 8, 8, 2, 0, 0, 0, 10, 10, 10, 25, 25, 0,
];
/// Of them, those that a server had before it knew the second form of row events.
const FIRST_POST_HEADERS: usize = 27;

fn event(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.push(kind);
    out.extend_from_slice(&1u32.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32 + u32::from(HEADER)).to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(body);
    out
}

fn binlog(events: &[Vec<u8>]) -> String {
    format!("BINLOG '{}'", STANDARD.encode(events.concat()))
}

/// The statement that a session needs before all others of these. It says that events have no checksum.
pub fn format_description(rows: Rows) -> String {
    let (version, known) = match rows {
        Rows::V1 => ("5.5.30", FIRST_POST_HEADERS),
        Rows::V2 => ("5.6.0", POST_HEADERS.len()),
    };
    let mut body = 4u16.to_le_bytes().to_vec();
    let mut name = version.as_bytes().to_vec();
    name.resize(50, 0);
    body.extend_from_slice(&name);
    body.extend_from_slice(&[0; 4]);
    body.push(HEADER);
    let own = |at: usize, size: u8| if at + 1 == usize::from(FORMAT_DESCRIPTION) { 57 + known as u8 } else { size };
    body.extend(POST_HEADERS.iter().take(known).enumerate().map(|(at, size)| own(at, *size)));
    binlog(&[event(FORMAT_DESCRIPTION, &body)])
}

/// A table's columns from the first one on; more may stand behind them.
pub struct Layout<'a> {
    pub table: &'a TableId,
    pub columns: Vec<Logged>,
}

/// A column's type in the binlog, and what describes it.
pub struct Logged {
    kind: u8,
    meta: Vec<u8>,
    nullable: bool,
}

impl Logged {
    /// None: a type that isn't known here.
    pub fn of(column: &Column) -> Option<Logged> {
        let (kind, meta) = kind(&column.ty, column.charset.as_deref())?;
        Some(Logged { kind, meta, nullable: column.nullable })
    }
}

/// Bytes that a value of CHAR, VARCHAR, BINARY or VARBINARY has at most.
pub fn longest(ty: &ColumnType, charset: Option<&str>) -> u32 {
    ty.length.unwrap_or(1).saturating_mul(charset.map_or(1, max_bytes))
}

fn kind(ty: &ColumnType, charset: Option<&str>) -> Option<(u8, Vec<u8>)> {
    use BaseType::*;
    let digits = || vec![ty.decimals.unwrap_or(0) as u8];
    let members = |real: u8| {
        let count = ty.elems.len();
        let size = match real {
            247 if count < 256 => 1,
            247 => 2,
            _ => [1, 2, 3, 4, 8].into_iter().find(|size| usize::from(*size) * 8 >= count).unwrap_or(8),
        };
        (254, vec![real, size])
    };
    Some(match ty.base {
        TinyInt => (1, vec![]),
        SmallInt => (2, vec![]),
        MediumInt => (9, vec![]),
        Int => (3, vec![]),
        BigInt => (8, vec![]),
        Float => (4, vec![4]),
        Double => (5, vec![8]),
        Decimal => (246, vec![ty.length.unwrap_or(10) as u8, ty.decimals.unwrap_or(0) as u8]),
        Bit => {
            let bits = ty.length.unwrap_or(1) as u8;
            (16, vec![bits % 8, bits / 8])
        }
        Year => (13, vec![]),
        Date => (10, vec![]),
        Time => (19, digits()),
        DateTime => (18, digits()),
        Timestamp => (17, digits()),
        Char | Binary => {
            let bytes = longest(ty, charset);
            (254, vec![254 ^ ((bytes & 0x300) >> 4) as u8, bytes as u8])
        }
        VarChar | VarBinary => (15, (longest(ty, charset) as u16).to_le_bytes().to_vec()),
        TinyBlob | TinyText => (252, vec![1]),
        Blob | Text => (252, vec![2]),
        MediumBlob | MediumText => (252, vec![3]),
        LongBlob | LongText => (252, vec![4]),
        Enum => members(247),
        Set => members(248),
        Json => (245, vec![4]),
        Vector => (242, vec![4]),
        base if base.is_spatial() => (255, vec![4]),
        _ => return None,
    })
}

/// A string as a row holds it: behind as many bytes of length as its column's longest value needs.
pub fn string(bytes: &[u8], ty: &ColumnType, charset: Option<&str>) -> Vec<u8> {
    let size = match ty.base {
        BaseType::TinyText | BaseType::TinyBlob => 1,
        BaseType::Text | BaseType::Blob => 2,
        BaseType::MediumText | BaseType::MediumBlob => 3,
        BaseType::LongText | BaseType::LongBlob => 4,
        _ if longest(ty, charset) > 255 => 2,
        _ => 1,
    };
    let mut out: Vec<u8> = bytes.len().to_le_bytes().into_iter().take(size).collect();
    out.extend_from_slice(bytes);
    out
}

fn length(out: &mut Vec<u8>, n: usize) {
    match n {
        0..=250 => out.push(n as u8),
        _ => {
            out.push(252);
            out.extend_from_slice(&(n as u16).to_le_bytes());
        }
    }
}

fn bits(count: usize, set: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut out = vec![0u8; count.div_ceil(8)];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = (0..8).filter(|bit| at * 8 + bit < count && set(at * 8 + bit)).map(|bit| 1 << bit).sum();
    }
    out
}

impl Layout<'_> {
    fn map(&self) -> Vec<u8> {
        let mut body = TABLE.to_le_bytes().get(..6).unwrap_or_default().to_vec();
        body.extend_from_slice(&[0; 2]);
        for name in [&self.table.schema, &self.table.name] {
            body.push(name.len() as u8);
            body.extend_from_slice(name.as_bytes());
            body.push(0);
        }
        length(&mut body, self.columns.len());
        body.extend(self.columns.iter().map(|column| column.kind));
        let meta: Vec<u8> = self.columns.iter().flat_map(|column| column.meta.iter().copied()).collect();
        length(&mut body, meta.len());
        body.extend_from_slice(&meta);
        body.extend(bits(self.columns.len(), |at| self.columns.get(at).is_some_and(|column| column.nullable)));
        event(TABLE_MAP, &body)
    }

    fn rows(&self, kind: u8, rows: Rows, images: &[&[(usize, Vec<u8>)]]) -> Vec<u8> {
        let mut body = TABLE.to_le_bytes().get(..6).unwrap_or_default().to_vec();
        body.extend_from_slice(&STMT_END.to_le_bytes());
        let kind = match rows {
            Rows::V1 => kind,
            Rows::V2 => {
                body.extend_from_slice(&2u16.to_le_bytes());
                kind + 7
            }
        };
        length(&mut body, self.columns.len());
        for image in images {
            body.extend(bits(self.columns.len(), |at| image.iter().any(|(column, _)| *column == at)));
        }
        for image in images {
            body.extend(bits(image.len(), |_| false));
            body.extend(image.iter().flat_map(|(_, value)| value.iter().copied()));
        }
        event(kind, &body)
    }

    /// The statement that writes a row of these columns (offsets in their order, values as a row holds them).
    pub fn write(&self, rows: Rows, row: &[(usize, Vec<u8>)]) -> String {
        binlog(&[self.map(), self.rows(23, rows, &[row])])
    }

    /// The statement that changes the row with some values to others.
    pub fn update(&self, rows: Rows, before: &[(usize, Vec<u8>)], after: &[(usize, Vec<u8>)]) -> String {
        binlog(&[self.map(), self.rows(24, rows, &[before, after])])
    }
}
