//! `make bench-pure`: what needs no server. DDL parsing beside sqlparser's own MySQL dialect, row images to SQL text
//! beside mysql_common's decoding, rules and expressions, GTID sets and conflicts. Prints a table; `--json` for scripts, `--quick` for a look,
//! `--only ddl|rows|rules|sync` for one part. Times are CPU time of the measuring thread, so that a busy machine disturbs
//! little; medians, with the spread of the middle half and the machine's load beside them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod alloc;
mod ddl;
mod rows;
mod rules;
mod sync;
mod tables;
mod timing;

use timing::{Report, Rounds};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|a| a == name);
    let only = arguments.iter().position(|a| a == "--only").and_then(|i| arguments.get(i + 1)).cloned();
    let wants = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let rounds = if has("--quick") { Rounds { count: 5, millis: 20 } } else { Rounds { count: 21, millis: 60 } };
    let mut report = Report::new(has("--json"));
    if wants("ddl") {
        ddl::measure(rounds, &mut report);
    }
    if wants("rows") {
        rows::measure(rounds, &mut report);
    }
    if wants("rules") {
        rules::measure(rounds, &mut report);
    }
    if wants("sync") {
        sync::measure(rounds, &mut report);
    }
    report.end();
}
