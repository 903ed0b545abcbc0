//! The data files of one chunk: pieces of text go to the disk, compressed if that is wanted, while the next is filled.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use flate2::write::GzEncoder;
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::Xxh3;

use super::{
    files::{self, FileFacts},
    options::{Compression, DumpOptions, FileType},
    progress::Counters,
    write::Chunk,
};
use crate::{
    error::{DmError, Result},
    units::dump::{names, plan::TablePlan},
};

/// Bytes that are handed to the disk at once.
pub const PIECE: usize = 256 << 10;

/// Fast enough to keep up with the source.
const ZSTD_LEVEL: i32 = 1;

const SQL_HEAD: &str = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n";

/// Counts and hashes what goes to the disk.
struct Counted {
    file: File,
    size: u64,
    hash: Box<Xxh3>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Sink {
    Plain(Counted),
    Gzip(GzEncoder<Counted>),
    Zstd(zstd::Encoder<'static, Counted>),
    Snappy(Box<snap::write::FrameEncoder<Counted>>),
}

impl Sink {
    fn create(path: &Path, compression: Compression) -> io::Result<Sink> {
        let plain = Counted { file: File::create(path)?, size: 0, hash: Box::new(Xxh3::new()) };
        Ok(match compression {
            Compression::None => Sink::Plain(plain),
            Compression::Gzip => Sink::Gzip(GzEncoder::new(plain, flate2::Compression::fast())),
            Compression::Zstd => Sink::Zstd(zstd::Encoder::new(plain, ZSTD_LEVEL)?),
            Compression::Snappy => Sink::Snappy(Box::new(snap::write::FrameEncoder::new(plain))),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(to) => to.write_all(bytes),
            Sink::Gzip(to) => to.write_all(bytes),
            Sink::Zstd(to) => to.write_all(bytes),
            Sink::Snappy(to) => to.write_all(bytes),
        }
    }

    /// The file is complete. It isn't forced to the disk (decision 57): the manifest, which is, tells a file that a crash of the
    /// machine damaged.
    fn finish(self) -> io::Result<(u64, u64)> {
        let written = match self {
            Sink::Plain(to) => to,
            Sink::Gzip(to) => to.finish()?,
            Sink::Zstd(to) => to.finish()?,
            Sink::Snappy(to) => to.into_inner().map_err(|e| io::Error::new(e.error().kind(), e.error().to_string()))?,
        };
        Ok((written.size, written.hash.digest()))
    }
}

/// A piece on its way to the disk; its memory comes back.
type Writing = JoinHandle<io::Result<(Sink, Vec<u8>)>>;

/// What became of a chunk.
#[derive(Debug, Default)]
pub struct Written {
    pub rows: u64,
    pub files: Vec<(String, FileFacts)>,
}

/// The files of a chunk.
pub struct DataFiles<'a> {
    dir: &'a Path,
    chunk: &'a Chunk,
    table: &'a TablePlan,
    options: &'a DumpOptions,
    counters: &'a Counters,
    /// What is not handed to the disk yet.
    pub piece: Vec<u8>,
    spare: Vec<u8>,
    sink: Option<Sink>,
    writing: Option<Writing>,
    path: PathBuf,
    name: String,
    /// Bytes of text in the file that is open.
    size: u64,
    /// The files that are complete.
    done: Vec<(String, FileFacts)>,
    /// Counted of this chunk so far.
    rows: u64,
    bytes: u64,
}

impl<'a> DataFiles<'a> {
    pub fn new(
        dir: &'a Path,
        chunk: &'a Chunk,
        table: &'a TablePlan,
        options: &'a DumpOptions,
        counters: &'a Counters,
    ) -> Self {
        DataFiles {
            dir,
            chunk,
            table,
            options,
            counters,
            piece: Vec::with_capacity(PIECE + PIECE / 4),
            spare: Vec::new(),
            sink: None,
            writing: None,
            path: PathBuf::new(),
            name: String::new(),
            size: 0,
            done: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// A place where a file may end: hands on a piece that is full, ends a file that is.
    pub async fn pause(&mut self) -> Result<()> {
        if self.piece.len() >= PIECE {
            self.write_piece().await?;
        }
        if self.options.file_size.is_some_and(|limit| self.size + self.piece.len() as u64 >= limit) {
            self.close().await?;
        }
        Ok(())
    }

    /// Hands the piece to the disk, when the one before is there.
    pub async fn write_piece(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.settle().await?;
        let mut sink = match self.sink.take() {
            Some(sink) => sink,
            None => self.create()?,
        };
        let piece = std::mem::replace(&mut self.piece, std::mem::take(&mut self.spare));
        self.size += piece.len() as u64;
        self.bytes += piece.len() as u64;
        self.counters.written(piece.len() as u64);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            sink.write(&piece)?;
            Ok((sink, piece))
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let waiting = Instant::now();
        let done = writing.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let (sink, mut piece) = done.map_err(|e| unwritten(&self.path, e))?;
        self.counters.waited_for_disk(waiting.elapsed());
        piece.clear();
        // A huge row doesn't stay in memory.
        piece.shrink_to(PIECE * 4);
        self.sink = Some(sink);
        self.spare = piece;
        Ok(())
    }

    fn create(&mut self) -> Result<Sink> {
        let number = self.options.file_size.map(|_| self.done.len());
        self.name = names::data_file(&self.table.schema, &self.table.table, self.chunk.number, number);
        if self.options.file_type == FileType::Csv {
            self.name = self.name.replace(".sql", ".csv");
        }
        self.name.push_str(self.options.compression.ending());
        self.path = self.dir.join(&self.name);
        let mut sink = Sink::create(&self.path, self.options.compression).map_err(|e| unwritten(&self.path, e))?;
        let head = match self.options.file_type {
            FileType::Sql => SQL_HEAD.to_owned(),
            FileType::Csv => super::csv::head(&self.table.columns),
        };
        sink.write(head.as_bytes()).map_err(|e| unwritten(&self.path, e))?;
        self.size = head.len() as u64;
        self.bytes += self.size;
        self.counters.written(self.size);
        Ok(sink)
    }

    async fn close(&mut self) -> Result<()> {
        self.write_piece().await?;
        self.settle().await?;
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let finished = tokio::task::spawn_blocking(move || sink.finish()).await;
        let finished = finished.unwrap_or_else(|e| Err(io::Error::other(e)));
        let (size, hash) = finished.map_err(|e| unwritten(&self.path, e))?;
        let facts = FileFacts { size, text_size: std::mem::take(&mut self.size), hash };
        self.done.push((std::mem::take(&mut self.name), facts));
        Ok(())
    }

    /// Rows whose text is in the pieces.
    pub fn count(&mut self, rows: u64) {
        self.rows += rows;
        self.counters.add(rows);
    }

    /// Ends the last file and tells them all.
    pub async fn finish(&mut self) -> Result<Written> {
        self.close().await?;
        Ok(Written { rows: self.rows, files: std::mem::take(&mut self.done) })
    }

    /// Removes what was written of a chunk that is given up: it will be written again, and its room is wanted.
    pub async fn abandon(mut self) {
        // The error is known already; what is under way must end before the file can go.
        let _ = self.settle().await;
        drop(self.sink.take());
        self.counters.take_back(self.rows, self.bytes);
        let names = self.done.iter().map(|(name, _)| name).chain([&self.name]).filter(|name| !name.is_empty());
        for name in names {
            // A file that stays is overwritten, or removed as a stray at the end.
            let _ = std::fs::remove_file(self.dir.join(name));
        }
    }
}

pub fn unwritten(path: &Path, e: io::Error) -> DmError {
    files::unusable(path, "cannot write the dump file", e)
}
