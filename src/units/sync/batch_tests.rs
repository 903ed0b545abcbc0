//! What batches of changes become, as text.

use super::*;
use crate::{
    mysql::{position::Location, value::Value},
    schema::{
        column_type::{BaseType, ColumnType},
        model::{Column, Index, IndexColumn, TableInfo},
    },
    units::sync::{
        change::Keys, keys::Columns, location::Transaction, relations::TableRelations, source_row::SourceRow,
    },
};

type Row = [i64; 3];

/// Columns a, b and c, with unique keys over some of them.
fn table(name: &str, keys: &[&[&str]]) -> Arc<TargetTable> {
    let column = |name: &str| Column { name: name.into(), ty: ColumnType::of(BaseType::BigInt), ..Column::default() };
    let index = |(i, columns): (usize, &&[&str])| Index {
        name: if i == 0 { "PRIMARY".into() } else { format!("k{i}") },
        unique: true,
        primary: i == 0,
        columns: columns.iter().map(|c| IndexColumn { column: (*c).into(), ..IndexColumn::default() }).collect(),
        ..Index::default()
    };
    let info = TableInfo {
        schema: "d".into(),
        name: name.into(),
        columns: ["a", "b", "c"].map(column).to_vec(),
        indexes: keys.iter().enumerate().map(index).collect(),
        ..TableInfo::default()
    };
    let columns = Columns { source: &info, target: &info, extras: &[] };
    Arc::new(TargetTable::new(&columns, TableRelations::default(), true))
}

/// A change from one row to another; None: there is none.
fn change(table: &Arc<TargetTable>, before: Option<Row>, after: Option<Row>) -> Change {
    let values = |row: Row| row.map(Value::Int);
    let (before, after) = (before.map(values), after.map(values));
    let before = before.as_ref().map(|values| SourceRow::Values(values, &[]));
    let after = after.as_ref().map(|values| SourceRow::Values(values, &[]));
    let rows: Vec<SourceRow<'_>> = before.into_iter().chain(after).collect();
    let (mut keys, mut text) = (Keys::new(), SqlText::new());
    let lane = table.conflicts.place(&rows, 1, &mut keys, &mut Vec::new()).unwrap();
    let rendered = table.render(before.as_ref(), after.as_ref(), false, &mut text).unwrap().unwrap();
    Change {
        ordinal: 0,
        lane,
        transaction: Arc::new(Transaction { before: Location::default(), since: None, gtid: None, timestamp: 0 }),
        index: 0,
        end_pos: 0,
        event_size: 0,
        table: table.clone(),
        kind: rendered.kind,
        op: rendered.op,
        columns: rendered.columns,
        text: text.to_bytes(),
        key_len: rendered.key_len as u32,
        keys,
        unchecked: false,
        relations: None,
        after: Vec::new(),
        held: None,
    }
}

fn text(changes: &[Change], merge: bool) -> Vec<String> {
    let mut sql = SqlText::new();
    let statements = write(changes, merge, &mut sql);
    let text = String::from_utf8(sql.as_bytes().to_vec()).unwrap();
    let text: Vec<String> = text.split("; ").filter(|s| !s.is_empty()).map(str::to_owned).collect();
    assert_eq!(text.len(), statements.len());
    text
}

fn insert(t: &Arc<TargetTable>, row: Row) -> Change {
    change(t, None, Some(row))
}

fn update(t: &Arc<TargetTable>, before: Row, after: Row) -> Change {
    change(t, Some(before), Some(after))
}

fn delete(t: &Arc<TargetTable>, row: Row) -> Change {
    change(t, Some(row), None)
}

#[test]
fn rows_of_a_kind_share_a_statement_wherever_they_stand() {
    let t = table("t", &[&["a"]]);
    let changes = [
        insert(&t, [1, 1, 1]),
        update(&t, [5, 1, 1], [5, 2, 1]),
        delete(&t, [7, 0, 0]),
        insert(&t, [2, 2, 2]),
        delete(&t, [8, 0, 0]),
    ];
    assert_eq!(
        text(&changes, true),
        [
            "DELETE FROM `d`.`t` WHERE `a` IN (7,8)",
            "INSERT INTO `d`.`t` (`a`,`b`,`c`) VALUES (1,1,1),(2,2,2)",
            "UPDATE `d`.`t` SET `b`=2 WHERE `a`=5 LIMIT 1",
        ]
    );
    assert_eq!(text(&changes, false).len(), 5);
}

#[test]
fn changes_of_one_row_become_one() {
    let t = table("t", &[&["a"]]);
    let one = |changes: &[Change]| text(changes, true).join("; ");
    let set = |what: &str| format!("UPDATE `d`.`t` SET {what} WHERE `a`=1 LIMIT 1");
    assert_eq!(
        one(&[delete(&t, [1, 1, 1]), insert(&t, [1, 2, 2])]),
        "REPLACE INTO `d`.`t` (`a`,`b`,`c`) VALUES (1,2,2)"
    );
    assert_eq!(one(&[update(&t, [1, 1, 1], [1, 2, 1]), update(&t, [1, 2, 1], [1, 3, 1])]), set("`b`=3"));
    assert_eq!(one(&[update(&t, [1, 1, 1], [1, 2, 1]), update(&t, [1, 2, 1], [1, 2, 5])]), set("`b`=2,`c`=5"));
    assert_eq!(one(&[update(&t, [1, 1, 1], [1, 2, 1]), delete(&t, [1, 2, 1])]), "DELETE FROM `d`.`t` WHERE `a` IN (1)");
    assert_eq!(one(&[insert(&t, [1, 1, 1]), delete(&t, [1, 1, 1])]), "");
    // Overlapping assignments stay two statements, in their order.
    let overlapping = [update(&t, [1, 1, 1], [1, 2, 2]), update(&t, [1, 2, 2], [1, 3, 2])];
    assert_eq!(text(&overlapping, true), [set("`b`=2,`c`=2"), set("`b`=3")]);
}

#[test]
fn a_second_unique_key_keeps_what_a_replace_would_remove() {
    let t = table("t", &[&["a"], &["b"]]);
    // b = 2 goes from row 3 to row 1: nothing may pass that.
    let changes =
        [delete(&t, [1, 1, 1]), update(&t, [3, 2, 0], [3, 9, 0]), insert(&t, [1, 2, 1]), insert(&t, [4, 4, 4])];
    assert_eq!(
        text(&changes, true),
        [
            "DELETE FROM `d`.`t` WHERE `a` IN (1)",
            "INSERT INTO `d`.`t` (`a`,`b`,`c`) VALUES (4,4,4)",
            "UPDATE `d`.`t` SET `b`=9 WHERE `a`=3 LIMIT 1",
            "INSERT INTO `d`.`t` (`a`,`b`,`c`) VALUES (1,2,1)",
        ]
    );
}

#[test]
fn keys_of_several_columns_and_none() {
    let t = table("t", &[&["a", "b"]]);
    let changes = [delete(&t, [1, 2, 0]), delete(&t, [3, 4, 0]), update(&t, [5, 6, 0], [5, 6, 1])];
    assert_eq!(
        text(&changes, true),
        [
            "DELETE FROM `d`.`t` WHERE (`a`=1 AND `b`=2) OR (`a`=3 AND `b`=4)",
            "UPDATE `d`.`t` SET `c`=1 WHERE (`a`=5 AND `b`=6) LIMIT 1",
        ]
    );
    let t = table("t", &[]);
    let changes = [insert(&t, [1, 1, 1]), insert(&t, [1, 1, 1]), delete(&t, [1, 1, 1]), insert(&t, [2, 2, 2])];
    assert_eq!(
        text(&changes, true),
        [
            "INSERT INTO `d`.`t` (`a`,`b`,`c`) VALUES (1,1,1),(1,1,1)",
            "DELETE FROM `d`.`t` WHERE `a` = 1 AND `b` = 1 AND `c` = 1 LIMIT 1",
            "INSERT INTO `d`.`t` (`a`,`b`,`c`) VALUES (2,2,2)",
        ]
    );
}
