//! Column types: `INT(11) UNSIGNED`, `VARCHAR(20) CHARACTER SET utf8mb4`, `ENUM('a','b')` and every synonym.

use super::{
    ast::Edit,
    cursor::Parser,
    lexer::TokenKind,
    spans::{CharsetLevel, CharsetName},
    unquote,
};
use crate::{
    error::Result,
    schema::column_type::{BaseType, ColumnType},
};

/// A type with what may follow it directly.
#[derive(Default)]
pub(super) struct TypeClause {
    pub(super) ty: ColumnType,
    pub(super) charset: Option<String>,
    pub(super) binary_collation: bool,
    /// NCHAR, NATIONAL ...: the character set is part of the type.
    pub(super) national: bool,
    pub(super) compressed: bool,
    /// SERIAL: BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE.
    pub(super) serial: bool,
}

impl Parser<'_> {
    /// The type of a column; COLLATE is one of the attributes that follow.
    pub(super) fn type_clause(&mut self, column: &str) -> Result<TypeClause> {
        // MariaDB writes `mariadb_schema.date` when its own DATE is meant whatever the SQL mode says.
        let qualified = self.kind(1) == TokenKind::Symbol('.') && self.is_one_of(0, &["MARIADB_SCHEMA"]);
        if qualified {
            self.advance();
            self.advance();
        }
        let at = self.span();
        let word = self.keyword();
        let mut word = word.as_str();
        if let Some(meant) = self.oracle_type(word).filter(|_| !qualified) {
            self.edits.push(Edit { span: at.clone(), text: meant.to_owned() });
            word = meant;
        } else if self.context.sql_mode.maxdb && word == "TIMESTAMP" {
            self.edits.push(Edit { span: at.clone(), text: "DATETIME".to_owned() });
            word = "DATETIME";
        }
        self.any_name()?;
        let mut clause = TypeClause::default();
        if let Some(base) = integer_type(word) {
            clause.ty = ColumnType { length: self.one_length()?, ..ColumnType::of(base) };
        } else if let Some(base) = plain_type(word) {
            clause.ty = ColumnType::of(base);
            if base.is_spatial() {
                // MariaDB reads a length and forgets it.
                self.one_length()?;
            }
        } else if !(self.real_type(word, &mut clause)?
            || self.temporal_type(word, &mut clause)?
            || self.string_type(word, &mut clause)?)
        {
            let name = self.sql.get(at).unwrap_or("");
            return Err(self.error(format!("column type `{name}` is unknown")));
        }
        if word == "BOOL" || word == "BOOLEAN" {
            clause.ty.length = Some(1);
        }
        if word == "SERIAL" {
            clause.ty.unsigned = true;
            clause.serial = true;
        }
        self.type_modifiers(&mut clause, column)?;
        Ok(clause)
    }

    /// What a type of MariaDB's means in its ORACLE mode, which the target's session doesn't have, and types that came with it.
    fn oracle_type(&self, word: &str) -> Option<&'static str> {
        let oracle = self.context.sql_mode.oracle;
        Some(match word {
            "DATE" if oracle => "DATETIME",
            "BLOB" if oracle => "LONGBLOB",
            "CLOB" => "LONGTEXT",
            "VARCHAR2" => "VARCHAR",
            "RAW" => "VARBINARY",
            "NUMBER" if self.kind(1) == TokenKind::Symbol('(') => "DECIMAL",
            "NUMBER" => "DOUBLE",
            _ => return None,
        })
    }

    fn real_type(&mut self, word: &str, clause: &mut TypeClause) -> Result<bool> {
        let base = match word {
            "FLOAT" | "FLOAT4" => BaseType::Float,
            "DOUBLE" | "FLOAT8" => BaseType::Double,
            "REAL" if self.context.sql_mode.real_as_float => {
                // Means DOUBLE in the target's session.
                let span = self.last_start()..self.last_end();
                self.edits.push(Edit { span, text: "FLOAT".to_owned() });
                BaseType::Float
            }
            "REAL" => BaseType::Double,
            "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => BaseType::Decimal,
            _ => return Ok(false),
        };
        self.take_word("PRECISION");
        let (length, decimals) = self.two_lengths()?;
        clause.ty = ColumnType { length, decimals, ..ColumnType::of(base) };
        match (base, length, decimals) {
            // FLOAT(p) only chooses between the two types.
            (BaseType::Float, Some(precision), None) => {
                let base = if precision > 24 { BaseType::Double } else { BaseType::Float };
                clause.ty = ColumnType::of(base);
            }
            (BaseType::Decimal, length, decimals) => {
                clause.ty.length = Some(length.filter(|n| *n > 0).unwrap_or(10));
                clause.ty.decimals = Some(decimals.unwrap_or(0));
            }
            _ => {}
        }
        Ok(true)
    }

    fn temporal_type(&mut self, word: &str, clause: &mut TypeClause) -> Result<bool> {
        let base = match word {
            "TIME" => BaseType::Time,
            "DATETIME" => BaseType::DateTime,
            "TIMESTAMP" => BaseType::Timestamp,
            "YEAR" => BaseType::Year,
            _ => return Ok(false),
        };
        let parameter = self.one_length()?;
        clause.ty = ColumnType::of(base);
        if base != BaseType::Year {
            clause.ty.decimals = parameter.filter(|digits| *digits > 0);
        } else if self.context.server.is_mariadb() {
            // MySQL since 5.6 makes four digits of two.
            clause.ty.length = parameter.filter(|digits| *digits == 2);
        }
        Ok(true)
    }

    fn string_type(&mut self, word: &str, clause: &mut TypeClause) -> Result<bool> {
        let national = matches!(word, "NCHAR" | "NVARCHAR" | "NATIONAL");
        let mut word = word.strip_prefix('N').filter(|_| national).unwrap_or(word);
        if national {
            clause.national = true;
            clause.charset = Some("utf8mb3".to_owned());
            if word == "ATIONAL" {
                let spelled = self.take_any(&["CHAR", "CHARACTER", "VARCHAR", "VARCHARACTER"]);
                word = spelled.ok_or_else(|| self.unexpected("CHAR or VARCHAR"))?;
            }
        }
        match word {
            "CHAR" | "CHARACTER" => {
                let varying =
                    self.take_word("VARYING") || (national && self.take_any(&["VARCHAR", "VARCHARACTER"]).is_some());
                let base = if varying { BaseType::VarChar } else { BaseType::Char };
                clause.ty = ColumnType { length: self.one_length()?, ..ColumnType::of(base) };
                if base == BaseType::Char {
                    clause.ty.length.get_or_insert(1);
                }
            }
            "VARCHAR" | "VARCHARACTER" => {
                clause.ty = ColumnType { length: self.one_length()?, ..ColumnType::of(BaseType::VarChar) };
            }
            "BINARY" => {
                let length = self.one_length()?.unwrap_or(1);
                clause.ty = ColumnType::with_length(BaseType::Binary, length);
            }
            "VARBINARY" => {
                clause.ty = ColumnType { length: self.one_length()?, ..ColumnType::of(BaseType::VarBinary) };
            }
            "BLOB" => clause.ty = ColumnType::of(blob_for(self.one_length()?.filter(|bytes| self.sized(*bytes)))),
            // How large a TEXT(n) must be depends on the character set: the length stays until that is known.
            "TEXT" => {
                let length = self.one_length()?.filter(|length| self.sized(*length));
                clause.ty = ColumnType { length, ..ColumnType::of(BaseType::Text) };
            }
            "LONG" => {
                let binary = self.take_word("VARBINARY");
                let varchar = !binary && self.take_any(&["VARCHAR", "VARCHARACTER", "VARCHAR2"]).is_some();
                if !binary && !varchar && self.is_one_of(0, &["CHAR", "CHARACTER"]) && self.is_word_at(1, "VARYING") {
                    self.advance();
                    self.advance();
                }
                clause.ty = ColumnType::of(if binary { BaseType::MediumBlob } else { BaseType::MediumText });
            }
            "ENUM" | "SET" => {
                let base = if word == "ENUM" { BaseType::Enum } else { BaseType::Set };
                clause.ty = ColumnType { elems: self.elems()?, ..ColumnType::of(base) };
            }
            "BIT" => clause.ty = ColumnType::with_length(BaseType::Bit, self.one_length()?.unwrap_or(1).max(1)),
            "VECTOR" => {
                clause.ty = ColumnType { length: self.one_length()?, ..ColumnType::of(BaseType::Vector) };
                clause.ty.length.get_or_insert(2048);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// UNSIGNED, ZEROFILL, CHARACTER SET and their kin, in any order.
    fn type_modifiers(&mut self, clause: &mut TypeClause, column: &str) -> Result<()> {
        let numeric = clause.ty.base.is_numeric();
        let character = clause.ty.base.has_charset();
        loop {
            match self.keyword().as_str() {
                "UNSIGNED" if numeric => clause.ty.unsigned = true,
                "ZEROFILL" if numeric => (clause.ty.zerofill, clause.ty.unsigned) = (true, true),
                "SIGNED" if numeric => {}
                "BINARY" if character => clause.binary_collation = true,
                "ASCII" if character => self.charset_word(clause, column, "latin1"),
                "UNICODE" if character => self.charset_word(clause, column, "ucs2"),
                // MariaDB prints it before the character set, and reads it behind too.
                "COMPRESSED" => {
                    self.compressed()?;
                    clause.compressed = true;
                    continue;
                }
                "BYTE" if character => self.charset_word(clause, column, "binary"),
                "CHARACTER" | "CHARSET" | "CHAR" => {
                    let start = self.span().start;
                    if !self.charset_keyword() {
                        return Ok(());
                    }
                    clause.charset = Some(self.charset_name(start, false, CharsetLevel::Column(column.to_owned()))?);
                    continue;
                }
                _ => return Ok(()),
            }
            self.advance();
        }
    }

    /// A word that stands for a character set comes next.
    fn charset_word(&mut self, clause: &mut TypeClause, column: &str, charset: &str) {
        let span = self.span();
        let level = CharsetLevel::Column(column.to_owned());
        let name = CharsetName { name: charset.to_owned(), clause: span.clone(), span, collation: false, level };
        self.charset_names.push(name);
        clause.charset = Some(charset.to_owned());
    }

    /// TEXT(0) and BLOB(0) are without a length, but on MySQL 8 and later the smallest (measured on every release).
    fn sized(&self, length: u32) -> bool {
        length > 0 || (!self.context.server.is_mariadb() && self.context.server.version >= 80_000)
    }

    fn one_length(&mut self) -> Result<Option<u32>> {
        if !self.take_symbol('(') {
            return Ok(None);
        }
        let length = self.number()?;
        self.expect_symbol(')')?;
        Ok(Some(length))
    }

    fn two_lengths(&mut self) -> Result<(Option<u32>, Option<u32>)> {
        if !self.take_symbol('(') {
            return Ok((None, None));
        }
        let length = self.number()?;
        let decimals = if self.take_symbol(',') { Some(self.number()?) } else { None };
        self.expect_symbol(')')?;
        Ok((Some(length), decimals))
    }

    /// A member: a string, or the bytes of one.
    fn elem(&mut self) -> Result<String> {
        if self.kind(0) != TokenKind::Bytes {
            return self.text();
        }
        let bytes = unquote::bytes(self.raw(0));
        let text = String::from_utf8(bytes).map_err(|_| self.refused("a member of ENUM or SET that is not UTF-8"))?;
        self.advance();
        Ok(text)
    }

    fn elems(&mut self) -> Result<Vec<String>> {
        self.expect_symbol('(')?;
        let mut elems = Vec::new();
        loop {
            // The server strips trailing blanks of members.
            elems.push(self.elem()?.trim_end_matches(' ').to_owned());
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(elems)
    }
}

fn integer_type(word: &str) -> Option<BaseType> {
    Some(match word {
        "TINYINT" | "INT1" | "BOOL" | "BOOLEAN" => BaseType::TinyInt,
        "SMALLINT" | "INT2" => BaseType::SmallInt,
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => BaseType::MediumInt,
        "INT" | "INTEGER" | "INT4" => BaseType::Int,
        "BIGINT" | "INT8" | "SERIAL" => BaseType::BigInt,
        _ => return None,
    })
}

/// Types without any parameter.
fn plain_type(word: &str) -> Option<BaseType> {
    Some(match word {
        "DATE" => BaseType::Date,
        "TINYBLOB" => BaseType::TinyBlob,
        "MEDIUMBLOB" => BaseType::MediumBlob,
        "LONGBLOB" => BaseType::LongBlob,
        "TINYTEXT" => BaseType::TinyText,
        "MEDIUMTEXT" => BaseType::MediumText,
        "LONGTEXT" => BaseType::LongText,
        "JSON" => BaseType::Json,
        "GEOMETRY" => BaseType::Geometry,
        "POINT" => BaseType::Point,
        "LINESTRING" => BaseType::LineString,
        "POLYGON" => BaseType::Polygon,
        "MULTIPOINT" => BaseType::MultiPoint,
        "MULTILINESTRING" => BaseType::MultiLineString,
        "MULTIPOLYGON" => BaseType::MultiPolygon,
        "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => BaseType::GeometryCollection,
        "INET4" => BaseType::Inet4,
        "INET6" => BaseType::Inet6,
        "UUID" => BaseType::Uuid,
        _ => return None,
    })
}

/// BLOB(n) is the smallest blob that holds n bytes.
pub(in crate::schema) fn blob_for(bytes: Option<u32>) -> BaseType {
    match bytes {
        None | Some(256..=65_535) => BaseType::Blob,
        Some(0..=255) => BaseType::TinyBlob,
        Some(65_536..=16_777_215) => BaseType::MediumBlob,
        Some(_) => BaseType::LongBlob,
    }
}
