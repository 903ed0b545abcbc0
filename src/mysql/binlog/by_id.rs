//! Maps by table id. Ids are the server's own counter, so one multiplication spreads them well enough; the library's
//! keyed hash would be a good part of what a small event costs.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by table id.
pub type ById<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

/// Spreads one number over all bits.
#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, id: u64) {
        let spread = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The map takes its buckets from the low bits and its marks from the high ones.
        self.0 = spread ^ (spread >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_fall_apart() {
        let mut map: ById<u64> = ById::default();
        (0..10_000).for_each(|id| assert_eq!(map.insert(id, id), None));
        assert!((0..10_000).all(|id| map.get(&id) == Some(&id)));
        let low: std::collections::HashSet<u64> = (0..256u64)
            .map(|id| {
                let mut hasher = IdHasher::default();
                hasher.write_u64(id);
                hasher.finish() & 0xff
            })
            .collect();
        assert!(low.len() > 128, "{}", low.len());
    }
}
