//! Partitions of many tables from information_schema: its rows are put together to the text of `PARTITION BY`, which the
//! grammar reads.

use std::collections::BTreeMap;

use mysql_async::Conn;

use super::{
    Session,
    bulk::{Drafts, each, texts},
};
use crate::{
    error::Result,
    schema::{
        ddl::{self, ParseContext, StatementKind},
        model::quote_name,
        partition::{Partitioning, value_text},
        server::SqlMode,
        tracker::partition::{Place, build_all},
    },
};

/// The text of one table's partitions, while its rows arrive.
struct Text {
    head: String,
    /// Definitions by place.
    list: BTreeMap<u32, (String, BTreeMap<u32, String>)>,
    /// information_schema doesn't say enough.
    ambiguous: bool,
}

/// Reads the partitions of all drafts.
pub(super) async fn read(conn: &mut Conn, session: &Session, within: &str, drafts: &mut Drafts) -> Result<()> {
    let query = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, SUBPARTITION_METHOD, \
         PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION, PARTITION_DESCRIPTION, PARTITION_COMMENT, \
         PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION FROM information_schema.PARTITIONS \
         WHERE {within} AND PARTITION_NAME IS NOT NULL"
    );
    let mut found: BTreeMap<usize, Text> = BTreeMap::new();
    each(conn, &query, |row| {
        let [schema, table, name, subname, method, submethod, by, subby, values, comment, at, subat] = texts(row);
        let table = (schema.unwrap_or_default(), table.unwrap_or_default());
        let Some(draft) = drafts.by_name.get(&table) else { return };
        let method = method.unwrap_or_default();
        let text = found.entry(*draft).or_insert_with(|| {
            let sub = submethod.map(|method| format!(" SUBPARTITION BY {method} ({})", subby.unwrap_or_default()));
            let by = match method.as_str() {
                "SYSTEM_TIME" => String::new(),
                _ => format!(" ({})", by.unwrap_or_default()),
            };
            let head = format!("PARTITION BY {method}{by}{}", sub.unwrap_or_default());
            Text { head, list: BTreeMap::new(), ambiguous: false }
        });
        let values = values.unwrap_or_default();
        // MariaDB shows a DEFAULT partition as the value 0, and doesn't show intervals.
        let list = method.starts_with("LIST");
        text.ambiguous |= method == "SYSTEM_TIME" || (list && session.server.is_mariadb() && values == "0");
        let values = match (list, method.starts_with("RANGE")) {
            (true, _) => format!(" VALUES IN ({values})"),
            (_, true) => format!(" VALUES LESS THAN ({values})"),
            _ => String::new(),
        };
        let comment = format!(" COMMENT {}", value_text(&comment.unwrap_or_default()));
        let place = |at: Option<String>| at.and_then(|at| at.parse::<u32>().ok()).unwrap_or(u32::MAX);
        let name = quote_name(&name.unwrap_or_default());
        let own = text
            .list
            .entry(place(at))
            .or_insert_with(|| (format!("PARTITION {name}{values}{comment}"), BTreeMap::new()));
        if let Some(subname) = subname {
            own.1.insert(place(subat), format!("SUBPARTITION {}", quote_name(&subname)));
        }
    })
    .await?;
    for (draft, text) in found {
        let Some(draft) = drafts.list.get_mut(draft) else { continue };
        match text.parsed(session).filter(|_| !text.ambiguous) {
            Some(partitions) => draft.info.partition = Some(Box::new(partitions)),
            None => draft.ambiguous = true,
        }
    }
    Ok(())
}

impl Text {
    fn parsed(&self, session: &Session) -> Option<Partitioning> {
        let definition = |(head, sub): &(String, BTreeMap<u32, String>)| match sub.is_empty() {
            true => head.clone(),
            false => format!("{head} ({})", sub.values().cloned().collect::<Vec<_>>().join(", ")),
        };
        let list: Vec<String> = self.list.values().map(definition).collect();
        let sql = format!("CREATE TABLE t (c INT) {} ({})", self.head, list.join(", "));
        let context =
            ParseContext { default_schema: "d".to_owned(), sql_mode: SqlMode::default(), server: session.server };
        match ddl::parse(&sql, &context).ok()?.kind {
            StatementKind::CreateTable(create) => {
                let place = Place { server: session.server, zone: None };
                build_all(create.partition.as_deref(), place).ok().flatten().map(|boxed| *boxed)
            }
            _ => None,
        }
    }
}
