//! Online schema changes: the statements that gh-ost and pt-osc issue, crashes between any two of them, runs that were
//! not seen from their beginning, and the tools themselves.

mod crashes;
mod long_ddl;
mod shapes;
mod tools;
mod unseen;

use std::time::Duration;

use dm::config::SubtaskConfig;

use crate::{
    support::{
        compare,
        servers::{self, Server},
        wait,
    },
    units_sync::{Running, subtask},
};

/// (source, target, gtid)
fn pairs() -> Vec<(Server, Server, bool)> {
    vec![(servers::mariadb(), servers::mysql(), true), (servers::mysql(), servers::mariadb(), false)]
}

fn config(source: &Server, target: &Server, gtid: bool) -> SubtaskConfig {
    SubtaskConfig { name: format!("o{}{}", source.port, target.port), ..subtask(source, target, gtid) }
}

/// The statements of gh-ost 1.1 on `d`.`table`, up to the cut-over.
fn gh_ost_begins(table: &str, columns: &str, alters: &[&str]) -> String {
    let mut sql = format!(
        "drop /* gh-ost */ table if exists `d`.`_{table}_gho`; drop /* gh-ost */ table if exists `d`.`_{table}_del`;
         drop /* gh-ost */ table if exists `d`.`_{table}_ghc`;
         create /* gh-ost */ table `d`.`_{table}_ghc` (id bigint unsigned auto_increment,
           last_update timestamp not null DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
           hint varchar(64) charset ascii not null, value varchar(4096) charset ascii not null, primary key(id),
           unique key hint_uidx(hint)) auto_increment=256 comment='gh-ost';
         create /* gh-ost */ table `d`.`_{table}_gho` like `d`.`{table}`;"
    );
    for alter in alters {
        sql.push_str(&format!("alter /* gh-ost */ table `d`.`_{table}_gho` {alter};"));
    }
    sql.push_str(&format!(
        "insert /* gh-ost */ into `d`.`_{table}_ghc` (id, hint, value) values (2, 'state', 'GhostTableMigrated')
           on duplicate key update last_update=NOW(), value=VALUES(value);
         insert /* gh-ost `d`.`{table}` */ ignore into `d`.`_{table}_gho` ({columns})
           (select {columns} from `d`.`{table}` force index (`PRIMARY`) lock in share mode);"
    ));
    sql
}

/// The cut-over: the sentry table, the swap, and what is cleaned up.
fn gh_ost_ends(table: &str) -> String {
    format!(
        "create /* gh-ost */ table `d`.`_{table}_del` (id int auto_increment primary key) engine=InnoDB
           comment='ghost-cut-over-sentry';
         drop /* gh-ost */ table if exists `d`.`_{table}_del`;
         rename /* gh-ost */ table `d`.`{table}` to `d`.`_{table}_del`, `d`.`_{table}_gho` to `d`.`{table}`;
         drop /* gh-ost */ table if exists `d`.`_{table}_ghc`; drop /* gh-ost */ table if exists `d`.`_{table}_del`;"
    )
}

/// What a schema's tables are made of, without what rows change.
async fn structure(server: &Server, schema: &str) -> String {
    let sql = format!(
        "SELECT CONCAT_WS('; ',
           (SELECT GROUP_CONCAT(CONCAT_WS(' ', table_name, column_name, data_type, character_maximum_length, is_nullable)
              ORDER BY HEX(LOWER(table_name)), ordinal_position) FROM information_schema.columns WHERE table_schema = '{schema}'),
           (SELECT GROUP_CONCAT(CONCAT_WS(' ', table_name, index_name, non_unique, column_name)
              ORDER BY HEX(LOWER(table_name)), HEX(LOWER(index_name)), seq_in_index) FROM information_schema.statistics WHERE table_schema = '{schema}'),
           (SELECT GROUP_CONCAT(CONCAT_WS(' ', table_name, constraint_name, referenced_table_name)
              ORDER BY HEX(LOWER(table_name)), HEX(LOWER(constraint_name))) FROM information_schema.referential_constraints
              WHERE constraint_schema = '{schema}'))"
    );
    let mut conn = server.conn().await;
    use mysql_async::prelude::Queryable;
    conn.query_drop("SET SESSION group_concat_max_len = 1000000").await.unwrap();
    let text: Option<String> = conn.query_first(sql).await.unwrap();
    text.unwrap_or_default().to_lowercase()
}

/// Waits until schema `d` holds the same on both sides.
async fn same(source: &Server, target: &Server) {
    wait::until("equal data", Duration::from_secs(60), || async {
        let (mut from, mut to) = (source.conn().await, target.conn().await);
        let found = compare::schema_differences(&mut from, "d", &mut to, "d").await;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:#?}")) }
    })
    .await;
}

/// The same, while the unit runs.
async fn equal(source: &Server, target: &Server, running: &mut Running) {
    tokio::select! {
        () = same(source, target) => {}
        error = running.ended() => panic!("the unit ended: {error}"),
    }
}

/// Both sides hold the same, in the same structure, and nothing is kept any more.
async fn ended_equal(source: &Server, target: &Server, config: &SubtaskConfig, running: &mut Running) {
    equal(source, target, running).await;
    // The last statement may change no row.
    let alike = wait::until("the same structure", Duration::from_secs(30), || async {
        let (wanted, found) = (structure(source, "d").await, structure(target, "d").await);
        if found == wanted { Ok(()) } else { Err(format!("{found}\ninstead of\n{wanted}")) }
    });
    tokio::select! {
        () = alike => {}
        error = running.ended() => panic!("the unit ended: {error}"),
    }
    let none = wait::until("nothing is kept", Duration::from_secs(10), || async {
        let kept = kept(target, config).await;
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    });
    tokio::select! {
        () = none => {}
        error = running.ended() => panic!("the unit ended: {error}"),
    }
}

/// The kept records.
async fn kept(target: &Server, config: &SubtaskConfig) -> String {
    let columns = "CONCAT_WS(' ', ghost_schema, ghost_table, ddls)";
    target
        .text(&format!("SELECT GROUP_CONCAT({columns} ORDER BY ghost_table) FROM dm_meta.{}_onlineddl", config.name))
        .await
}
