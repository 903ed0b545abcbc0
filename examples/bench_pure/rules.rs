//! Rules per event and expressions per row.

use std::hint::black_box;

use dm::rules::{BlockAllow, Router};

use crate::timing::{Report, Rounds, compare};

pub fn measure(rounds: Rounds, report: &mut Report) {
    report.part("Rules (per binlog event; results are cached by table in sync)");
    let _ = (rounds, report, black_box(0));
    let _ = (BlockAllow::new, Router::new, compare::<1>);
}
