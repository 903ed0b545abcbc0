//! The structure of a table that is not tracked yet, for rows that lie somewhere in the past of both sides.
//!
//! The target has seen every statement before these rows and none after them: its columns have the names of that time.
//! The source has its own order of columns, but of today. So the source counts, unless the target says that it was
//! altered since: then, and when the target was made of the source by a dump, the target counts, as in DM.

use super::layout::fits;
use crate::{
    mysql::binlog::table_map::TableMap,
    schema::model::{TableInfo, same_name},
};

/// Where a structure was taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    Source,
    Target,
    /// The source's, and the target has the same columns in another order: right only if it was not the source that
    /// changed the order later.
    SourceInOtherOrder,
}

/// The one of the two that the rows have; None when neither agrees with their table map. `target` has the source's names
/// of schema and table. `dumped`: the target's tables were made of the source's.
pub fn choose(
    map: &TableMap,
    source: Option<TableInfo>,
    target: TableInfo,
    dumped: bool,
) -> Option<(TableInfo, Origin)> {
    let target = Some(target).filter(|info| fits(map, info));
    match (source.filter(|info| fits(map, info)), target) {
        (Some(source), Some(target)) => {
            let alike = |a: &TableInfo, b: &TableInfo| {
                a.columns.iter().zip(&b.columns).all(|(a, b)| same_name(&a.name, &b.name))
            };
            let same_names = source.columns.iter().all(|column| target.column(&column.name).is_some());
            Some(match alike(&source, &target) {
                true => (source, Origin::Source),
                false if dumped || !same_names => (target, Origin::Target),
                false => (source, Origin::SourceInOtherOrder),
            })
        }
        (Some(source), None) => Some((source, Origin::Source)),
        (None, target) => target.map(|target| (target, Origin::Target)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mysql::binlog::table_map::{Column as Logged, column_type as kind},
        schema::{BaseType, ColumnType, model::Column},
    };

    fn table(names: &[&str]) -> TableInfo {
        let ty = ColumnType::of(BaseType::Int);
        let column = |name: &&str| Column { name: (*name).to_owned(), ty: ty.clone(), ..Column::default() };
        TableInfo { columns: names.iter().map(column).collect(), ..TableInfo::default() }
    }

    fn chosen(width: usize, source: &[&str], target: &[&str], dumped: bool) -> Option<(String, Origin)> {
        let logged = Logged { kind: kind::LONG, ..Logged::default() };
        let map = TableMap { columns: vec![logged; width], ..TableMap::default() };
        let (info, origin) = choose(&map, Some(table(source)), table(target), dumped)?;
        Some((info.columns.iter().map(|column| column.name.as_str()).collect(), origin))
    }

    #[test]
    fn todays_source_does_not_decide_about_the_past() {
        let is = |text: &str, origin| Some((text.to_owned(), origin));
        assert_eq!(chosen(2, &["a", "b"], &["A", "B"], false), is("ab", Origin::Source));
        // Renamed on the source since.
        assert_eq!(chosen(2, &["a", "c"], &["a", "b"], false), is("ab", Origin::Target));
        // A column more on either side: only one of them can be it.
        assert_eq!(chosen(2, &["a", "b"], &["x", "a", "b"], false), is("ab", Origin::Source));
        assert_eq!(chosen(2, &["a", "b", "c"], &["a", "b"], false), is("ab", Origin::Target));
        // The target's own order, unless it came from a dump.
        assert_eq!(chosen(2, &["a", "b"], &["b", "a"], false), is("ab", Origin::SourceInOtherOrder));
        assert_eq!(chosen(2, &["a", "b"], &["b", "a"], true), is("ba", Origin::Target));
        assert_eq!(chosen(4, &["a", "b"], &["b", "a"], true), None);
    }
}
