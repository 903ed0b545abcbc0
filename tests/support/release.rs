//! The server releases that tests run against, and how each is started.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

use super::servers::Kind;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Release {
    Mysql56,
    Mysql57,
    Mysql80,
    Mysql97,
    Mariadb105,
    Mariadb1011,
    Mariadb118,
    /// A target only; its tests are a tier of their own (`make test-tidb`).
    Tidb,
}

impl Release {
    /// Every release that can be a source.
    pub const ALL: [Release; 7] = [
        Release::Mysql56,
        Release::Mysql57,
        Release::Mysql80,
        Release::Mysql97,
        Release::Mariadb105,
        Release::Mariadb1011,
        Release::Mariadb118,
    ];

    /// The releases of an everyday test; with `DM_RELEASES=all` all that it is for, with `DM_RELEASES=mysql56,mariadb105`
    /// those of them.
    pub fn chosen(everyday: &[Release], all: &[Release]) -> Vec<Release> {
        let named = |release: &Release, names: &str| {
            names.split(',').any(|name| name.eq_ignore_ascii_case(&format!("{release:?}")))
        };
        match std::env::var("DM_RELEASES") {
            Ok(names) if names == "all" => all.to_vec(),
            Ok(names) => {
                let known =
                    |name: &str| Release::ALL.iter().chain([&Release::Tidb]).any(|release| named(release, name));
                assert!(names.split(',').all(known), "DM_RELEASES={names} names a release that there is not");
                all.iter().copied().filter(|release| named(release, &names)).collect()
            }
            Err(_) => everyday.to_vec(),
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Release::Mysql56 | Release::Mysql57 | Release::Mysql80 | Release::Mysql97 => Kind::Mysql,
            Release::Mariadb105 | Release::Mariadb1011 | Release::Mariadb118 => Kind::Mariadb,
            Release::Tidb => Kind::Tidb,
        }
    }

    /// For people: `MySQL 8.0`.
    pub fn title(self) -> &'static str {
        match self {
            Release::Mysql56 => "MySQL 5.6",
            Release::Mysql57 => "MySQL 5.7",
            Release::Mysql80 => "MySQL 8.0",
            Release::Mysql97 => "MySQL 9.7",
            Release::Mariadb105 => "MariaDB 10.5",
            Release::Mariadb1011 => "MariaDB 10.11",
            Release::Mariadb118 => "MariaDB 11.8",
            Release::Tidb => "TiDB",
        }
    }

    /// Its name for `scripts/servers.sh`, and its folder there.
    fn name(self) -> &'static str {
        match self {
            Release::Mysql56 => "mysql56",
            Release::Mysql57 => "mysql57",
            Release::Mysql80 => "mysql80",
            Release::Mysql97 => "mysql",
            Release::Mariadb105 => "mariadb105",
            Release::Mariadb1011 => "mariadb",
            Release::Mariadb118 => "mariadb118",
            Release::Tidb => "tidb",
        }
    }

    /// An initialised datadir to copy; None for TiDB, which makes its own. The release is fetched when it is not there yet.
    pub fn template(self) -> Option<PathBuf> {
        let folder = home().join(self.name());
        let template = folder.join("template");
        let there = || template.join("mysql").exists() || folder.join("tidb-server").exists();
        // one release at a time, and a failed one is not tried again by every test
        static TRIED: Mutex<Option<HashSet<Release>>> = Mutex::new(None);
        let mut tried = TRIED.lock().unwrap_or_else(|e| e.into_inner());
        if !there() && tried.get_or_insert_default().insert(self) {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers.sh");
            let done = Command::new(script).arg(self.name()).status();
            assert!(done.is_ok_and(|s| s.success()), "scripts/servers.sh {} failed", self.name());
        }
        assert!(there(), "no server {}: run scripts/servers.sh {}", self.title(), self.name());
        (self != Release::Tidb).then_some(template)
    }

    /// The tidb-server program.
    pub fn tidb_program(self) -> String {
        home().join("tidb/tidb-server").display().to_string()
    }

    /// The program and the options that only this release needs.
    pub fn command(self) -> String {
        let tree = home().join(self.name()).join("tree");
        let (tree, usr) = (tree.display(), tree.join("usr").display().to_string());
        let mysql = "--gtid-mode=ON --enforce-gtid-consistency=ON --log-slave-updates --innodb-log-file-size=64M";
        let mariadb = "--gtid-domain-id=0 --log-slave-updates --innodb-log-file-size=64M";
        let maria_tree = format!(
            "{usr}/sbin/mariadbd --no-defaults --basedir={usr} --plugin-dir={usr}/lib/mysql/plugin \
             --lc-messages-dir={usr}/share/mysql --character-sets-dir={usr}/share/mysql/charsets {mariadb}"
        );
        match self {
            Release::Mysql56 | Release::Mysql57 => format!(
                "{tree}/bin/mysqld --no-defaults --basedir={tree} --lc-messages-dir={tree}/share --performance-schema=OFF {mysql}{}",
                if self == Release::Mysql57 { " --secure-file-priv=" } else { "" }
            ),
            Release::Mysql80 => format!(
                "{tree}/bin/mysqld --no-defaults --basedir={tree} --lc-messages-dir={tree}/share --mysqlx=OFF \
                 --gtid-mode=ON --enforce-gtid-consistency=ON --secure-file-priv= --innodb-redo-log-capacity=64M"
            ),
            Release::Mysql97 => format!(
                "{usr}/sbin/mysqld --no-defaults --basedir={usr} --plugin-dir={usr}/lib/mysql/plugin --lc-messages-dir={usr}/share/mysql \
                 --character-sets-dir={usr}/share/mysql/charsets --mysqlx=OFF --gtid-mode=ON \
                 --enforce-gtid-consistency=ON --secure-file-priv= --innodb-redo-log-capacity=64M"
            ),
            Release::Mariadb1011 => {
                let program = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/bin/mariadbd"]
                    .into_iter()
                    .find(|p| Path::new(p).exists())
                    .unwrap_or("mariadbd");
                format!("{program} --no-defaults {mariadb}")
            }
            Release::Mariadb105 | Release::Mariadb118 => maria_tree,
            Release::Tidb => self.tidb_program(),
        }
    }
}

/// Where `scripts/servers.sh` puts servers.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".dm/servers");
        std::env::var_os("DM_SERVERS").map_or_else(own, PathBuf::from)
    })
}
