//! Data files of dumps: any bytes are rows or refused, the same ones whatever pieces they are read in and behind whichever row a load
//! goes on.
//!
//! Input: one byte (INSERTs, CSV or LOAD DATA, and how long the pieces are), then a file; of LOAD DATA a statement, a zero byte, and a
//! file of its fields.
#![no_main]

use std::{
    io::{Read, Result as IoResult},
    sync::Arc,
};

use dm::units::load::{
    csv::{CsvScanner, Table},
    fields::{FieldScanner, Layout},
    scan::{Batch, InsertHead, ScanError, Scanner},
    statement,
};
use libfuzzer_sys::fuzz_target;

/// The longest line of fields.
const MOST: usize = 1 << 16;
/// Rows behind which a file is gone on with.
const RESUMED: usize = 16;

/// A file that is read some bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    most: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let count = self.rest.len().min(self.most).min(buffer.len());
        let (now, rest) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = rest;
        Ok(count)
    }
}

fn put(out: &mut Vec<u8>, _: &InsertHead, row: &[u8]) {
    out.extend_from_slice(row);
}

/// The batches of a file behind a position.
type Open<'a> = dyn Fn(u64, usize, usize) -> Result<Vec<Batch>, ScanError> + 'a;

fn all(mut next: impl FnMut() -> Result<Option<Batch>, ScanError>) -> Result<Vec<Batch>, ScanError> {
    let mut batches = Vec::new();
    while let Some(batch) = next()? {
        assert!(batch.rows > 0 && batch.start < batch.end, "{batch:?}");
        batches.push(batch);
    }
    Ok(batches)
}

/// Rows with the heads that they have, as one list.
fn text(batches: &[Batch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut head = None;
    for batch in batches {
        if head != Some(&batch.head) {
            out.extend_from_slice(format!("\n{:?} ", batch.head).as_bytes());
            head = Some(&batch.head);
        } else {
            out.push(b',');
        }
        out.extend_from_slice(&batch.text);
    }
    out
}

fn check(read: &Open<'_>, piece: usize) {
    let whole = read(0, 1 << 20, usize::MAX);
    let single = read(0, 1, piece);
    let (Ok(whole), Ok(single)) = (&whole, &single) else {
        assert_eq!(whole.is_ok(), single.is_ok(), "{whole:?} {single:?}");
        return;
    };
    assert_eq!(text(whole), text(single));
    assert!(single.windows(2).all(|pair| pair[0].end == pair[1].start));
    for (at, batch) in single.iter().enumerate().take(RESUMED) {
        let later = read(batch.end, 1, usize::MAX).expect("what was read is read again");
        assert_eq!(later, single[at + 1..], "behind {}", batch.end);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, file)) = data.split_first() else { return };
    let piece = usize::from(head / 3) + 1;
    match head % 3 {
        0 => check(
            &|position, limit, most| {
                let mut scanner = Scanner::new(Pieces { rest: file, most }, position);
                all(|| scanner.next_batch(limit, &put))
            },
            piece,
        ),
        1 => check(
            &|position, limit, most| {
                let mut scanner = CsvScanner::new(Pieces { rest: file, most }, position, Arc::new(Table::default()));
                all(|| scanner.next_batch(limit, &put))
            },
            piece,
        ),
        _ => {
            let Some(end) = file.iter().position(|byte| *byte == 0) else { return };
            let (Ok(sql), fields) = (std::str::from_utf8(&file[..end]), &file[end + 1..]) else { return };
            let Ok(statements) = statement::statements(sql) else { return };
            for (_, terms) in statements.into_iter().filter(|(_, terms)| terms.check().is_ok()) {
                let terms = Arc::new(terms);
                let Ok(layout) = Layout::new(&terms, &Table::default(), piece % 2 == 0) else { continue };
                check(
                    &|position, limit, most| {
                        let input = Pieces { rest: fields, most };
                        let mut scanner = FieldScanner::new(input, position, layout.clone(), MOST);
                        all(|| scanner.next_batch(limit, &put))
                    },
                    piece,
                );
            }
        }
    }
});
