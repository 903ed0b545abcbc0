//! Filters as a whole, and texts made by chance: nothing panics.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Expression, Filters, Zone, check_grammar};
use crate::{
    config::subtask::{ExpressionFilter, Flavor},
    error::Code,
    mysql::value::{Date, DateTime, Time, Timestamp, Value},
    schema::{
        ServerInfo,
        column_type::{BaseType, ColumnType},
        model::{Column, TableInfo},
    },
};

fn column(name: &str, base: BaseType) -> Column {
    let text = base.has_charset();
    Column {
        name: name.into(),
        ty: ColumnType::of(base),
        charset: text.then(|| "utf8mb4".into()),
        collation: text.then(|| "utf8mb4_general_ci".into()),
        ..Column::default()
    }
}

fn table() -> TableInfo {
    use BaseType::*;
    let columns = [
        ("i", BigInt),
        ("s", VarChar),
        ("d", Decimal),
        ("r", Double),
        ("at", DateTime),
        ("ts", Timestamp),
        ("t", Time),
        ("j", Json),
    ];
    TableInfo {
        schema: "a".into(),
        name: "b".into(),
        columns: columns.into_iter().map(|(name, base)| column(name, base)).collect(),
        ..TableInfo::default()
    }
}

fn row(i: i64, s: &str) -> Vec<Value> {
    let date = Date { year: 2024, month: 2, day: 29 };
    vec![
        Value::Int(i),
        Value::Bytes(bytes::Bytes::copy_from_slice(s.as_bytes())),
        Value::Decimal("12.50".into()),
        Value::Double(-0.5),
        Value::DateTime(DateTime { date, hour: 1, ..DateTime::default() }),
        Value::Timestamp(Timestamp { seconds: 1_609_475_696, micros: 0, fsp: 0 }),
        Value::Time(Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 0, fsp: 0 }),
        Value::Json(r#"{"k": [1, "x"]}"#.to_owned().into()),
    ]
}

fn truth(text: &str, row: &[Value]) -> Option<bool> {
    let expression =
        Expression::new(text, &table(), Zone::UTC, ServerInfo::default()).unwrap_or_else(|why| panic!("{text}: {why}"));
    expression.truth(row, 1_700_000_000_000_000).unwrap()
}

#[test]
fn the_manuals_examples() {
    let even = row(4, "x");
    assert_eq!(truth("i % 2 = 0", &even), Some(true));
    assert_eq!(truth("i*i + 3*3 = 5*5", &even), Some(true));
    // The moment of the change counts as now, and a time zone may stand in the text.
    assert_eq!(truth("ts < NOW() AND NOW() = '2023-11-14 22:13:20'", &even), Some(true));
    assert_eq!(truth("ts = '2021-01-01 12:34:56+08:00'", &even), Some(true));
    assert_eq!(truth("ts = '2021-01-01 04:34:56'", &even), Some(true));
}

#[test]
fn filters_skip_what_they_say() {
    let filter = |set: fn(&mut ExpressionFilter)| {
        let mut filter = ExpressionFilter { schema: "a".into(), table: "B".into(), ..ExpressionFilter::default() };
        set(&mut filter);
        filter
    };
    let filters = [
        filter(|f| f.insert_value_expr = "i = 1".into()),
        filter(|f| f.delete_value_expr = "i = 2".into()),
        filter(|f| {
            f.update_old_value_expr = "i = 3".into();
            f.update_new_value_expr = "i = 4".into();
        }),
        filter(|f| f.update_new_value_expr = "s = 'GONE'".into()),
    ];
    let compiled =
        Filters::new(&filters, "", false).unwrap().compile(&table(), ServerInfo::default()).unwrap().unwrap();
    let skips = |old: Option<i64>, new: Option<i64>, s: &str| {
        let (old, new) = (old.map(|i| row(i, s)), new.map(|i| row(i, s)));
        compiled.skips(old.as_deref(), new.as_deref(), 0).unwrap()
    };
    assert!(skips(None, Some(1), "") && !skips(None, Some(2), ""));
    assert!(skips(Some(2), None, "") && !skips(Some(1), None, ""));
    assert!(skips(Some(3), Some(4), "") && !skips(Some(3), Some(5), "") && !skips(Some(2), Some(4), ""));
    assert!(skips(Some(9), Some(9), "gone") && !skips(None, Some(9), "gone"));
    let told = compiled.explain(Some(&row(3, "")), Some(&row(4, "")), 0).unwrap().unwrap();
    assert_eq!(told.expressions, ["update-old-value-expr \"i = 3\"", "update-new-value-expr \"i = 4\""]);
    assert!(
        Filters::new(&filters, "", true).unwrap().compile(&table(), ServerInfo::default()).unwrap().is_none(),
        "case counts"
    );
    let bad = filter(|f| f.insert_value_expr = "nosuch = 1".into());
    let error = Filters::new(&[bad], "", false).unwrap().compile(&table(), ServerInfo::default()).unwrap_err();
    assert_eq!(error.code(), Code::ConfigExprFilterWrongGrammar);
    assert!(error.message().contains("nosuch") && error.message().contains("`a`.`B`"), "{error}");
}

#[test]
fn an_error_over_a_row_never_shows_the_row() {
    let filter = ExpressionFilter {
        schema: "a".into(),
        table: "b".into(),
        insert_value_expr: "i + 9223372036854775807 > 0".into(),
        ..ExpressionFilter::default()
    };
    let compiled =
        Filters::new(&[filter], "", false).unwrap().compile(&table(), ServerInfo::default()).unwrap().unwrap();
    let error = compiled.skips(None, Some(&row(77_777, "secret")), 0).unwrap_err();
    assert!(!error.to_string().contains("77777") && error.to_string().contains("insert-value-expr"), "{error}");
}

#[test]
fn deep_and_long_texts_are_refused_or_evaluated() {
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(check_grammar(&deep).is_err());
    assert!(check_grammar(&"NOT ".repeat(5000)).is_err());
    assert!(check_grammar(&format!("{}1", "-".repeat(5000))).is_err());
    assert!(check_grammar(&format!("1{}", "+1".repeat(5000))).is_err());
    let chain: Vec<String> = (0..3000).map(|i| format!("i = {i}")).collect();
    assert_eq!(truth(&chain.join(" OR "), &row(2999, "")), Some(true));
    assert!(check_grammar(&"i ".repeat(100_000)).is_err());
}

const PIECES: &[&str] = &[
    "i",
    "s",
    "d",
    "r",
    "at",
    "ts",
    "t",
    "j",
    "1",
    "0",
    "-1",
    "18446744073709551615",
    "1e308",
    "0.000001",
    "'a'",
    "'%_'",
    "''",
    "'2024-02-30'",
    "NULL",
    "TRUE",
    "(",
    ")",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "DIV",
    "MOD",
    "=",
    "<=>",
    "<",
    ">",
    "<>",
    "AND",
    "OR",
    "XOR",
    "NOT",
    "!",
    "~",
    "|",
    "&",
    "^",
    "<<",
    "LIKE",
    "REGEXP",
    "BETWEEN",
    "IN",
    "IS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "IF(",
    "CONCAT(",
    "SUBSTRING(",
    "REPEAT(",
    "LPAD(",
    "INSERT(",
    "LOCATE(",
    "TRIM(",
    "LEADING",
    "FROM",
    "CAST(",
    "AS",
    "SIGNED",
    "DECIMAL(65,30)",
    "CHAR(3)",
    "DATETIME(6)",
    "DATE_ADD(",
    "INTERVAL",
    "DAY",
    "YEAR_MONTH",
    "'1:2:3'",
    "DATE_FORMAT(",
    "'%Y %M %j %U %X'",
    "FROM_UNIXTIME(",
    "MAKEDATE(",
    "PERIOD_ADD(",
    "TIMESTAMPDIFF(",
    "MONTH",
    "ROUND(",
    "TRUNCATE(",
    "CONV(",
    "POW(",
    "SPACE(",
    "JSON_EXTRACT(",
    "'$.k[last-1]'",
    "->",
    "->>",
    "COLLATE",
    "utf8mb4_bin",
];

const SERVERS: [ServerInfo; 4] = [
    ServerInfo { flavor: Flavor::Mysql, version: 50_744 },
    ServerInfo { flavor: Flavor::Mysql, version: 90_700 },
    ServerInfo { flavor: Flavor::Mariadb, version: 100_500 },
    ServerInfo { flavor: Flavor::Mariadb, version: 110_800 },
];

#[test]
fn texts_by_chance_never_panic() {
    let mut rng = StdRng::seed_from_u64(7);
    let rows =
        [row(i64::MIN, ""), row(i64::MAX, "a\u{10ffff}"), row(0, "2024-00-00"), vec![Value::Null; 8], Vec::new()];
    let table = table();
    let mut evaluated = 0;
    for _ in 0..40_000 {
        let length = rng.random_range(1..12);
        let text: Vec<&str> = (0..length).filter_map(|_| PIECES.choose(&mut rng).copied()).collect();
        let server = *SERVERS.choose(&mut rng).unwrap();
        let mut text = text.join(" ");
        let open = text.matches('(').count().saturating_sub(text.matches(')').count());
        text.push_str(&")".repeat(open));
        if let Ok(expression) = Expression::new(&text, &table, Zone::UTC, server) {
            for row in &rows {
                let _ = expression.truth(row, rng.random());
                let _ = expression.value(row, 0);
            }
            evaluated += 1;
        }
    }
    assert!(evaluated > 500, "{evaluated}");
}
