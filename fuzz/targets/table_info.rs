//! Table structures out of checkpoints, the original's and ours: any JSON is read or refused, and what was read is
//! written so that it reads back the same.
#![no_main]

use dm::schema::table_info::{from_json, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(Some(table)) = from_json("s", text) else { return };
    let json = to_json(&table).expect("a structure can be written");
    let mut back = from_json("s", &json).expect("what is written can be read").expect("it is a structure");
    // The statement it was made from is kept by the first form only.
    back.create_sql.clone_from(&table.create_sql);
    assert_eq!(back, table);
});
