//! Values as SQL text, written into one buffer that is used again: no allocation and no formatting machinery per value.
//!
//! What is written is the same, byte for byte, as [`super::literal`] writes for the decoded value; this is only the
//! fast way there. Small values go out as whole words of 8 or 16 bytes, of which only the used part counts.

mod digits;
mod pen;
mod quote;
#[cfg(test)]
mod tests;

pub use digits::{DecimalLayout, calendar_date};
pub use pen::{Integer, Pen};

/// Text being built. Bytes behind `len` are garbage that later writes overwrite.
pub struct SqlText {
    bytes: Vec<u8>,
    len: usize,
    /// Never used; see [`Pen`].
    spare: [u8; 64],
}

impl Default for SqlText {
    fn default() -> Self {
        SqlText { bytes: Vec::new(), len: 0, spare: [0; 64] }
    }
}

impl SqlText {
    pub fn new() -> SqlText {
        SqlText::default()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the text, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Cuts the text; longer than it is changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// A copy of its own; the buffer is left as it is.
    pub fn to_bytes(&self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(self.as_bytes())
    }

    /// The text, of which nothing stays. Short text is copied and the buffer used again, text beyond `long` takes it along.
    pub fn take_bytes(&mut self, long: usize) -> bytes::Bytes {
        if self.len <= long {
            let copy = self.to_bytes();
            self.len = 0;
            return copy;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(std::mem::take(&mut self.len));
        bytes::Bytes::from(bytes)
    }

    /// Makes sure that `more` bytes fit.
    #[inline]
    fn room(&mut self, more: usize) {
        if self.bytes.len() - self.len < more {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let wanted = (self.len + more).max(self.bytes.len() * 2).max(1024);
        self.bytes.resize(wanted, 0);
    }

    /// Writes all of `word`, of which `used` bytes count. Compiles to one store.
    #[inline(always)]
    fn put<const N: usize>(&mut self, word: [u8; N], used: usize) {
        self.room(N);
        if let Some(to) = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut::<N>()) {
            *to = word;
            self.len += used.min(N);
        }
    }

    #[inline(always)]
    pub fn push(&mut self, byte: u8) {
        self.put([byte], 1);
    }

    /// Appends bytes as they are. They must be UTF-8, as all SQL text is.
    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        if let Some(to) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    pub fn push_all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.push_str(text));
    }

    pub fn null(&mut self) {
        self.put(*b"NULL", 4);
    }
}

impl std::fmt::Write for SqlText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push_str(text);
        Ok(())
    }
}
