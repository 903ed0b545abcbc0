//! Where an event stands in a source's binlog files, and where in its GTID history.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::gtid::GtidSet;
use crate::error::{Code, DmError, Result};

/// The first event of every binlog file stands behind its 4 magic bytes.
pub const FIRST_EVENT_POS: u64 = 4;

/// A binlog file and a byte offset in it. Offsets pass 4 GiB when one transaction makes a file grow beyond
/// `max_binlog_size`; the protocol's 32 bits are widened while reading.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct BinlogPosition {
    pub name: String,
    pub pos: u64,
}

impl BinlogPosition {
    pub fn new(name: impl Into<String>, pos: u64) -> Self {
        BinlogPosition { name: name.into(), pos }
    }

    /// True when no file is named.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty()
    }

    /// Splits a relay-style name: `mysql-bin|000001.000003` is file `mysql-bin.000003` of relay directory 1.
    /// Names without `|` come back as they are, with no directory number.
    pub fn split_relay(&self) -> Result<(BinlogPosition, Option<u32>)> {
        let Some((base, rest)) = self.name.split_once('|') else {
            return Ok((self.clone(), None));
        };
        let parsed = rest.split_once('.').and_then(|(dir, seq)| Some((dir.parse().ok()?, seq)));
        match parsed {
            Some((dir, seq)) if !base.is_empty() && is_number(seq) => {
                Ok((BinlogPosition::new(format!("{base}.{seq}"), self.pos), Some(dir)))
            }
            _ => Err(DmError::new(Code::BinlogInvalidFilenameWithUUIDSuffix)
                .msg(format!("the relay-style binlog name `{}` is not of the form `base|000001.000001`", self.name))),
        }
    }

    /// The number behind the last dot of the file name.
    pub fn sequence(&self) -> Option<u64> {
        file_sequence(&self.name)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The number behind the last dot of a binlog file name: 2 of `mysql-bin.000002`.
pub fn file_sequence(name: &str) -> Option<u64> {
    let (base, seq) = name.rsplit_once('.')?;
    (!base.is_empty() && is_number(seq)).then(|| seq.parse().ok())?
}

/// Checks that a name is `prefix.number`; error 22002 otherwise.
pub fn check_file_name(name: &str) -> Result<u64> {
    file_sequence(name).ok_or_else(|| {
        DmError::new(Code::BinlogInvalidFilename).msg(format!(
            "`{name}` is not a binlog file name: expected `prefix.number`, as `SHOW BINARY LOGS` prints it"
        ))
    })
}

impl Ord for BinlogPosition {
    /// By relay directory, then by the file's number, so that `mysql-bin.1000000` stands behind `mysql-bin.999999`;
    /// an unnamed position stands before all others.
    fn cmp(&self, other: &Self) -> Ordering {
        let dir = |p: &Self| p.split_relay().ok().and_then(|(_, dir)| dir);
        let numbers = match (self.sequence(), other.sequence()) {
            (Some(a), Some(b)) => dir(self).cmp(&dir(other)).then(a.cmp(&b)),
            _ => self.name.is_empty().cmp(&other.name.is_empty()).reverse(),
        };
        numbers.then(self.pos.cmp(&other.pos)).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for BinlogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.name, self.pos)
    }
}

impl FromStr for BinlogPosition {
    type Err = DmError;

    /// Reads `(mysql-bin.000002, 154)` (error 22003) and `mysql-bin.000002:154` (error 11049).
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (inner, separator, code) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            Some(inner) => (inner, ',', Code::BinlogParsePosFromStr),
            None => (text, ':', Code::InvalidBinlogPosStr),
        };
        let parsed = inner.rsplit_once(separator).and_then(|(name, pos)| {
            let (name, pos) = (name.trim(), pos.trim());
            (is_number(pos) && !name.is_empty()).then(|| Some(BinlogPosition::new(name, pos.parse().ok()?)))?
        });
        parsed.ok_or_else(|| {
            DmError::new(code).msg(format!("`{text}` is not a binlog position: write `name:pos` or `(name, pos)`"))
        })
    }
}

/// A point in a source's history: always a file position, and the GTID set executed before it when GTIDs are used.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Location {
    pub position: BinlogPosition,
    pub gtid_set: Option<GtidSet>,
}

impl Location {
    pub fn new(position: BinlogPosition, gtid_set: Option<GtidSet>) -> Self {
        Location { position, gtid_set }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position: {}, gtid-set: ", self.position)?;
        match &self.gtid_set {
            Some(set) => set.fmt(f),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str, pos: u64) -> BinlogPosition {
        BinlogPosition::new(name, pos)
    }

    #[test]
    fn both_texts_are_read_and_one_is_written() {
        let expected = at("mysql-bin.000002", 739_345_243);
        assert_eq!("(mysql-bin.000002, 739345243)".parse::<BinlogPosition>().unwrap(), expected);
        assert_eq!("mysql-bin.000002:739345243".parse::<BinlogPosition>().unwrap(), expected);
        assert_eq!(expected.to_string(), "(mysql-bin.000002, 739345243)");
    }

    #[test]
    fn a_malformed_text_has_the_code_of_its_form() {
        let code = |text: &str| text.parse::<BinlogPosition>().unwrap_err().code();
        assert_eq!(code("(mysql-bin.000002)"), Code::BinlogParsePosFromStr);
        assert_eq!(code("mysql-bin.000002"), Code::InvalidBinlogPosStr);
        assert_eq!(code("mysql-bin.000002:-1"), Code::InvalidBinlogPosStr);
        assert_eq!(code(":4"), Code::InvalidBinlogPosStr);
    }

    #[test]
    fn files_are_ordered_by_number_not_by_text() {
        assert!(at("bin.999999", 900) < at("bin.1000000", 4));
        assert!(at("bin.000002", 5_000_000_000) > at("bin.000002", 4_294_967_295));
        assert!(at("", 0) < at("bin.000001", 4));
        assert!(at("bin|000001.000009", 4) < at("bin|000002.000001", 4));
    }

    #[test]
    fn a_relay_name_gives_file_and_directory() {
        let (position, dir) = at("mysql-bin|000001.000003", 4).split_relay().unwrap();
        assert_eq!((position, dir), (at("mysql-bin.000003", 4), Some(1)));
        assert_eq!(at("mysql-bin.000003", 4).split_relay().unwrap().1, None);
        let code = at("mysql-bin|x.000003", 4).split_relay().unwrap_err().code();
        assert_eq!(code, Code::BinlogInvalidFilenameWithUUIDSuffix);
    }
}
