//! Column types: MySQL's and MariaDB's base types with their parameters.

use serde::{Deserialize, Serialize};

macro_rules! base_types {
    ($($variant:ident = $name:literal,)*) => {
        /// A column's base type; synonyms are resolved (`BOOL` is TinyInt, `REAL` is Double).
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
        pub enum BaseType { #[default] $($variant,)* }

        impl BaseType {
            /// The name as information_schema writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(BaseType::$variant => $name,)* }
            }
        }
    };
}

base_types! {
    TinyInt = "tinyint", SmallInt = "smallint", MediumInt = "mediumint", Int = "int", BigInt = "bigint",
    Float = "float", Double = "double", Decimal = "decimal", Bit = "bit",
    Year = "year", Date = "date", Time = "time", DateTime = "datetime", Timestamp = "timestamp",
    Char = "char", VarChar = "varchar", Binary = "binary", VarBinary = "varbinary",
    TinyBlob = "tinyblob", Blob = "blob", MediumBlob = "mediumblob", LongBlob = "longblob",
    TinyText = "tinytext", Text = "text", MediumText = "mediumtext", LongText = "longtext",
    Enum = "enum", Set = "set", Json = "json", Vector = "vector",
    Geometry = "geometry", Point = "point", LineString = "linestring", Polygon = "polygon",
    MultiPoint = "multipoint", MultiLineString = "multilinestring", MultiPolygon = "multipolygon",
    GeometryCollection = "geomcollection",
    Inet4 = "inet4", Inet6 = "inet6", Uuid = "uuid",
}

impl BaseType {
    /// TINYINT to BIGINT.
    pub fn is_integer(self) -> bool {
        use BaseType::*;
        matches!(self, TinyInt | SmallInt | MediumInt | Int | BigInt)
    }

    /// Storage size of an integer type.
    pub fn integer_bytes(self) -> Option<u8> {
        use BaseType::*;
        Some(match self {
            TinyInt => 1,
            SmallInt => 2,
            MediumInt => 3,
            Int => 4,
            BigInt => 8,
            _ => return None,
        })
    }

    /// Types with UNSIGNED and ZEROFILL.
    pub fn is_numeric(self) -> bool {
        use BaseType::*;
        self.is_integer() || matches!(self, Float | Double | Decimal)
    }

    /// TINYTEXT to LONGTEXT.
    pub fn is_text(self) -> bool {
        use BaseType::*;
        matches!(self, TinyText | Text | MediumText | LongText)
    }

    /// TINYBLOB to LONGBLOB.
    pub fn is_blob(self) -> bool {
        use BaseType::*;
        matches!(self, TinyBlob | Blob | MediumBlob | LongBlob)
    }

    /// Types whose values have a character set.
    pub fn has_charset(self) -> bool {
        use BaseType::*;
        self.is_text() || matches!(self, Char | VarChar | Enum | Set)
    }

    /// The spatial types.
    pub fn is_spatial(self) -> bool {
        use BaseType::*;
        matches!(
            self,
            Geometry | Point | LineString | Polygon | MultiPoint | MultiLineString | MultiPolygon | GeometryCollection
        )
    }
}

/// A column type with its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ColumnType {
    pub base: BaseType,
    /// Display width, precision, characters, bytes, bits or dimensions: what stands first in the parentheses.
    /// For temporal types it is None; the fractional digits are in `decimals`.
    pub length: Option<u32>,
    /// Scale of numbers, fractional digits of temporal types.
    pub decimals: Option<u32>,
    pub unsigned: bool,
    pub zerofill: bool,
    /// Members of ENUM and SET.
    pub elems: Vec<String>,
}

impl ColumnType {
    /// A type without parameters.
    pub fn of(base: BaseType) -> Self {
        ColumnType { base, ..ColumnType::default() }
    }

    /// A type with a length.
    pub fn with_length(base: BaseType, length: u32) -> Self {
        ColumnType { base, length: Some(length), ..ColumnType::default() }
    }

    /// The type as information_schema.COLUMNS.COLUMN_TYPE writes it. Servers differ in the display width of
    /// integers, which is printed when it is known.
    pub fn text(&self) -> String {
        let mut out = self.base.as_str().to_owned();
        if !self.elems.is_empty() {
            let elems: Vec<String> = self.elems.iter().map(|e| format!("'{}'", e.replace('\'', "''"))).collect();
            out.push_str(&format!("({})", elems.join(",")));
        } else {
            match (self.length, self.decimals) {
                (Some(length), Some(decimals)) => out.push_str(&format!("({length},{decimals})")),
                (Some(length), None) => out.push_str(&format!("({length})")),
                (None, Some(decimals)) if decimals > 0 => out.push_str(&format!("({decimals})")),
                _ => {}
            }
        }
        if self.unsigned {
            out.push_str(" unsigned");
        }
        if self.zerofill {
            out.push_str(" zerofill");
        }
        out
    }
}
