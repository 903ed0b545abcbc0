//! Sequences before the tables, views behind the rows.

use mysql_async::{Conn, prelude::Queryable};

use super::{LoadUnit, create, folder::SchemaFile};
use crate::{
    error::{Code, Result, Scope},
    schema::model::quote_name,
    units::link,
};

/// Creates sequences, which tables may take their defaults from.
pub async fn sequences(unit: &LoadUnit, conn: &mut Conn, files: &[SchemaFile]) -> Result<()> {
    for file in files {
        match one(unit, conn, file).await? {
            Ok(()) => {}
            // It is there.
            Err(e) if link::errno(&e) == 1050 => {}
            Err(e) => {
                let what = format!("create from {}", file.name);
                return Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, &what, &e));
            }
        }
    }
    Ok(())
}

/// Creates views. One that can't be is a remark: no row depends on it.
pub async fn views(unit: &LoadUnit, conn: &mut Conn, files: &[SchemaFile]) -> Result<()> {
    let mut left: Vec<&SchemaFile> = files.iter().collect();
    // A view may stand on one that comes later.
    loop {
        let (before, mut failed) = (left.len(), Vec::new());
        for file in left {
            if file.target_schema != file.schema {
                unit.note(format!("{} is not created: the names in its text are those before the route", file.name));
                continue;
            }
            match one(unit, conn, file).await? {
                Err(e) if link::errno(&e) != 1050 => failed.push((file, e)),
                _ => {}
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        if failed.len() == before {
            for (file, e) in failed {
                unit.note(format!("{} is not created: {}", file.name, link::cause(&e)));
            }
            return Ok(());
        }
        left = failed.into_iter().map(|(file, _)| file).collect();
    }
}

/// Runs a file's statements in its target schema. The inner error is the target's answer.
async fn one(
    unit: &LoadUnit,
    conn: &mut Conn,
    file: &SchemaFile,
) -> Result<std::result::Result<(), mysql_async::Error>> {
    let sql =
        format!("USE {}; {}", quote_name(&file.target_schema), create::read(file)?.trim_end().trim_end_matches(';'));
    unit.answered("create views and sequences", async {
        match conn.query_drop(sql).await {
            Err(e) if link::is_broken(&e) => {
                Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, "create from a file", &e))
            }
            answered => Ok(answered),
        }
    })
    .await
}
