//! From a column's definition to the column the server makes of it.

use super::default::{stored, without_parentheses};
use super::{
    super::{
        charset::{CharsetPair, CollationDefaults, max_bytes},
        column_type::{BaseType, ColumnType},
        ddl::{ColumnDef, column_type::blob_for},
        model::{Column, DefaultValue},
        server::ServerInfo,
    },
    versioning,
};

/// What a definition is resolved under.
pub(in crate::schema) struct Surroundings<'a> {
    pub(in crate::schema) defaults: &'a CollationDefaults,
    /// The table's default.
    pub(in crate::schema) charset: &'a CharsetPair,
    /// False: TIMESTAMP columns are NOT NULL unless they say NULL.
    pub(in crate::schema) explicit_timestamps: bool,
}

/// Resolves synonyms, character sets and implied NOT NULL (but for keys). Err: what no server accepts.
pub(in crate::schema) fn resolve(def: &ColumnDef, around: &Surroundings) -> Result<Column, String> {
    let mut column = Column {
        name: def.name.clone(),
        ty: def.ty.clone(),
        charset: None,
        collation: None,
        nullable: is_nullable(def, around),
        default: def.default.clone(),
        generated: def.generated.clone(),
        auto_increment: def.auto_increment,
        on_update_now: def.on_update_now,
        comment: def.comment.clone(),
        invisible: def.invisible,
        json_valid: def.json_valid && around.defaults.server.is_mariadb(),
    };
    versioning::mark(&mut column, def);
    if around.defaults.server.is_mariadb() {
        column.default = column.default.map(without_parentheses);
    }
    // A nullable column's DEFAULT NULL is what it has anyway.
    column.default = column.default.filter(|default| *default != DefaultValue::Null);
    if column.ty.base == BaseType::Json && around.defaults.server.is_mariadb() {
        column.ty = ColumnType::of(BaseType::LongText);
        column.json_valid = true;
        column.charset = Some("utf8mb4".into());
        column.collation = Some("utf8mb4_bin".into());
        return Ok(column);
    }
    normalise_number(&mut column.ty);
    if column.ty.base.has_charset() {
        let charset = def.charset.as_deref();
        let collation = def.collation.as_deref();
        let mut pair = CharsetPair::resolve(charset, collation, around.charset, around.defaults)
            .map_err(|name| format!("character set or collation `{name}` is unknown"))?;
        if def.binary_collation && collation.is_none() && pair.charset != "binary" {
            pair.collation = format!("{}_bin", pair.charset).into();
        }
        set_charset(&mut column, &pair, &around.defaults.server);
    }
    if column.ty.base == BaseType::VarBinary && column.ty.length > Some(longest(&around.defaults.server)) {
        column.ty = ColumnType::of(blob_for(column.ty.length));
    }
    column.default = column.default.map(|value| stored(value, &column.ty));
    Ok(column)
}

/// Gives a column a character set: sizes depend on it, and `binary` makes binary types.
pub(in crate::schema) fn set_charset(column: &mut Column, pair: &CharsetPair, server: &ServerInfo) {
    fit_to_bytes(&mut column.ty, max_bytes(&pair.charset), longest(server));
    if pair.charset == "binary" {
        column.ty.base = binary_type(column.ty.base);
        (column.charset, column.collation) = (None, None);
    } else {
        column.charset = Some(pair.charset.clone());
        column.collation = Some(pair.collation.clone());
    }
}

/// CONVERT TO CHARACTER SET: a TEXT keeps its number of characters, so its type may change.
pub(in crate::schema) fn convert_charset(column: &mut Column, pair: &CharsetPair, server: &ServerInfo) {
    if let (true, Some(old)) = (column.ty.base.is_text(), &column.charset) {
        let capacity = match column.ty.base {
            BaseType::TinyText => 255,
            BaseType::Text => 65_535,
            BaseType::MediumText => 16_777_215,
            _ => u32::MAX,
        };
        column.ty.length = Some(capacity / max_bytes(old).max(1));
        if column.ty.base == BaseType::LongText {
            column.ty.length = None;
        }
    }
    set_charset(column, pair, server);
}

/// Display widths of integers mean nothing (but TINYINT(1) and ZEROFILL are shown by them).
fn normalise_number(ty: &mut ColumnType) {
    if !ty.base.is_integer() {
        return;
    }
    if ty.zerofill {
        let width = match ty.base {
            BaseType::TinyInt => 3,
            BaseType::SmallInt => 5,
            BaseType::MediumInt => 8,
            BaseType::Int => 10,
            _ => 20,
        };
        ty.length.get_or_insert(width);
    } else if ty.base != BaseType::TinyInt || ty.length != Some(1) || ty.unsigned {
        ty.length = None;
    }
}

/// Bytes that a VARCHAR or VARBINARY may have.
fn longest(server: &ServerInfo) -> u32 {
    if server.is_mariadb() { 65_532 } else { 65_535 }
}

/// TEXT(n) becomes the smallest text that holds n characters; a VARCHAR over 64 KiB becomes a text.
fn fit_to_bytes(ty: &mut ColumnType, max_bytes: u32, longest: u32) {
    let Some(length) = ty.length else { return };
    let bytes = length.saturating_mul(max_bytes);
    let too_long = ty.base == BaseType::VarChar && bytes > longest;
    if too_long || ty.base.is_text() {
        let base = match blob_for(Some(bytes)) {
            BaseType::TinyBlob => BaseType::TinyText,
            BaseType::Blob => BaseType::Text,
            BaseType::MediumBlob => BaseType::MediumText,
            _ => BaseType::LongText,
        };
        *ty = ColumnType::of(base);
    }
}

/// What a type of characters is without a character set; ENUM and SET stay.
fn binary_type(base: BaseType) -> BaseType {
    match base {
        BaseType::Char => BaseType::Binary,
        BaseType::VarChar => BaseType::VarBinary,
        BaseType::TinyText => BaseType::TinyBlob,
        BaseType::Text => BaseType::Blob,
        BaseType::MediumText => BaseType::MediumBlob,
        BaseType::LongText => BaseType::LongBlob,
        other => other,
    }
}

fn is_nullable(def: &ColumnDef, around: &Surroundings) -> bool {
    let implied = def.auto_increment
        || def.primary_key
        || (def.ty.base == BaseType::Timestamp && !around.explicit_timestamps && def.generated.is_none());
    if def.primary_key || def.auto_increment { false } else { def.nullable.unwrap_or(!implied) }
}
