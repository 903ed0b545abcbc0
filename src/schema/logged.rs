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

/// The character set of a collation number, and the collation's name where it is known.
pub fn collation_by_number(number: u16, server: &ServerInfo) -> Option<(&'static str, Option<String>)> {
    if server.is_mariadb() && number >= 2048 {
        let charset = UCA1400_CHARSETS.get(usize::from((number - 2048) / 256))?;
        return Some((charset, None));
    }
    // MariaDB's collations without padding are numbered 1024 above the ones with it.
    let nopad = server.is_mariadb() && number >= 1024;
    let base = if nopad { number - 1024 } else { number };
    let collation = Collation::resolve(CollationId::from(base));
    let charset = canonical_charset(collation.charset())?;
    Some((charset, (!nopad).then(|| canonical_collation(collation.collation()))))
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
        assert_eq!(collation_by_number(1069, &MARIADB), Some(("utf8mb4", None)));
        assert_eq!(collation_by_number(2304, &MARIADB), Some(("utf8mb4", None)));
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
