//! The schema layer against real servers of every release: see `follower` for what is compared.
//!
//! `DM_DDL_SERVERS=mysql80,mariadb118` and `DM_DDL_TOPICS=keys` narrow a run, `DM_DDL_SEEDS=n` lengthens it,
//! `DM_DDL_LOG=file` gets the verdict of every statement, `DM_DDL_REPORT=1` writes docs/ddl-coverage.md.

mod catalogue;
pub mod corpus;
mod facts;
mod follower;
mod generator;
mod layout;
mod oracle;
mod report;
mod rig;
mod sequences;
mod subject;
mod tracked;

use std::time::Duration;

use follower::Follower;
use report::Outcome;
use rig::Rig;

use crate::support::{release::Release, servers::Server};

/// Longest time of one statement and what is compared after it.
const STEP: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_tracker_follows_every_server() {
    let running: Vec<_> = releases().into_iter().map(|release| tokio::spawn(follow(release))).collect();
    let mut outcomes = Vec::new();
    for run in running {
        outcomes.push(run.await.unwrap());
    }
    println!("{}", report::text(&outcomes));
    write_log(&outcomes);
    let mut problems: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.problems.clone()).collect();
    if variable("DM_DDL_TOPICS").is_empty() {
        problems.extend(report::check(&outcomes));
    }
    assert!(problems.is_empty(), "{} problems:\n\n{}", problems.len(), problems.join("\n\n"));
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default().to_lowercase()
}

/// Every release, or those whose names `DM_DDL_SERVERS` lists.
fn releases() -> Vec<Release> {
    use Release::*;
    let all = [Mysql56, Mysql57, Mysql80, Mysql97, Mariadb105, Mariadb1011, Mariadb118];
    let wanted = variable("DM_DDL_SERVERS");
    let is_wanted = |release: &Release| wanted.is_empty() || wanted.split(',').any(|name| *name == label(*release));
    all.into_iter().filter(is_wanted).collect()
}

fn label(release: Release) -> String {
    format!("{release:?}").to_lowercase()
}

fn write_log(outcomes: &[Outcome]) {
    let Some(path) = std::env::var_os("DM_DDL_LOG") else { return };
    let mut text = String::new();
    for outcome in outcomes {
        text.push_str(&outcome.problems.join("\n\n"));
        for (topic, sql, verdict) in &outcome.verdicts {
            text.push_str(&format!("\n= {} {topic} {verdict:?}: {sql}", outcome.label));
        }
        text.push('\n');
    }
    std::fs::write(path, text).unwrap();
}

async fn follow(release: Release) -> Outcome {
    let mut options = vec!["--innodb-flush-log-at-trx-commit=0"];
    // Rows say more about their columns on some servers, so that both kinds are read.
    if matches!(release, Release::Mysql97 | Release::Mariadb1011) {
        options.push("--binlog-row-metadata=FULL");
    }
    let server = tokio::task::spawn_blocking(move || Server::of(release, &options)).await.unwrap();
    let label = label(release);
    let mut follower = Follower::new(Rig::new(&label, server).await).await;
    let mut outcome = Outcome {
        product: follower.rig.product(),
        verdicts: Vec::new(),
        rows_compared: 0,
        random: 0,
        problems: Vec::new(),
        label,
    };
    let wanted = variable("DM_DDL_TOPICS");
    for topic in corpus::topics() {
        if wanted.is_empty() || wanted.split(',').any(|name| name == topic.name) {
            follow_topic(&mut follower, &topic, &mut outcome).await;
        }
    }
    outcome.rows_compared = follower.rows_compared;
    if wanted.is_empty() || wanted.split(',').any(|name| name == "random") {
        sequences::follow(&mut follower, &mut outcome).await;
    }
    outcome
}

async fn follow_topic(follower: &mut Follower, topic: &corpus::Topic, outcome: &mut Outcome) {
    follower.clear().await;
    for sql in &topic.statements {
        let mut problems = Vec::new();
        let step = tokio::time::timeout(STEP, follower.step(sql, &mut problems)).await;
        let verdict = step.unwrap_or_else(|_| panic!("{} {} hangs: {sql}", outcome.label, topic.name));
        let place = format!("{} {}: {sql}", outcome.label, topic.name);
        outcome.problems.extend(problems.into_iter().map(|problem| format!("{place}\n  {problem}")));
        if !corpus::is_setting(sql) {
            outcome.verdicts.push((topic.name.clone(), sql.clone(), verdict));
        }
    }
    let mut problems = Vec::new();
    follower.compare_all(&mut problems).await;
    let place = format!("{} {}: at the end", outcome.label, topic.name);
    outcome.problems.extend(problems.into_iter().map(|problem| format!("{place}\n  {problem}")));
}
