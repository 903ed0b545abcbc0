//! GTIDs and sets of both flavours: what is read is written so that it reads back the same, and sets follow their laws.
//!
//! Input: one byte for the flavor, then two texts divided by `|`.
#![no_main]

use dm::{
    config::Flavor,
    mysql::gtid::{Gtid, GtidSet},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((head, text)) = data.split_first() else { return };
    let flavor = if head & 1 == 0 { Flavor::Mysql } else { Flavor::Mariadb };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (first, second) = text.split_once('|').unwrap_or((text, ""));
    if let Ok(gtid) = Gtid::parse(flavor, first) {
        assert_eq!(Gtid::parse(flavor, &gtid.to_string()).expect("what is written can be read"), gtid);
        let mut set = GtidSet::empty(flavor);
        set.add(&gtid).expect("of one flavor");
        assert!(set.contains(&gtid));
    }
    let (Ok(a), Ok(b)) = (GtidSet::parse(flavor, first), GtidSet::parse(flavor, second)) else { return };
    assert_eq!(GtidSet::parse(flavor, &a.to_string()).expect("what is written can be read"), a);
    assert!(a.contains_set(&a));
    let mut both = a.clone();
    both.union(&b).expect("of one flavor");
    assert!(both.contains_set(&a) && both.contains_set(&b), "{a} with {b} is {both}");
    if let GtidSet::Mysql(set) = &both {
        let mut other = b.clone();
        other.union(&a).expect("of one flavor");
        assert_eq!(both, other, "the order of a union does not count");
        set.encode();
    }
    // MariaDB's sets compare by sequence numbers alone
    if matches!(a, GtidSet::Mysql(_)) && a.contains_set(&b) && b.contains_set(&a) {
        assert_eq!(a, b);
    }
});
