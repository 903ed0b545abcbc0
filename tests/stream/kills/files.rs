//! Kills while a dump is written to files, and while files are loaded.

use std::collections::BTreeMap;

use dm::units::dump::ledger;

use super::*;

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Victim {
    Worker,
    Source,
    Target,
}

const VICTIMS: [Victim; 3] = [Victim::Worker, Victim::Source, Victim::Target];

/// Of each unit.
const KILLS: usize = 4;

/// Data files of a dump so far.
fn written(config: &SubtaskConfig) -> usize {
    let folder = std::fs::read_dir(&config.loader.dir).into_iter().flatten().flatten();
    let names = folder.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".sql") && !name.contains("-schema")).count()
}

/// How many bytes of each file the target says are in it.
async fn places(target: &Server) -> BTreeMap<String, u64> {
    let mut conn = target.conn().await;
    conn.query("SELECT file_name, position FROM dm_meta.t_load_progress")
        .await
        .unwrap_or_default()
        .into_iter()
        .collect()
}

/// How far a unit is, in files.
async fn reached(kind: UnitType, config: &SubtaskConfig, target: &Server) -> usize {
    match kind {
        UnitType::Dump => written(config),
        _ => places(target).await.values().filter(|place| **place > 0).count(),
    }
}

/// What the dump's ledger has at a moment.
struct Noted {
    /// Of the source's log.
    end: usize,
    /// The reads of complete chunks of tables that are cut, by their beginning behind the columns.
    done: Vec<String>,
}

/// What is in whole files now. Chunks count when it is known that their table's name means what it meant, some 20 ms behind their rows.
fn noted(source: &Server, config: &SubtaskConfig) -> Noted {
    let (_, end) = reads(source, 0);
    let Some((begun, chunks)) = ledger::read(config.loader.dir.as_ref()) else {
        return Noted { end, done: Vec::new() };
    };
    let read = |done: ledger::Done| {
        let table = &begun.tables[done.table];
        let condition = &table.conditions[done.number];
        let from =
            format!(" FROM `{}`.`{}` FORCE INDEX (", table.schema.replace('`', "``"), table.table.replace('`', "``"));
        (!condition.is_empty()).then(|| format!("{from}\n WHERE ({condition})"))
    };
    Noted { end, done: chunks.into_iter().filter_map(read).collect() }
}

/// How many of these reads are in the log, and which of them are behind the moment.
fn again(source: &Server, noted: &Noted) -> (usize, Vec<String>) {
    let (before, _) = reads(source, 0);
    let (behind, _) = reads(source, noted.end);
    let is_in = |log: &[String], read: &str| {
        let (from, condition) = read.split_once('\n').unwrap();
        log.iter().any(|statement| statement.contains(from) && statement.contains(condition))
    };
    let seen = noted.done.iter().filter(|read| is_in(&before, read)).count();
    (seen, noted.done.iter().filter(|read| is_in(&behind, read)).cloned().collect())
}

struct Rig {
    source: Server,
    target: Server,
    config: SubtaskConfig,
    rng: StdRng,
    epoch: u64,
    kills: BTreeMap<(String, Victim), u32>,
    /// Behind each kill while the dump was written.
    noted: Vec<Noted>,
}

impl Rig {
    /// Runs a unit to its end over some kills.
    async fn run(&mut self, kind: UnitType) {
        let mut env = env(&self.config, self.epoch);
        let (mut killed, mut runs, mut before) = (0, 0, 0);
        loop {
            runs += 1;
            assert!(runs < 30, "{kind:?} does not come to its end");
            let unit = units::build(kind, env.clone()).unwrap();
            let mut task = tokio::spawn(async move { unit.run(CancellationToken::new()).await });
            let wanted = before + self.rng.random_range(1..50);
            let early = tokio::select! {
                ended = &mut task => Some(ended.unwrap()),
                () = self.until(kind, wanted), if killed < KILLS => None,
            };
            let ended = match early {
                Some(ended) => Some(ended),
                None => {
                    // A dump doesn't see the target die: not at first.
                    let victims = if kind == UnitType::Dump && killed == 0 { &VICTIMS[..2] } else { &VICTIMS[..] };
                    let victim = victims[self.rng.random_range(0..victims.len())];
                    killed += 1;
                    *self.kills.entry((format!("{kind:?}"), victim)).or_default() += 1;
                    let ended = self.kill(victim, &mut task, &mut env).await;
                    if kind == UnitType::Dump {
                        self.noted.push(noted(&self.source, &self.config));
                    }
                    ended
                }
            };
            match ended {
                Some(Ok(ended)) => break assert_eq!(ended, Ended::Finished),
                // What a subtask resumes from by itself.
                Some(Err(error)) => {
                    assert!(dm::error::policy::is_resumable(&error.to_process_error()), "{kind:?}: {error}")
                }
                None => {}
            }
            before = reached(kind, &self.config, &self.target).await;
        }
    }

    async fn until(&self, kind: UnitType, files: usize) {
        wait::until("files", Duration::from_secs(120), || async {
            let now = reached(kind, &self.config, &self.target).await;
            if now >= files { Ok(()) } else { Err(format!("{now} of {files}")) }
        })
        .await;
    }

    /// Kills; how the unit's run ended, unless it was killed itself. What is in the target stays.
    async fn kill(
        &mut self,
        victim: Victim,
        task: &mut tokio::task::JoinHandle<Result<Ended, DmError>>,
        env: &mut UnitEnv,
    ) -> Option<Result<Ended, DmError>> {
        let before = places(&self.target).await;
        let ended = match victim {
            Victim::Worker => {
                task.abort();
                let ended = task.await.ok();
                self.epoch += 1;
                *env = super::env(&self.config, self.epoch);
                ended
            }
            Victim::Source => {
                self.source.crash();
                Some(task.await.unwrap())
            }
            Victim::Target => {
                self.target.crash();
                Some(task.await.unwrap())
            }
        };
        let now = places(&self.target).await;
        for (file, place) in before {
            assert!(now.get(&file).is_some_and(|now| *now >= place), "{file} goes back from byte {place}: {now:?}");
        }
        ended
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_files_are_written_and_loaded() {
    let mut all: BTreeMap<(String, Victim), u32> = BTreeMap::new();
    let mut complete = 0;
    for seed in 0..rounds() {
        let (source, target) = match seed % 2 {
            0 => (noting(Release::Mysql97), servers::mariadb()),
            _ => (noting(Release::Mariadb1011), servers::mysql()),
        };
        filled(&source).await;
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&source, &target);
        config.loader.import_mode = "logical".into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        config.clean_dump_file = false;
        let writers = Writers::start(&source, 4, Duration::from_millis(4), seed);
        let rng = StdRng::seed_from_u64(seed + 500);
        let mut rig = Rig { source, target, config, rng, epoch: 1, kills: BTreeMap::new(), noted: Vec::new() };
        rig.run(UnitType::Dump).await;
        // Whoever died: chunks that are in whole files are not read again.
        for noted in &rig.noted {
            let (seen, again) = again(&rig.source, noted);
            eprintln!("{} of {} complete chunks are in the log, {} again", seen, noted.done.len(), again.len());
            assert_eq!(seen, noted.done.len());
            assert!(again.is_empty(), "complete chunks are read again: {again:?}");
            complete += seen;
        }
        rig.run(UnitType::Load).await;
        eprintln!("seed {seed}: {:?}", rig.kills);
        caught_up(&rig.source, &rig.target, &rig.config, writers, 1 + rig.epoch).await;
        rig.kills.into_iter().for_each(|(of, kills)| *all.entry(of).or_default() += kills);
    }
    eprintln!("{} kills: {all:?}", all.values().sum::<u32>());
    assert!(all.values().sum::<u32>() >= rounds() as u32, "{all:?}");
    assert!(complete > 20 * rounds() as usize, "{complete} chunks were complete at the kills");
}
