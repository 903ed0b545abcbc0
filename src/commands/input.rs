//! What users give as arguments: files, and tasks by name or by file.

use crate::{
    config::{SourceConfig, TaskConfig},
    dmctl::session::Failure,
};

/// The text of a file.
pub fn read_file(path: &str) -> Result<String, Failure> {
    let failed = |reason: String| Failure::Text(format!("error in get file content: {path}: {reason}"));
    let bytes = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    String::from_utf8(bytes).map_err(|_| failed("the file is not UTF-8 text".to_owned()))
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
