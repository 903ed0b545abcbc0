//! Short values, one after the other: the place of writing stays in a register, and each value is written into a window
//! that is surely large enough, so that the compiler needs no further checks and no call.

use super::{SqlText, digits, quote};

/// Room for a separator and any short value.
const WINDOW: usize = 64;
/// A separator, a sign and 20 digits.
const INTEGER: usize = 22;

/// Writes short values into a [`SqlText`]; [`Pen::out`] ends it.
pub struct Pen<'a> {
    out: &'a mut SqlText,
    at: usize,
}

/// An integer as sign and magnitude.
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    pub minus: bool,
    pub magnitude: u64,
    /// Of a type of at most 16 bits.
    pub short: bool,
}

impl SqlText {
    /// Writes what `next` gives, at most `most` integers behind their separators; gives how many there were.
    #[inline(always)]
    pub fn integers(&mut self, most: usize, mut next: impl FnMut() -> Option<(u8, Integer)>) -> usize {
        self.room(most * INTEGER + WINDOW);
        let start = self.len;
        let Some(free) = self.bytes.get_mut(start..) else { return 0 };
        let (mut at, mut count) = (0, 0);
        while let Some(window) = free.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<WINDOW>()) {
            let Some((separator, Integer { minus, magnitude, short })) = next() else { break };
            (window[0], window[1]) = (separator, b'-');
            let before = 1 + usize::from(minus);
            at += before
                + if short {
                    digits::write_short(magnitude as u32, window, before)
                } else {
                    digits::write(magnitude, window, before)
                };
            count += 1;
        }
        self.len = start + at;
        count
    }

    #[inline(always)]
    pub fn pen(&mut self) -> Pen<'_> {
        let at = self.len;
        Pen { out: self, at }
    }
}

impl<'a> Pen<'a> {
    /// The text with all that was written.
    #[inline(always)]
    pub fn out(self) -> &'a mut SqlText {
        self.out.len = self.at;
        self.out
    }

    #[inline(always)]
    fn window(&mut self) -> &mut [u8; WINDOW] {
        if self.out.bytes.len() < self.at + WINDOW {
            self.out.len = self.at;
            self.out.grow(WINDOW);
        }
        // It fits: the buffer was grown. The last resort keeps the compiler from adding a panic.
        self.out.bytes.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut()).unwrap_or(&mut self.out.spare)
    }

    #[inline(always)]
    pub fn separator(&mut self, byte: u8) {
        self.window()[0] = byte;
        self.at += 1;
    }

    #[inline(always)]
    pub fn null(&mut self) {
        self.window()[..4].copy_from_slice(b"NULL");
        self.at += 4;
    }

    /// A number behind a separator, as sign and magnitude.
    #[inline(always)]
    pub fn integer_after(&mut self, separator: u8, minus: bool, magnitude: u64) {
        let window = self.window();
        (window[0], window[1]) = (separator, b'-');
        let before = 1 + usize::from(minus);
        let used = digits::write(magnitude, window, before);
        self.at += before + used;
    }

    #[inline(always)]
    pub fn u64(&mut self, n: u64) {
        let used = digits::write(n, self.window(), 0);
        self.at += used;
    }

    #[inline(always)]
    pub fn i64(&mut self, n: i64) {
        let window = self.window();
        window[0] = b'-';
        let sign = usize::from(n < 0);
        let used = digits::write(n.unsigned_abs(), window, sign);
        self.at += sign + used;
    }

    /// Text of `length` bytes, at most 16, in quotes behind a separator; `chunk` begins with it. False when nothing was
    /// written, as it needs another form.
    #[inline(always)]
    pub fn utf8_short(&mut self, separator: u8, chunk: &[u8; 16], length: usize) -> bool {
        if !quote::is_plain_before(chunk, length) {
            return false;
        }
        let window = self.window();
        (window[0], window[1]) = (separator, b'\'');
        window[2..18].copy_from_slice(chunk);
        window[2 + (length & 31)] = b'\'';
        self.at += length + 3;
        true
    }
}
