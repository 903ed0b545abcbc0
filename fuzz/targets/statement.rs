//! A statement and what it was written under, from fuzzed bytes: the first says server and SQL mode, the rest is text.

use dm::{
    config::Flavor,
    schema::{
        ddl::ParseContext,
        server::{ServerInfo, SqlMode},
    },
};

const SERVERS: [(Flavor, u32); 8] = [
    (Flavor::Mysql, 50_651),
    (Flavor::Mysql, 50_744),
    (Flavor::Mysql, 80_040),
    (Flavor::Mysql, 90_700),
    (Flavor::Mariadb, 100_528),
    (Flavor::Mariadb, 101_111),
    (Flavor::Mariadb, 110_802),
    (Flavor::Mysql, 80_400),
];

/// Bits 0-2: server, 3: ANSI_QUOTES, 4: NO_BACKSLASH_ESCAPES, 5: REAL_AS_FLOAT and
/// HIGH_NOT_PRECEDENCE, 6: a default schema, 7: ORACLE.
pub fn read(data: &[u8]) -> Option<(ParseContext, &str)> {
    let (head, text) = data.split_first()?;
    let (flavor, version) = SERVERS[usize::from(head & 7)];
    let has = |bit: u8| head >> bit & 1 == 1;
    let modes = [(3, "ANSI_QUOTES"), (4, "NO_BACKSLASH_ESCAPES"), (5, "REAL_AS_FLOAT,HIGH_NOT_PRECEDENCE"), (7, "ORACLE")];
    let modes: Vec<&str> = modes.into_iter().filter(|(bit, _)| has(*bit)).map(|(_, mode)| mode).collect();
    let sql_mode = SqlMode::parse(&modes.join(","));
    let default_schema = if has(6) { "here".to_owned() } else { String::new() };
    let server = ServerInfo { flavor, version };
    Some((ParseContext { default_schema, sql_mode, server }, std::str::from_utf8(text).ok()?))
}
