//! What the binlog's table map says about character sets, against what is tracked. The tracker inherits a schema's
//! default, which nobody may have told it; the table map knows.

use std::sync::Arc;

use mysql_common::collations::{Collation, CollationId};

use super::{
    charset::{CharsetPair, canonical_charset, canonical_collation},
    model::TableInfo,
    server::ServerInfo,
};

/// The character sets of MariaDB's UCA 14 collations, whose numbers begin at 2048, 256 for each.
const UCA1400_CHARSETS: [&str; 5] = ["utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"];

/// The languages of these collations, eight numbers for each: padding, accents, case.
const UCA1400_LANGUAGES: [&str; 25] = [
    "",
    "icelandic_",
    "latvian_",
    "romanian_",
    "slovenian_",
    "polish_",
    "estonian_",
    "spanish_",
    "swedish_",
    "turkish_",
    "czech_",
    "danish_",
    "lithuanian_",
    "slovak_",
    "spanish2_",
    "roman_",
    "persian_",
    "esperanto_",
    "hungarian_",
    "sinhala_",
    "german2_",
    "?",
    "?",
    "vietnamese_",
    "croatian_",
];

/// MariaDB's own below 1024 that MySQL has under other numbers or not at all.
const MARIADB_OWN: [(u16, &str); 10] = [
    (576, "utf8mb3_croatian_ci"),
    (577, "utf8mb3_myanmar_ci"),
    (578, "utf8mb3_thai_520_w2"),
    (608, "utf8mb4_croatian_ci"),
    (609, "utf8mb4_myanmar_ci"),
    (610, "utf8mb4_thai_520_w2"),
    (640, "ucs2_croatian_ci"),
    (641, "ucs2_myanmar_ci"),
    (642, "ucs2_thai_520_w2"),
    (672, "utf16_croatian_ci"),
];

/// The character set of a collation number, and the collation's name where it is known.
pub fn collation_by_number(number: u16, server: &ServerInfo) -> Option<(&'static str, Option<String>)> {
    if server.is_mariadb() && number >= 2048 {
        return uca1400(number - 2048);
    }
    if let (true, Some((_, name))) = (server.is_mariadb(), MARIADB_OWN.iter().find(|(own, _)| *own == number)) {
        return Some((canonical_charset(name.split('_').next()?)?, Some((*name).to_owned())));
    }
    // MariaDB's collations without padding are numbered 1024 above the ones with it.
    let nopad = server.is_mariadb() && number >= 1024;
    let base = if nopad { number - 1024 } else { number };
    let collation = Collation::resolve(CollationId::from(base));
    let charset = canonical_charset(collation.charset())?;
    let name = canonical_collation(collation.collation());
    if !nopad {
        return Some((charset, Some(name)));
    }
    let (stem, ending) = name.rsplit_once('_')?;
    Some((charset, Some(format!("{stem}_nopad_{ending}"))))
}

fn uca1400(number: u16) -> Option<(&'static str, Option<String>)> {
    let charset = *UCA1400_CHARSETS.get(usize::from(number / 256))?;
    let language = UCA1400_LANGUAGES.get(usize::from(number % 256 / 8)).filter(|language| **language != "?");
    let pick = |bit: u16, set: &'static str, clear: &'static str| if number & bit != 0 { set } else { clear };
    let traits = format!("{}{}_{}", pick(4, "nopad_", ""), pick(2, "as", "ai"), pick(1, "cs", "ci"));
    Some((charset, language.map(|language| format!("{charset}_uca1400_{language}{traits}"))))
}

/// Character set and collation of a number, where both are known.
pub fn pair_by_number(number: u16, server: &ServerInfo) -> Option<CharsetPair> {
    let (charset, collation) = collation_by_number(number, server)?;
    Some(CharsetPair { charset: charset.into(), collation: collation?.into() })
}

/// The structure with the character sets that the rows really have; the same structure when they agree.
/// `collations` has one item a column, None where the table map says nothing.
pub fn correct_charsets(
    table: &Arc<TableInfo>,
    collations: impl Iterator<Item = Option<u16>>,
    server: &ServerInfo,
) -> Arc<TableInfo> {
    let mut corrected: Option<TableInfo> = None;
    for (offset, number) in collations.enumerate() {
        let Some(tracked) = table.columns.get(offset).and_then(|column| column.charset.as_deref()) else { continue };
        let Some((charset, collation)) = number.and_then(|number| collation_by_number(number, server)) else {
            continue;
        };
        let same_collation = collation.is_none() || collation.as_deref() == table.columns[offset].collation.as_deref();
        if charset == "binary" || (charset == tracked && same_collation) {
            continue;
        }
        let table = corrected.get_or_insert_with(|| TableInfo { create_sql: None, ..TableInfo::clone(table) });
        table.columns[offset].charset = Some(charset.into());
        table.columns[offset].collation = Some(collation.unwrap_or_else(|| format!("{charset}_general_ci")).into());
    }
    corrected.map_or_else(|| table.clone(), Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::subtask::Flavor,
        schema::{BaseType, Column, ColumnType},
    };

    const MYSQL: ServerInfo = ServerInfo { flavor: Flavor::Mysql, version: 80_036 };
    const MARIADB: ServerInfo = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };

    #[test]
    fn numbers() {
        assert_eq!(collation_by_number(255, &MYSQL), Some(("utf8mb4", Some("utf8mb4_0900_ai_ci".into()))));
        assert_eq!(collation_by_number(33, &MYSQL), Some(("utf8mb3", Some("utf8mb3_general_ci".into()))));
        assert_eq!(collation_by_number(63, &MYSQL), Some(("binary", Some("binary".into()))));
        let name = |number: u16| collation_by_number(number, &MARIADB).and_then(|(_, name)| name).unwrap_or_default();
        assert_eq!(name(1069), "utf8mb4_general_nopad_ci");
        assert_eq!(name(1071), "latin1_nopad_bin");
        assert_eq!(name(2304), "utf8mb4_uca1400_ai_ci");
        assert_eq!(name(2304 + 15), "utf8mb4_uca1400_icelandic_nopad_as_cs");
        assert_eq!(name(2048 + 192), "utf8mb3_uca1400_croatian_ai_ci");
        assert_eq!(collation_by_number(2048 + 168, &MARIADB), Some(("utf8mb3", None)));
        assert_eq!(collation_by_number(9999, &MARIADB), None);
        assert_eq!(collation_by_number(9999, &MYSQL), None);
    }

    #[test]
    fn the_table_map_wins() {
        let column = |charset: Option<&str>| Column {
            ty: ColumnType::of(BaseType::Text),
            charset: charset.map(Into::into),
            collation: charset.map(|c| format!("{c}_swedish_ci").into()),
            ..Column::default()
        };
        let columns = vec![column(Some("latin1")), column(None), column(Some("latin1"))];
        let table = Arc::new(TableInfo { columns, ..TableInfo::default() });
        let same = correct_charsets(&table, [Some(8), Some(63), None].into_iter(), &MYSQL);
        assert!(Arc::ptr_eq(&same, &table));
        let corrected = correct_charsets(&table, [Some(46), Some(63), None].into_iter(), &MYSQL);
        assert_eq!(corrected.columns[0].charset.as_deref(), Some("utf8mb4"));
        assert_eq!(corrected.columns[0].collation.as_deref(), Some("utf8mb4_bin"));
        assert_eq!(corrected.columns[2].charset.as_deref(), Some("latin1"));
    }
}
