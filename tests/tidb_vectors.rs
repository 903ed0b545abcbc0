//! VECTOR columns into TiDB by every way of a load and by sync: equal to the last bit.

use std::time::Duration;

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{Release, Server},
    wait::until,
};

/// Zeros, the least number, 1/3, the largest; one whose shortest decimal isn't it by way of a double; a vector of other numbers of dimensions.
const TABLES: &str = "CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE d;
    CREATE TABLE v (id INT PRIMARY KEY, a VECTOR(4), b VECTOR(2) NOT NULL, c VARBINARY(20));
    INSERT INTO v VALUES (1, x'00000000000000800100000001000080', x'abaaaa3effff7f7f', x'0000803f'), (2, NULL, x'fd43ae15ffff7fff', x'');
    CREATE TABLE keyless (n INT, a VECTOR(1));
    INSERT INTO keyless VALUES (1, x'00000000'), (1, x'00000080'), (1, NULL), (1, x'00000080');
    CREATE TABLE wide (id INT PRIMARY KEY, a VECTOR(16383)); INSERT INTO wide VALUES (1, REPEAT(x'0100803f', 16383))";

/// Ways of the load: `import-mode` and what the dump gets.
const WAYS: [(&str, &str, &str); 3] =
    [("e1", "stream", ""), ("e2", "logical", ""), ("e3", "logical", "--filetype csv")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn vectors_arrive_bit_by_bit() {
    let start = || (Server::of(Release::Mysql97, &[]), Server::of(Release::Tidb, &[]));
    let (source, target) = tokio::task::spawn_blocking(start).await.unwrap();
    source.exec(TABLES).await;
    let cluster = Cluster::standalone();
    cluster.create_source("src-1", &source, true);
    for (schema, mode, extra) in WAYS {
        let task = cluster.file(
            "task.yaml",
            &format!(
                "name: {schema}\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \"123456\"}}\n\
                 mysql-instances:\n- {{source-id: src-1, block-allow-list: b, route-rules: [r], loader-config-name: l, \
                 mydumper-config-name: m}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\nroutes:\n  r: {{schema-pattern: d, target-schema: \
                 {schema}}}\nloaders:\n  l: {{import-mode: {mode}}}\nmydumpers:\n  m: {{extra-args: \"{extra}\"}}\n",
                target.port
            ),
        );
        let reply = cluster.dmctl(&["start-task", &task]);
        assert!(reply.contains("\"result\": true"), "{reply}");
        assert!(
            reply.contains("`a` of table `d`.`v` is a vector(4)"),
            "the check says nothing of shorter vectors: {reply}"
        );
    }
    are_equal(&source, &target, &cluster).await;

    source
        .exec(
            "UPDATE d.keyless SET n = 2 WHERE HEX(a) = '00000080' LIMIT 1; DELETE FROM d.keyless WHERE HEX(a) = '00000000'; UPDATE d.v SET \
             a = x'000080800000807fffff7fff0100803f' WHERE id < 0; UPDATE d.v SET a = x'00008080ffff7f7ffeff7fff0100803f' WHERE id = 1; \
             ALTER TABLE d.v ADD COLUMN e VECTOR(3); INSERT INTO d.v VALUES (3, NULL, x'0000000000000080', NULL, \
             x'0100000000000000ffff7f7f')",
        )
        .await;
    are_equal(&source, &target, &cluster).await;

    // Fewer numbers than the column has: TiDB's takes them without a number of its own.
    source.exec("INSERT INTO d.v VALUES (4, x'0000803f', x'0000803f0000803f', NULL, NULL)").await;
    until("all three tell why", Duration::from_secs(60), || async {
        let told = cluster.dmctl(&["query-status", "e1"])
            + &cluster.dmctl(&["query-status", "e2"])
            + &cluster.dmctl(&["query-status", "e3"]);
        let count = told.matches("vector has 1 dimensions, does not fit VECTOR(4)").count();
        if count >= 3 { Ok(()) } else { Err(told) }
    })
    .await;
    for (schema, ..) in WAYS {
        target.exec(&format!("ALTER TABLE {schema}.v MODIFY a VECTOR")).await;
        cluster.dmctl_ok(&["resume-task", schema]);
    }
    are_equal(&source, &target, &cluster).await;
}

async fn are_equal(source: &Server, target: &Server, cluster: &Cluster) {
    until("all targets are equal", Duration::from_secs(120), || async {
        for (schema, ..) in WAYS {
            let (mut a, mut b) = (source.conn().await, target.conn().await);
            let found = compare::schema_differences(&mut a, "d", &mut b, schema).await;
            if !found.is_empty() {
                return Err(format!("{schema}: {found:?}\n{}", cluster.logs_tail()));
            }
        }
        Ok(())
    })
    .await;
}
