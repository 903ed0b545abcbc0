//! Reading numbers and slices out of an event's bytes, never beyond their end.

use bytes::Bytes;

/// Bytes that are not what they should be; says what was being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// What parsing gives.
pub type Parsed<T> = Result<T, Malformed>;

/// A place in an event's bytes. Slices share the event's memory.
#[derive(Clone)]
pub struct Cursor<'a> {
    data: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(data: &'a Bytes) -> Self {
        Cursor { data, at: 0, end: data.len() }
    }

    /// A cursor over a part of the bytes; a part that isn't there is empty.
    pub fn between(data: &'a Bytes, start: usize, end: usize) -> Self {
        let end = end.min(data.len());
        Cursor { data, at: start.min(end), end }
    }

    /// Bytes not yet read.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    fn take(&mut self, n: usize) -> Parsed<std::ops::Range<usize>> {
        if n > self.left() {
            return Err(Malformed("it ends too early"));
        }
        let range = self.at..self.at + n;
        self.at = range.end;
        Ok(range)
    }

    /// The next `n` bytes, borrowed.
    pub fn slice(&mut self, n: usize) -> Parsed<&'a [u8]> {
        Ok(&self.data[self.take(n)?])
    }

    /// The next `n` bytes, sharing the event's memory.
    pub fn bytes(&mut self, n: usize) -> Parsed<Bytes> {
        Ok(self.data.slice(self.take(n)?))
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> Bytes {
        let range = self.at..self.end;
        self.at = self.end;
        self.data.slice(range)
    }

    /// A cursor over the next `n` bytes alone.
    pub fn part(&mut self, n: usize) -> Parsed<Cursor<'a>> {
        let range = self.take(n)?;
        Ok(Cursor { data: self.data, at: range.start, end: range.end })
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Parsed<u8> {
        Ok(self.slice(1)?[0])
    }

    pub fn u16(&mut self) -> Parsed<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A little-endian number of up to 8 bytes.
    pub fn uint_le(&mut self, bytes: usize) -> Parsed<u64> {
        let mut array = [0; 8];
        let slice = self.slice(bytes)?;
        array.get_mut(..bytes).ok_or(Malformed("a number is too long"))?.copy_from_slice(slice);
        Ok(u64::from_le_bytes(array))
    }

    /// A big-endian number of up to 8 bytes.
    pub fn uint_be(&mut self, bytes: usize) -> Parsed<u64> {
        Ok(self.slice(bytes)?.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A length-encoded integer of the client protocol.
    pub fn lenenc(&mut self) -> Parsed<u64> {
        match self.u8()? {
            n @ 0..=250 => Ok(n.into()),
            252 => self.uint_le(2),
            253 => self.uint_le(3),
            254 => self.u64(),
            _ => Err(Malformed("a length is not a length")),
        }
    }

    /// A length-encoded integer that counts bytes or members here.
    pub fn lenenc_len(&mut self) -> Parsed<usize> {
        usize::try_from(self.lenenc()?).map_err(|_| Malformed("a length is too large"))
    }

    /// Bytes up to a zero byte, which is skipped.
    pub fn until_zero(&mut self) -> Parsed<&'a [u8]> {
        let n = self.data[self.at..self.end].iter().position(|b| *b == 0).ok_or(Malformed("a text has no end"))?;
        let text = self.slice(n)?;
        self.take(1)?;
        Ok(text)
    }
}

/// Names are UTF-8 in every event.
pub fn text(bytes: &[u8]) -> Parsed<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("a name is not UTF-8"))
}
