//! Rewriting: without a change of names the text stays as it is; with other names it is the same statement about them.
#![no_main]

mod statement;

use dm::schema::ddl::{self, ParseContext};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((context, sql)) = statement::read(data) else { return };
    let Ok(first) = ddl::parse(sql, &context) else { return };
    assert_eq!(first.reroute(sql, |schema, table| (schema.to_owned(), table.to_owned())), sql);

    let route = |schema: &str, table: &str| match table {
        "" => (format!("to`{schema}"), String::new()),
        _ => (format!("to`{schema}"), format!("ä{table}")),
    };
    let plain = ParseContext { default_schema: String::new(), sql_mode: Default::default(), server: context.server };
    for text in [first.rewrite(sql, route), first.rewrite_guarded(sql, route)] {
        let second = match ddl::parse(&text, &plain) {
            Ok(second) => second,
            Err(error) => panic!("{sql}\nbecame\n{text}\n{error}"),
        };
        assert_eq!(std::mem::discriminant(&first.kind), std::mem::discriminant(&second.kind), "{sql}\nbecame\n{text}");
        assert_eq!(first.clauses.len(), second.clauses.len(), "{sql}\nbecame\n{text}");
        let wanted: Vec<_> = first.tables.iter().map(|t| route(&t.schema, &t.name)).collect();
        let found: Vec<_> = second.tables.iter().map(|t| (t.schema.clone(), t.name.clone())).collect();
        assert_eq!(wanted, found, "{sql}\nbecame\n{text}");
    }
});
