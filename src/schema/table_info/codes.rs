//! The numbers in TiDB's JSON: MySQL protocol type codes and TiDB's column flags.

use crate::schema::{column_type::BaseType, model::ReferenceAction};

pub(super) const NOT_NULL: u64 = 1;
pub(super) const PRIMARY: u64 = 1 << 1;
pub(super) const UNIQUE: u64 = 1 << 2;
pub(super) const MULTIPLE: u64 = 1 << 3;
pub(super) const BLOB: u64 = 1 << 4;
pub(super) const UNSIGNED: u64 = 1 << 5;
pub(super) const ZEROFILL: u64 = 1 << 6;
pub(super) const BINARY: u64 = 1 << 7;
pub(super) const ENUM: u64 = 1 << 8;
pub(super) const AUTO_INCREMENT: u64 = 1 << 9;
pub(super) const SET: u64 = 1 << 11;
pub(super) const NO_DEFAULT: u64 = 1 << 12;
pub(super) const ON_UPDATE_NOW: u64 = 1 << 13;

/// A type's protocol code. Types that TiDB lacks get the nearest it has.
pub(super) fn type_code(base: BaseType) -> u64 {
    use BaseType::*;
    match base {
        TinyInt => 1,
        SmallInt => 2,
        Int => 3,
        Float => 4,
        Double => 5,
        Timestamp => 7,
        BigInt => 8,
        MediumInt => 9,
        Date => 10,
        Time => 11,
        DateTime => 12,
        Year => 13,
        VarChar | VarBinary => 15,
        Bit => 16,
        Vector => 225,
        Json => 245,
        Decimal => 246,
        Enum => 247,
        Set => 248,
        TinyBlob | TinyText => 249,
        MediumBlob | MediumText => 250,
        LongBlob | LongText => 251,
        Blob | Text => 252,
        Char | Binary | Inet4 | Inet6 | Uuid => 254,
        Geometry | Point | LineString | Polygon | MultiPoint | MultiLineString | MultiPolygon | GeometryCollection => {
            255
        }
    }
}

/// The base type of a code; `binary` tells bytes from characters.
pub(super) fn base_type(code: u64, binary: bool) -> Option<BaseType> {
    use BaseType::*;
    let pick = |bytes, characters| if binary { bytes } else { characters };
    Some(match code {
        1 => TinyInt,
        2 => SmallInt,
        3 => Int,
        4 => Float,
        5 => Double,
        7 => Timestamp,
        8 => BigInt,
        9 => MediumInt,
        10 | 14 => Date,
        11 => Time,
        12 => DateTime,
        13 => Year,
        15 | 253 => pick(VarBinary, VarChar),
        16 => Bit,
        225 => Vector,
        245 => Json,
        246 => Decimal,
        247 => Enum,
        248 => Set,
        249 => pick(TinyBlob, TinyText),
        250 => pick(MediumBlob, MediumText),
        251 => pick(LongBlob, LongText),
        252 => pick(Blob, Text),
        254 => pick(Binary, Char),
        255 => Geometry,
        _ => return None,
    })
}

/// TiDB's default length of a type that was written without one; -1 is unspecified.
pub(super) fn default_length(base: BaseType, unsigned: bool) -> i64 {
    use BaseType::*;
    match base {
        TinyInt => 4 - i64::from(unsigned),
        SmallInt => 6 - i64::from(unsigned),
        MediumInt => 9 - i64::from(unsigned),
        Int => 11 - i64::from(unsigned),
        BigInt => 20,
        Float => 12,
        Double => 22,
        Date => 10,
        Year => 4,
        TinyBlob | TinyText => 255,
        Blob | Text => 65_535,
        MediumBlob | MediumText => 16_777_215,
        LongBlob | LongText | Json => 4_294_967_295,
        _ => -1,
    }
}

/// In the order of TiDB's numbers.
const ACTIONS: [ReferenceAction; 6] = [
    ReferenceAction::Unsaid,
    ReferenceAction::Restrict,
    ReferenceAction::Cascade,
    ReferenceAction::SetNull,
    ReferenceAction::NoAction,
    ReferenceAction::SetDefault,
];

/// TiDB's number of what a foreign key does.
pub(super) fn action_code(action: ReferenceAction) -> usize {
    ACTIONS.iter().position(|known| *known == action).unwrap_or(0)
}

/// What a number means; an unknown one is nothing said.
pub(super) fn action(code: i64) -> ReferenceAction {
    usize::try_from(code).ok().and_then(|code| ACTIONS.get(code)).copied().unwrap_or_default()
}
