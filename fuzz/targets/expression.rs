//! Expression filters: any text is compiled or refused with words, and what was compiled gives a value or an error for
//! each row, the same each time.
#![no_main]

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dm::{
    config::Flavor,
    mysql::value::{Date, DateTime, Time, Timestamp, Value},
    rules::expression::{Expression, Zone, check_grammar},
    schema::{
        ServerInfo, Tracker,
        charset::CharsetPair,
        ddl::{self, ParseContext},
        model::TableInfo,
    },
};
use libfuzzer_sys::fuzz_target;

const CREATE: &str = "CREATE TABLE s.t (a BIGINT, b INT UNSIGNED, c VARCHAR(40), d DECIMAL(20,4), e DATETIME(6), f DOUBLE, g DATE, \
    h TIME(3), i TIMESTAMP, j JSON, k ENUM('x','y'), l SET('p','q'), m BIT(12), n YEAR, o BLOB, p VARCHAR(20) CHARACTER SET gbk)";

fn table() -> &'static Arc<TableInfo> {
    static TABLE: OnceLock<Arc<TableInfo>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let context = ParseContext::default();
        let mut tracker = Tracker::new(context.server, 0);
        tracker.put_schema("s", CharsetPair::server_default(&context.server));
        tracker.apply(&ddl::parse(CREATE, &context).expect("a statement")).expect("a table");
        tracker.get("s", "t").expect("it is there")
    })
}

fn rows() -> [Vec<Value>; 2] {
    let date = Date { year: 2024, month: 2, day: 29 };
    let row = vec![
        Value::Int(i64::MIN),
        Value::UInt(u32::MAX.into()),
        Value::Bytes(Bytes::from_static("Aß日'".as_bytes())),
        Value::Decimal("-9999999999999999.9999".into()),
        Value::DateTime(DateTime { date, hour: 23, minute: 59, second: 59, micros: 999_999, fsp: 6 }),
        Value::Double(-1e308),
        Value::Date(Date::default()),
        Value::Time(Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 0, fsp: 3 }),
        Value::Timestamp(Timestamp { seconds: u32::MAX, micros: 0, fsp: 0 }),
        Value::Json("{\"a\": [1, \"x\"]}".into()),
        Value::Enum(2),
        Value::Set(3),
        Value::Bit { bits: 4095, len: 12 },
        Value::Year(2155),
        Value::Bytes(Bytes::from_static(b"\xff\0")),
        Value::Bytes(Bytes::from_static(b"\xd6\xd0")),
    ];
    let nulls = vec![Value::Null; row.len()];
    [row, nulls]
}

const SERVERS: [ServerInfo; 4] = [
    ServerInfo { flavor: Flavor::Mysql, version: 50_744 },
    ServerInfo { flavor: Flavor::Mysql, version: 90_700 },
    ServerInfo { flavor: Flavor::Mariadb, version: 100_500 },
    ServerInfo { flavor: Flavor::Mariadb, version: 110_800 },
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let grammar = check_grammar(text);
    for server in SERVERS {
        match Expression::new(text, table(), Zone::UTC, server) {
            Ok(expression) => {
                for row in rows() {
                    let now = 1_700_000_000_123_456;
                    assert_eq!(expression.truth(&row, now), expression.truth(&row, now));
                    let _ = expression.value(&row, now);
                }
            }
            Err(why) => assert!(!why.is_empty()),
        }
    }
    if let Err(why) = grammar {
        assert!(!why.is_empty());
    }
});
