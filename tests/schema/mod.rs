//! The schema layer against real servers of every release: see `follower` for what is compared.

mod catalogue;
mod corpus;
mod facts;
mod follower;
mod layout;
mod oracle;
mod rig;
mod subject;
mod tracked;

use follower::{Follower, Verdict};
use rig::Rig;

use crate::support::{release::Release, servers::Server};

/// What one server came to.
struct Outcome {
    label: String,
    product: String,
    /// A topic, a statement, what became of it.
    verdicts: Vec<(String, String, Verdict)>,
    rows_compared: usize,
    problems: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tracker_follows_every_server() {
    let started = std::time::Instant::now();
    let running: Vec<_> = releases().into_iter().map(|release| tokio::spawn(follow(release))).collect();
    let mut outcomes = Vec::new();
    for run in running {
        outcomes.push(run.await.unwrap());
    }
    let mut problems = 0;
    for outcome in &outcomes {
        let count = |is: fn(&Verdict) -> bool| outcome.verdicts.iter().filter(|(_, _, verdict)| is(verdict)).count();
        println!(
            "{} ({}): {} statements, {} tracked, {} skipped, {} not logged, {} refused by us, {} by the server, {} rows",
            outcome.label,
            outcome.product,
            outcome.verdicts.len(),
            count(|v| matches!(v, Verdict::Tracked)),
            count(|v| matches!(v, Verdict::Skipped)),
            count(|v| matches!(v, Verdict::NotLogged)),
            count(|v| matches!(v, Verdict::Refused(_))),
            count(|v| matches!(v, Verdict::RefusedByServer(_))),
            outcome.rows_compared,
        );
        problems += outcome.problems.len();
    }
    println!("took {:?}", started.elapsed());
    if let Some(path) = std::env::var_os("DM_DDL_LOG") {
        let mut text = String::new();
        for outcome in &outcomes {
            text.push_str(&outcome.problems.join("\n\n"));
            for (topic, sql, verdict) in &outcome.verdicts {
                text.push_str(&format!("\n= {} {topic} {verdict:?}: {sql}", outcome.label));
            }
            text.push('\n');
        }
        std::fs::write(path, text).unwrap();
    }
    let all: Vec<String> = outcomes.into_iter().flat_map(|outcome| outcome.problems).collect();
    assert!(problems == 0, "{problems} problems:\n\n{}", all.join("\n\n"));
}

/// Every release, or those whose names `DM_DDL_SERVERS` lists.
fn releases() -> Vec<Release> {
    use Release::*;
    let all = [Mysql56, Mysql57, Mysql80, Mysql97, Mariadb105, Mariadb1011, Mariadb118];
    let wanted = std::env::var("DM_DDL_SERVERS").unwrap_or_default().to_lowercase();
    let is_wanted = |release: &Release| wanted.is_empty() || wanted.split(',').any(|name| *name == label(*release));
    all.into_iter().filter(is_wanted).collect()
}

fn label(release: Release) -> String {
    format!("{release:?}").to_lowercase()
}

async fn follow(release: Release) -> Outcome {
    let mut options = vec!["--innodb-flush-log-at-trx-commit=0"];
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
        problems: Vec::new(),
        label,
    };
    let wanted = std::env::var("DM_DDL_TOPICS").unwrap_or_default();
    for topic in corpus::topics() {
        if !wanted.is_empty() && !wanted.split(',').any(|name| name == topic.name) {
            continue;
        }
        follower.clear().await;
        for sql in &topic.statements {
            let mut problems = Vec::new();
            let verdict = follower.step(sql, &mut problems).await;
            let place = format!("{} {}: {sql}", outcome.label, topic.name);
            outcome.problems.extend(problems.into_iter().map(|problem| format!("{place}\n  {problem}")));
            if !corpus::is_setting(sql) {
                outcome.verdicts.push((topic.name.clone(), sql.clone(), verdict));
            } else if let Verdict::RefusedByServer(_) = verdict {
                // The server has no such setting.
            }
        }
        let mut problems = Vec::new();
        follower.compare_all(&mut problems).await;
        outcome.problems.extend(
            problems.into_iter().map(|problem| format!("{} {}: at the end\n  {problem}", outcome.label, topic.name)),
        );
    }
    outcome.rows_compared = follower.rows_compared;
    outcome
}
