//! The layout of the rows that follow: types, metadata and, as far as the source writes it, names, signs and charsets.

use bytes::Bytes;

use super::cursor::{Cursor, Malformed, Parsed, text};

/// Column types of the binlog (the server's field types).
#[allow(missing_docs)]
pub mod column_type {
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    /// MariaDB's compressed columns.
    pub const BLOB_COMPRESSED: u8 = 140;
    pub const VARCHAR_COMPRESSED: u8 = 141;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const MEDIUM_BLOB: u8 = 250;
    pub const LONG_BLOB: u8 = 251;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}
use column_type as ty;

/// One column as the rows store it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Column {
    /// One of [`column_type`]; ENUM and SET are told apart from STRING.
    pub kind: u8,
    /// By type: longest value in bytes (strings, ENUM, SET), bytes of the length (blobs, JSON), fractional digits (times),
    /// precision in the high byte and scale in the low (DECIMAL), bits (BIT). For times of before MySQL 5.6 see
    /// [`TableMap::with_old_fractions`].
    pub meta: u16,
    pub nullable: bool,
    /// Numbers: whether unsigned; `None` when the source does not write it (MariaDB by default, MySQL before 8.0).
    pub unsigned: Option<bool>,
    /// Strings: the collation's number (63 is binary); `None` when the source does not write it.
    pub collation: Option<u16>,
    /// With `binlog_row_metadata=FULL`.
    pub name: Option<String>,
    /// ENUM and SET with `binlog_row_metadata=FULL`, in the column's charset.
    pub members: Vec<Bytes>,
}

impl Column {
    /// Width of an integer column.
    pub fn integer_bits(&self) -> Option<u8> {
        match self.kind {
            ty::TINY => Some(8),
            ty::SHORT => Some(16),
            ty::INT24 => Some(24),
            ty::LONG => Some(32),
            ty::LONGLONG => Some(64),
            _ => None,
        }
    }

    /// The columns that a sign is written for: YEAR (unsigned) is among them, BIT is not, at both flavours.
    fn has_sign(&self) -> bool {
        self.integer_bits().is_some() || matches!(self.kind, ty::FLOAT | ty::DOUBLE | ty::NEWDECIMAL | ty::YEAR)
    }

    /// MariaDB counts spatial columns among the strings; they carry the binary charset.
    fn is_string(&self, mariadb: bool) -> bool {
        match self.kind {
            ty::STRING | ty::VAR_STRING | ty::VARCHAR | ty::VARCHAR_COMPRESSED | ty::BLOB_COMPRESSED => true,
            ty::TINY_BLOB..=ty::BLOB => true,
            ty::GEOMETRY => mariadb,
            _ => false,
        }
    }

    fn is_enum_or_set(&self) -> bool {
        matches!(self.kind, ty::ENUM | ty::SET)
    }
}

/// The layout of one table's rows. Shared by all row events that follow it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TableMap {
    pub table_id: u64,
    pub schema: String,
    pub table: String,
    pub columns: Vec<Column>,
    /// Column indexes of the primary key, with `binlog_row_metadata=FULL`; empty when unknown.
    pub primary_key: Vec<usize>,
}

impl TableMap {
    /// Reads the event's body. `id_bytes` is 6 (4 in ancient files).
    pub(super) fn parse(body: &Bytes, id_bytes: usize, mariadb: bool) -> Parsed<TableMap> {
        let cursor = &mut Cursor::new(body);
        let table_id = cursor.uint_le(id_bytes)?;
        cursor.u16()?;
        let mut name = || -> Parsed<String> {
            let length = cursor.u8()?;
            let name = text(cursor.slice(length.into())?)?;
            cursor.u8()?;
            Ok(name)
        };
        let (schema, table) = (name()?, name()?);
        let count = cursor.lenenc_len()?;
        let types = cursor.slice(count)?;
        let meta_len = cursor.lenenc_len()?;
        let mut meta = cursor.part(meta_len)?;
        let mut columns = types.iter().map(|kind| column(*kind, &mut meta)).collect::<Parsed<Vec<_>>>()?;
        let nullable = cursor.slice(count.div_ceil(8))?;
        for (i, column) in columns.iter_mut().enumerate() {
            column.nullable = nullable[i / 8] >> (i % 8) & 1 == 1;
        }
        let mut map = TableMap { table_id, schema, table, columns, primary_key: Vec::new() };
        while !cursor.is_empty() {
            let field = cursor.u8()?;
            let length = cursor.lenenc_len()?;
            map.optional(field, cursor.part(length)?, mariadb);
        }
        Ok(map)
    }

    /// The layout with the fractional digits of times that the source stores in MariaDB's form of before 10.1
    /// (`mysql56_temporal_format=OFF`): the event doesn't tell them. None: no column is of that kind.
    pub fn with_old_fractions(&self, digits: &[u8]) -> Option<TableMap> {
        let mut map = None;
        for (i, digits) in digits.iter().enumerate().filter(|(_, digits)| **digits > 0) {
            let old = |column: &&Column| matches!(column.kind, ty::TIME | ty::DATETIME | ty::TIMESTAMP);
            if self.columns.get(i).filter(old).is_some()
                && let Some(column) = map.get_or_insert_with(|| self.clone()).columns.get_mut(i)
            {
                column.meta = (*digits).into();
            }
        }
        map
    }

    /// Takes in one optional field. What can't be read is left unknown: the table's own structure tells the same.
    fn optional(&mut self, field: u8, data: Cursor<'_>, mariadb: bool) {
        let columns = &mut self.columns;
        let _ = match field {
            1 => signs(columns, data),
            2 => default_charset(columns, data, |c| c.is_string(mariadb)),
            3 => charsets(columns, data, |c| c.is_string(mariadb)),
            4 => names(columns, data),
            5 => members(columns, data, ty::SET),
            6 => members(columns, data, ty::ENUM),
            8 => primary_key(data, false).map(|key| self.primary_key = key),
            9 => primary_key(data, true).map(|key| self.primary_key = key),
            10 => default_charset(columns, data, Column::is_enum_or_set),
            11 => charsets(columns, data, Column::is_enum_or_set),
            _ => Ok(()),
        };
        let known = self.columns.len();
        if self.primary_key.iter().any(|i| *i >= known) {
            self.primary_key.clear();
        }
    }
}

/// One column's type and metadata.
fn column(kind: u8, meta: &mut Cursor<'_>) -> Parsed<Column> {
    let (kind, meta) = match kind {
        ty::FLOAT | ty::DOUBLE | ty::TIMESTAMP2 | ty::DATETIME2 | ty::TIME2 => (kind, meta.u8()?.into()),
        ty::BLOB | ty::TINY_BLOB | ty::MEDIUM_BLOB | ty::LONG_BLOB | ty::BLOB_COMPRESSED => (kind, meta.u8()?.into()),
        ty::JSON | ty::GEOMETRY | ty::VECTOR => (kind, meta.u8()?.into()),
        ty::VARCHAR | ty::VAR_STRING | ty::VARCHAR_COMPRESSED => (kind, meta.u16()?),
        ty::NEWDECIMAL => (kind, u16::from(meta.u8()?) << 8 | u16::from(meta.u8()?)),
        ty::BIT => {
            let (bits, bytes) = (meta.u8()?, meta.u8()?);
            (kind, u16::from(bytes) * 8 + u16::from(bits))
        }
        ty::STRING | ty::ENUM | ty::SET => string_kind(meta.u8()?, meta.u8()?),
        ty::TINY..=ty::LONG | ty::NULL..=ty::NEWDATE => (kind, 0),
        _ => return Err(Malformed("a column has a type this reader does not know")),
    };
    Ok(Column { kind, meta, ..Column::default() })
}

/// CHAR packs two more bits of its length into the type's byte; ENUM and SET travel as STRING with their own type there.
fn string_kind(kind: u8, length: u8) -> (u8, u16) {
    if kind & 0x30 != 0x30 {
        return (kind | 0x30, u16::from(length) | u16::from(kind & 0x30 ^ 0x30) << 4);
    }
    (kind, length.into())
}

fn signs(columns: &mut [Column], mut data: Cursor<'_>) -> Parsed<()> {
    let bits = data.slice(data.left())?;
    let numeric = columns.iter_mut().filter(|c| c.has_sign());
    if bits.len() != numeric.count().div_ceil(8) {
        return Err(Malformed("signs of columns"));
    }
    for (i, column) in columns.iter_mut().filter(|c| c.has_sign()).enumerate() {
        column.unsigned = Some(bits[i / 8] << (i % 8) & 0x80 != 0);
    }
    Ok(())
}

fn default_charset(columns: &mut [Column], mut data: Cursor<'_>, of: impl Fn(&Column) -> bool) -> Parsed<()> {
    let default = collation(&mut data)?;
    let mut others = Vec::new();
    while !data.is_empty() {
        others.push((data.lenenc_len()?, collation(&mut data)?));
    }
    for (i, column) in columns.iter_mut().filter(|c| of(c)).enumerate() {
        let own = others.iter().find(|(at, _)| *at == i).map(|(_, collation)| *collation);
        column.collation = Some(own.unwrap_or(default));
    }
    Ok(())
}

fn charsets(columns: &mut [Column], mut data: Cursor<'_>, of: impl Fn(&Column) -> bool) -> Parsed<()> {
    let mut all = Vec::new();
    while !data.is_empty() {
        all.push(collation(&mut data)?);
    }
    if all.len() != columns.iter().filter(|c| of(c)).count() {
        return Err(Malformed("charsets of columns"));
    }
    columns.iter_mut().filter(|c| of(c)).zip(all).for_each(|(column, own)| column.collation = Some(own));
    Ok(())
}

fn collation(data: &mut Cursor<'_>) -> Parsed<u16> {
    u16::try_from(data.lenenc()?).map_err(|_| Malformed("a collation number"))
}

fn names(columns: &mut [Column], mut data: Cursor<'_>) -> Parsed<()> {
    let mut all = Vec::with_capacity(columns.len());
    while !data.is_empty() {
        let length = data.lenenc_len()?;
        all.push(text(data.slice(length)?)?);
    }
    if all.len() == columns.len() {
        columns.iter_mut().zip(all).for_each(|(column, name)| column.name = Some(name));
    }
    Ok(())
}

fn members(columns: &mut [Column], mut data: Cursor<'_>, kind: u8) -> Parsed<()> {
    for column in columns.iter_mut().filter(|c| c.kind == kind) {
        let count = data.lenenc_len()?;
        let mut all = Vec::new();
        for _ in 0..count {
            let length = data.lenenc_len()?;
            all.push(data.bytes(length)?);
        }
        column.members = all;
    }
    Ok(())
}

fn primary_key(mut data: Cursor<'_>, with_prefix: bool) -> Parsed<Vec<usize>> {
    let mut key = Vec::new();
    while !data.is_empty() {
        key.push(data.lenenc_len()?);
        if with_prefix {
            data.lenenc()?;
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs_of(body: &'static [u8]) -> Vec<Option<bool>> {
        let map = TableMap::parse(&Bytes::from_static(body), 6, false).unwrap();
        map.columns.iter().map(|column| column.unsigned).collect()
    }

    /// Captured from MySQL 9.7; MariaDB 10.11 writes the same.
    #[test]
    fn a_year_has_a_sign_and_bits_have_none() {
        let year = b"\x6f\0\0\0\0\0\x01\0\x01q\0\x02y1\0\x03\x0d\x09\x03\0\x07\x01\x01\xa0";
        assert_eq!(signs_of(year), [Some(true), Some(false), Some(true)]);
        let bits = b"\x70\0\0\0\0\0\x01\0\x01q\0\x02b1\0\x03\x10\x09\x03\x02\x03\0\x07\x01\x01\x40";
        assert_eq!(signs_of(bits), [None, Some(false), Some(true)]);
    }
}
