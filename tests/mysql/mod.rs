//! Connections, the binlog and SQL literals against real servers.

mod connections;
mod logins;
mod replay;
mod stream;
mod values;
mod values_diff;
mod values_kinds;
mod values_lone;
mod values_random;
mod values_tidb;

use std::time::Duration;

use dm::{
    config::Flavor,
    error::Scope,
    mysql::{
        BinlogPosition, ConnectOptions, ServerInfo,
        binlog::{BinlogStream, Event, EventBody, StartPoint, StreamOptions},
        connect, show_master_status,
    },
};

use crate::support::servers::{Kind, Server};

pub fn flavor(server: &Server) -> Flavor {
    if server.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb }
}

/// Where the server's binlog ends now.
pub async fn end_of_binlog(server: &Server) -> dm::mysql::Location {
    let mut conn = connect(&server.db_config(), Scope::Upstream, ConnectOptions::default()).await.unwrap();
    let info = ServerInfo::detect(&mut conn, Scope::Upstream).await.unwrap();
    assert_eq!(info.flavor, flavor(server));
    let location = show_master_status(&mut conn, &info).await.unwrap();
    conn.disconnect().await.unwrap();
    location
}

pub async fn open(server: &Server, start: StartPoint) -> BinlogStream {
    let options = StreamOptions { read_timeout: Duration::from_secs(20), ..Default::default() };
    BinlogStream::open(&server.db_config(), 77_001, flavor(server), start, options).await.unwrap()
}

/// All events from `start` up to the position, without heartbeats.
pub async fn events_until(server: &Server, start: StartPoint, end: &BinlogPosition) -> Vec<Event> {
    let mut stream = open(server, start).await;
    let mut events = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        if !matches!(event.body, EventBody::Heartbeat { .. }) {
            events.push(event);
        }
        if stream.position() >= end {
            return events;
        }
    }
}
