//! The `metadata` file of a dump: when it ran and where its snapshot stands in the source's binlog.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use crate::error::{Code, DmError, Result};

/// A place in the source's binlog as the dump wrote it down. GTID is the text of the set, empty without GTID.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DumpLocation {
    pub binlog_name: String,
    pub binlog_pos: u64,
    pub gtid: String,
}

impl fmt::Display for DumpLocation {
    /// `(mysql-bin.000001, 154)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.binlog_name, self.binlog_pos)
    }
}

/// What a `metadata` file says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// `YYYY-MM-DD hh:mm:ss`, UTC.
    pub started: String,
    /// None: the dump didn't end.
    pub finished: Option<String>,
    /// Where incremental replication begins.
    pub location: DumpLocation,
    /// The snapshot wasn't taken under a lock: up to here (safe-mode exit point) changes may already be in the dump.
    pub exit: Option<DumpLocation>,
    /// `SHOW BINARY LOG STATUS` (MySQL 8.2 and later) instead of `SHOW MASTER STATUS`.
    pub newer_command: bool,
    /// Tables whose rows can't be told apart and are of a newer snapshot: their changes up to its place are in the dump.
    pub later: Vec<Later>,
}

/// A table of a newer snapshot, and its place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Later {
    pub schema: String,
    pub table: String,
    pub at: DumpLocation,
}

/// Begins a line of ours, which others pass over: a [`Later`] as JSON.
const LATER: &str = "Newer snapshot of a table:";

const AFTER_POOL: &str = "/* AFTER CONNECTION POOL ESTABLISHED */";

impl Metadata {
    /// The file's text.
    pub fn to_text(&self) -> String {
        let command = if self.newer_command { "SHOW BINARY LOG STATUS:" } else { "SHOW MASTER STATUS:" };
        let block = |head: String, at: &DumpLocation| {
            format!("{head}\n\tLog: {}\n\tPos: {}\n\tGTID:{}\n\n", at.binlog_name, at.binlog_pos, at.gtid)
        };
        let mut out = format!("Started dump at: {}\n", self.started);
        out.push_str(&block(command.to_owned(), &self.location));
        if let Some(exit) = &self.exit {
            out.push_str(&block(format!("{command} {AFTER_POOL}"), exit));
        }
        for later in &self.later {
            // Texts and a number have a JSON form.
            out.push_str(&format!("{LATER} {}\n", serde_json::to_string(later).unwrap_or_default()));
        }
        if let Some(finished) = &self.finished {
            out.push_str(&format!("Finished dump at: {finished}\n"));
        }
        out
    }

    /// Reads the text of any dump's metadata. `file` names it in errors 11001 and 11123.
    pub fn parse(text: &str, file: &str) -> Result<Metadata> {
        let mut out = Metadata::default();
        let mut found = false;
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let line = line.trim();
            let said = line.trim_start_matches('#').trim_start();
            if let Some(at) = said.strip_prefix("Started dump at:") {
                out.started = at.trim().to_owned();
            } else if let Some(at) = said.strip_prefix("Finished dump at:") {
                out.finished = Some(at.trim().to_owned());
            } else if let Some(json) = line.strip_prefix(LATER) {
                out.later.push(serde_json::from_str(json).map_err(|e| {
                    DmError::new(Code::ParseMydumperMeta)
                        .msg(format!("invalid place of a table in dump metadata {file}"))
                        .cause(e)
                })?);
            } else if matches!(line, "[master]" | "[source]") {
                // mydumper 0.14 and later.
                let place = parse_section(&mut lines, file)?;
                found |= !place.binlog_name.is_empty();
                out.location = place;
            } else if line.starts_with("SHOW MASTER STATUS:") || line.starts_with("SHOW BINARY LOG STATUS:") {
                out.newer_command = line.starts_with("SHOW BINARY LOG STATUS:");
                let place = parse_block(&mut lines, file)?;
                if line.contains(AFTER_POOL) {
                    out.exit = Some(place).filter(|exit| *exit != out.location);
                } else {
                    out.location = place;
                    found = true;
                }
            }
        }
        if !found || out.location.binlog_name.is_empty() {
            return Err(no_location(file));
        }
        Ok(out)
    }

    /// Reads `<dir>/metadata`. 11123 when it has no position, 11001 when it can't be read or understood.
    pub fn read(dir: &Path) -> Result<Metadata> {
        let path = dir.join("metadata");
        let text = std::fs::read_to_string(&path).map_err(|e| {
            DmError::new(Code::ParseMydumperMeta)
                .msg(format!("cannot read dump metadata {}", path.display()))
                .cause(e)
                .workaround("Please check that the dump ended; if not, resume the task, or start it again with `--remove-meta`.")
        })?;
        Metadata::parse(&text, &path.display().to_string())
    }
}

fn no_location(file: &str) -> DmError {
    DmError::new(Code::MetadataNoBinlogLoc)
        .msg(format!("the dump metadata {file} has no binlog position"))
        .workaround("Please check that the source has its binlog on, and dump again.")
}

/// `File = ..`, `Position = ..` and `Executed_Gtid_Set = ..`, or their newer names, up to the next section. A long set goes on in
/// the lines behind it.
fn parse_section(lines: &mut std::iter::Peekable<std::str::Lines<'_>>, file: &str) -> Result<DumpLocation> {
    let mut at = DumpLocation::default();
    let mut in_gtid = false;
    while let Some(line) = lines.next_if(|line| !line.trim_start().starts_with('[')) {
        let line = line.trim();
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else {
            if in_gtid && !line.starts_with('#') {
                at.gtid.push_str(line);
            }
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        in_gtid = false;
        match name.trim().to_ascii_lowercase().as_str() {
            "file" | "source_log_file" => at.binlog_name = value.to_owned(),
            "position" | "source_log_pos" => {
                at.binlog_pos = value.parse().map_err(|e| {
                    DmError::new(Code::ParseMydumperMeta)
                        .msg(format!("invalid binlog position {value:?} in dump metadata {file}"))
                        .cause(e)
                })?;
            }
            "executed_gtid_set" => {
                at.gtid = value.to_owned();
                in_gtid = true;
            }
            _ => {}
        }
    }
    Ok(at)
}

fn parse_block(lines: &mut std::iter::Peekable<std::str::Lines<'_>>, file: &str) -> Result<DumpLocation> {
    let mut at = DumpLocation::default();
    let mut in_gtid = false;
    while let Some(line) = lines.next_if(|l| !l.trim().is_empty()) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("Log:") {
            at.binlog_name = name.trim().to_owned();
        } else if let Some(pos) = line.strip_prefix("Pos:") {
            at.binlog_pos = pos.trim().parse().map_err(|e| {
                DmError::new(Code::ParseMydumperMeta)
                    .msg(format!("invalid binlog position {:?} in dump metadata {file}", pos.trim()))
                    .cause(e)
            })?;
        } else if let Some(gtid) = line.strip_prefix("GTID:") {
            at.gtid = gtid.trim().to_owned();
            in_gtid = true;
        } else if in_gtid {
            // A long set goes on in the next line.
            at.gtid.push_str(line);
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str, pos: u64, gtid: &str) -> DumpLocation {
        DumpLocation { binlog_name: name.into(), binlog_pos: pos, gtid: gtid.into() }
    }

    #[test]
    fn text_as_the_original_writes_it() {
        let meta = Metadata {
            started: "2020-11-10 10:40:19".into(),
            finished: Some("2020-11-10 10:40:20".into()),
            location: at("mysql-bin.000001", 154, "0-1-7"),
            ..Metadata::default()
        };
        let text = "Started dump at: 2020-11-10 10:40:19\nSHOW MASTER STATUS:\n\tLog: mysql-bin.000001\n\tPos: 154\n\tGTID:0-1-7\n\nFinished dump at: 2020-11-10 10:40:20\n";
        assert_eq!(meta.to_text(), text);
        assert_eq!(Metadata::parse(text, "metadata").unwrap(), meta);
    }

    #[test]
    fn exit_point_and_long_sets() {
        let text = "Started dump at: a\nSHOW BINARY LOG STATUS:\n\tLog: b.1\n\tPos: 4\n\tGTID:u1:1-3,\nu2:1-9\n\nSHOW BINARY LOG STATUS: /* AFTER CONNECTION POOL ESTABLISHED */\n\tLog: b.1\n\tPos: 9\n\tGTID:u1:1-4\n\nFinished dump at: b\n";
        let meta = Metadata::parse(text, "metadata").unwrap();
        assert_eq!(meta.location, at("b.1", 4, "u1:1-3,u2:1-9"));
        assert_eq!(meta.exit, Some(at("b.1", 9, "u1:1-4")));
        let later = Later { schema: "d\n".into(), table: "t".into(), at: at("b.1", 9, "u1:1-4") };
        let with = Metadata { later: vec![later], ..meta.clone() };
        assert_eq!(Metadata::parse(&with.to_text(), "metadata").unwrap(), with);
        assert!(Metadata::parse(&with.to_text().replace("{\"schema", "{"), "metadata").is_err());
        assert_eq!(Metadata::parse(&meta.to_text(), "metadata").unwrap(), meta);
    }

    #[test]
    fn sections_of_newer_mydumpers() {
        let text = "# Started dump at: a\n[config]\nquote_character = BACKTICK\n\n[master]\n# Channel_Name = '' # of a channel\n\
                    File = b.000017\nPosition = 241149225\nExecuted_Gtid_Set = u1:1-9,\nu2:1-6\n\n[`d`.`t`]\nRows = 2\n# Finished dump at: b\n";
        let meta = Metadata::parse(text, "metadata").unwrap();
        assert_eq!(meta.location, at("b.000017", 241149225, "u1:1-9,u2:1-6"));
        assert_eq!((meta.started.as_str(), meta.finished.as_deref()), ("a", Some("b")));
        let newer = "[source]\nSOURCE_LOG_FILE = \"b.2\"\nSOURCE_LOG_POS = 157\nexecuted_gtid_set = \"\"\n";
        assert_eq!(Metadata::parse(newer, "metadata").unwrap().location, at("b.2", 157, ""));
        assert!(Metadata::parse("[source]\n# Channel_Name = ''\n", "metadata").is_err());
    }

    #[test]
    fn rubbish_is_an_error_with_a_code() {
        assert_eq!(Metadata::parse("", "f").unwrap_err().code(), Code::MetadataNoBinlogLoc);
        let text = "SHOW MASTER STATUS:\n\tLog: b\n\tPos: x\n";
        assert_eq!(Metadata::parse(text, "f").unwrap_err().code(), Code::ParseMydumperMeta);
    }
}
