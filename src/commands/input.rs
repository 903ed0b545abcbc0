//! What users give as arguments: files, and tasks by name or by file.

use std::io::Write;

use crate::{
    config::{SourceConfig, TaskConfig},
    dmctl::session::Failure,
};

/// The text of a file.
pub fn read_file(path: &str) -> Result<String, Failure> {
    let failed = |reason: String| Failure::Text(format!("error in get file content: {reason}"));
    let bytes = std::fs::read(path).map_err(|e| failed(open_error(path, &e)))?;
    String::from_utf8(bytes).map_err(|_| failed(format!("{path}: the file is not UTF-8 text")))
}

/// Why a file can't be opened, in the form that scripts around DM know: `open x: no such file or directory`.
pub fn open_error(path: &str, error: &std::io::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    format!("open {path}: {}{}", first.map_or(String::new(), String::from), letters.as_str())
}

fn looks_like_file(argument: &str) -> bool {
    argument.ends_with(".yaml") || argument.ends_with(".yml")
}

/// A task by name, or by a task file that holds its name.
pub fn task_name(argument: &str) -> String {
    let from_file = || {
        let text = std::fs::read_to_string(argument).ok()?;
        let name = TaskConfig::decode_yaml(&text).ok()?.name;
        (!name.is_empty()).then_some(name)
    };
    looks_like_file(argument).then(from_file).flatten().unwrap_or_else(|| argument.to_owned())
}

/// A source by id, or by a source file that holds its id.
pub fn source_id(argument: &str) -> Result<String, Failure> {
    if !looks_like_file(argument) {
        return Ok(argument.to_owned());
    }
    Ok(SourceConfig::from_yaml_file(argument, &read_file(argument)?)?.source_id)
}

/// Names the file of a refused task on stderr. The leader knows the file's text and not its name; the reply on stdout
/// stays as scripts know it.
pub fn name_the_file(path: &str, result: bool, msg: &str) {
    if !result && msg.starts_with("[code=20") {
        let _ = writeln!(std::io::stderr(), "the mistake is in the file {path}");
    }
}
