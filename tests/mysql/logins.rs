//! Every login plugin, for the driver's connections and for the binlog stream, with and without TLS.

use dm::{
    config::{DbConfig, Flavor, Secret, Security},
    error::Scope,
    mysql::{
        ConnectOptions,
        binlog::{BinlogStream, StartPoint, StreamOptions},
        connect,
    },
};

use super::{end_of_binlog, flavor};
use crate::support::servers::{Release, Server};

/// What each of the two connections answers: empty, or the cause of the refusal.
async fn both(cfg: &DbConfig, flavor: Flavor, start: &StartPoint) -> [String; 2] {
    let plain = connect(cfg, Scope::Upstream, ConnectOptions::default()).await;
    let stream = match BinlogStream::open(cfg, 9, flavor, start.clone(), StreamOptions::default()).await {
        Ok(mut stream) => stream.next().await.map(drop),
        Err(error) => Err(error),
    };
    [plain.map(drop), stream].map(|result| result.err().map(|e| e.raw_cause().to_owned()).unwrap_or_default())
}

async fn log_in(server: &Server, users: &[(&str, &str)], security: &[Option<Security>]) {
    let start = StartPoint::Position(end_of_binlog(server).await.position);
    for (user, password) in users {
        for security in security {
            let mut cfg = server.db_config();
            (cfg.user, cfg.security) = ((*user).into(), security.clone());
            // Twice: the second time the server may know the password already, and asks for less.
            for _ in 0..2 {
                cfg.password = Secret((*password).into());
                let tls = security.is_some();
                assert_eq!(both(&cfg, flavor(server), &start).await, ["", ""], "{:?} {user} {tls}", server.release);
            }
            cfg.password = Secret("wrong".into());
            for cause in both(&cfg, flavor(server), &start).await {
                assert!(cause.starts_with("Error 1045 (28000): Access denied"), "{:?} {user}: {cause}", server.release);
            }
        }
    }
}

#[tokio::test]
async fn mariadb_knows_three_plugins() {
    let server = Server::of(
        Release::Mariadb118,
        &["--plugin-load-add=auth_ed25519", "--plugin-load-add=auth_parsec", "--plugin-maturity=unknown"],
    );
    server
        .exec(
            "CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('p w\u{e4}');
             CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('p w\u{e4}');
             CREATE USER parsec@'%' IDENTIFIED VIA parsec USING PASSWORD('p w\u{e4}');
             GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO native@'%', ed@'%', parsec@'%'",
        )
        .await;
    let password = "p w\u{e4}";
    // It makes itself a certificate at each start: nothing to check it against but that it encrypts.
    let users = [("native", password), ("ed", password), ("parsec", password)];
    log_in(&server, &users, &[None]).await;
}

#[tokio::test]
async fn mysql_plugins_of_every_release() {
    let password = "p w\u{e4}";
    for (release, plugins) in [
        (Release::Mysql56, &["mysql_native_password"][..]),
        (Release::Mysql57, &["mysql_native_password"]),
        (Release::Mysql80, &["mysql_native_password", "caching_sha2_password"]),
        (Release::Mysql97, &["caching_sha2_password"]),
    ] {
        let server = Server::of(release, &[]);
        let mut users = Vec::new();
        for plugin in plugins {
            let user = &plugin[..7];
            let create = match release {
                Release::Mysql56 => format!("CREATE USER {user}@'%' IDENTIFIED BY '{password}'"),
                _ => format!("CREATE USER {user}@'%' IDENTIFIED WITH {plugin} BY '{password}'"),
            };
            server.exec(&format!("SET NAMES utf8; {create}; GRANT REPLICATION SLAVE ON *.* TO {user}@'%'")).await;
            users.push((user, password));
        }
        let mut security = vec![None];
        let folder = server.text("SELECT @@datadir").await;
        let read = |name: &str| std::fs::read(std::path::Path::new(&folder).join(name)).ok();
        if let (Some(ssl_cert_bytes), Some(ssl_key_bytes)) = (read("client-cert.pem"), read("client-key.pem"))
            && release != Release::Mysql57
        {
            security.push(Some(Security { ssl_cert_bytes, ssl_key_bytes, ..Default::default() }));
        }
        log_in(&server, &users, &security).await;
    }
}

#[tokio::test]
async fn a_plugin_that_only_one_connection_knows_is_named_with_a_way_out() {
    let server = Server::of(Release::Mysql80, &[]);
    server
        .exec(
            "CREATE USER sha@'%' IDENTIFIED WITH sha256_password BY 'secret';
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO sha@'%'",
        )
        .await;
    let start = StartPoint::Position(end_of_binlog(&server).await.position);
    let mut cfg = server.db_config();
    (cfg.user, cfg.password) = ("sha".into(), Secret("secret".into()));
    let [plain, stream] = both(&cfg, Flavor::Mysql, &start).await;
    assert!(plain.contains("`sha256_password`") && plain.contains("caching_sha2_password"), "{plain}");
    assert_eq!(stream, "");
}
