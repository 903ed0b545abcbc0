//! The end of an online schema change whose statements are not known: does the target's table have the new structure?

use crate::{
    error::{Code, DmError},
    schema::model::{Index, TableId, TableInfo, same_name},
    units::sync::ddl_effect::alike,
};

/// What the target's table lacks of the source's present one, or has beyond it. A target may have columns that the source
/// never had (`before`), and those that a route adds.
pub fn differences(before: Option<&TableInfo>, now: &TableInfo, target: &TableInfo, extra: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for column in &now.columns {
        match target.column(&column.name) {
            None => out.push(format!("the target has no column `{}`", column.name)),
            Some(there) if !alike(&column.ty, &there.ty) => out.push(format!(
                "column `{}` is {} on the source, {} on the target",
                column.name,
                column.ty.text(),
                there.ty.text()
            )),
            Some(_) => {}
        }
    }
    for column in &target.columns {
        let added = extra.iter().any(|name| same_name(name, &column.name));
        let own = before.is_some_and(|before| before.column(&column.name).is_none());
        if now.column(&column.name).is_none() && !added && !own {
            out.push(format!("the source has no column `{}`", column.name));
        }
    }
    for key in now.indexes.iter().filter(|key| key.unique && !key.functional) {
        if !target.indexes.iter().any(|there| there.unique && same_parts(key, there)) {
            out.push(format!("the target has no unique key like `{}`", key.name));
        }
    }
    for key in target.indexes.iter().filter(|key| key.unique && !key.functional) {
        let known = |table: &TableInfo| table.indexes.iter().any(|own| own.unique && same_parts(own, key));
        if !known(now) && before.is_some_and(known) {
            out.push(format!("the source has no unique key like `{}` any more", key.name));
        }
    }
    out
}

fn same_parts(a: &Index, b: &Index) -> bool {
    let mut parts = a.columns.iter().zip(&b.columns);
    a.columns.len() == b.columns.len() && parts.all(|(a, b)| same_name(&a.column, &b.column))
}

/// Error 36046.
pub fn error(from: &TableId, real: &TableId, target: &TableId, differences: &[String]) -> DmError {
    DmError::new(Code::SyncerUnitGhostOnlineDDLOnGhostTbl)
        .msg(format!(
            "online ddls on ghost table {from}: it became {real}, and what was done to it before is not known; {}",
            differences.join("; ")
        ))
        .workaround(format!(
            "The task began in the middle of an online schema change, or the change was reverted. Please make the same \
             change to {target} on the target by hand, then resume the task: it goes on as soon as the structures agree. \
             (If the source's table was altered again since, skip the statement with `binlog skip` instead.)"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{
        Tracker,
        ddl::{ParseContext, parse},
        server::ServerInfo,
    };

    fn table(columns: &str) -> TableInfo {
        let mut tracker = Tracker::new(ServerInfo::default(), 0);
        let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
        tracker.apply(&parse(&format!("CREATE TABLE t ({columns})"), &context).unwrap()).unwrap();
        TableInfo::clone(&tracker.get("d", "t").unwrap())
    }

    fn told(before: Option<&str>, now: &str, target: &str) -> String {
        let before = before.map(table);
        differences(before.as_ref(), &table(now), &table(target), &["shard".to_owned()]).join("; ")
    }

    #[test]
    fn what_is_missing_is_told() {
        let old = "id INT PRIMARY KEY, a VARCHAR(9)";
        assert_eq!(told(Some(old), "id INT PRIMARY KEY, a VARCHAR(9), b INT", old), "the target has no column `b`");
        assert_eq!(told(Some(old), "id INT PRIMARY KEY", old), "the source has no column `a`");
        assert_eq!(told(None, "id INT PRIMARY KEY", old), "the source has no column `a`");
        let wide = "id BIGINT PRIMARY KEY, a VARCHAR(9)";
        assert_eq!(told(Some(old), wide, old), "column `id` is bigint on the source, int on the target");
        let unique = "id INT PRIMARY KEY, a VARCHAR(9), UNIQUE u (a)";
        assert_eq!(told(Some(old), unique, old), "the target has no unique key like `u`");
        assert_eq!(told(Some(unique), old, unique), "the source has no unique key like `u` any more");
        let error =
            error(&TableId::new("d", "_t_gho"), &TableId::new("d", "t"), &TableId::new("e", "t"), &["x".into()]);
        assert_eq!(error.code(), Code::SyncerUnitGhostOnlineDDLOnGhostTbl);
    }

    #[test]
    fn what_is_there_already_is_enough() {
        let old = "id INT PRIMARY KEY";
        let now = "id INT PRIMARY KEY, j JSON, n INT(11), u INT UNSIGNED";
        assert_eq!(told(Some(old), now, "id INT PRIMARY KEY, j LONGTEXT, n INT, u INT UNSIGNED, KEY (n)"), "");
        assert_eq!(told(Some(old), old, "mine INT, id INT PRIMARY KEY, shard INT"), "");
        assert_eq!(told(None, old, "id INT PRIMARY KEY, shard INT"), "");
    }
}
