//! ALTER TABLE clause by clause gives the table that the whole statement gives.

use dm::schema::{
    ServerInfo, SqlMode,
    ddl::{self, ParseContext},
};
use mysql_async::{Conn, Row, prelude::Queryable};

use crate::support::{release::Release, servers::Server};

const TABLE: &str = "CREATE TABLE {schema}.t (id INT NOT NULL AUTO_INCREMENT, a INT, b VARCHAR(20) NOT NULL DEFAULT 'x', \
    c TEXT, d DATETIME, e INT NOT NULL DEFAULT 0, f INT, PRIMARY KEY (id), KEY ka (a), UNIQUE KEY kb (b), KEY kab (a, b), \
    CONSTRAINT fk FOREIGN KEY (f) REFERENCES {schema}.parent (id)) DEFAULT CHARSET=latin1 COMMENT 'before'";

/// Statements of several clauses; later ones name what earlier ones make, and the other way round.
const STATEMENTS: [&str; 24] = [
    "ALTER TABLE t ADD n INT, ADD m INT AFTER a",
    "ALTER TABLE t ADD COLUMN (n INT, m VARCHAR(3) DEFAULT ',', KEY kn (n))",
    "ALTER TABLE t DROP a, DROP KEY ka, DROP KEY kab",
    "ALTER TABLE t DROP KEY ka, ADD KEY ka (e, a)",
    "ALTER TABLE t RENAME COLUMN a TO n, ADD KEY kn (n)",
    "ALTER TABLE t ADD KEY kn (n), RENAME COLUMN a TO n",
    "ALTER TABLE t ADD KEY kn (n), ADD COLUMN n INT FIRST",
    "ALTER TABLE t CHANGE a n BIGINT NOT NULL, MODIFY b VARCHAR(40) AFTER id, DROP KEY kb",
    "ALTER TABLE t RENAME KEY ka TO kx, DROP KEY kab, ADD KEY ka (d)",
    "ALTER TABLE t DROP d, ADD d VARCHAR(9) AFTER b",
    "ALTER TABLE t ALTER e SET DEFAULT 5, ALTER b DROP DEFAULT, ADD n INT DEFAULT 7",
    "ALTER TABLE t COMMENT='after', ADD n TEXT, DEFAULT CHARSET=utf8mb4",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ADD n VARCHAR(5)",
    "ALTER TABLE t ENGINE=InnoDB ROW_FORMAT=COMPRESSED, DROP c",
    "ALTER TABLE t DROP FOREIGN KEY fk, DROP KEY fk, DROP f",
    "ALTER TABLE t DROP FOREIGN KEY fk, ADD CONSTRAINT fk2 FOREIGN KEY (f) REFERENCES parent (id) ON DELETE CASCADE",
    "ALTER TABLE t MODIFY id INT NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id, e)",
    "ALTER TABLE t RENAME TO u, ADD n INT, DROP c",
    "ALTER TABLE t ADD n INT, ALGORITHM=COPY, LOCK=SHARED",
    "ALTER TABLE t /*!50100 ADD n INT */, DROP c /*!50000 , DROP d */",
    "ALTER TABLE t ADD CONSTRAINT ck CHECK (n > 0), ADD n INT",
    "ALTER TABLE t ADD n INT GENERATED ALWAYS AS (e + 1) STORED, ADD UNIQUE KEY un (n), ALTER INDEX ka INVISIBLE",
    "ALTER TABLE t DROP KEY kb, DROP FOREIGN KEY fk, MODIFY id INT NOT NULL, DROP PRIMARY KEY PARTITION BY HASH (e) PARTITIONS 3",
    "ALTER TABLE t ADD id2 INT NOT NULL, ADD KEY k2 (id2), MODIFY id INT NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id2)",
];

async fn fresh(conn: &mut Conn, schema: &str) {
    for sql in [
        format!("DROP DATABASE IF EXISTS {schema}"),
        format!("CREATE DATABASE {schema} CHARSET latin1"),
        format!("CREATE TABLE {schema}.parent (id INT PRIMARY KEY)"),
        TABLE.replace("{schema}", schema),
    ] {
        conn.query_drop(sql).await.unwrap();
    }
}

async fn tables(conn: &mut Conn, schema: &str) -> Vec<String> {
    let names: Vec<String> = conn.query(format!("SHOW TABLES FROM {schema}")).await.unwrap();
    let mut out = Vec::new();
    for name in names {
        let row: Row = conn.query_first(format!("SHOW CREATE TABLE {schema}.{name}")).await.unwrap().unwrap();
        out.push(row.get::<String, _>(1).unwrap().replace(&format!("`{schema}`"), "``"));
    }
    out
}

#[tokio::test]
async fn clause_by_clause_is_the_same_table() {
    let server = Server::of(Release::Mysql97, &[]);
    let mut conn = server.conn().await;
    let version: String = conn.query_first("SELECT VERSION()").await.unwrap().unwrap();
    let server = ServerInfo::parse(&version).unwrap();
    let mut wrong = Vec::new();
    for sql in STATEMENTS {
        for schema in ["whole", "parts"] {
            fresh(&mut conn, schema).await;
        }
        conn.query_drop("USE whole").await.unwrap();
        if let Err(error) = conn.query_drop(sql).await {
            wrong.push(format!("refused as a whole: {sql}\n  {error}"));
            continue;
        }
        let context = ParseContext { default_schema: "whole".into(), sql_mode: SqlMode::default(), server };
        let statement = ddl::parse(sql, &context).unwrap();
        let changes = statement.changes(|_, table| ("parts".to_owned(), table.to_owned()), true);
        let parts = statement.clause_parts();
        let texts: Vec<String> = match &parts {
            Some(parts) => {
                parts.iter().map(|part| statement.with_parts(sql, &changes, std::slice::from_ref(part))).collect()
            }
            None => vec![changes.apply(sql)],
        };
        for text in &texts {
            if let Err(error) = conn.query_drop(text).await {
                wrong.push(format!("{sql}\n  {text}\n  {error}"));
            }
        }
        let (whole, split) = (tables(&mut conn, "whole").await, tables(&mut conn, "parts").await);
        if whole != split {
            wrong.push(format!("{sql}\n  parts {texts:#?}\n  whole {whole:#?}\n  split {split:#?}"));
        }
    }
    conn.disconnect().await.unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), STATEMENTS.len(), wrong.join("\n\n"));
}
