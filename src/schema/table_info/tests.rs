//! TiDB's form, both ways. The corpus of tests/schema sends every table of two servers through it as well.

use super::*;
use crate::schema::{
    ServerInfo, Tracker,
    ddl::{ParseContext, parse},
    model::DefaultValue,
};

fn table(sql: &str) -> TableInfo {
    let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
    let mut tracker = Tracker::new(ServerInfo::default(), 0);
    tracker.apply(&parse(sql, &context).unwrap()).unwrap();
    tracker.tables().next().unwrap().as_ref().clone()
}

#[test]
fn members_as_tidb_writes_them() {
    let table = table(
        "CREATE TABLE T (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, \
         price DECIMAL(10,2) DEFAULT '1.50', at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), kind ENUM('a','bcd'), \
         UNIQUE KEY Uname (name)) CHARSET utf8mb4 COLLATE utf8mb4_bin",
    );
    let text = to_json(&table).unwrap();
    assert!(!text.contains(OWN_FORM), "TiDB's form is enough here");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["name"], serde_json::json!({ "O": "T", "L": "t" }));
    assert_eq!(json["state"], 5);
    assert_eq!(json["pk_is_handle"], true);
    assert_eq!(json["charset"], "utf8mb4");
    let types: Vec<(u64, u64, i64, i64)> = (json["cols"].as_array().unwrap().iter())
        .map(|column| {
            let ty = &column["type"];
            let number = |member: &str| ty[member].as_i64().unwrap();
            (ty["Tp"].as_u64().unwrap(), ty["Flag"].as_u64().unwrap(), number("Flen"), number("Decimal"))
        })
        .collect();
    assert_eq!(types[0], (8, 1 | 2 | 32 | 128 | 512, 20, 0));
    assert_eq!(types[1], (15, 1 | 4 | 128 | 4096, 20, 0));
    assert_eq!(types[2], (246, 128, 10, 2));
    assert_eq!(types[3], (12, 128, 23, 3));
    assert_eq!(json["cols"][2]["default"], "1.50");
    assert_eq!(json["cols"][3]["default"], "CURRENT_TIMESTAMP(3)");
    assert_eq!(json["cols"][4]["type"]["Elems"], serde_json::json!(["a", "bcd"]));
    assert_eq!(json["index_info"][1]["idx_name"]["O"], "Uname");
    assert_eq!(json["index_info"][1]["idx_cols"][0]["length"], -1);
    let members: Vec<&String> = json.as_object().unwrap().keys().take(6).collect();
    assert_eq!(members, ["id", "name", "charset", "collate", "cols", "index_info"]);
    assert_eq!(from_json("d", &text).unwrap().unwrap(), table);
}

#[test]
fn what_tidb_cannot_hold_is_kept_beside() {
    let table = table(
        "CREATE TABLE t (id INT PRIMARY KEY, p POINT, hidden INT INVISIBLE, b BIT(4) DEFAULT b'11', \
         FOREIGN KEY (hidden) REFERENCES x.y (z))",
    );
    let text = to_json(&table).unwrap();
    assert!(text.contains(OWN_FORM) && text.contains(r#""default_bit":"Aw==""#));
    assert_eq!(from_json("d", &text).unwrap().unwrap(), table);
    assert_eq!(from_json("other", &text).unwrap().unwrap().schema, "other");
}

/// The least that DM's reader needs, as an older DM may have written it.
#[test]
fn a_sparse_structure_of_dm() {
    let json = r#"{"id":1,"name":{"O":"T1","L":"t1"},"charset":"utf8","collate":"utf8_bin","cols":[
        {"id":2,"name":{"O":"b","L":"b"},"offset":1,"default":"x","type":{"Tp":15,"Flag":0,"Flen":8,"Decimal":0,"Charset":"utf8","Collate":"utf8_bin","Elems":null},"state":5},
        {"id":1,"name":{"O":"a","L":"a"},"offset":0,"type":{"Tp":3,"Flag":4099,"Flen":11,"Decimal":0,"Charset":"binary","Collate":"binary"},"state":5},
        {"id":3,"name":{"O":"c","L":"c"},"offset":2,"type":{"Tp":3,"Flag":0},"state":1}],
        "index_info":null,"state":5,"pk_is_handle":true,"new_member":{"x":1}}"#;
    let table = from_json("d", json).unwrap().unwrap();
    assert_eq!((table.schema.as_str(), table.name.as_str(), table.charset.as_str()), ("d", "T1", "utf8mb3"));
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(table.row_key(), Some(vec![0]));
    assert_eq!(table.columns[1].default, Some(DefaultValue::Literal("x".into())));
    assert_eq!(table.columns[1].collation.as_deref(), Some("utf8mb3_bin"));
}

#[test]
fn malformed_texts() {
    assert!(from_json("d", "null").unwrap().is_none());
    for json in
        ["", "{", "{}", "[]", "7", r#"{"name":{"O":"t"}}"#, r#"{"name":{"O":"t"},"cols":[{"type":{"Tp":999}}]}"#]
    {
        let error = from_json("d", json).expect_err(json);
        assert_eq!(error.code(), Code::SchemaTrackerInvalidJSON, "{json}");
        assert!(!error.workaround_text().is_empty());
    }
}

#[test]
fn foreign_keys_have_tidbs_form() {
    let table = table(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY ka (a), CONSTRAINT f FOREIGN KEY (a) REFERENCES x.Y (z) \
         ON DELETE CASCADE ON UPDATE SET NULL, FOREIGN KEY (id) REFERENCES p (q))",
    );
    let text = to_json(&table).unwrap();
    assert!(!text.contains(OWN_FORM), "TiDB's form is enough here");
    let json: Value = serde_json::from_str(&text).unwrap();
    let key = &json["fk_info"][0];
    assert_eq!(key["fk_name"], serde_json::json!({ "O": "f", "L": "f" }));
    assert_eq!(key["ref_table"], serde_json::json!({ "O": "Y", "L": "y" }));
    assert_eq!((&key["on_delete"], &key["on_update"]), (&Value::from(2), &Value::from(3)));
    assert_eq!(json["fk_info"][1]["fk_name"]["O"], "t_ibfk_1");
    assert_eq!(json["max_fk_id"], 2);
    assert_eq!(from_json("d", &text).unwrap().unwrap(), table);
}
