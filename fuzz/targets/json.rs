//! Binary JSON as row images hold it: a text that is JSON, or an error; the same by plan; and partial updates.
//!
//! Input: one byte (0: a document, else the length of the document that the rest of the bytes changes), then the bytes.
#![no_main]

mod binlog;

use dm::{
    config::Flavor,
    mysql::{
        binlog::{EventBody, RowPlan},
        literal::Encoding,
        sql_text::SqlText,
        value::Value,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((split, data)) = data.split_first() else { return };
    // Table id, flags, "s", "t", one column of type JSON with lengths of 4 bytes, nullable.
    let map = binlog::event(binlog::TABLE_MAP, b"\x01\0\0\0\0\0\x01\0\x01s\0\x01t\0\x01\xf5\x01\x04\x01");
    let counted = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
    let rows = match split {
        0 => binlog::event(30, &[b"\x01\0\0\0\0\0\x01\0\x02\0\x01\xff\0", &counted(data)[..]].concat()),
        _ => {
            let Some((document, diff)) = data.split_at_checked(usize::from(*split)) else { return };
            let after = [&[1, 1, 0][..], &counted(diff)[..]].concat();
            binlog::event(39, &[b"\x01\0\0\0\0\0\x01\0\x02\0\x01\xff\xff\0", &counted(document)[..], &after[..]].concat())
        }
    };
    for event in binlog::decode(Flavor::Mysql, [map, rows]) {
        let EventBody::Rows(rows) = event.body else { continue };
        let mut by_values = None;
        for change in rows.rows().take(3) {
            let Ok(change) = change else { break };
            for row in [change.before, change.after].into_iter().flatten() {
                if let Some(Value::Json(json)) = row.values.first() {
                    check(json);
                    by_values.get_or_insert_with(|| json.to_string());
                }
            }
        }
        if rows.partial {
            continue;
        }
        let plan = RowPlan::new(rows.table.clone(), &[Encoding::Plain]);
        let mut out = SqlText::new();
        if let Some(Ok(change)) = rows.images(&plan).next_change()
            && let Some(row) = change.after
        {
            assert_eq!(row.write(0, &mut out).is_ok(), by_values.is_some());
        }
    }
});

fn check(text: &str) {
    // Numbers beyond what serde_json holds and 110 levels are all that may be refused.
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let reason = error.to_string();
        assert!(reason.contains("recursion limit") || reason.contains("number out of range"), "{reason}: {text}");
    }
}
