//! Sequences before the tables, views behind the rows.

use mysql_async::{Conn, prelude::Queryable};

use super::{LoadUnit, create, folder::SchemaFile};
use crate::{
    error::{Code, Result, Scope},
    rules::Router,
    schema::model::quote_name,
    units::link,
};

/// A view or sequence to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// For people: its file, or what it is on the source.
    name: String,
    schema: String,
    target_schema: String,
    sql: String,
}

impl Object {
    /// Those of a folder.
    pub fn of_files(files: &[SchemaFile]) -> Result<Vec<Object>> {
        let of = |file: &SchemaFile| {
            let (schema, target_schema) = (file.schema.clone(), file.target_schema.clone());
            Ok(Object { name: file.name.clone(), schema, target_schema, sql: create::read(file)? })
        };
        files.iter().map(of).collect()
    }

    /// Those of the source: schema, name and CREATE statement of each. `kind` is for people.
    pub fn of_source(kind: &str, found: &[(String, String, String)], router: &Router) -> Result<Vec<Object>> {
        let of = |(schema, name, sql): &(String, String, String)| {
            let (target_schema, _) = router.route(schema, name)?;
            let name = format!("{kind} {}.{}", quote_name(schema), quote_name(name));
            Ok(Object { name, schema: schema.clone(), target_schema, sql: sql.clone() })
        };
        found.iter().map(of).collect()
    }
}

/// Creates sequences, which tables may take their defaults from.
pub async fn sequences(unit: &LoadUnit, conn: &mut Conn, sequences: &[Object]) -> Result<()> {
    for sequence in sequences {
        match one(unit, conn, sequence).await? {
            Ok(()) => {}
            // It is there.
            Err(e) if link::errno(&e) == 1050 => {}
            Err(e) => {
                let what = format!("create {}", sequence.name);
                return Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, &what, &e));
            }
        }
    }
    Ok(())
}

/// Creates views. One that can't be is a remark: no row depends on it.
pub async fn views(unit: &LoadUnit, conn: &mut Conn, views: &[Object]) -> Result<()> {
    let mut left: Vec<&Object> = views.iter().collect();
    // A view may stand on one that comes later.
    loop {
        let (before, mut failed) = (left.len(), Vec::new());
        for view in left {
            if view.target_schema != view.schema {
                unit.note(format!("{} is not created: the names in its text are those before the route", view.name));
                continue;
            }
            match one(unit, conn, view).await? {
                Err(e) if link::errno(&e) != 1050 => failed.push((view, e)),
                _ => {}
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        if failed.len() == before {
            for (view, e) in failed {
                unit.note(format!("{} is not created: {}", view.name, link::cause(&e)));
            }
            return Ok(());
        }
        left = failed.into_iter().map(|(view, _)| view).collect();
    }
}

/// Runs an object's statements in its target schema. The inner error is the target's answer.
async fn one(unit: &LoadUnit, conn: &mut Conn, object: &Object) -> Result<std::result::Result<(), mysql_async::Error>> {
    let sql = format!("USE {}; {}", quote_name(&object.target_schema), object.sql.trim_end().trim_end_matches(';'));
    unit.answered("create views and sequences", async {
        match conn.query_drop(sql).await {
            Err(e) if link::is_broken(&e) => {
                Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, "create a view or sequence", &e))
            }
            answered => Ok(answered),
        }
    })
    .await
}
