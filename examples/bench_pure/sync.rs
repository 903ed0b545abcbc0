//! What a transaction and a change cost beside their rows: GTID sets by the number of their members, conflicts by the number
//! of a change's keys.

use std::hint::black_box;

use dm::{
    config::Flavor,
    mysql::gtid::{Gtid, GtidSet},
    units::sync::measured::Conflicts,
};

use crate::timing::{Report, Rounds, compare};

pub fn measure(rounds: Rounds, report: &mut Report) {
    gtids(rounds, report);
    conflicts(rounds, report);
}

/// Of each transaction: a copy of the set before it, and its own id added.
fn gtids(rounds: Rounds, report: &mut Report) {
    report.part("A transaction's part of a GTID set, and the set as text (once a checkpoint)");
    for members in [1u32, 100, 10_000] {
        for flavor in [Flavor::Mysql, Flavor::Mariadb] {
            let member = |i: u32| match flavor {
                Flavor::Mysql => format!("{i:08x}-1111-2222-3333-444455556666:1-99"),
                Flavor::Mariadb => format!("{i}-1-99"),
            };
            let all: Vec<String> = (0..members).map(member).collect();
            let mut set = GtidSet::parse(flavor, &all.join(",")).unwrap();
            let id = |number: u64| match flavor {
                Flavor::Mysql => format!("00000000-1111-2222-3333-444455556666:{number}"),
                Flavor::Mariadb => format!("0-1-{number}"),
            };
            let next: Vec<Gtid> = (100..1100).map(|number| Gtid::parse(flavor, &id(number)).unwrap()).collect();
            let mut turn = next.iter().cycle();
            let text = set.clone();
            let mut one = || {
                let before = set.clone();
                set.add(turn.next().unwrap()).unwrap();
                black_box(before);
            };
            let mut written = || drop(black_box(text.to_string()));
            let [each, whole] = compare(rounds, [&mut one, &mut written]);
            let title = format!("{flavor:?}, {members} members");
            report.line(&title, each.median, "ns each", each, "");
            report.line(&format!("{title}, as text"), whole.median / 1e3, "µs", whole, "");
        }
    }
}

/// Keys that nobody else touches, and keys that meet those of changes in flight.
fn conflicts(rounds: Rounds, report: &mut Report) {
    report.part("Conflict detection of one change: 16 lanes, 4,000 changes in flight");
    for keys in [1usize, 2, 4, 8] {
        for (title, values) in [("all different", u64::MAX), ("of 10,000 values", 10_000)] {
            let mut at = Conflicts::new(16, 4000);
            let (mut number, mut all) = (0u64, vec![0u64; keys]);
            let mut admit = || {
                for (place, key) in all.iter_mut().enumerate() {
                    number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let value = (number ^ number >> 29) % values;
                    *key = value.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ place as u64;
                }
                black_box(at.admit(&all));
            };
            let [time] = compare(rounds, [&mut admit]);
            report.line(&format!("{keys} keys, {title}"), time.median, "ns each", time, "");
        }
    }
}
