//! Random sequences of DDL on a server, and the shortest one that shows a difference.

use super::{
    follower::{Follower, Verdict},
    generator::{self, Random},
    report::Outcome,
};

/// Statements of one seed.
const LENGTH: usize = 40;
/// Seeds of every day.
const SEEDS: u64 = 2;

/// Runs the seeds 0 to `DM_DDL_SEEDS`, or the one that `DM_DDL_SEED` names.
pub async fn follow(follower: &mut Follower, outcome: &mut Outcome) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("DM_DDL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DM_DDL_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Some((sequence, problems)) = failing(follower, seed, &mut outcome.random).await {
            let sequence = shortest(follower, sequence).await;
            outcome.problems.push(format!(
                "{} seed {seed}:\n    {};\n  {}",
                outcome.label,
                sequence.join(";\n    "),
                problems.join("\n  ")
            ));
        }
    }
}

/// The accepted statements of a seed up to the first that shows a difference, and what differs.
async fn failing(follower: &mut Follower, seed: u64, executed: &mut usize) -> Option<(Vec<String>, Vec<String>)> {
    follower.clear().await;
    let mut random = Random::new(seed);
    let mut sequence = generator::settings(&mut random);
    for setting in &sequence {
        follower.step(setting, &mut Vec::new()).await;
    }
    for _ in 0..LENGTH {
        let sql = generator::statement(&mut random, &follower.tracker);
        let mut problems = Vec::new();
        match follower.step(&sql, &mut problems).await {
            Verdict::RefusedByServer(_) => continue,
            Verdict::Refused(reason) => problems.push(format!("[refused] {reason}")),
            _ => *executed += 1,
        }
        sequence.push(sql);
        if !problems.is_empty() {
            return Some((sequence, problems));
        }
    }
    let mut problems = Vec::new();
    follower.compare_all(&mut problems).await;
    (!problems.is_empty()).then_some((sequence, problems))
}

/// Leaves out what the difference doesn't need.
async fn shortest(follower: &mut Follower, mut sequence: Vec<String>) -> Vec<String> {
    for at in (0..sequence.len().saturating_sub(1)).rev() {
        let mut without = sequence.clone();
        without.remove(at);
        if differs(follower, &without).await {
            sequence = without;
        }
    }
    sequence
}

/// True when the last statement, and none before it, shows a difference.
async fn differs(follower: &mut Follower, sequence: &[String]) -> bool {
    follower.clear().await;
    let mut problems = Vec::new();
    for (at, sql) in sequence.iter().enumerate() {
        let verdict = follower.step(sql, &mut problems).await;
        let refused = matches!(verdict, Verdict::Refused(_));
        if refused || !problems.is_empty() {
            return at + 1 == sequence.len();
        }
    }
    false
}
