//! What the task's mydumper configuration and its `extra-args` ask of a dump (config facts, 7.1).

use std::time::Duration;

use super::filter::TableFilter;
use crate::{
    config::{
        size::parse_size,
        subtask::{DbConfig, MydumperConfig},
    },
    error::{Code, DmError, Result},
};

/// How the snapshot is made consistent across connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consistency {
    /// The global read lock where the source allows it, else locks on the dumped tables.
    #[default]
    Auto,
    /// FLUSH TABLES WITH READ LOCK.
    Flush,
    /// LOCK TABLES ... READ.
    Lock,
    /// No lock: changes between two binlog positions may or may not be in the dump.
    None,
}

/// What the data files are written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileType {
    #[default]
    Sql,
    /// For other tools: the load unit doesn't read it.
    Csv,
}

/// What the data files are packed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
    Snappy,
}

impl Compression {
    /// What stands behind the file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
            Compression::Snappy => ".snappy",
        }
    }
}

impl Compression {
    /// What so many bytes of text take on the disk, about.
    pub fn packed(self, bytes: u64) -> u64 {
        if self == Compression::None { bytes } else { bytes / 3 }
    }
}

/// The settings of one dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DumpOptions {
    pub threads: usize,
    /// Bytes after which a data file ends; None: one file a chunk.
    pub file_size: Option<u64>,
    /// Bytes after which an INSERT ends.
    pub statement_size: usize,
    /// Rows of a chunk; 0: tables are not split.
    pub rows: u64,
    pub condition: String,
    pub consistency: Consistency,
    /// Only these schemas, when not empty.
    pub databases: Vec<String>,
    /// Only these tables, when not empty.
    pub tables: Vec<(String, String)>,
    /// Only what it lets in.
    pub filter: Option<TableFilter>,
    /// Views and sequences too.
    pub views: bool,
    pub file_type: FileType,
    pub compression: Compression,
    /// A source that sends no row for so long counts as lost.
    pub read_limit: Duration,
}

/// Of the source's own limit: a condition may skip many rows.
const READ_LIMIT_TIMES: u32 = 3;

const DEFAULT_ROWS: u64 = 200_000;
const DEFAULT_STATEMENT_SIZE: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

impl DumpOptions {
    /// From the configuration; 32001 names what is wrong in it.
    pub fn new(config: &MydumperConfig, from: &DbConfig) -> Result<Self> {
        let mut out = DumpOptions {
            threads: config.threads,
            file_size: None,
            statement_size: statement_size(config.statement_size),
            rows: if config.rows == 0 { DEFAULT_ROWS } else { config.rows },
            condition: config.r#where.trim().to_owned(),
            consistency: Consistency::Auto,
            databases: Vec::new(),
            tables: Vec::new(),
            filter: None,
            views: false,
            file_type: FileType::Sql,
            compression: Compression::None,
            read_limit: from.answer_limit() * READ_LIMIT_TIMES,
        };
        out.set_file_size("chunk-filesize", &config.chunk_filesize)?;
        let words = shlex::split(&config.extra_args)
            .ok_or_else(|| invalid("extra-args", &config.extra_args, "quotes that are closed"))?;
        out.read_arguments(&words)?;
        out.threads = out.threads.clamp(1, 512);
        Ok(out)
    }

    /// Whether `-B`, `-T` and `-f` let a table in.
    pub fn selects(&self, schema: &str, table: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.selects(schema, table))
            && (self.databases.is_empty() || self.databases.iter().any(|d| d == schema))
            && (self.tables.is_empty() || self.tables.iter().any(|(s, t)| s == schema && t == table))
    }

    fn set_file_size(&mut self, name: &str, text: &str) -> Result<()> {
        let size = if text.is_empty() { Some(64 * MIB) } else { parse_size(text, MIB) };
        let size = size.ok_or_else(|| invalid(name, text, "MiB or a size such as 64MiB"))?;
        self.file_size = Some(size).filter(|s| *s > 0);
        Ok(())
    }

    fn read_arguments(&mut self, words: &[String]) -> Result<()> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let (name, given) = split_argument(word)?;
            if is_switch(&name) {
                self.switch(&name, given.as_deref())?;
                continue;
            }
            let value = match given {
                Some(value) => value,
                None => {
                    at += 1;
                    words.get(at - 1).cloned().ok_or_else(|| invalid(&name, "", "a value"))?
                }
            };
            self.value(&name, &value)?;
        }
        Ok(())
    }

    fn switch(&mut self, name: &str, given: Option<&str>) -> Result<()> {
        let on = match given {
            None | Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(other) => return Err(invalid(name, other, "true or false")),
        };
        match name {
            "no-views" => {
                self.views = !on;
                Ok(())
            }
            "escape-backslash" if !on => Err(unsupported("--escape-backslash=false", "leave it out")),
            "no-locks" if on => {
                self.consistency = Consistency::None;
                Ok(())
            }
            "transactional-consistency" if !on => Err(unsupported("--transactional-consistency=false", "leave it out")),
            _ => Ok(()),
        }
    }

    fn value(&mut self, name: &str, value: &str) -> Result<()> {
        let number = || value.parse::<u64>().map_err(|_| invalid(name, value, "a number"));
        match name {
            "threads" => self.threads = usize::try_from(number()?).unwrap_or(usize::MAX),
            "filesize" => self.set_file_size(name, value)?,
            "statement-size" => self.statement_size = statement_size(number()?),
            "rows" => self.rows = number()?,
            "where" => self.condition = value.trim().to_owned(),
            "consistency" => {
                self.consistency = match value.to_ascii_lowercase().as_str() {
                    "auto" | "" => Consistency::Auto,
                    "flush" => Consistency::Flush,
                    "lock" => Consistency::Lock,
                    "none" => Consistency::None,
                    "snapshot" => return Err(unsupported("--consistency snapshot", "it is for TiDB sources only")),
                    _ => return Err(invalid(name, value, "auto, flush, lock or none")),
                };
            }
            "database" => self.databases = value.split(',').map(|d| d.trim().to_owned()).collect(),
            "tables-list" => self.tables = tables_list(value)?,
            "snapshot" => return Err(unsupported("--snapshot", "it is for TiDB sources only")),
            "filter" => {
                let filter =
                    TableFilter::parse(value).map_err(|rule| invalid(name, &rule, "rules such as `db*.t?`"))?;
                self.filter = Some(filter);
            }
            "filetype" => {
                self.file_type = match value.to_ascii_lowercase().as_str() {
                    "sql" | "" => FileType::Sql,
                    "csv" => FileType::Csv,
                    _ => return Err(invalid(name, value, "sql or csv")),
                };
            }
            "compress" => {
                self.compression = match value.to_ascii_lowercase().as_str() {
                    "no-compression" | "none" | "" => Compression::None,
                    "gzip" | "gz" => Compression::Gzip,
                    "zstd" | "zst" => Compression::Zstd,
                    "snappy" => Compression::Snappy,
                    _ => return Err(invalid(name, value, "gzip, zstd, snappy or none")),
                };
            }
            _ => return Err(unsupported(&format!("--{name}"), "use the source's `security` settings")),
        }
        Ok(())
    }
}

fn statement_size(given: u64) -> usize {
    let size = if given == 0 { DEFAULT_STATEMENT_SIZE } else { given };
    // Below, every row would be its own statement; above, no server takes the packet.
    usize::try_from(size.clamp(1024, 512 * MIB)).unwrap_or(usize::MAX)
}

fn tables_list(value: &str) -> Result<Vec<(String, String)>> {
    let split = |entry: &str| entry.trim().split_once('.').map(|(s, t)| (s.to_owned(), t.to_owned()));
    value.split(',').map(|e| split(e).ok_or_else(|| invalid("tables-list", e, "schema.table"))).collect()
}

fn is_switch(name: &str) -> bool {
    matches!(name, "no-views" | "escape-backslash" | "no-locks" | "transactional-consistency")
}

/// `--name=value`, `--name`, `-x`, `-xVALUE` or `-x=VALUE` with the long name of x.
fn split_argument(word: &str) -> Result<(String, Option<String>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        const KNOWN: [&str; 19] = [
            "threads",
            "filesize",
            "statement-size",
            "rows",
            "where",
            "consistency",
            "database",
            "tables-list",
            "snapshot",
            "filter",
            "filetype",
            "compress",
            "ca",
            "cert",
            "key",
            "no-views",
            "escape-backslash",
            "no-locks",
            "transactional-consistency",
        ];
        if !KNOWN.contains(&name) {
            return Err(unknown(word));
        }
        return Ok((name.to_owned(), value));
    }
    let mut chars = word.strip_prefix('-').unwrap_or("").chars();
    let name = match chars.next() {
        Some('B') => "database",
        Some('T') => "tables-list",
        Some('t') => "threads",
        Some('F') => "filesize",
        Some('s') => "statement-size",
        Some('r') => "rows",
        Some('W') => "no-views",
        Some('f') => "filter",
        Some('c') => "compress",
        _ => return Err(unknown(word)),
    };
    let rest = chars.as_str();
    let value = rest.strip_prefix('=').unwrap_or(rest);
    Ok((name.to_owned(), Some(value.to_owned()).filter(|_| !rest.is_empty())))
}

const ADVICE: &str = "Please check `extra-args` and the other settings of the task's mydumper configuration.";

fn unknown(word: &str) -> DmError {
    DmError::new(Code::DumpUnitRuntime)
        .msg(format!("unknown argument {word} in extra-args of the mydumper configuration"))
        .workaround(ADVICE)
}

fn unsupported(argument: &str, instead: &str) -> DmError {
    DmError::new(Code::DumpUnitRuntime)
        .msg(format!("extra-args {argument} is not supported: {instead}"))
        .workaround(ADVICE)
}

fn invalid(name: &str, value: &str, allowed: &str) -> DmError {
    DmError::new(Code::DumpUnitRuntime)
        .msg(format!("invalid value {value:?} of {name} in the mydumper configuration: {allowed} expected"))
        .workaround(ADVICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(extra: &str) -> Result<DumpOptions> {
        let config = MydumperConfig { extra_args: extra.into(), ..MydumperConfig::default() };
        DumpOptions::new(&config, &DbConfig::default())
    }

    #[test]
    fn defaults() {
        let o = options("").unwrap();
        assert_eq!((o.threads, o.file_size, o.rows), (4, Some(64 * MIB), 200_000));
        assert_eq!((o.statement_size, o.consistency), (1_000_000, Consistency::Auto));
    }

    #[test]
    fn arguments_in_all_spellings() {
        let o =
            options("-t 8 -r=100 --where 'a > 1' --consistency=none -F 1 -s 2000 -W --tables-list a.b,c.d").unwrap();
        assert_eq!((o.threads, o.rows, o.file_size, o.statement_size), (8, 100, Some(MIB), 2000));
        assert_eq!((o.condition.as_str(), o.consistency), ("a > 1", Consistency::None));
        assert!(o.selects("a", "b") && !o.selects("a", "c"));
        let o = options("--no-views=false -c gzip --filetype csv -f 'a.*,!a.b'").unwrap();
        assert_eq!((o.views, o.compression, o.file_type), (true, Compression::Gzip, FileType::Csv));
        assert!(o.selects("a", "c") && !o.selects("a", "b") && !o.selects("b", "c"));
        assert_eq!(options("-t16 --no-locks").unwrap().threads, 16);
        assert!(!options("-B x").unwrap().selects("y", "t"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let other = ["--filetype xml", "-c bzip2", "-f 'a'", "--ca x", "--consistency snapshot", "-T a"];
        for bad in ["--nope", "x", "-t", "-t x", "--consistency=maybe", "--snapshot 1", "'"].into_iter().chain(other) {
            assert_eq!(options(bad).unwrap_err().code(), Code::DumpUnitRuntime, "{bad}");
        }
    }
}
