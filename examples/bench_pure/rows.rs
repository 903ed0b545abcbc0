//! Row images to values and to SQL text: ours by plan, ours by values, and mysql_common's.

use std::{collections::VecDeque, fmt::Write, hint::black_box, sync::Arc};

use bytes::Bytes;
use dm::{
    config::Flavor,
    mysql::{
        binlog::{EventBody, EventDecoder, RowPlan, RowsEvent},
        literal::{complete, literal},
        position::BinlogPosition,
        sql_text::SqlText,
    },
};
use mysql_common::{
    binlog::{
        BinlogFile,
        consts::BinlogVersion,
        events::{Event, EventData, TableMapEvent},
    },
    row::Row,
};

use crate::{
    alloc,
    tables::{self, Table},
    timing::{Report, Rounds, compare},
};

pub fn measure(rounds: Rounds, report: &mut Report) {
    report.part("Row images to SQL text (target: 1 GB/s for narrow tables, no allocation per value)");
    for table in tables::all() {
        one(&table, rounds, report);
    }
}

fn one(table: &Table, rounds: Rounds, report: &mut Report) {
    let events = decode(table);
    let plan = RowPlan::new(events[0].table.clone(), &table.encodings);
    let mut out = SqlText::new();
    let mut text = String::new();
    check(table, &events, &plan);
    let their = Theirs::read(table);
    let mut by_plan = || events.iter().for_each(|event| write_by_plan(event, &plan, &mut out));
    by_plan();
    let allocations = alloc::counted(&mut by_plan) as f64 / table.rows as f64;
    let mut by_values = || events.iter().for_each(|event| write_by_values(event, table, &mut text));
    let mut values = || events.iter().for_each(|event| event.rows().for_each(|row| drop(black_box(row.unwrap()))));
    let value_allocations = alloc::counted(values) as f64 / table.rows as f64;
    let mut their_values = || their.values();
    let their_allocations = alloc::counted(their_values) as f64 / table.rows as f64;
    let mut their_text = || their.text();
    let times = compare(rounds, [&mut by_plan, &mut by_values, &mut values, &mut their_values, &mut their_text]);
    let gigabytes = |i: usize| table.image_bytes as f64 / times[i].median;
    let per_row = times[0].median / table.rows as f64;
    let mark = if table.target { "" } else { "(no target) " };
    report.line(
        table.name,
        gigabytes(0),
        "GB/s",
        times[0],
        &format!(
            "{mark}{per_row:.0} ns a row of {} bytes, {allocations:.3} allocations a row; {:.1} x mysql_common's values, \
             {:.1} x its text",
            table.image_bytes / table.rows,
            times[3].median / times[0].median,
            times[4].median / times[0].median
        ),
    );
    report.line("  ours by values, SQL text", gigabytes(1), "GB/s", times[1], "");
    report.line(
        "  ours, values only",
        gigabytes(2),
        "GB/s",
        times[2],
        &format!("{value_allocations:.1} allocations a row"),
    );
    report.line(
        "  mysql_common, values only",
        gigabytes(3),
        "GB/s",
        times[3],
        &format!("{their_allocations:.1} allocations a row"),
    );
    report.line("  mysql_common, SQL text (as_sql)", gigabytes(4), "GB/s", times[4], "");
}

fn decode(table: &Table) -> Vec<RowsEvent> {
    let mut decoder = EventDecoder::new(Flavor::Mysql, BinlogPosition::new("bin.000001", 4));
    let mut out = VecDeque::new();
    for raw in &table.events {
        decoder.decode(Bytes::copy_from_slice(raw), &mut out).unwrap();
    }
    out.into_iter()
        .filter_map(|event| match event.body {
            EventBody::Rows(rows) => Some(rows),
            _ => None,
        })
        .collect()
}

fn write_by_plan(event: &RowsEvent, plan: &RowPlan, out: &mut SqlText) {
    out.clear();
    let columns: Vec<usize> = (0..plan.width()).collect();
    let mut images = event.images(plan);
    while let Some(change) = images.next_change() {
        let row = change.unwrap().after.unwrap();
        row.write_list(&columns, b'(', out).unwrap();
        out.push(b')');
    }
    black_box(out.as_bytes());
}

fn write_by_values(event: &RowsEvent, table: &Table, out: &mut String) {
    out.clear();
    for change in event.rows() {
        out.push('(');
        for (i, (value, encoding)) in
            change.unwrap().after.unwrap().values.into_iter().zip(&table.encodings).enumerate()
        {
            if i > 0 {
                out.push(',');
            }
            literal(&complete(value, encoding), encoding, out);
        }
        out.push(')');
    }
    black_box(&*out);
}

/// Both ways give the same text, else the numbers mean nothing.
fn check(table: &Table, events: &[RowsEvent], plan: &RowPlan) {
    let (mut out, mut text, mut rows) = (SqlText::new(), String::new(), 0);
    for event in events {
        write_by_plan(event, plan, &mut out);
        write_by_values(event, table, &mut text);
        assert!(out.as_bytes() == text.as_bytes(), "{}", table.name);
        rows += event.rows().count() as u64;
    }
    assert_eq!(rows, table.rows, "{}", table.name);
}

/// The same bytes, read by mysql_common.
struct Theirs {
    map: Arc<TableMapEvent<'static>>,
    events: Vec<Event>,
}

impl Theirs {
    fn read(table: &Table) -> Theirs {
        let mut file = b"\xfebin".to_vec();
        table.events.iter().for_each(|raw| file.extend(raw));
        let mut reader = BinlogFile::new(BinlogVersion::Version4, &file[..]).unwrap();
        let mut events = Vec::new();
        for event in reader.by_ref() {
            let event = event.unwrap();
            if matches!(event.read_data().unwrap(), Some(EventData::RowsEvent(_))) {
                events.push(event);
            }
        }
        let map = Arc::new(reader.reader().get_tme(1).unwrap().clone());
        assert_eq!(events.len(), table.events.len() - 2);
        Theirs { map, events }
    }

    fn rows(&self, mut each: impl FnMut(mysql_common::binlog::row::BinlogRow)) {
        for event in &self.events {
            let Some(EventData::RowsEvent(data)) = event.read_data().unwrap() else { continue };
            for row in data.rows(&self.map) {
                each(row.unwrap().1.unwrap());
            }
        }
    }

    fn values(&self) {
        self.rows(|row| drop(black_box(row)));
    }

    fn text(&self) {
        let mut text = String::new();
        self.rows(|row| {
            let row = Row::try_from(row).unwrap();
            text.push('(');
            for value in row.unwrap() {
                let _ = write!(text, "{},", value.as_sql(false));
            }
            text.push(')');
            if text.len() > 1 << 16 {
                black_box(&text);
                text.clear();
            }
        });
    }
}
