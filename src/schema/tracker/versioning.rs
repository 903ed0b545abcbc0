//! MariaDB's system versioning. Measured on 10.11: a versioned table without columns of its own for it has two that no
//! listing shows, always the last two of its row images.

use super::super::{
    column_type::{BaseType, ColumnType},
    ddl::{AlterSpec, ColumnDef, PeriodDef, RowTime},
    model::{Column, Generated, IndexColumn, Period, ROW_HASH, TableInfo, same_name},
};

/// Adds the hidden columns, unless the table has its own.
pub(super) fn add_row_times(table: &mut TableInfo) {
    if table.columns.iter().any(|column| row_time(column).is_some()) {
        return;
    }
    for (name, time) in [("row_start", RowTime::Start), ("row_end", RowTime::End)] {
        table.columns.push(Column {
            name: name.to_owned(),
            ty: ColumnType { decimals: Some(6), ..ColumnType::of(BaseType::Timestamp) },
            generated: Some(generated(time)),
            invisible: true,
            ..Column::default()
        });
    }
}

/// What the model keeps of GENERATED ALWAYS AS ROW START / END.
pub(super) fn generated(time: RowTime) -> Generated {
    let expression = match time {
        RowTime::Start => Generated::ROW_START,
        RowTime::End => Generated::ROW_END,
    };
    Generated { expression: expression.to_owned(), stored: true }
}

/// Which end of a row's life a column holds.
fn row_time(column: &Column) -> Option<RowTime> {
    match column.generated.as_ref()?.expression.as_str() {
        Generated::ROW_START => Some(RowTime::Start),
        Generated::ROW_END => Some(RowTime::End),
        _ => None,
    }
}

/// Takes the hidden columns off: new columns go before them. True when the times of row versions were among them.
pub(super) fn take_hidden(table: &mut TableInfo) -> bool {
    let versioned = table.columns.iter().any(|column| column.is_hidden() && row_time(column).is_some());
    table.columns.retain(|column| !column.is_hidden());
    versioned
}

/// Adds the hashes of long unique keys, behind all other columns.
pub(in crate::schema) fn add_hashes(table: &mut TableInfo) {
    let hashed: Vec<bool> = (table.indexes.iter().filter(|index| index.hash))
        .map(|index| {
            let of_part = |part: &IndexColumn| table.column(&part.column).is_some_and(|column| column.nullable);
            index.columns.iter().any(of_part)
        })
        .collect();
    for (at, nullable) in hashed.into_iter().enumerate() {
        table.columns.push(Column {
            name: format!("DB_ROW_HASH_{}", at + 1),
            ty: ColumnType { unsigned: true, ..ColumnType::of(BaseType::BigInt) },
            nullable,
            generated: Some(Generated { expression: ROW_HASH.to_owned(), stored: false }),
            invisible: true,
            ..Column::default()
        });
    }
}

/// An application's period: its columns are NOT NULL.
pub(super) fn add_period(table: &mut TableInfo, period: &PeriodDef) {
    for column in &mut table.columns {
        if same_name(&column.name, &period.start) || same_name(&column.name, &period.end) {
            column.nullable = false;
        }
    }
    if !period.is_system() {
        let PeriodDef { name, start, end } = period.clone();
        table.periods.push(Period { name, start, end });
    }
}

/// The clauses of ALTER TABLE about versions and periods; the columns they name are changed already.
/// `versioned`: the table had hidden times.
pub(super) fn alter(table: &mut TableInfo, specs: &[AlterSpec], mut versioned: bool) {
    for spec in specs {
        match spec {
            AlterSpec::AddSystemVersioning => versioned = true,
            AlterSpec::DropSystemVersioning => versioned = false,
            AlterSpec::AddPeriod(period) => add_period(table, period),
            AlterSpec::DropPeriod { name } => table.periods.retain(|period| !same_name(&period.name, name)),
            _ => {}
        }
    }
    if versioned {
        add_row_times(table);
    }
}

/// Marks the columns that a definition says to hold a row's times.
pub(super) fn mark(column: &mut Column, def: &ColumnDef) {
    if let Some(time) = def.row_time {
        column.generated = Some(generated(time));
        column.nullable = false;
    }
}
