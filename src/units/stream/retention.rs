//! Watches, while rows are streamed, that the source keeps the binlog from which sync will begin.

use std::time::{Duration, Instant};

use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    mysql::{server::variable, show_binary_logs},
    units::{dump::DumpLocation, link},
};

/// Ten looks within the source's retention are enough, and one a minute.
fn pause(expires: Option<u64>) -> Duration {
    Duration::from_secs(expires.map_or(60, |seconds| (seconds / 10).clamp(1, 60)))
}

/// What is known of the source's files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// The needed file is gone.
    Gone,
    /// So many files stand before the needed one.
    Before(usize),
}

/// Where the file that sync needs stands among those that the source has.
pub fn kept(files: &[String], needed: &str) -> Kept {
    files.iter().position(|file| file == needed).map_or(Kept::Gone, Kept::Before)
}

/// Says once what an operator should do about the binlog. Never ends.
pub async fn watch(db: &DbConfig, from: &DumpLocation, note: impl Fn(String)) -> DmError {
    let begun = Instant::now();
    let (mut first, mut every): (Option<usize>, _) = (None, pause(None));
    loop {
        match look(db, from).await {
            Ok((Kept::Gone, _)) => {
                let name = &from.binlog_name;
                return DmError::from(Code::NoMasterStatus)
                    .msg(format!("the source has no binlog file {name} any more, from which sync must begin after this load"))
                    .workaround(
                        "Please keep the source's binlogs for longer than the load takes, empty the target tables, and start \
                         the task with `--remove-meta`.",
                    );
            }
            Ok((Kept::Before(files), expires)) => {
                every = pause(expires);
                let before = *first.get_or_insert(files);
                let near = (before > 0 && files == 0)
                    || expires.is_some_and(|expires| begun.elapsed().as_secs() > expires / 5 * 4);
                if near {
                    note(format!(
                        "the source is about to purge its binlog file {}, from which sync must begin after this load: please \
                         let it keep its binlogs for longer until the task has caught up",
                        from.binlog_name
                    ));
                }
            }
            Err(error) => tracing::warn!(%error, "the source did not tell its binlog files"),
        }
        tokio::time::sleep(every).await;
    }
}

/// Where the file stands, and after how many seconds the source purges files by itself.
async fn look(db: &DbConfig, from: &DumpLocation) -> Result<(Kept, Option<u64>)> {
    let asked = async {
        let mut conn = link::connect(db, &[], Scope::Upstream).await?;
        let files = show_binary_logs(&mut conn).await?;
        let number = |text: Option<String>| text.and_then(|text| text.parse::<f64>().ok()).filter(|n| *n > 0.0);
        let seconds = number(variable(&mut conn, Scope::Upstream, "binlog_expire_logs_seconds").await?);
        let days = number(variable(&mut conn, Scope::Upstream, "expire_logs_days").await?);
        let expires = seconds.or(days.map(|days| days * 86_400.0)).map(|seconds| seconds as u64);
        let names: Vec<String> = files.into_iter().map(|file| file.name).collect();
        Ok((kept(&names, &from.binlog_name), expires))
    };
    link::answered(db, Scope::Upstream, "the binlog files", asked).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_before_the_needed_one() {
        let files = ["b.7", "b.8", "b.9"].map(String::from);
        assert_eq!(kept(&files, "b.8"), Kept::Before(1));
        assert_eq!(kept(&files, "b.6"), Kept::Gone);
    }
}
