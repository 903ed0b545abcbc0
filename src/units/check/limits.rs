//! Rows and keys that are too long for the target, keys and defaults of vectors that TiDB doesn't take. A server finds that only
//! while it creates a table, so a temporary one is made of what may be refused, which lives in our session, is in no binlog, and is dropped at once. Without the right to it, or a
//! schema to make it in, nothing is known, which the check says.

use mysql_async::{Conn, prelude::Queryable};

use crate::{
    error::{Code, Result, Scope},
    schema::model::quote_name,
    units::link,
};

/// Too many keys or parts of one, keys, columns and rows that are too long, too many columns; TiDB's of an index and a row.
pub const ERRORS: [u16; 8] = [1069, 1070, 1071, 1074, 1117, 1118, 1709, 8025];

/// What TiDB says of keys and defaults of vectors: a function that it doesn't take in a default is 3770.
fn is_of_vectors(error: &mysql_async::Error) -> bool {
    let errno = link::errno(error);
    errno == 3770 || (matches!(errno, 1105 | 8200) && link::cause(error).contains("VECTOR"))
}

/// A schema that is there, for temporary tables: one of the task's, or one that servers come with.
pub async fn home<'a>(target: &mut Conn, schemas: impl Iterator<Item = &'a str>) -> Option<String> {
    let there: Vec<String> = target.query("SHOW DATABASES").await.ok()?;
    let mut wanted = schemas.chain(["test", "mysql"]);
    wanted.find(|name| there.iter().any(|own| own == name)).map(str::to_owned)
}

/// What came of a temporary table.
pub enum Tried {
    /// It fits, or was refused for something that says nothing of its size: temporary tables have no partitions, foreign keys and
    /// full-text keys.
    Fits,
    Refused(mysql_async::Error),
    /// Why it could not be tried.
    Untried(String),
}

/// Not allowed to this user: in the schema, on the table, or at all; a server that only reads.
const DENIED: [u16; 5] = [1044, 1142, 1227, 1290, 1836];

/// Tries whether the target refuses the table of a CREATE TABLE (which names `schema`).
pub async fn refused(target: &mut Conn, sql: &str, schema: &str, home: Option<&str>) -> Result<Tried> {
    let Some(home) = home else { return Ok(Tried::Untried("no schema that is there".into())) };
    let Some(sql) = temporary(sql, schema, home) else {
        return Ok(Tried::Untried("its CREATE TABLE isn't understood".into()));
    };
    let answered = target.query_drop(sql).await;
    // Or the session ends, and the table with it.
    let _ = target.query_drop(format!("DROP TEMPORARY TABLE IF EXISTS {}.`dm_check`", quote_name(home))).await;
    match answered {
        Err(e) if link::is_broken(&e) => {
            Err(link::failed(Code::DBQueryFailed, Scope::Downstream, "ask the target for its limits", &e))
        }
        Err(e) if ERRORS.contains(&link::errno(&e)) || is_of_vectors(&e) => Ok(Tried::Refused(e)),
        Err(e) if DENIED.contains(&link::errno(&e)) => Ok(Tried::Untried(link::cause(&e))),
        _ => Ok(Tried::Fits),
    }
}

/// The statement for a temporary table in another schema. Partitions are left out, which such tables can't have.
fn temporary(sql: &str, schema: &str, home: &str) -> Option<String> {
    let rest = sql.strip_prefix("CREATE TABLE ")?;
    let rest = rest.strip_prefix("IF NOT EXISTS ").unwrap_or(rest);
    let rest = rest.strip_prefix(&format!("{}.`dm_check`", quote_name(schema)))?;
    let (body, options) =
        rest.rsplit_once("\n)").filter(|(_, options)| !options.contains("PARTITION")).or_else(|| {
            // Behind the columns: the last line that closes them is followed by the options.
            let at = rest.find("\n) ")?;
            let (body, tail) = rest.split_at(at);
            let options = tail.get(2..)?;
            let end = ["\n PARTITION BY", "\nPARTITION BY", "\n/*!"].iter().filter_map(|mark| options.find(mark)).min();
            Some((body, options.get(..end.unwrap_or(options.len()))?))
        })?;
    Some(format!("CREATE TEMPORARY TABLE {}.`dm_check`{body}\n){options}", quote_name(home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_table_has_no_partitions() {
        let sql = "CREATE TABLE IF NOT EXISTS `d`.`dm_check` (\n  `a` int,\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB";
        let wanted = "CREATE TEMPORARY TABLE `m`.`dm_check` (\n  `a` int,\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB";
        assert_eq!(temporary(sql, "d", "m").as_deref(), Some(wanted));
        let parts = format!(
            "{sql}\n PARTITION BY RANGE (`a`)\n(PARTITION `p0` VALUES LESS THAN (1),\n PARTITION `p1` VALUES LESS THAN (2))"
        );
        assert_eq!(temporary(&parts, "d", "m").as_deref(), Some(wanted));
        assert_eq!(temporary("CREATE TABLE x (a int)", "d", "m"), None);
    }
}
