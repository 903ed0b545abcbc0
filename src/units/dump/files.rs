//! The dump folder as a whole: whose it is, whether its dump is complete, how it is emptied.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    ledger::{LEDGER, PARTIAL},
    metadata::Metadata,
    names::{self, FileKind},
};
use crate::error::{Code, DmError, Result};

/// Says that the folder's dump is ours; its text is the signature of what was dumped.
pub const MARKER: &str = ".dm-dump";

/// Says of every data file of a dump how long it is and what is in it: a line a file, bytes on the disk, bytes of text, XXH3 (64
/// bits) of the bytes on the disk, name; tabs between.
pub const MANIFEST: &str = ".dm-files";

/// What a manifest says of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FileFacts {
    pub size: u64,
    /// Not compressed.
    pub text_size: u64,
    pub hash: u64,
}

/// By name.
pub type Manifest = BTreeMap<String, FileFacts>;

/// The manifest of the dump in `dir`; None: it has none (somebody else's dump), or it can't be understood.
pub fn manifest(dir: &Path) -> Option<Manifest> {
    let text = fs::read_to_string(dir.join(MANIFEST)).ok()?;
    let line = |line: &str| {
        let mut parts = line.splitn(4, '\t');
        let (size, text_size) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some((parts.next()?.to_owned(), FileFacts { size, text_size, hash }))
    };
    text.lines().map(line).collect()
}

/// Writes it; names of tables may hold no line break, as file names have those escaped.
pub fn write_manifest(dir: &Path, files: &Manifest) -> Result<()> {
    let line = |(name, f): (&String, &FileFacts)| format!("{}\t{}\t{:016x}\t{name}\n", f.size, f.text_size, f.hash);
    let path = dir.join(MANIFEST);
    let written = || {
        let mut file = fs::File::create(&path)?;
        io::Write::write_all(&mut file, files.iter().map(line).collect::<String>().as_bytes())?;
        file.sync_all()
    };
    written().map_err(|e| unusable(&path, "cannot write the dump file", e))
}

/// Reads a data file's text, whatever it is compressed with.
pub fn reader(path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
    let file = fs::File::open(path)?;
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        // The framing format, as dumpling writes it.
        Some("snappy") => Box::new(snap::read::FrameDecoder::new(file)),
        _ => Box::new(file),
    })
}

/// The text of a schema file, compressed or not. A default of bytes that are no text may stand in it as they are.
pub fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut reader(path)?, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the metadata of the dump in `dir`: where incremental replication begins.
pub fn read_metadata(dir: &Path) -> Result<Metadata> {
    Metadata::read(dir)
}

/// True when `dir` holds a complete dump with this signature.
pub fn is_complete(dir: &Path, signature: &str) -> bool {
    let ours = fs::read_to_string(dir.join(MARKER)).is_ok_and(|text| text == signature);
    ours && Metadata::read(dir).is_ok_and(|meta| meta.finished.is_some())
}

/// True when `dir` holds a dump with this signature that didn't end.
pub fn is_begun(dir: &Path, signature: &str) -> bool {
    let ours = fs::read_to_string(dir.join(MARKER)).is_ok_and(|text| text == signature);
    ours && !dir.join("metadata").exists()
}

/// All files of a dump in `dir` with their kinds; no folder: none.
pub fn list(dir: &Path) -> io::Result<Vec<(PathBuf, FileKind)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = match entry.file_name().to_str() {
            Some(name) => names::parse(name),
            None => FileKind::Other,
        };
        out.push((entry.path(), kind));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

/// Makes `dir` an empty folder of ours: creates it, or removes the dump that an earlier run left in it. A folder that
/// holds files which belong to no dump is refused.
pub fn prepare(dir: &Path, signature: &str) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| unusable(dir, "cannot create the dump directory", e))?;
    let files = list(dir).map_err(|e| unusable(dir, "cannot read the dump directory", e))?;
    let foreign = files.iter().find(|(path, kind)| *kind == FileKind::Other && !is_tool_file(path));
    if let Some((path, _)) = foreign {
        return Err(DmError::new(Code::DumpUnitRuntime)
            .msg(format!("the dump directory {} holds {}, which is no file of a dump", dir.display(), path.display()))
            .workaround("Please set another `dir` in the task's loader configuration, or empty the directory."));
    }
    remove_files(&files).map_err(|e| unusable(dir, "cannot empty the dump directory", e))?;
    fs::write(dir.join(MARKER), signature).map_err(|e| unusable(dir, "cannot write into the dump directory", e))
}

/// Bytes that the disk of a folder has free for this user.
pub fn free_space(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Refuses a dump that takes clearly more than the disk has. `bytes` is a guess, so a tenth more passes.
pub fn enough_space(dir: &Path, bytes: u64) -> Result<()> {
    // Where it can't be told, the disk will tell.
    let Ok(free) = free_space(dir) else { return Ok(()) };
    if bytes / 10 * 9 <= free {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(DmError::new(Code::DumpUnitRuntime)
        .msg(format!(
            "the dump takes about {} MiB, and the disk of {} has {} MiB free",
            mib(bytes),
            dir.display(),
            mib(free)
        ))
        .workaround(
            "Please free space or choose another `dir` in the loader configuration, then resume the task; or let files be \
             compressed (`extra-args: \"--compress zstd\"`), or use `import-mode: stream`, which needs no disk. If the source's \
             figures are wrong, put free_space into `ignore-checking-items`.",
        ))
}

/// Removes data files that this dump did not write: a write of an earlier, killed dump may have come late.
pub fn remove_strays(dir: &Path, own: &Manifest) -> Result<()> {
    let files = list(dir).map_err(|e| unusable(dir, "cannot read the dump directory", e))?;
    let is_own = |path: &Path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| own.contains_key(n));
    let strays: Vec<_> =
        files.into_iter().filter(|(path, kind)| matches!(kind, FileKind::Data { .. }) && !is_own(path)).collect();
    remove_files(&strays).map_err(|e| unusable(dir, "cannot remove stray files from the dump directory", e))
}

/// Removes the dump in `dir`, and the folder when nothing else is in it.
pub fn remove_own(dir: &Path) -> Result<()> {
    let files = list(dir).map_err(|e| unusable(dir, "cannot read the dump directory", e))?;
    let own: Vec<_> = files.into_iter().filter(|(path, kind)| *kind != FileKind::Other || is_tool_file(path)).collect();
    remove_files(&own).map_err(|e| unusable(dir, "cannot empty the dump directory", e))?;
    match fs::remove_dir(dir) {
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(unusable(dir, "cannot remove the dump directory", e))
        }
        _ => Ok(()),
    }
}

/// Metadata goes first, so that a folder which is half removed is never taken for a complete dump.
fn remove_files(files: &[(PathBuf, FileKind)]) -> io::Result<()> {
    let (metadata, rest): (Vec<_>, Vec<_>) = files.iter().partition(|(_, kind)| *kind == FileKind::Metadata);
    for (path, _) in metadata.into_iter().chain(rest) {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Files that a dump or a load writes beside the dump's own.
fn is_tool_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    matches!(name, MARKER | MANIFEST | LEDGER | PARTIAL | "metadata.partial" | "tidb_lightning_checkpoint.pb")
        || (name.ends_with(".sql") && name.contains("-schema"))
}

/// An error of the dump folder, with what an operator can do.
pub fn unusable(dir: &Path, what: &str, e: io::Error) -> DmError {
    let full = e.kind() == io::ErrorKind::StorageFull || e.raw_os_error() == Some(28);
    let advice = if full {
        "Please free space on the disk of the dump directory (`dir` in the loader configuration), then resume the task."
    } else {
        "Please check that the worker's user may write there (`dir` in the loader configuration), then resume the task."
    };
    DmError::new(Code::DumpUnitRuntime).msg(format!("{what} {}", dir.display())).cause(e).workaround(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_emptied_only_when_it_holds_a_dump() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        prepare(&path, "sig").unwrap();
        assert!(!is_complete(&path, "sig"));
        fs::write(path.join("db.t.0000000000000.sql"), "x").unwrap();
        fs::write(path.join("metadata"), "SHOW MASTER STATUS:\n\tLog: b.1\n\tPos: 4\n\nFinished dump at: x\n").unwrap();
        assert!(is_complete(&path, "sig") && !is_complete(&path, "other"));
        prepare(&path, "other").unwrap();
        assert_eq!(list(&path).unwrap().len(), 1);
        fs::write(path.join("db.t.0000000000001.sql"), "x").unwrap();
        fs::write(path.join("db.t.0000000000002.sql"), "x").unwrap();
        let facts = FileFacts { size: 1, text_size: 2, hash: u64::MAX };
        let files = Manifest::from([("db.t.0000000000002.sql".to_owned(), facts)]);
        remove_strays(&path, &files).unwrap();
        assert_eq!(manifest(&path), None);
        write_manifest(&path, &files).unwrap();
        assert_eq!(manifest(&path), Some(files));
        fs::write(path.join(MANIFEST), "1\t2\tx\n").unwrap();
        assert_eq!(manifest(&path), None);
        fs::remove_file(path.join(MANIFEST)).unwrap();
        assert_eq!(list(&path).unwrap().len(), 2);
        fs::write(path.join("photo.jpg"), "x").unwrap();
        assert_eq!(prepare(&path, "sig").unwrap_err().code(), Code::DumpUnitRuntime);
        remove_own(&path).unwrap();
        assert!(path.join("photo.jpg").exists() && !path.join(MARKER).exists());
        fs::remove_file(path.join("photo.jpg")).unwrap();
        remove_own(&path).unwrap();
        assert!(!path.exists());
        remove_own(&path).unwrap();
    }
}
