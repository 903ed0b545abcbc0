//! Which table a name means. RENAME TABLE and EXCHANGE PARTITION give a name other rows and leave its structure as it was, so a
//! later snapshot must be asked whether it shows the same tables.

use std::collections::BTreeMap;

use mysql_async::Conn;

use super::plan::{TablePlan, rows, text};
use crate::{error::Result, schema::ServerInfo};

/// Tells the table from every other one that could take its name: changes with RENAME TABLE, EXCHANGE PARTITION and most other
/// statements. Empty: this source doesn't tell.
pub type Identity = String;

/// The identities of these tables, in their order.
///
/// InnoDB's numbers are for users with PROCESS. Without them the time of creation is what is left: MariaDB, and MySQL before 8, take it
/// from a file that RENAME TABLE touches; of later ones it moves with the table, and two tables may have been made in the same second.
/// No partition's rows are told by it.
pub async fn read(conn: &mut Conn, server: &ServerInfo, tables: &[TablePlan]) -> Result<Vec<Identity>> {
    let numbers = numbers(conn, server).await?;
    let mut of_time: BTreeMap<&str, usize> = BTreeMap::new();
    for table in tables {
        *of_time.entry(table.created.as_str()).or_default() += 1;
    }
    let identity = |table: &TablePlan| {
        let own = stored_name(&table.schema, &table.table).and_then(|name| numbers.get(&name));
        if let Some(own) = own {
            return format!("{} {own}", table.created);
        }
        let stamped = is_stamped(server) && table.engine.eq_ignore_ascii_case("InnoDB");
        let shared = !stamped && of_time.get(table.created.as_str()).is_some_and(|count| *count > 1);
        let partitioned = table.create_sql.contains("PARTITION BY");
        if shared || partitioned { Identity::new() } else { table.created.clone() }
    };
    Ok(tables.iter().map(identity).collect())
}

/// Whether the time of a table's creation changes with RENAME TABLE: it is that of a file.
pub fn is_stamped(server: &ServerInfo) -> bool {
    server.is_mariadb() || server.version < 80_000
}

/// InnoDB's numbers of each table, by its name in InnoDB; none: not for this user.
async fn numbers(conn: &mut Conn, server: &ServerInfo) -> Result<BTreeMap<String, String>> {
    let list = if is_stamped(server) { "INNODB_SYS_TABLES" } else { "INNODB_TABLES" };
    let sql = format!("SELECT NAME, TABLE_ID FROM information_schema.{list} ORDER BY NAME");
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let found = match rows(conn, &sql).await {
        Err(e) if e.raw_cause().starts_with("Error ") => {
            tracing::info!(error = %e, "InnoDB's numbers of tables are not for this user");
            return Ok(out);
        }
        found => found?,
    };
    for row in found {
        let name = text(&row, 0);
        // Of a partition: behind the table's name, in capitals on older releases.
        let table = name.split("#P#").next().unwrap_or_default().split("#p#").next().unwrap_or_default();
        let numbers = out.entry(table.to_owned()).or_default();
        numbers.push('/');
        numbers.push_str(&text(&row, 1));
    }
    Ok(out)
}

/// `db/table` as InnoDB has it: all but ASCII letters, digits and `_` as `@` and four hexadecimal digits. None: letters of other scripts,
/// which have a code of their own.
fn stored_name(schema: &str, table: &str) -> Option<String> {
    let mut out = String::new();
    for (at, name) in [schema, table].into_iter().enumerate() {
        if at > 0 {
            out.push('/');
        }
        for c in name.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => out.push(c),
                c if c.is_ascii() => out.push_str(&format!("@{:04x}", c as u32)),
                _ => return None,
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_innodb_has_them() {
        assert_eq!(stored_name("d-1", "a b.c").as_deref(), Some("d@002d1/a@0020b@002ec"));
        assert_eq!(stored_name("d", "é"), None);
    }
}
