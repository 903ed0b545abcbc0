//! Rights as the server answers: what SHOW GRANTS doesn't seem to give (roles, privileges of other makers, restrictions that
//! we don't read) is tried, where trying changes nothing and holds nothing up.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};

use super::{source::Source, tables::Tables};
use crate::{
    config::SubtaskConfig,
    mysql::{
        BinlogPosition,
        binlog::{BinlogStream, StartPoint, StreamOptions},
    },
    schema::model::quote_name,
    units::link,
};

/// A right that the grants don't show.
pub type Missing = (&'static str, String);

/// Access denied, in its forms.
const DENIED: [u16; 5] = [1044, 1045, 1142, 1143, 1227];

/// Tables that are tried for SELECT.
const MOST: usize = 1000;

/// Leaves what the server grants after all.
pub async fn still_missing(source: &mut Source<'_>, missing: Vec<Missing>, tables: &Tables) -> Vec<Missing> {
    let mut out = Vec::new();
    let mut tried = 0;
    for (right, on) in missing {
        let granted = match right {
            // The right is looked at before the table is looked for; with it, the table isn't found.
            "RELOAD" => {
                let granted = is_granted(&mut source.conn, "FLUSH TABLES `dm_check`.`dm_check` WITH READ LOCK").await;
                // In case it is there.
                let _ = source.conn.query_drop("UNLOCK TABLES").await;
                granted
            }
            "REPLICATION CLIENT" => {
                let command = source.status_command();
                is_granted(&mut source.conn, command).await
            }
            "REPLICATION SLAVE" if source.server.is_mariadb() => may_replicate(source.config).await,
            "REPLICATION SLAVE" => {
                let newer = source.server.version >= 80_022;
                is_granted(&mut source.conn, if newer { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" }).await
            }
            "SELECT" => {
                let of_schema = tables.keys().filter(|(schema, _)| format!("{}.*", quote_name(schema)) == on);
                let mut granted = true;
                for (schema, table) in of_schema {
                    tried += 1;
                    let sql = format!("SELECT 1 FROM {}.{} LIMIT 0", quote_name(schema), quote_name(table));
                    if tried > MOST || !is_granted(&mut source.conn, &sql).await {
                        granted = false;
                        break;
                    }
                }
                granted
            }
            _ => false,
        };
        if !granted {
            out.push((right, on));
        }
    }
    out
}

/// MariaDB wants another right for its statements about replicas, so the binlog itself is asked for: a file that isn't there,
/// which a replica without the right is not even told.
async fn may_replicate(config: &SubtaskConfig) -> bool {
    const LIMIT: Duration = Duration::from_secs(10);
    let options = StreamOptions { connect_timeout: LIMIT, read_timeout: LIMIT, ..StreamOptions::default() };
    let nowhere = StartPoint::Position(BinlogPosition { name: "dm-check.000001".into(), pos: 4 });
    // An id that no replica has, most probably: the server ends another stream of the same one.
    let id = u32::MAX - rand::random_range(1..1 << 24);
    let asked = async {
        let mut stream = BinlogStream::open(&config.from, id, config.flavor, nowhere, options).await?;
        stream.next().await.map(|_| ())
    };
    match asked.await {
        Ok(()) => true,
        Err(e) => e.raw_cause().contains("1236"),
    }
}

/// Whether the server does it, or refuses for another reason than rights.
async fn is_granted(conn: &mut Conn, sql: &str) -> bool {
    match conn.query_drop(sql).await {
        Ok(()) => true,
        Err(e) => !link::is_broken(&e) && !DENIED.contains(&link::errno(&e)),
    }
}
