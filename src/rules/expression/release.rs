//! Which servers' results are known: those that `tests/expression` compares with. Where servers differ, an expression is
//! evaluated as the source's release does; for a version between two of them as both, and they must agree.

use crate::{config::subtask::Flavor, schema::ServerInfo};

pub const MYSQL_57: u32 = 50_700;
pub const MYSQL_80: u32 = 80_000;
/// TIMESTAMP functions know the years from 2038 on (manual 14.7, under UNIX_TIMESTAMP).
pub const MYSQL_8028: u32 = 80_028;
pub const MYSQL_97: u32 = 90_700;
pub const MARIADB_1011: u32 = 101_100;
pub const MARIADB_118: u32 = 110_800;

const MYSQL: [u32; 4] = [50_600, MYSQL_57, MYSQL_80, MYSQL_97];
const MARIADB: [u32; 3] = [100_500, MARIADB_1011, MARIADB_118];

/// The releases as which a source evaluates: one, or the two known ones around its version.
pub fn known(server: ServerInfo) -> Vec<ServerInfo> {
    let releases: &[u32] = if server.flavor == Flavor::Mariadb { &MARIADB } else { &MYSQL };
    let below = releases.iter().rev().find(|release| **release <= server.version);
    let above = releases.iter().find(|release| **release > server.version);
    let at = |version: u32| ServerInfo { version, ..server };
    match (below, above) {
        // All of a release's patch versions are alike, but for what its number is asked for.
        (Some(below), _) if below / 100 == server.version / 100 => vec![server],
        (Some(below), Some(above)) => vec![at(below + 99), at(*above)],
        (Some(_), None) => vec![server],
        (None, first) => first.map(|first| at(*first)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_between_two_releases_is_both() {
        let versions = |flavor, version| {
            known(ServerInfo { flavor, version }).into_iter().map(|server| server.version).collect::<Vec<_>>()
        };
        assert_eq!(versions(Flavor::Mysql, 50_744), [50_744]);
        assert_eq!(versions(Flavor::Mysql, 80_036), [80_036]);
        assert_eq!(versions(Flavor::Mysql, 80_400), [80_099, 90_700]);
        assert_eq!(versions(Flavor::Mysql, 100_000), [100_000]);
        assert_eq!(versions(Flavor::Mysql, 50_540), [50_600]);
        assert_eq!(versions(Flavor::Mariadb, 100_618), [100_599, 101_100]);
        assert_eq!(versions(Flavor::Mariadb, 110_402), [101_199, 110_800]);
    }
}
