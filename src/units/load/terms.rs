//! How the fields of a LOAD DATA file are written: the statement in the `.sql` file that mydumper puts beside each `.dat` file
//! (`--load-data`, `--csv`).

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    folder::unreadable,
    statement::{Text, statements},
};
use crate::{
    error::{Code, DmError, Result},
    rules::BlockAllow,
    units::dump::{
        files,
        names::{self, FileKind},
    },
};

/// What a LOAD DATA statement says of its file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// Of the fields, in lower case; `binary`: each column's own.
    pub charset: String,
    pub fields_end: Vec<u8>,
    pub enclosed: Option<u8>,
    pub escape: Option<u8>,
    pub lines_begin: Vec<u8>,
    pub lines_end: Vec<u8>,
    /// Lines before the rows.
    pub ignored: u64,
    pub slots: Vec<Slot>,
}

/// Where a field goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// None: nowhere.
    pub column: Option<String>,
    /// Hexadecimal digits (`SET c = UNHEX(@c)`).
    pub hex: bool,
}

/// By the name of the file with the fields.
pub type AllTerms = BTreeMap<String, Arc<Terms>>;

/// Bytes of a `.sql` file that are looked at to see whether it holds LOAD DATA, and the most that such a file may have.
const LOOK: u64 = 4 << 10;
const MOST: u64 = 4 << 20;

/// Character sets in which no byte of a delimiter is a part of another character.
const BYTEWISE: [&str; 28] = [
    "binary", "utf8", "utf8mb3", "utf8mb4", "ascii", "armscii8", "cp1250", "cp1251", "cp1256", "cp1257", "cp850",
    "cp852", "cp866", "dec8", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2",
    "latin5", "latin7", "macce", "macroman", "tis620",
];

/// Takes the task's files with LOAD DATA statements out of the list, and adds them to the folder's hash. 34007 when something isn't read
/// as the server would.
pub fn take(listed: &mut Vec<(PathBuf, FileKind)>, lists: &BlockAllow, digest: &mut Sha256) -> Result<AllTerms> {
    let mut all = AllTerms::new();
    let mut kept = Vec::with_capacity(listed.len());
    for (path, kind) in std::mem::take(listed) {
        let name = file_name(&path);
        let is_sql = matches!(&kind, FileKind::Data { schema, table, .. } if lists.allows(schema, table))
            && !names::is_csv(name)
            && !names::is_fields(name);
        let Some(text) = (if is_sql { load_data(&path)? } else { None }) else {
            kept.push((path, kind));
            continue;
        };
        digest.update(format!("{name}\0{text}\0").as_bytes());
        for (file, terms) in statements(&text).map_err(|why| refused(&path, &why))? {
            if all.insert(file.clone(), Arc::new(terms)).is_some() {
                return Err(refused(&path, &format!("loads {file}, as another LOAD DATA does")));
            }
        }
    }
    *listed = kept;
    let there = |name: &str| listed.iter().any(|(path, _)| file_name(path) == name);
    // The statement may be older than the file's compression.
    for name in all.keys().filter(|name| !there(name)).cloned().collect::<Vec<_>>() {
        let with_ending = names::COMPRESSED.iter().map(|ending| format!("{name}{ending}")).find(|other| there(other));
        let found = with_ending.or_else(|| names::plain(&name).filter(|other| there(other)).map(str::to_owned));
        match (found, all.remove(&name)) {
            (Some(found), Some(terms)) => _ = all.insert(found, terms),
            _ => {
                let dir = listed.first().and_then(|(path, _)| path.parent()).unwrap_or(Path::new(""));
                return Err(refused(&dir.join(&name), "is missing, a LOAD DATA statement of the dump loads it"));
            }
        }
    }
    Ok(all)
}

/// The error of a file with fields that no statement is there for.
pub fn without(path: &Path) -> DmError {
    refused(
        path,
        "has fields of LOAD DATA, and no `.sql` file of the folder holds the statement that says how they are written",
    )
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn refused(path: &Path, why: &str) -> DmError {
    DmError::new(Code::LoadUnitInvalidFileEnding).msg(format!("{}: {why}; nothing of the dump was loaded", path.display())).workaround(
        "Please put the dump's files back as mydumper wrote them, or dump INSERT statements (without `--load-data` and `--csv`), or \
         load these files by other means, move them out of the folder, and resume the task.",
    )
}

/// The text of a file with LOAD DATA; None: it has something else.
fn load_data(path: &Path) -> Result<Option<String>> {
    let read = |most: u64| {
        let mut bytes = Vec::new();
        files::reader(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let beginning = read(LOOK).map_err(|e| unreadable(path, e))?;
    if Text::of(&String::from_utf8_lossy(&beginning)).first_word() != "LOAD" {
        return Ok(None);
    }
    let whole = read(MOST + 1).map_err(|e| unreadable(path, e))?;
    match String::from_utf8(whole) {
        Ok(text) if text.len() as u64 <= MOST => Ok(Some(text)),
        _ => Err(refused(path, "its LOAD DATA statements are no text, or longer than 4 MiB")),
    }
}

impl Terms {
    /// Signs that can be told apart.
    pub fn check(&self) -> Result<(), String> {
        if self.charset.is_empty() {
            return Err("neither LOAD DATA nor SET NAMES names a character set".to_owned());
        }
        if !BYTEWISE.contains(&self.charset.as_str()) {
            return Err(format!("LOAD DATA has the character set {}, which is not read here", self.charset));
        }
        let (Some(field), Some(line)) = (self.fields_end.first(), self.lines_end.first()) else {
            return Err("LOAD DATA has fields or lines that nothing terminates".to_owned());
        };
        let signs = [Some(*field), Some(*line), self.enclosed];
        let same = self.fields_end.starts_with(&self.lines_end) || self.lines_end.starts_with(&self.fields_end);
        if same
            || self.enclosed.is_some_and(|sign| signs[..2].contains(&Some(sign)))
            || self.escape.is_some_and(|sign| signs.contains(&Some(sign)))
        {
            return Err("LOAD DATA has a sign that means several things".to_owned());
        }
        Ok(())
    }
}
