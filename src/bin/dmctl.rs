//! DM's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(dm::dmctl::program())
}
