//! MySQL's ids: `uuid:number`, since 8.3 also `uuid:tag:number`; a set holds intervals for each uuid and tag.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::parse_number;
use crate::error::{Code, DmError, Result};

/// Numbers end below this (the server's GNO_END).
const NUMBER_END: u64 = i64::MAX as u64;

/// A server's UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" })?;
        }
        Ok(())
    }
}

impl Uuid {
    /// Reads 32 hex digits, with or without dashes.
    fn parse(text: &str) -> Option<Uuid> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
        if digits.len() != 32 || !(text.len() == 32 || text.len() == 36) {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
        }
        Some(Uuid(bytes))
    }
}

/// Where numbers are counted: a server's UUID and a tag, empty for most.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SourceId {
    pub uuid: Uuid,
    /// Lower case; at most 32 letters, digits and underscores, not beginning with a digit.
    pub tag: Box<str>,
}

/// A tag as the server stores it; `None` when the text can't be one.
pub(super) fn parse_tag(text: &str) -> Option<Box<str>> {
    let tag = text.trim().to_ascii_lowercase();
    let allowed = |b: u8| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit();
    let ok = (1..=32).contains(&tag.len()) && tag.bytes().all(allowed) && !tag.as_bytes()[0].is_ascii_digit();
    ok.then(|| tag.into_boxed_str())
}

/// One transaction's id.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct MysqlGtid {
    pub source: SourceId,
    /// 1 is the first.
    pub number: u64,
}

impl fmt::Display for MysqlGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.source.tag {
            "" => write!(f, "{}:{}", self.source.uuid, self.number),
            tag => write!(f, "{}:{tag}:{}", self.source.uuid, self.number),
        }
    }
}

impl FromStr for MysqlGtid {
    type Err = DmError;

    fn from_str(text: &str) -> Result<Self> {
        let set: MysqlGtidSet = text.parse()?;
        let mut members = set.iter();
        match (members.next(), members.next()) {
            (Some((source, [one])), None) if one.end - one.start == 1 => {
                Ok(MysqlGtid { source: source.clone(), number: one.start })
            }
            _ => Err(not_valid(text)),
        }
    }
}

/// Numbers from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    pub start: u64,
    pub end: u64,
}

/// More sources than this of its own, and a set makes them part of what it shares.
const MOST_OWN: usize = 16;

/// Exactly the transactions executed: sorted intervals that neither touch nor overlap.
///
/// Sets are copied for every transaction of a stream, and of their sources few are active. So copies share what they had
/// in common, and each has of its own the sources that it added to; these stand for the shared ones of the same id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MysqlGtidSet {
    shared: Arc<BTreeMap<SourceId, Intervals>>,
    own: SmallVec<[(SourceId, Intervals); 1]>,
}

/// Of one source; mostly one.
type Intervals = SmallVec<[Interval; 2]>;

impl PartialEq for MysqlGtidSet {
    fn eq(&self, other: &Self) -> bool {
        self.sources() == other.sources()
    }
}

impl Eq for MysqlGtidSet {}

impl MysqlGtidSet {
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }

    /// Every uuid and tag with its intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SourceId, &[Interval])> {
        self.sources().into_iter()
    }

    fn sources(&self) -> BTreeMap<&SourceId, &[Interval]> {
        let own = self.own.iter().map(|(source, intervals)| (source, intervals));
        self.shared.iter().chain(own).map(|(source, intervals)| (source, intervals.as_slice())).collect()
    }

    fn intervals(&self, source: &SourceId) -> Option<&Intervals> {
        let own = self.own.iter().find(|(own, _)| own == source).map(|(_, intervals)| intervals);
        own.or_else(|| self.shared.get(source))
    }

    fn insert(&mut self, source: &SourceId, interval: Interval) {
        if let Some((_, intervals)) = self.own.iter_mut().find(|(own, _)| own == source) {
            return insert(intervals, interval);
        }
        if self.own.len() >= MOST_OWN {
            let own = std::mem::take(&mut self.own);
            Arc::make_mut(&mut self.shared).extend(own);
        }
        let mut intervals = self.shared.get(source).cloned().unwrap_or_default();
        insert(&mut intervals, interval);
        self.own.push((source.clone(), intervals));
    }

    /// Adds one transaction, in a time that doesn't grow with the number of sources; the usual next number only moves the
    /// end of the last interval.
    pub fn add(&mut self, gtid: &MysqlGtid) {
        if gtid.number > 0 && gtid.number < NUMBER_END {
            self.insert(&gtid.source, Interval { start: gtid.number, end: gtid.number + 1 });
        }
    }

    /// Adds the numbers from `start` up to, not including, `end`; nothing when that is no interval.
    pub fn add_interval(&mut self, source: SourceId, interval: Interval) {
        if interval.start > 0 && interval.start < interval.end && interval.end <= NUMBER_END {
            self.insert(&source, interval);
        }
    }

    pub fn contains(&self, gtid: &MysqlGtid) -> bool {
        let covers = |intervals: &Intervals| {
            let at = intervals.partition_point(|i| i.end <= gtid.number);
            intervals.get(at).is_some_and(|i| i.start <= gtid.number)
        };
        self.intervals(&gtid.source).is_some_and(covers)
    }

    /// Whether every transaction of `other` is in this set.
    pub fn contains_set(&self, other: &Self) -> bool {
        let has = |(source, wanted): (&SourceId, &Intervals)| {
            let Some(have) = self.intervals(source) else { return false };
            wanted.iter().all(|w| {
                let at = have.partition_point(|i| i.end < w.end);
                have.get(at).is_some_and(|i| i.start <= w.start)
            })
        };
        // What other's own stands for is part of it; what both share needs no look unless this set's own differs.
        let common = Arc::ptr_eq(&self.shared, &other.shared);
        other.own.iter().map(|(source, wanted)| (source, wanted)).all(has) && (common || other.shared.iter().all(has))
    }

    /// What is in this set and not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = MysqlGtidSet::default();
        for (source, intervals) in self.sources() {
            let taken = other.intervals(source).map(Intervals::as_slice).unwrap_or_default();
            for Interval { start, end } in intervals {
                let mut from = *start;
                for cut in taken.iter().filter(|cut| cut.end > *start && cut.start < *end) {
                    left.add_interval(source.clone(), Interval { start: from, end: cut.start });
                    from = cut.end;
                }
                left.add_interval(source.clone(), Interval { start: from, end: *end });
            }
        }
        left
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &Self) {
        for (source, intervals) in other.sources() {
            intervals.iter().for_each(|interval| self.insert(source, *interval));
        }
    }
}

/// Puts an interval where it belongs and joins it with those it touches.
fn insert(intervals: &mut Intervals, new: Interval) {
    let from = intervals.partition_point(|i| i.end < new.start);
    let to = from + intervals[from..].partition_point(|i| i.start <= new.end);
    if from == to {
        intervals.insert(from, new);
        return;
    }
    let joined = Interval { start: intervals[from].start.min(new.start), end: intervals[to - 1].end.max(new.end) };
    intervals[from] = joined;
    intervals.drain(from + 1..to);
}

impl fmt::Display for MysqlGtidSet {
    /// `uuid:1-5:7:tag:1-3`, members joined by a comma.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last: Option<&SourceId> = None;
        for (source, intervals) in self.sources() {
            match last {
                Some(last) if last.uuid == source.uuid => {}
                Some(_) => write!(f, ",{}", source.uuid)?,
                None => write!(f, "{}", source.uuid)?,
            }
            if !source.tag.is_empty() {
                write!(f, ":{}", source.tag)?;
            }
            for Interval { start, end } in intervals {
                match end - start {
                    1 => write!(f, ":{start}")?,
                    _ => write!(f, ":{start}-{}", end - 1)?,
                }
            }
            last = Some(source);
        }
        Ok(())
    }
}

fn not_valid(text: &str) -> DmError {
    DmError::new(Code::BinlogGTIDMySQLNotValid).msg(format!(
        "`{text}` is not a MySQL GTID set: expected `uuid:1-5:7`, several joined by commas, as @@gtid_executed prints it"
    ))
}

impl FromStr for MysqlGtidSet {
    type Err = DmError;

    fn from_str(text: &str) -> Result<Self> {
        let mut set = MysqlGtidSet::default();
        for member in text.split(',').map(str::trim).filter(|m| !m.is_empty()) {
            parse_member(&mut set, member).ok_or_else(|| not_valid(text))?;
        }
        Ok(set)
    }
}

/// Reads `uuid:1-5:7:tag:1-3` into `set`.
fn parse_member(set: &mut MysqlGtidSet, member: &str) -> Option<()> {
    let mut parts = member.split(':').map(str::trim);
    let uuid = Uuid::parse(parts.next()?)?;
    let mut tag: Box<str> = "".into();
    let mut waiting = true;
    for part in parts {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            let (start, last) = part.split_once('-').unwrap_or((part, part));
            let (start, last): (u64, u64) = (parse_number(start.trim())?, parse_number(last.trim())?);
            if start == 0 || last < start || last >= NUMBER_END {
                return None;
            }
            set.add_interval(SourceId { uuid, tag: tag.clone() }, Interval { start, end: last + 1 });
            waiting = false;
        } else {
            tag = parse_tag(part)?;
            waiting = true;
        }
    }
    (!waiting).then_some(())
}

impl TryFrom<String> for MysqlGtidSet {
    type Error = DmError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<MysqlGtidSet> for String {
    fn from(set: MysqlGtidSet) -> String {
        set.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> MysqlGtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn text_becomes_canonical() {
        let text = format!("{}:7:1-3:4-5,\n {A}:tag_b:1:Tag_A:2-2 , {A}:9", B.to_uppercase());
        assert_eq!(set(&text).to_string(), format!("{A}:9:tag_a:2:tag_b:1,{B}:1-5:7"));
        assert_eq!(set("").to_string(), "");
        assert_eq!(set(&set(&text).to_string()), set(&text));
    }

    #[test]
    fn a_difference_keeps_what_only_the_first_has() {
        let (a, b) = (format!("{A}:1-10:20-30:t:5,{B}:7"), format!("{A}:3-4:9-22:30,{B}:1-9"));
        assert_eq!(set(&a).without(&set(&b)).to_string(), format!("{A}:1-2:5-8:23-29:t:5"));
        assert_eq!(set(&a).without(&set("")), set(&a));
        assert!(set(&a).without(&set(&a)).is_empty());
    }

    #[test]
    fn wrong_texts_are_refused() {
        for tail in [":0", ":5-3", ":", "", ":1:", ":tag", ":1-", ":9223372036854775807", ":9tag:1", ":-1", ":1-2-3"] {
            let text = format!("{A}{tail}");
            let error = text.parse::<MysqlGtidSet>().expect_err(&text);
            assert_eq!(error.code(), Code::BinlogGTIDMySQLNotValid, "{text}");
        }
        assert!("0-1-5".parse::<MysqlGtidSet>().is_err());
        assert!(format!("{A}:1-2").parse::<MysqlGtid>().is_err());
        assert_eq!(format!("{A}:tag:2").parse::<MysqlGtid>().unwrap().to_string(), format!("{A}:tag:2"));
    }

    /// Sets of up to 40 numbers, added one by one in random order, against a plain set of numbers.
    #[test]
    fn sets_of_intervals_behave_like_sets_of_numbers() {
        let mut random = StdRng::seed_from_u64(7);
        let source = SourceId { uuid: Uuid::parse(A).unwrap(), tag: "".into() };
        let gtid = |number| MysqlGtid { source: source.clone(), number };
        let mut build = || {
            let (mut set, mut plain) = (MysqlGtidSet::default(), BTreeSet::new());
            for _ in 0..random.random_range(0..40) {
                let number = random.random_range(1..30);
                set.add(&gtid(number));
                plain.insert(number);
            }
            (set, plain)
        };
        for _ in 0..2000 {
            let ((a, plain_a), (b, plain_b)) = (build(), build());
            assert!((0..32).all(|n| a.contains(&gtid(n)) == plain_a.contains(&n)));
            assert_eq!(a.contains_set(&b), plain_a.is_superset(&plain_b));
            let mut both = a.clone();
            both.union(&b);
            let joined: BTreeSet<u64> = plain_a.union(&plain_b).copied().collect();
            assert!((0..32).all(|n| both.contains(&gtid(n)) == joined.contains(&n)));
            assert_eq!(set(&both.to_string()), both);
            let gaps = both.iter().all(|(_, list)| list.windows(2).all(|w| w[0].end < w[1].start));
            assert!(gaps, "intervals touch: {both}");
        }
    }
}
