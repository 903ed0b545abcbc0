//! Column types: MySQL's and MariaDB's base types with their parameters.

use serde::{Deserialize, Serialize};

macro_rules! base_types {
    ($($variant:ident = $name:literal,)*) => {
        /// A column's base type; synonyms are resolved (`BOOL` is TinyInt, `REAL` is Double).
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
        pub enum BaseType { #[default] $($variant,)* }

        impl BaseType {
            const ALL: &[BaseType] = &[$(BaseType::$variant,)*];

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

    /// BINARY, VARBINARY and the BLOBs.
    pub fn is_binary(self) -> bool {
        self.is_blob() || matches!(self, BaseType::Binary | BaseType::VarBinary)
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

    /// From the text of information_schema.COLUMNS.COLUMN_TYPE; None when it is not understood. What the model doesn't
    /// keep (display widths of integers, MariaDB's COMPRESSED) is left out as everywhere.
    pub fn parse(text: &str) -> Option<ColumnType> {
        let name_len = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(name_len);
        let mut ty = ColumnType::of(BaseType::named(name)?);
        let mut sizes: [Option<u32>; 2] = [None, None];
        if let Some(inside) = rest.strip_prefix('(') {
            if matches!(ty.base, BaseType::Enum | BaseType::Set) {
                (ty.elems, rest) = members(inside)?;
            } else {
                let (list, after) = inside.split_once(')')?;
                for (size, number) in sizes.iter_mut().zip(list.split(',')) {
                    *size = Some(number.trim().parse().ok()?);
                }
                rest = after;
            }
        }
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        (ty.unsigned, ty.zerofill) = (words.contains(&"unsigned"), words.contains(&"zerofill"));
        let [first, second] = sizes;
        match ty.base {
            BaseType::Time | BaseType::DateTime | BaseType::Timestamp => ty.decimals = first.filter(|n| *n > 0),
            // MariaDB keeps the two digits.
            BaseType::Year => ty.length = first.filter(|n| *n == 2),
            base if base.is_integer() => {
                let tells = ty.zerofill || (base == BaseType::TinyInt && first == Some(1) && !ty.unsigned);
                ty.length = first.filter(|_| tells);
            }
            _ => (ty.length, ty.decimals) = (first, second),
        }
        Some(ty)
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

impl BaseType {
    /// The type of a name as information_schema writes it.
    pub fn named(name: &str) -> Option<BaseType> {
        let name = if name == "geometrycollection" { "geomcollection" } else { name };
        BaseType::ALL.iter().copied().find(|base| base.as_str() == name)
    }
}

/// Members of ENUM or SET up to the closing parenthesis, and what follows it.
fn members(text: &str) -> Option<(Vec<String>, &str)> {
    let mut elems = Vec::new();
    let mut rest = text;
    loop {
        let mut elem = String::new();
        rest = rest.strip_prefix('\'')?;
        let mut chars = rest.char_indices().peekable();
        let end = loop {
            let (at, c) = chars.next()?;
            match c {
                '\'' if chars.next_if(|(_, next)| *next == '\'').is_some() => elem.push('\''),
                '\'' => break at + 1,
                '\\' => match chars.next()?.1 {
                    'n' => elem.push('\n'),
                    'r' => elem.push('\r'),
                    '0' => elem.push('\0'),
                    other => elem.push(other),
                },
                other => elem.push(other),
            }
        };
        elems.push(elem);
        rest = rest.get(end..)?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((elems, rest.strip_prefix(')')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_catalogue() {
        for text in [
            "int",
            "tinyint(1)",
            "int(5) unsigned zerofill",
            "bigint unsigned",
            "decimal(10,2)",
            "float(7,3) unsigned",
            "datetime(3)",
            "varchar(20)",
            "geomcollection",
            "enum('a''b','c')",
            "set('x')",
            "bit(5)",
            "vector(4)",
        ] {
            assert_eq!(ColumnType::parse(text).map(|ty| ty.text()).as_deref(), Some(text));
        }
        assert_eq!(ColumnType::parse("int(11)").unwrap(), ColumnType::of(BaseType::Int));
        assert_eq!(ColumnType::parse("year(4)").unwrap(), ColumnType::of(BaseType::Year));
        assert_eq!(ColumnType::parse("enum('c\\\\d','e\\nf')").unwrap().elems, ["c\\d", "e\nf"]);
        for text in ["", "enum('a", "nosuch(3)", "varchar(x)", "enum('a' ,'b')"] {
            assert_eq!(ColumnType::parse(text), None, "{text}");
        }
    }
}
