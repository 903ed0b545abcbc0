//! Rules per event, expressions per row.

use std::hint::black_box;

use bytes::Bytes;
use dm::{
    config::subtask::{BlockAllowList, FilterRule, Flavor, RouteRule, TableName},
    mysql::value::Value,
    rules::{
        BlockAllow, Event, EventFilter, EventKind, Router,
        expression::{Expression, Zone},
    },
    schema::{
        ServerInfo, Tracker,
        charset::CharsetPair,
        ddl::{self, ParseContext},
    },
};

use crate::{
    alloc,
    timing::{Report, Rounds, compare},
};

const TABLES: [(&str, &str); 4] =
    [("shop_01", "orders_2024"), ("shop_77", "events"), ("stats", "daily"), ("archive", "orders_1999")];

pub fn measure(rounds: Rounds, report: &mut Report) {
    matching(rounds, report);
    expressions(rounds, report);
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// What sync asks once for each table and kind of event (it keeps the answers), and `dmctl match` each time.
fn matching(rounds: Rounds, report: &mut Report) {
    report.part("Rules, for one table or event (sync keeps the answers)");
    let list = BlockAllowList {
        do_dbs: names(&["~^shop_[0-9]+$", "stats*"]),
        ignore_tables: vec![TableName { db_name: "shop_*".into(), tbl_name: "~_(tmp|bak)$".into() }],
        ..BlockAllowList::default()
    };
    let lists = BlockAllow::new(&list, false).unwrap();
    let route = |schema: &str, table: &str| RouteRule {
        schema_pattern: schema.into(),
        table_pattern: table.into(),
        target_schema: "shop".into(),
        target_table: table.trim_end_matches('*').into(),
        ..RouteRule::default()
    };
    let router = Router::new(&[route("shop_*", "orders_*"), route("shop_*", "events")], false).unwrap();
    let filter = |schema: &str, events: &[&str], patterns: &[&str]| FilterRule {
        schema_pattern: schema.into(),
        table_pattern: "*".into(),
        events: names(events),
        sql_pattern: names(patterns),
        action: "Ignore".into(),
    };
    let filters = [filter("shop_*", &["truncate table", "drop table"], &[]), filter("stats", &[], &["^DROP\\s+INDEX"])];
    let filters = EventFilter::new(&filters, false);
    let mut allow = || {
        for (schema, table) in TABLES {
            black_box(lists.allows(black_box(schema), table));
        }
    };
    let mut routed = || TABLES.iter().for_each(|(s, t)| drop(black_box(router.route(black_box(s), t).unwrap())));
    let mut filtered = || {
        for (schema, table) in TABLES {
            let insert = Event::from(EventKind::Insert);
            black_box(filters.filter(black_box(schema), table, insert, None).unwrap());
        }
    };
    let [a, b, c] = compare(rounds, [&mut allow, &mut routed, &mut filtered]);
    for (what, time) in [("block-allow list", a), ("route", b), ("event filter, row event", c)] {
        report.line(what, time.median / TABLES.len() as f64, "ns", time, "");
    }
}

fn expressions(rounds: Rounds, report: &mut Report) {
    report.part("Expression filters, for one row");
    let context = ParseContext::default();
    let create = "CREATE TABLE s.t (id BIGINT, k INT, name VARCHAR(40), price DECIMAL(12,2), at DATETIME)";
    let mut tracker = Tracker::new(context.server, 0);
    tracker.put_schema("s", CharsetPair::server_default(&context.server));
    tracker.apply(&ddl::parse(create, &context).unwrap()).unwrap();
    let table = tracker.get("s", "t").unwrap();
    let row = [
        Value::Int(123_456),
        Value::Int(7),
        Value::Bytes(Bytes::from_static(b"Somebody's name")),
        Value::Decimal("1234.50".into()),
        Value::DateTime(dm::mysql::value::DateTime {
            date: dm::mysql::value::Date { year: 2024, month: 2, day: 29 },
            ..Default::default()
        }),
    ];
    let texts = [
        "k > 5",
        "id % 10 = 3 AND k IN (1, 3, 5, 7)",
        "price * 1.19 >= 1000 OR name IS NULL",
        "name LIKE 'Some%'",
        "LOWER(CONCAT(name, '-', k)) = 'somebody''s name-7'",
        "YEAR(at) >= 2020 AND DATE_ADD(at, INTERVAL 1 DAY) < '2030-01-01'",
    ];
    for text in texts {
        let server = ServerInfo { flavor: Flavor::Mysql, version: 90_700 };
        let expression = match Expression::new(text, &table, Zone::UTC, server) {
            Ok(expression) => expression,
            Err(why) => panic!("{text}: {why}"),
        };
        let mut run = || drop(black_box(expression.truth(black_box(&row), 0)));
        run();
        let allocations = alloc::counted(run);
        let [time] = compare(rounds, [&mut run]);
        report.line(text, time.median, "ns", time, &format!("{allocations} allocations"));
    }
}
