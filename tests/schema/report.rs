//! What became of the corpus on each server, as the table that `docs/ddl-coverage.md` holds.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use super::follower::Verdict;

/// What one server came to.
pub struct Outcome {
    pub label: String,
    pub product: String,
    /// A topic, a statement, what became of it.
    pub verdicts: Vec<(String, String, Verdict)>,
    pub rows_compared: usize,
    /// Random statements that were executed.
    pub random: usize,
    pub problems: Vec<String>,
}

const HEAD: &str = "\
# DDL coverage

Every statement of `tests/schema/corpus/` is sent to every server, which takes it or not. What it writes into its binlog
is followed as the sync unit follows it. After each statement the tracked structure, the structure that the loader reads,
the stored `table_info`, the rewritten statement's table and the row layout of a written row must equal what
information_schema and the row's table map say; a difference fails `cargo test --test integration schema::`.

`make ddl-report` writes this file. *Accepted*: by the server. *Tracked*: followed with an equal result. *Passed through*:
sent to the target as text, changes nothing that the model knows. *Skipped*: of a kind that is not migrated. *Not logged*:
not in the binlog. *Refused*: the task would pause with the error below. *Rows*: layouts compared with a written row.

";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/ddl-coverage.md")
}

fn count(outcome: &Outcome, is: impl Fn(&Verdict) -> bool) -> usize {
    outcome.verdicts.iter().filter(|(_, _, verdict)| is(verdict)).count()
}

/// The report's text.
pub fn text(outcomes: &[Outcome]) -> String {
    let mut text = HEAD.to_owned();
    text.push_str(
        "| server | statements | accepted | tracked | passed through | skipped | not logged | refused | rows |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for outcome in outcomes {
        let all = outcome.verdicts.len();
        let accepted = all - count(outcome, |verdict| matches!(verdict, Verdict::RefusedByServer(_)));
        let of = |wanted: Verdict| count(outcome, |verdict| *verdict == wanted);
        let _ = writeln!(
            text,
            "| {} | {all} | {accepted} | {} | {} | {} | {} | {} | {} |",
            outcome.product,
            of(Verdict::Tracked),
            of(Verdict::PassedThrough),
            of(Verdict::Skipped),
            of(Verdict::NotLogged),
            count(outcome, |verdict| matches!(verdict, Verdict::Refused(_))),
            outcome.rows_compared,
        );
    }
    text.push_str("\n## Refused by this program\n\n| statement | reason | servers |\n|---|---|---|\n");
    for ((topic, sql, reason), servers) in refusals(outcomes) {
        let plain = |text: &str| text.replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| {topic}: `{}` | {} | {} |", plain(&sql), plain(&reason), servers.join(", "));
    }
    text
}

type Refusal = (String, String, String);

fn refusals(outcomes: &[Outcome]) -> BTreeMap<Refusal, Vec<String>> {
    let mut all: BTreeMap<Refusal, Vec<String>> = BTreeMap::new();
    for outcome in outcomes {
        for (topic, sql, verdict) in &outcome.verdicts {
            if let Verdict::Refused(reason) = verdict {
                let servers = all.entry((topic.clone(), sql.clone(), reason.clone())).or_default();
                servers.push(outcome.product.clone());
            }
        }
    }
    all
}

/// Writes the file, or says what got worse than the file says: more refusals, fewer statements that are followed.
pub fn check(outcomes: &[Outcome]) -> Vec<String> {
    // A narrowed run doesn't know the whole table.
    if std::env::var_os("DM_DDL_REPORT").is_some() && std::env::var_os("DM_DDL_SERVERS").is_none() {
        std::fs::write(path(), text(outcomes)).unwrap();
        return Vec::new();
    }
    let committed = std::fs::read_to_string(path()).unwrap_or_default();
    outcomes.iter().filter_map(|outcome| worse(&committed, outcome)).collect()
}

fn worse(committed: &str, outcome: &Outcome) -> Option<String> {
    let release = outcome.product.rsplit_once('.').map_or("", |(release, _)| release);
    let line = committed.lines().find(|line| line.starts_with(&format!("| {release}.")));
    let again = "run `make ddl-report` and look at the difference";
    let Some(line) = line else {
        return Some(format!("docs/ddl-coverage.md has no line for {}: {again}", outcome.product));
    };
    let known: Vec<usize> = line.split('|').skip(3 - 1).filter_map(|cell| cell.trim().parse().ok()).collect();
    let followed =
        count(outcome, |verdict| matches!(verdict, Verdict::Tracked | Verdict::PassedThrough | Verdict::Skipped));
    let refused = count(outcome, |verdict| matches!(verdict, Verdict::Refused(_)));
    let [statements, _, tracked, passed, skipped, _, known_refused, _] = known[..] else {
        return Some(format!("docs/ddl-coverage.md is not understood: {line}"));
    };
    let known_followed = tracked + passed + skipped;
    let fine = statements == outcome.verdicts.len() && followed >= known_followed && refused <= known_refused;
    (!fine).then(|| {
        format!(
            "{}: {} statements, {followed} followed, {refused} refused; docs/ddl-coverage.md says {statements}, \
             {known_followed} and {known_refused}: {again}",
            outcome.product,
            outcome.verdicts.len()
        )
    })
}
