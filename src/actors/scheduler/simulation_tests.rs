//! Masters and workers in virtual time, by seeds: partitions (also one-way), kills, freezes, slow messages, clocks that
//! run at different speeds.
//!
//! Real are the decisions: `Roster`, `schedule`, `ClusterState`, the worker's `Link` and `Sources`. Modelled are what they
//! stand on: the log (linearizable; only a leader with a majority commits; a deposed one believes in itself for as long
//! as the real one does, another is elected as early as the real one can be), messages, and the target's fence.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    messages::{Hello, Holding, SchedulerReply},
    state::{Beat, Errand, Roster, assignment},
};
use crate::{
    actors::{
        member::{
            messages::Assignment,
            state::{Link, Say, Sources, Verdict},
        },
        post::NoReply,
    },
    coordinator::{
        ClusterChange,
        samples::{put_source, put_task},
        state::ClusterState,
    },
};

const MASTERS: usize = 3;
const WORKERS: usize = 4;
/// Milliseconds of one step, and after which events cease and everything heals.
const STEP: u64 = 50;
const TROUBLE: u64 = 60_000;
const CALM: u64 = 25_000;
const TTL: Duration = Duration::from_secs(3);
/// As in `consensus`: how long a leader believes in itself without a majority, and how early another is elected.
const CONFIRMED: u64 = 1200;
const ELECTION: std::ops::Range<u64> = 600..1200;

enum Word {
    Hello(Hello),
    Beat(Vec<Holding>),
    Answer(SchedulerReply),
    Follow(Assignment),
    Release(String, u64),
    Did(Holding),
    NotTaken(Holding),
}

struct Letter {
    at: u64,
    master: usize,
    worker: usize,
    incarnation: u64,
    attempt: u64,
    word: Word,
}

struct Master {
    up: bool,
    roster: Option<Roster>,
    confirmed: u64,
    seen: Arc<ClusterState>,
}

struct Worker {
    up: bool,
    frozen: bool,
    incarnation: u64,
    /// Its clock's speed.
    speed: f64,
    link: Link,
    sources: Sources,
    asked: Option<(u64, u64)>,
}

struct World {
    rng: StdRng,
    t: u64,
    base: Instant,
    state: Arc<ClusterState>,
    masters: Vec<Master>,
    workers: Vec<Worker>,
    /// Who hears whom: masters first, then workers.
    hears: Vec<Vec<bool>>,
    leader: Option<usize>,
    elect_at: u64,
    letters: Vec<Letter>,
    /// Of each source: the newest epoch that the target has seen.
    fence: BTreeMap<String, u64>,
    refused: u64,
    overlaps: u64,
    next_incarnation: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let base = Instant::now();
        let mut state = ClusterState { cluster_id: 1, ..ClusterState::default() };
        let sources: Vec<String> = (0..rng.random_range(1..6)).map(|i| format!("s{i}")).collect();
        for source in &sources {
            state.apply(put_source(source));
        }
        state.apply(put_task("t", &sources.iter().map(String::as_str).collect::<Vec<_>>()));
        let state = Arc::new(state);
        let master = |_| Master { up: true, roster: None, confirmed: 0, seen: state.clone() };
        let workers = (0..WORKERS).map(|i| Worker {
            up: true,
            frozen: false,
            incarnation: i as u64,
            speed: rng.random_range(0.98..1.02),
            link: Link::new(TTL, base),
            sources: Sources::default(),
            asked: None,
        });
        let workers = workers.collect();
        World {
            t: 0,
            base,
            masters: (0..MASTERS).map(master).collect(),
            workers,
            hears: vec![vec![true; MASTERS + WORKERS]; MASTERS + WORKERS],
            leader: None,
            elect_at: 0,
            letters: Vec::new(),
            fence: BTreeMap::new(),
            refused: 0,
            overlaps: 0,
            next_incarnation: 100,
            state,
            rng,
        }
    }

    fn now(&self) -> Instant {
        self.base + Duration::from_millis(self.t)
    }

    fn worker_now(&self, w: usize) -> Instant {
        self.base + Duration::from_millis((self.t as f64 * self.workers[w].speed) as u64)
    }

    fn majority(&self, m: usize) -> bool {
        let with = |o: usize| self.masters[o].up && self.hears[m][o] && self.hears[o][m];
        self.masters[m].up && (0..MASTERS).filter(|o| *o == m || with(*o)).count() * 2 > MASTERS
    }

    /// Elections, and leaders that cease to believe in themselves.
    fn lead(&mut self) {
        let (t, now) = (self.t, self.now());
        if let Some(leader) = self.leader {
            if self.majority(leader) {
                let master = &mut self.masters[leader];
                // One that had ceased to believe in itself, or began anew, before another was elected.
                master.roster.get_or_insert_with(|| Roster::new(now, Duration::from_millis(CONFIRMED)));
                (master.confirmed, master.seen) = (t, self.state.clone());
                self.elect_at = t + self.rng.random_range(ELECTION);
            } else if t >= self.elect_at {
                self.leader = None;
            }
        }
        if self.leader.is_none() && t >= self.elect_at {
            self.leader = (0..MASTERS).find(|m| self.majority(*m));
            if let Some(leader) = self.leader {
                let master = &mut self.masters[leader];
                (master.roster, master.confirmed, master.seen) =
                    (Some(Roster::new(now, Duration::from_millis(CONFIRMED))), t, self.state.clone());
                // It leads once a majority has taken its first entry, and that majority votes for nobody else so soon.
                self.elect_at = t + ELECTION.start;
            }
        }
        for master in &mut self.masters {
            if !master.up || t >= master.confirmed + CONFIRMED {
                master.roster = None;
            }
        }
    }

    fn post(&mut self, master: usize, worker: usize, attempt: u64, word: Word) {
        let at = self.t + self.rng.random_range(0..150);
        let incarnation = self.workers[worker].incarnation;
        self.letters.push(Letter { at, master, worker, incarnation, attempt, word });
    }

    /// What the leaders decide and tell.
    fn schedule(&mut self) {
        let now = self.now();
        for m in 0..MASTERS {
            let Some(mut roster) = self.masters[m].roster.take() else { continue };
            roster.tick(now);
            while self.leader == Some(m) && self.majority(m) {
                let decisions = roster.next_decisions(now, &self.state);
                if decisions.is_empty() {
                    break;
                }
                let before = self.state.last_bound.clone();
                Arc::make_mut(&mut self.state).apply(ClusterChange::Decided { decisions });
                for (source, bound) in &self.state.last_bound {
                    let earlier = before.get(source).map_or(0, |b| b.epoch);
                    assert!(bound.epoch >= earlier, "epochs only grow");
                }
                self.masters[m].seen = self.state.clone();
            }
            let seen = self.masters[m].seen.clone();
            for errand in roster.errands(now, &seen) {
                let (worker, incarnation, word) = match errand {
                    Errand::Follow { worker, incarnation, source_id } => {
                        let Some(assignment) = assignment(&seen, &source_id) else { continue };
                        (worker, incarnation, Word::Follow(assignment))
                    }
                    Errand::Release { worker, incarnation, source_id, epoch } => {
                        (worker, incarnation, Word::Release(source_id, epoch))
                    }
                };
                let w: usize = worker[1..].parse().unwrap();
                if self.workers[w].incarnation == incarnation {
                    self.post(m, w, 0, word);
                }
            }
            self.masters[m].roster = Some(roster);
        }
    }

    /// One look of a worker at its clock.
    fn work(&mut self, w: usize) {
        let now = self.worker_now(w);
        let t = self.t;
        let worker = &mut self.workers[w];
        if worker.link.expired(now) {
            worker.sources.abandon();
            let held: Vec<String> = worker.sources.holdings().into_iter().map(|h| h.source_id).collect();
            for source in held {
                worker.sources.gone(&source);
            }
        }
        if let Some((attempt, deadline)) = worker.asked
            && t >= deadline
        {
            worker.asked = None;
            worker.link.heard(now, attempt, &Err(NoReply::Late(TTL)), 0.5);
        }
        let leaders: Vec<usize> = (0..MASTERS).filter(|m| self.masters[*m].roster.is_some()).collect();
        let Some(leader) = leaders.get(self.rng.random_range(0..leaders.len().max(1))).copied() else { return };
        let worker = &mut self.workers[w];
        let name = format!("w{w}");
        let word = match worker.link.tick(now) {
            Say::Nothing => return,
            Say::Hello => Word::Hello(Hello {
                address: format!("{name}:8262"),
                name,
                incarnation: worker.incarnation,
                ttl_ms: TTL.as_millis() as u64,
                running: worker.sources.holdings(),
                max_sources: 0,
            }),
            Say::Beat => Word::Beat(worker.sources.holdings()),
        };
        let attempt = worker.link.attempt();
        worker.asked = Some((attempt, t + worker.link.patience().as_millis() as u64));
        self.post(leader, w, attempt, word);
    }

    fn deliver(&mut self) {
        let t = self.t;
        let (due, later): (Vec<Letter>, Vec<Letter>) =
            std::mem::take(&mut self.letters).into_iter().partition(|l| l.at <= t);
        self.letters = later;
        for letter in due {
            let (m, w) = (letter.master, letter.worker);
            match letter.word {
                Word::Hello(_) | Word::Beat(_) | Word::Did(_) | Word::NotTaken(_) if self.hears[m][MASTERS + w] => {
                    self.reach_master(letter)
                }
                Word::Answer(_) | Word::Follow(_) | Word::Release(..) if self.hears[MASTERS + w][m] => {
                    self.reach_worker(letter);
                }
                _ => {}
            }
        }
    }

    fn reach_master(&mut self, letter: Letter) {
        let (now, name) = (self.now(), format!("w{}", letter.worker));
        let master = &mut self.masters[letter.master];
        let Some(roster) = &mut master.roster else { return };
        let reply = match letter.word {
            Word::Hello(hello) => match roster.hello(now, &master.seen, &hello) {
                Ok(()) => SchedulerReply::Accepted,
                Err(reason) => SchedulerReply::Refused { reason },
            },
            Word::Beat(running) => match roster.beat(now, &name, letter.incarnation, running) {
                Beat::Unknown => SchedulerReply::WhoAreYou,
                Beat::Same | Beat::News => SchedulerReply::Accepted,
            },
            Word::Did(holding) => return roster.delivered(&name, holding),
            Word::NotTaken(holding) => return roster.not_taken(now, &name, &holding),
            _ => return,
        };
        if self.workers[letter.worker].incarnation == letter.incarnation {
            self.post(letter.master, letter.worker, letter.attempt, Word::Answer(reply));
        }
    }

    fn reach_worker(&mut self, letter: Letter) {
        let now = self.worker_now(letter.worker);
        let worker = &mut self.workers[letter.worker];
        if !worker.up || worker.incarnation != letter.incarnation {
            return;
        }
        if worker.frozen {
            // It waits in the socket.
            let at = self.t + STEP;
            return self.letters.push(Letter { at, ..letter });
        }
        match letter.word {
            Word::Answer(reply) => {
                worker.asked = worker.asked.filter(|(attempt, _)| *attempt != letter.attempt);
                worker.link.heard(now, letter.attempt, &Ok(reply), 0.5);
            }
            Word::Follow(assignment) if !worker.link.has_lease() => {
                self.post(letter.master, letter.worker, 0, Word::NotTaken(assignment.holding()));
            }
            Word::Follow(assignment) => {
                if worker.sources.follow(&assignment) == Verdict::Replace {
                    worker.sources.gone(&assignment.source_id);
                    worker.sources.follow(&assignment);
                }
                let holding = assignment.holding();
                self.post(letter.master, letter.worker, 0, Word::Did(holding));
            }
            Word::Release(source_id, epoch) => {
                if worker.sources.release(&source_id, epoch) {
                    worker.sources.gone(&source_id);
                }
                self.post(letter.master, letter.worker, 0, Word::Did(Holding { source_id, epoch, digest: 0 }));
            }
            _ => {}
        }
    }

    /// Everybody who may write does; the target refuses older epochs.
    fn write(&mut self) {
        let mut writers = BTreeMap::<String, u64>::new();
        for worker in self.workers.iter().filter(|w| w.up && !w.frozen) {
            for held in worker.sources.holdings().into_iter().filter(|h| h.digest != 0) {
                *writers.entry(held.source_id.clone()).or_default() += 1;
                let newest = self.fence.entry(held.source_id).or_default();
                self.refused += u64::from(held.epoch < *newest);
                *newest = (*newest).max(held.epoch);
            }
        }
        self.overlaps += writers.values().filter(|n| **n > 1).count() as u64;
    }

    fn trouble(&mut self, freezes: bool) {
        let (a, b) = (self.rng.random_range(0..MASTERS + WORKERS), self.rng.random_range(0..MASTERS + WORKERS));
        let (m, w) = (self.rng.random_range(0..MASTERS), self.rng.random_range(0..WORKERS));
        match self.rng.random_range(0..10) {
            0 | 1 => self.hears[a][b] = false,
            2 => (0..MASTERS + WORKERS).for_each(|o| (self.hears[a][o], self.hears[o][a]) = (false, false)),
            3..=5 => self.hears.iter_mut().for_each(|row| row.fill(true)),
            6 => self.masters[m].up = !self.masters[m].up,
            7 if freezes => self.workers[w].frozen = !self.workers[w].frozen,
            8 | 9 => self.restart(w),
            _ => {}
        }
    }

    fn restart(&mut self, w: usize) {
        self.next_incarnation += 1;
        let now = self.worker_now(w);
        let worker = &mut self.workers[w];
        worker.up = !worker.up;
        (worker.incarnation, worker.frozen, worker.asked) = (self.next_incarnation, false, None);
        (worker.link, worker.sources) = (Link::new(TTL, now), Sources::default());
    }

    fn heal(&mut self) {
        self.hears.iter_mut().for_each(|row| row.fill(true));
        self.masters.iter_mut().for_each(|master| master.up = true);
        for w in 0..WORKERS {
            self.workers[w].frozen = false;
            if !self.workers[w].up {
                self.restart(w);
            }
        }
    }

    fn step(&mut self) {
        self.t += STEP;
        self.lead();
        self.deliver();
        self.schedule();
        // Whoever wakes up may write before it looks at its clock.
        self.write();
        for w in 0..WORKERS {
            if self.workers[w].up && !self.workers[w].frozen {
                self.work(w);
            }
        }
    }
}

/// One life; how many writes were refused by the fence, and how often two wrote at once.
fn live(seed: u64, freezes: bool) -> (u64, u64) {
    let mut world = World::new(seed);
    while world.t < TROUBLE {
        if world.rng.random_bool(0.02) {
            world.trouble(freezes);
        }
        world.step();
    }
    world.heal();
    while world.t < TROUBLE + CALM {
        world.step();
    }
    // Everything is in one place again, under the newest epoch.
    for source in world.state.sources.keys() {
        let binding = world.state.bindings.get(source).unwrap_or_else(|| panic!("seed {seed}: {source} is not bound"));
        let holds =
            |w: &Worker| w.sources.holdings().iter().any(|h| h.source_id == *source && h.epoch == binding.epoch);
        let holders: Vec<String> =
            (0..WORKERS).filter(|w| holds(&world.workers[*w])).map(|w| format!("w{w}")).collect();
        assert_eq!(holders, std::slice::from_ref(&binding.worker), "seed {seed}: {source} at epoch {}", binding.epoch);
        assert_eq!(world.fence.get(source), Some(&binding.epoch), "seed {seed}: {source}");
    }
    (world.refused, world.overlaps)
}

/// The seeds of a test: `DM_SIMULATION_SEEDS` of them, or the one that `DM_SIMULATION_SEED` names.
fn seeds(most: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    match number("DM_SIMULATION_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("DM_SIMULATION_SEEDS").unwrap_or(most),
    }
}

#[test]
fn leases_keep_two_workers_from_writing_at_once() {
    for seed in seeds(100) {
        let (refused, overlaps) = live(seed, false);
        assert_eq!((refused, overlaps), (0, 0), "seed {seed}");
    }
}

#[test]
fn what_leases_cannot_keep_the_fence_refuses_and_everything_heals() {
    let refused: u64 = seeds(100).map(|seed| live(seed, true).0).sum();
    assert!(refused > 0 || seeds(100).count() == 1, "no frozen worker ever woke up too late: the fence was not tried");
}
