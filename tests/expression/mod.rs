//! Expression filters against real servers: the same expressions over the same rows, by the server and by us.

mod generator;
mod rig;
mod weights;

use rig::Rig;

use crate::support::release::Release;

/// What a server gets wrong; why.
const MASKS: [(Release, &str, &str); 2] = [
    (Release::Mysql56, "ADDTIME(dt, '01:00:00')", "it prints the year 10000 as `:000` instead of giving NULL"),
    (Release::Mysql56, "TIMESTAMP(dt, t0)", "the same"),
];

const EVERYDAY: [Release; 2] = [Release::Mysql97, Release::Mariadb1011];

/// The releases of this run: `DM_EXPR_SERVERS=mysql57,mariadb118` or the everyday ones.
fn releases() -> Vec<Release> {
    let Ok(names) = std::env::var("DM_EXPR_SERVERS") else { return EVERYDAY.to_vec() };
    let wanted: Vec<&str> = names.split(',').collect();
    let name = |release: &Release| release.title().to_lowercase().replace([' ', '.'], "");
    Release::ALL.into_iter().filter(|release| wanted.contains(&name(release).as_str())).collect()
}

/// `corpus.txt`: one expression a line. Servers before it (`@mysql80+,mariadb`, see [`Rig::choose`]): only
/// there; `@refused`: we must not take it.
#[tokio::test]
async fn the_corpus_has_the_servers_values() {
    let lines: Vec<&str> =
        include_str!("corpus.txt").lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    assert!(lines.len() > 400, "{}", lines.len());
    let mut problems = Vec::new();
    for release in releases() {
        let rig = Rig::new(release).await;
        let (taken, refused) = rig.choose(&lines);
        for text in refused {
            let built = rig.compile(text);
            assert!(built.is_err(), "{text} must be refused");
        }
        let masked = |text: &str| MASKS.iter().any(|(of, line, _)| *of == release && *line == text);
        let taken: Vec<&str> = taken.into_iter().filter(|text| !masked(text)).collect();
        let report = rig.compare(&taken).await;
        problems.extend(report.problems(release, 0, "corpus"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every column beside every other and beside constants of all kinds.
#[tokio::test]
async fn every_pair_of_types_compares_as_on_the_server() {
    let mut problems = Vec::new();
    for release in releases() {
        let mut rig = Rig::new(release).await;
        rig.strict = false;
        let expressions = generator::pairs(&rig.columns(), release);
        let refs: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let report = rig.compare(&refs).await;
        problems.extend(report.problems(release, expressions.len() / 4, "pairs"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Random expressions; `DM_EXPR_SEEDS` says how many seeds (each makes 250).
#[tokio::test]
async fn random_expressions_have_the_servers_values() {
    let seeds: u64 = std::env::var("DM_EXPR_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let first: u64 = std::env::var("DM_EXPR_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut problems = Vec::new();
    for release in releases() {
        let mut rig = Rig::new(release).await;
        rig.strict = false;
        for seed in first..first + seeds {
            let expressions = generator::random(seed, 250, release);
            let refs: Vec<&str> = expressions.iter().map(String::as_str).collect();
            let report = rig.compare(&refs).await;
            problems.extend(report.problems(release, expressions.len() / 4, &format!("seed {seed}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
