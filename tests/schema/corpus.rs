//! The corpus: one file a topic, one statement a line, executed in order in a schema `d` of its own.
//!
//! A line that begins with a blank goes on with the statement before. `--` begins a comment. Every statement is sent to
//! every server, which decides by itself whether it takes it. `SET` statements change the session, as a client's would.

use std::path::Path;

/// One file of the corpus.
pub struct Topic {
    pub name: String,
    pub statements: Vec<String>,
}

/// All topics, by name.
pub fn topics() -> Vec<Topic> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/corpus");
    let mut topics: Vec<Topic> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| Topic {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            statements: statements(&std::fs::read_to_string(&path).unwrap()),
        })
        .collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    topics
}

fn statements(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("--")) {
        match all.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.push('\n');
                last.push_str(line);
            }
            _ => all.push(line.trim_end().to_owned()),
        }
    }
    all
}

/// Statements about the session, which no binlog holds.
pub fn is_setting(sql: &str) -> bool {
    let head = sql.get(..4).unwrap_or("").to_ascii_uppercase();
    (head == "SET " && !sql.to_ascii_uppercase().starts_with("SET STATEMENT")) || head == "USE "
}

/// Whether the statement begins (true) or ends to hold locks that others wait for without an end; None: neither.
pub fn locks(sql: &str) -> Option<bool> {
    let sql = sql.to_ascii_uppercase();
    let begins = sql.starts_with("LOCK TABLE") || sql.starts_with("FLUSH TABLE") && sql.contains("READ LOCK");
    if begins { Some(true) } else { sql.starts_with("UNLOCK TABLES").then_some(false) }
}
