//! Style that reviewers would otherwise have to repeat, kept by a test (docs/architecture.md, house rules).

use std::{
    fs,
    path::{Path, PathBuf},
};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;
/// Module names that say nothing about what lives in them.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "types", "helpers", "misc"];

struct Source {
    path: PathBuf,
    text: String,
}

fn rust_files() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for top in ["src", "tests", "examples"] {
        walk(&root.join(top), &mut found);
    }
    assert!(found.len() > 20, "the tidy test found only {} files", found.len());
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { path, text });
        }
    }
}

fn report(what: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

#[test]
fn files_are_short() {
    let long = rust_files().into_iter().filter(|f| f.text.lines().count() > MAX_FILE_LINES);
    report("files over 500 lines", long.map(|f| format!("{}: {}", f.path.display(), f.text.lines().count())).collect());
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for file in rust_files() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            if !starts_function(code) {
                continue;
            }
            // rustfmt puts the closing brace of an item at the item's own indentation
            let close = format!("{}}}", " ".repeat(indent));
            let end = lines[start..].iter().position(|l| *l == close).unwrap_or(0);
            let one_line = line.ends_with(';') || line.ends_with('}');
            if !one_line && end > MAX_FUNCTION_LINES {
                long.push(format!("{}:{}: {end} lines", file.path.display(), start + 1));
            }
        }
    }
    report("functions over 70 lines", long);
}

fn starts_function(code: &str) -> bool {
    let mut rest = code;
    for prefix in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    rest.starts_with("fn ")
}

#[test]
fn modules_have_names_that_say_something() {
    let empty = rust_files().into_iter().filter(|f| {
        let stem = f.path.file_stem().unwrap().to_string_lossy().into_owned();
        let folder = f.path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        EMPTY_NAMES.contains(&stem.as_str()) || EMPTY_NAMES.contains(&folder.as_str())
    });
    report("modules without a meaning", empty.map(|f| f.path.display().to_string()).collect());
}

#[test]
fn nothing_is_left_unfinished_or_unbounded() {
    let forbidden =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("unbounded", "_channel")];
    let mut found = Vec::new();
    for file in rust_files() {
        for (number, line) in file.text.lines().enumerate() {
            if forbidden.iter().any(|f| line.contains(f)) {
                found.push(format!("{}:{}: {}", file.path.display(), number + 1, line.trim()));
            }
        }
    }
    report("unfinished code or unbounded queues", found);
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    let forbidden = [concat!("thread::", "sleep"), concat!("time::", "sleep"), concat!("#[", "ignore")];
    // tests of another tier say how they are run, tools that live among tests what they write
    let allowed = [concat!("#[", "ignore = \"tier: make "), concat!("#[", "ignore = \"tool: ")];
    let mut found = Vec::new();
    for file in rust_files() {
        let in_tests = file.path.components().any(|c| c.as_os_str() == "tests");
        let test_file = in_tests || file.path.ends_with("tests.rs");
        for (number, line) in file.text.lines().enumerate() {
            let bad = forbidden.iter().any(|f| line.contains(f)) && !allowed.iter().any(|f| line.contains(f));
            if test_file && bad {
                found.push(format!("{}:{}: {}", file.path.display(), number + 1, line.trim()));
            }
        }
    }
    report("tests that sleep or are switched off", found);
}
