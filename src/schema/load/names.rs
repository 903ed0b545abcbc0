//! How queries of information_schema name schemas.

use std::collections::BTreeSet;

use crate::mysql::quote_text;

/// `column = 'a'` or `column IN ('a', 'b')`. Nothing to look for is no condition that a row fulfils.
///
/// MariaDB looks into the folder of each constant, and takes constants that differ by case for one: of `IN ('shop', 'Shop')` it
/// gives the tables of one of the two (seen on 10.5, 10.11 and 11.8). A function keeps it from that; other schemas
/// whose names differ by case only are found then, too.
pub fn in_schemas<'a>(column: &str, schemas: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = schemas.into_iter().collect();
    let folded: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let quoted: Vec<String> = names.iter().map(|name| quote_text(name)).collect();
    match quoted.as_slice() {
        [] => "FALSE".to_owned(),
        // MySQL before 8 and MariaDB then look into no other folder.
        [only] => format!("{column} = {only}"),
        _ if folded.len() < names.len() => {
            let folded: Vec<String> = folded.iter().map(|name| quote_text(name)).collect();
            format!("LOWER({column}) IN ({})", folded.join(", "))
        }
        all => format!("{column} IN ({})", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::in_schemas;

    #[test]
    fn names_that_differ_by_case_are_folded() {
        assert_eq!(in_schemas("S", []), "FALSE");
        assert_eq!(in_schemas("S", ["it's", "it's"]), "S = 'it''s'");
        assert_eq!(in_schemas("S", ["b", "a"]), "S IN ('a', 'b')");
        assert_eq!(in_schemas("S", ["b", "a", "B"]), "LOWER(S) IN ('a', 'b')");
    }
}
