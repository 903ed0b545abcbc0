use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::coordinator::{
    change::{Applied, ClusterChange},
    samples::{bind, put_source, put_task, put_worker, state, unbind},
    state::Binding,
};

const MANY: usize = usize::MAX;

struct Cluster {
    state: ClusterState,
    online: BTreeMap<String, usize>,
    /// How often two sources changed places.
    swaps: usize,
}

impl Cluster {
    fn new(online: &[&str], changes: Vec<ClusterChange>) -> Self {
        let workers = ["w1", "w2", "w3"].map(put_worker);
        let sources = ["s1", "s2", "s3"].map(put_source);
        let state = state(workers.into_iter().chain(sources).chain(changes));
        let online = online.iter().map(|w| (w.to_string(), 1)).collect();
        Cluster { state, online, swaps: 0 }
    }

    fn taking(mut self, most: usize) -> Self {
        self.online.values_mut().for_each(|limit| *limit = most);
        self
    }

    fn with_files(mut self, source: &str, worker: &str) -> Self {
        self.state.loads.entry(source.into()).or_default().insert("t".into(), worker.into());
        self
    }

    fn view(&self) -> View<'_> {
        View { state: &self.state, online: &self.online }
    }
}

#[test]
fn free_is_online_known_and_unbound() {
    let c = Cluster::new(&["w1", "w2", "stranger"], vec![bind("s1", "w1")]);
    assert_eq!(c.view().free_workers(), BTreeSet::from(["w2"]));
    assert_eq!(c.view().unbound_sources(), ["s2", "s3"]);
}

#[test]
fn a_source_goes_to_its_files_then_to_its_last_worker_then_anywhere() {
    let history = || vec![bind("s1", "w2"), unbind("s1")];
    let all = ["w1", "w2", "w3"];
    for most in [1, MANY] {
        let of = |online: &[&str], changes| Cluster::new(online, changes).taking(most);
        assert_eq!(of(&all, history()).with_files("s1", "w3").view().worker_for_source("s1"), Some("w3"));
        assert_eq!(of(&all, history()).view().worker_for_source("s1"), Some("w2"));
        assert_eq!(of(&["w1", "w3"], history()).view().worker_for_source("s1"), Some("w1"));
        assert_eq!(of(&[], history()).view().worker_for_source("s1"), None);
    }
    let held_by_a_busy_one = Cluster::new(&all, vec![bind("s2", "w3")]).with_files("s1", "w3");
    assert_eq!(held_by_a_busy_one.view().worker_for_source("s1"), Some("w1"));
    assert_eq!(held_by_a_busy_one.taking(2).view().worker_for_source("s1"), Some("w3"));
}

#[test]
fn busy_workers_share_what_free_ones_cannot_take() {
    let busy = || vec![bind("s1", "w1"), bind("s2", "w1")];
    let c = Cluster::new(&["w1", "w2"], busy()).taking(MANY);
    assert_eq!(c.view().next_binding().map(ClusterChange::from), Some(bind("s3", "w2")));
    assert_eq!(
        Cluster::new(&["w1"], busy()).taking(MANY).view().next_binding().map(ClusterChange::from),
        Some(bind("s3", "w1"))
    );
    assert_eq!(Cluster::new(&["w1"], busy()).taking(2).view().next_binding().map(ClusterChange::from), None);
}

#[test]
fn a_worker_asked_for_by_name_must_be_online_and_free() {
    let c = Cluster::new(&["w1", "w2"], vec![bind("s1", "w1")]).taking(MANY);
    assert_eq!(c.view().named_worker("w2"), Ok("w2"));
    let taken = Rejection::WorkerTaken { worker: "w1".into(), source_id: "s1".into() };
    assert_eq!(c.view().named_worker("w1"), Err(taken));
    assert_eq!(c.view().named_worker("w3"), Err(Rejection::UnknownWorker { worker: "w3".into() }));
    let nobody_is_free = Cluster::new(&["w1"], vec![bind("s1", "w1")]).taking(MANY);
    assert_eq!(nobody_is_free.view().named_worker("w1"), Ok("w1"));
}

#[test]
fn the_source_of_a_lost_worker_moves_or_waits() {
    let c = Cluster::new(&["w2"], vec![bind("s1", "w1")]);
    assert_eq!(ClusterChange::from(c.view().leave_worker("s1")), bind("s1", "w2"));
    let nobody = Cluster::new(&["w2"], vec![bind("s1", "w1"), bind("s2", "w2")]);
    assert_eq!(ClusterChange::from(nobody.view().leave_worker("s1")), unbind("s1"));
    assert_eq!(ClusterChange::from(nobody.taking(2).view().leave_worker("s1")), bind("s1", "w2"));
}

#[test]
fn whoever_waits_is_paired_by_files_then_by_the_last_worker_then_anyhow() {
    let history = || vec![bind("s2", "w1"), unbind("s2")];
    let c = Cluster::new(&["w1"], history());
    assert_eq!(
        c.view().next_binding().map(ClusterChange::from),
        Some(bind("s2", "w1")),
        "its last one, though s1 waits as well"
    );
    let c = Cluster::new(&["w1"], history()).with_files("s3", "w1");
    assert_eq!(c.view().next_binding().map(ClusterChange::from), Some(bind("s3", "w1")));
    assert_eq!(Cluster::new(&["w3"], history()).view().next_binding().map(ClusterChange::from), Some(bind("s1", "w3")));
    assert_eq!(Cluster::new(&[], history()).view().next_binding().map(ClusterChange::from), None);
    let all_bound = Cluster::new(&["w1"], vec![bind("s1", "w1"), bind("s2", "w2"), bind("s3", "w3")]);
    assert_eq!(all_bound.view().next_binding().map(ClusterChange::from), None);
}

#[test]
fn a_new_worker_gets_its_share_and_no_more() {
    let three = vec![bind("s1", "w1"), bind("s2", "w1"), bind("s3", "w1")];
    let c = Cluster::new(&["w1", "w2"], three.clone()).taking(MANY);
    let expected = Move { source_id: "s3".into(), from: "w1".into(), to: "w2".into() };
    assert_eq!(c.view().next_moves(), [expected]);
    let even = Cluster::new(&["w1", "w2"], vec![bind("s1", "w1"), bind("s2", "w1"), bind("s3", "w2")]).taking(MANY);
    assert_eq!(even.view().next_moves(), []);
    let held = Cluster::new(&["w1", "w2"], three).taking(MANY).with_files("s3", "w1");
    assert_eq!(held.view().next_moves()[0].source_id, "s2");
}

#[test]
fn two_sources_with_each_others_files_change_places() {
    let crossed = || Cluster::new(&["w1", "w2", "w3"], vec![bind("s1", "w1"), bind("s2", "w2")]);
    let both = |c: Cluster| c.with_files("s1", "w2").with_files("s2", "w1");
    let there_and_back = [super::go("s1", "w1", "w2"), super::go("s2", "w2", "w1")];
    assert_eq!(both(crossed()).view().next_moves(), there_and_back);
    assert_eq!(both(crossed()).taking(MANY).view().next_moves(), there_and_back);
    // One alone stays, whether the worker with its files is busy or free.
    assert_eq!(crossed().with_files("s1", "w2").view().next_moves(), []);
    assert_eq!(crossed().with_files("s1", "w3").view().next_moves(), []);
    assert_eq!(crossed().with_files("s1", "w2").with_files("s2", "w3").view().next_moves(), []);
    // And who has files where it is stays there.
    let mut second_load = both(crossed());
    second_load.state.loads.get_mut("s1").unwrap().insert("t2".into(), "w1".into());
    assert_eq!(second_load.view().next_moves(), []);
    let mut lost = both(crossed());
    lost.online.remove("w2");
    assert_eq!(lost.view().next_moves(), []);
}

/// One event of a cluster's life.
fn happen(rng: &mut StdRng, c: &mut Cluster, names: (&[String], &[String]), most: usize) {
    let (workers, sources) = names;
    let worker = workers.choose(rng).unwrap().clone();
    let source = sources.choose(rng).unwrap();
    match rng.random_range(0..16) {
        0 | 1 => {
            c.state.apply(put_worker(&worker));
            c.online.insert(worker, most);
        }
        2 => drop(c.online.remove(&worker)),
        3 => drop(c.state.apply(put_source(source))),
        4 => drop(c.state.apply(ClusterChange::RemoveSource { source_id: source.clone() })),
        5 => drop(c.state.apply(ClusterChange::RemoveWorker { name: worker })),
        6 | 14 | 15 => drop(c.state.apply(put_task(source, &[source]))),
        7 => drop(c.state.apply(ClusterChange::RemoveSubtasks { task: source.clone(), sources: Vec::new() })),
        8 => {
            // transfer-source
            if c.view().named_worker(&worker).is_ok() {
                c.state.apply(bind(source, &worker));
            }
        }
        9 => {
            // The same, more than once: two sources end where the other was.
            let other = sources.choose(rng).unwrap();
            if let (Some(one), Some(two)) = (c.state.bindings.get(source), c.state.bindings.get(other)) {
                let changes = [bind(source, &two.worker), bind(other, &one.worker)];
                changes.into_iter().for_each(|change| drop(c.state.apply(change)));
            }
        }
        _ => {
            // Its load begins, or has ended; only where it is bound and has a task.
            let worker = c.state.bindings.get(source).map(|b| b.worker.clone()).unwrap_or_default();
            let (source_id, task, held) = (source.clone(), source.clone(), rng.random());
            drop(c.state.apply(ClusterChange::LoadFiles { source_id, task, worker, held }));
        }
    }
}

/// Whether a worker that can take the source holds files of its load.
fn holder_has_room(view: &View<'_>, source: &str) -> bool {
    view.with_room().keys().any(|worker| view.holds_files(source, worker))
}

/// A decision goes by who holds files, before anything else.
fn follows_files(view: &View<'_>, change: &ClusterChange, moves: bool) {
    let ClusterChange::Assign { source_id, worker } = change else { return };
    if moves {
        let from = &view.state.bindings[source_id].worker;
        return assert!(!view.holds_files(source_id, from), "{source_id} left its files at {from}");
    }
    assert!(view.holds_files(source_id, worker) || !holder_has_room(view, source_id), "{source_id} to {worker}");
    let waits = |source: &str| !view.state.bindings.contains_key(source);
    if waits(source_id) && !view.holds_files(source_id, worker) {
        let first = view.unbound_sources().into_iter().find(|source| holder_has_room(view, source));
        assert_eq!(first, None, "it comes before {source_id}");
    }
}

/// What the scheduler does until nothing is due: sources of absent workers first, then the waiting ones, then moves.
fn settle(c: &mut Cluster) -> usize {
    for steps in 0.. {
        assert!(steps < 1000, "it must end: {:?}", c.state.bindings);
        let absent = |b: &Binding| !c.online.contains_key(&b.worker);
        let orphan = c.state.bindings.iter().find(|(_, b)| absent(b)).map(|(source, _)| source.clone());
        let view = c.view();
        let moved = view.next_moves().iter().map(|m| super::bind(&m.source_id, &m.to)).collect();
        let due = match orphan {
            Some(source) => Some(view.leave_worker(&source)),
            None => view.next_binding(),
        };
        let moves = due.is_none();
        let decisions: Vec<Decision> = due.map_or(moved, |due| vec![due]);
        if decisions.is_empty() {
            return steps;
        }
        for decision in &decisions {
            follows_files(&view, &decision.clone().into(), moves);
        }
        let epochs = c.state.last_bound.clone();
        c.swaps += usize::from(decisions.len() > 1);
        for decision in decisions {
            let applied = c.state.apply(decision.clone().into());
            assert!(!matches!(applied, Applied::Rejected(_)), "{decision:?}: {applied:?}");
        }
        for (source, now) in &c.state.last_bound {
            let before = epochs.get(source).map_or(0, |b| b.epoch);
            assert!(now.epoch >= before, "epochs only grow");
            if epochs.get(source).is_some_and(|b| b.worker != now.worker) {
                assert!(now.epoch > before, "another worker is another epoch");
            }
        }
    }
    0
}

#[test]
fn random_lives_keep_the_rules() {
    let seeds: u64 = std::env::var("DM_SCHEDULE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let mut swaps = 0;
    for seed in 0..seeds {
        let mut rng = StdRng::seed_from_u64(seed);
        let names = |kind: &str, n: usize| (0..n).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
        let (workers, sources) = (names("w", rng.random_range(1..6)), names("s", rng.random_range(1..9)));
        let most = *[1, 1, 2, MANY].choose(&mut rng).unwrap();
        let mut c = Cluster { state: ClusterState::default(), online: BTreeMap::new(), swaps: 0 };
        for _ in 0..60 {
            happen(&mut rng, &mut c, (&workers, &sources), most);
            let before = c.state.bindings.clone();
            settle(&mut c);
            let view = c.view();
            // A binding per source is the map itself; no source waits while a worker has room; none is overfull.
            assert!(view.unbound_sources().is_empty() || view.with_room().is_empty(), "seed {seed}");
            let loads = view.loads();
            assert!(loads.values().all(|load| *load <= most), "seed {seed}: {loads:?}");
            assert!(c.state.bindings.values().all(|b| c.online.contains_key(&b.worker)), "seed {seed}");
            // Sticky: with one source a worker, nobody moves whose worker is there, but to files of its load.
            for (source, was) in before.iter().filter(|(_, b)| most == 1 && c.online.contains_key(&b.worker)) {
                let stays = |now: &Binding| now == was || view.holds_files(source, &now.worker);
                assert!(c.state.bindings.get(source).is_none_or(stays), "seed {seed}: {source} moved");
            }
            let at = |source: &str, other: &Binding| view.holds_files(source, &other.worker);
            let pairs = c.state.bindings.iter().flat_map(|a| c.state.bindings.iter().map(move |b| (a, b)));
            for ((a, at_a), (b, at_b)) in pairs {
                let crossed = at(a, at_b) && !at(a, at_a) && at(b, at_a) && !at(b, at_b);
                assert!(!crossed, "seed {seed}: {a} and {b} have each other's files");
            }
            // Balanced, as far as the limit and the files allow.
            let stays = |(source, b): (&String, &Binding)| view.holds_files(source, &b.worker);
            let stay = c.state.bindings.iter().any(stays);
            let (min, max) = (loads.values().min().copied().unwrap_or(0), loads.values().max().copied().unwrap_or(0));
            assert!(max - min <= 1 || stay, "seed {seed}: {loads:?}");
            assert_eq!(settle(&mut c), 0, "seed {seed}: settled twice");
        }
        swaps += c.swaps;
    }
    assert!(swaps > 0 || seeds < 1000, "no two sources ever changed places");
}
