//! MariaDB's system versioning. Measured on 10.11: a versioned table without columns of its own for it has two that no
//! listing shows, always the last two of its row images.

use super::super::{
    column_type::{BaseType, ColumnType},
    ddl::{AlterSpec, ColumnDef, PeriodDef, RowTime},
    model::{Column, Generated, TableInfo, same_name},
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

/// Hidden columns at the end of the table: new columns go before them.
pub(super) fn hidden(table: &TableInfo) -> usize {
    let is_hidden = |column: &&Column| {
        column.invisible && row_time(column).is_some() && matches!(column.name.as_str(), "row_start" | "row_end")
    };
    table.columns.iter().rev().take_while(is_hidden).count()
}

/// The columns of an application's period are NOT NULL.
pub(super) fn add_period(table: &mut TableInfo, period: &PeriodDef) {
    for column in &mut table.columns {
        if same_name(&column.name, &period.start) || same_name(&column.name, &period.end) {
            column.nullable = false;
        }
    }
}

/// The clauses of ALTER TABLE about versions and periods; the columns they name are changed already.
pub(super) fn alter(table: &mut TableInfo, specs: &[AlterSpec]) {
    for spec in specs {
        match spec {
            AlterSpec::AddSystemVersioning => add_row_times(table),
            AlterSpec::DropSystemVersioning => {
                let shown = table.columns.len() - hidden(table);
                table.columns.truncate(shown);
            }
            AlterSpec::AddPeriod(period) => add_period(table, period),
            _ => {}
        }
    }
}

/// Marks the columns that a definition says to hold a row's times.
pub(super) fn mark(column: &mut Column, def: &ColumnDef) {
    if let Some(time) = def.row_time {
        column.generated = Some(generated(time));
        column.nullable = false;
    }
}
