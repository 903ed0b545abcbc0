//! Parsing and classifying: any text gives a statement or an error with a code, and both are of sound form.
#![no_main]

mod statement;

use dm::schema::ddl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((context, sql)) = statement::read(data) else { return };
    match ddl::parse(sql, &context) {
        Ok(parsed) => {
            for table in &parsed.tables {
                assert!(sql.get(table.span.clone()).is_some(), "a span is no part of the text");
            }
            for clause in &parsed.clauses {
                assert!(sql.get(clause.span.clone()).is_some(), "a clause is no part of the text");
            }
            let _ = parsed.event_kind(None);
            for part in parsed.split().into_iter().flatten() {
                let plain = ddl::ParseContext { sql_mode: Default::default(), ..context.clone() };
                ddl::parse(&part, &plain).expect("a part of a statement is a statement");
            }
        }
        Err(error) => assert!(!error.message().is_empty() && !error.workaround_text().is_empty(), "{error}"),
    }
});
