use super::*;
use crate::coordinator::{
    ClusterChange,
    samples::{bind, put_source, put_task, put_worker, state},
    state::ExpectedStage,
};

const SECOND: Duration = Duration::from_secs(1);
const DEPOSED: Duration = Duration::from_millis(1200);

fn hello(name: &str, incarnation: u64, running: Vec<Holding>) -> Hello {
    Hello { name: name.into(), address: format!("{name}:8262"), incarnation, ttl_ms: 6000, running, max_sources: 1 }
}

fn due(roster: &Roster, now: Instant, state: &ClusterState) -> Option<ClusterChange> {
    roster.next_decision(now, state).map(ClusterChange::from)
}

fn holding(state: &ClusterState) -> Holding {
    assignment(state, "s1").unwrap().holding()
}

/// s1 is bound to w1, which works for it; w2 is free.
fn bound(now: Instant) -> (Roster, ClusterState) {
    let state = state([put_worker("w1"), put_worker("w2"), put_source("s1"), bind("s1", "w1"), put_task("t", &["s1"])]);
    let mut roster = Roster::new(now, DEPOSED);
    roster.hello(now, &state, &hello("w1", 1, vec![holding(&state)])).unwrap();
    roster.hello(now, &state, &hello("w2", 2, vec![])).unwrap();
    (roster, state)
}

/// Ticks every half second, as the actor does, with heartbeats of the named workers.
fn run(
    roster: &mut Roster,
    from: Instant,
    seconds: u64,
    beating: &[(&str, u64, Vec<Holding>)],
) -> (Instant, Vec<String>) {
    let (mut now, mut lost) = (from, Vec::new());
    for _ in 0..seconds * 2 {
        now += SECOND / 2;
        for (name, incarnation, running) in beating {
            roster.beat(now, name, *incarnation, running.clone());
        }
        lost.extend(roster.tick(now));
    }
    (now, lost)
}

#[test]
fn a_restarted_leader_leaves_running_workers_alone() {
    let now = Instant::now();
    let (mut roster, state) = bound(now);
    assert_eq!(due(&roster, now, &state), None);
    assert_eq!(roster.errands(now, &state), []);
    let holds = vec![holding(&state)];
    let (later, lost) = run(&mut roster, now, 20, &[("w1", 1, holds), ("w2", 2, vec![])]);
    assert_eq!((lost, due(&roster, later, &state)), (vec![], None));
}

#[test]
fn an_absent_worker_keeps_its_source_until_the_leader_has_heard_all() {
    let now = Instant::now();
    let (_, state) = bound(now);
    let mut roster = Roster::new(now, DEPOSED);
    roster.hello(now, &state, &hello("w2", 2, vec![])).unwrap();
    assert_eq!(due(&roster, now + SECOND * 3, &state), None);
    assert_eq!(due(&roster, now + SECOND * 4, &state), Some(bind("s1", "w2")));
}

#[test]
fn a_silent_worker_loses_its_source_after_its_ttl() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    // The leader has been up for long.
    let holds = vec![holding(&state)];
    let (now, _) = run(&mut roster, now, 20, &[("w1", 1, holds.clone()), ("w2", 2, vec![])]);
    let (now, lost) = run(&mut roster, now, 5, &[("w2", 2, vec![])]);
    assert_eq!((lost, due(&roster, now, &state)), (vec![], None));
    let (now, lost) = run(&mut roster, now, 1, &[("w2", 2, vec![])]);
    assert_eq!(lost, ["w1"]);
    let change = due(&roster, now, &state).unwrap();
    assert_eq!(change, bind("s1", "w2"));
    state.apply(change);
    assert_eq!(due(&roster, now, &state), None);
    let follow = Errand::Follow { worker: "w2".into(), incarnation: 2, source_id: "s1".into() };
    assert_eq!(roster.errands(now, &state), std::slice::from_ref(&follow));
    assert_eq!(roster.errands(now + SECOND, &state), [], "not again at once");
    assert_eq!(roster.errands(now + SECOND * 3, &state), [follow]);

    // The sleeper wakes: its heartbeat is unknown, and once it is back it is told to let go.
    assert_eq!(roster.beat(now, "w1", 1, holds.clone()), Beat::Unknown);
    roster.hello(now, &state, &hello("w1", 1, holds.clone())).unwrap();
    assert_eq!(due(&roster, now, &state), None);
    let release = Errand::Release { worker: "w1".into(), incarnation: 1, source_id: "s1".into(), epoch: 2 };
    assert_eq!(roster.errands(now, &state), [release]);
    roster.delivered("w1", Holding { digest: 0, epoch: 2, ..holds[0].clone() });
    assert_eq!(roster.errands(now + SECOND * 9, &state).len(), 1, "only w2's is left");
}

#[test]
fn without_a_free_worker_the_source_waits_for_the_next_one() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    let (now, _) = run(&mut roster, now, 20, &[("w1", 1, vec![]), ("w2", 2, vec![])]);
    let (now, lost) = run(&mut roster, now, 6, &[]);
    assert_eq!(lost, ["w1", "w2"]);
    let change = due(&roster, now, &state).unwrap();
    assert_eq!(change, ClusterChange::Unbind { source_id: "s1".into() });
    state.apply(change);
    assert_eq!(due(&roster, now, &state), None);
    roster.hello(now, &state, &hello("w2", 3, vec![])).unwrap();
    assert_eq!(due(&roster, now, &state), Some(bind("s1", "w2")));
}

#[test]
fn a_closed_connection_has_a_second_to_come_back() {
    let now = Instant::now();
    let (mut roster, state) = bound(now);
    let holds = vec![holding(&state)];
    let beating = [("w1", 1, holds.clone()), ("w2", 2, vec![])];
    let (now, _) = run(&mut roster, now, 20, &beating);
    roster.closed(now, "w1", 7);
    let (now, lost) = run(&mut roster, now, 3, &beating[1..]);
    assert_eq!(lost, Vec::<String>::new(), "another process's connection");
    roster.closed(now, "w1", 1);
    let now = now + SECOND / 2;
    assert_eq!(roster.tick(now), Vec::<String>::new());
    roster.hello(now, &state, &hello("w1", 1, holds)).unwrap();
    let (now, lost) = run(&mut roster, now, 4, &beating[1..]);
    assert_eq!((lost, due(&roster, now, &state)), (vec![], None));
    roster.closed(now, "w1", 1);
    let (_, lost) = run(&mut roster, now, 1, &beating[1..]);
    assert_eq!(lost, ["w1"]);
}

#[test]
fn a_worker_that_leaves_is_replaced_as_it_lets_go() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    roster.leave("w1", 1);
    assert_eq!(roster.online(), BTreeSet::from(["w2".to_owned()]));
    assert_eq!(due(&roster, now, &state), None, "it still works for s1");
    roster.beat(now, "w1", 1, vec![]);
    let change = due(&roster, now, &state).unwrap();
    assert_eq!(change, bind("s1", "w2"));
    state.apply(change);
    assert_eq!(roster.errands(now, &state).len(), 1);
    state.apply(ClusterChange::RemoveWorker { name: "w1".into() });
    assert_eq!(due(&roster, now, &state), None, "it was forgotten, and its process is about to end");
    roster.closed(now, "w1", 1);
    assert_eq!(roster.tick(now), ["w1"], "gone at once");
}

#[test]
fn a_new_leader_waits_only_for_workers_that_it_has_not_heard() {
    let now = Instant::now();
    for (leaves, waits) in [(true, 0), (false, 1200)] {
        let (mut roster, state) = bound(now);
        if leaves {
            roster.leave("w1", 1);
        }
        roster.closed(now, "w1", 1);
        let lost = |roster: &mut Roster, ms: u64| {
            roster.tick(now + Duration::from_millis(ms));
            due(roster, now + Duration::from_millis(ms), &state) == Some(bind("s1", "w2"))
        };
        roster.tick(now + SECOND);
        assert!(waits == 0 || !lost(&mut roster, waits - 1), "the leader before may count on it");
        assert!(lost(&mut roster, waits), "{leaves}");
    }
    // One that is silent may have that leader's lease: as long as for one that was never heard.
    let (mut roster, state) = bound(now);
    let hurried = Hello { ttl_ms: 1000, ..hello("w1", 1, vec![holding(&state)]) };
    roster.hello(now, &state, &hurried).unwrap();
    let (later, lost) = run(&mut roster, now, 3, &[("w2", 2, vec![])]);
    assert_eq!((lost.len(), due(&roster, later, &state)), (1, None));
    let (later, _) = run(&mut roster, later, 1, &[("w2", 2, vec![])]);
    assert_eq!(due(&roster, later, &state), Some(bind("s1", "w2")));
}

#[test]
fn what_a_worker_says_of_files_is_noted_once_and_only_under_its_epoch() {
    let (_, mut state) = bound(Instant::now());
    let said = |epoch, held| [LoadFiles { source_id: "s1".into(), epoch, task: "t".into(), held }];
    let told = |state: &ClusterState, worker: &str, epoch, held| loads_told(state, worker, &said(epoch, held)).concat();
    assert_eq!(told(&state, "w1", 1, false), [], "nobody holds any");
    assert_eq!(told(&state, "w1", 2, true), [], "not its epoch");
    assert_eq!(told(&state, "w2", 1, true), [], "not its source");
    let decisions = told(&state, "w1", 1, true);
    assert_eq!(decisions.len(), 1);
    decisions.into_iter().for_each(|decision| drop(state.apply(decision.into())));
    assert_eq!(told(&state, "w1", 1, true), [], "known");
    state.apply(bind("s1", "w2"));
    assert_eq!(told(&state, "w2", 2, true).len(), 1, "it begins anew there");
    assert_eq!(told(&state, "w2", 2, false).len(), 1, "it needed none");
    let many: Vec<LoadFiles> = (0..MOST_DECISIONS).flat_map(|_| said(2, true)).chain(said(2, true)).collect();
    assert_eq!(loads_told(&state, "w2", &many).len(), 2);
}

#[test]
fn a_worker_whose_lease_ran_out_gets_a_newer_epoch() {
    let now = Instant::now();
    let (mut roster, state) = bound(now);
    roster.hello(now, &state, &hello("w1", 1, vec![])).unwrap();
    assert_eq!(due(&roster, now, &state), Some(bind("s1", "w1")));
}

#[test]
fn a_source_that_moves_is_not_given_back_meanwhile() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    roster.move_away("s1");
    assert!(roster.is_moving("s1"));
    roster.beat(now, "w1", 1, vec![]);
    assert_eq!(roster.errands(now, &state), []);
    state.apply(bind("s1", "w2"));
    roster.moved("s1");
    assert_eq!(roster.errands(now, &state).len(), 1);
}

#[test]
fn a_restarted_worker_gets_a_newer_epoch() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    roster.hello(now, &state, &hello("w1", 9, vec![])).unwrap();
    assert_eq!(roster.errands(now, &state), [], "not under the epoch of its predecessor");
    let change = due(&roster, now, &state).unwrap();
    assert_eq!(change, bind("s1", "w1"));
    state.apply(change);
    assert_eq!(state.bindings["s1"].epoch, 2);
    assert_eq!(due(&roster, now, &state), None);
    assert_eq!(roster.errands(now, &state).len(), 1);
    // The same process presents itself again before it could start the source: no third epoch.
    roster.hello(now, &state, &hello("w1", 9, vec![])).unwrap();
    assert_eq!(due(&roster, now, &state), None);
}

#[test]
fn a_name_belongs_to_one_living_worker() {
    let now = Instant::now();
    let (mut roster, state) = bound(now);
    let mut other = hello("w1", 5, vec![]);
    other.address = "elsewhere:8262".into();
    assert!(roster.hello(now, &state, &other).unwrap_err().contains("already exists"));
    assert!(roster.may_join("w1", "w1:8262").is_ok());
    assert!(roster.may_join("w1", "elsewhere:8262").is_err());
    roster.closed(now, "w1", 1);
    assert!(roster.hello(now, &state, &other).is_ok());
    let put = ClusterChange::PutWorker { name: "w1".into(), address: "elsewhere:8262".into() };
    assert_eq!(due(&roster, now, &state), Some(put));
}

#[test]
fn a_leader_that_slept_judges_nobody_by_that() {
    let now = Instant::now();
    let (mut roster, state) = bound(now);
    let beating = [("w1", 1, vec![holding(&state)]), ("w2", 2, vec![])];
    let (now, _) = run(&mut roster, now, 20, &beating);
    let now = now + SECOND * 100;
    assert_eq!(roster.tick(now), Vec::<String>::new());
    assert_eq!(due(&roster, now, &state), None);
    let (_, lost) = run(&mut roster, now, 5, &[]);
    assert_eq!(lost, Vec::<String>::new());
    let (_, lost) = run(&mut roster, now + SECOND * 5, 2, &[]);
    assert_eq!(lost, ["w1", "w2"]);
}

#[test]
fn a_changed_task_is_told_until_the_worker_reports_it() {
    let now = Instant::now();
    let (mut roster, mut state) = bound(now);
    state.apply(ClusterChange::SetStage { task: "t".into(), sources: vec![], stage: ExpectedStage::Paused });
    assert_eq!(roster.errands(now, &state).len(), 1);
    roster.delivered("w1", holding(&state));
    assert_eq!(roster.errands(now + SECOND * 9, &state), []);
    state.apply(ClusterChange::RemoveSubtasks { task: "t".into(), sources: vec![] });
    assert_eq!(roster.errands(now, &state).len(), 1);
    // An order is on its way: not twice.
    roster.sent(now, "w1", holding(&state));
    assert_eq!(roster.errands(now + SECOND, &state), []);
    // A removed source is let go.
    roster.delivered("w1", holding(&state));
    state.apply(ClusterChange::RemoveSource { source_id: "s1".into() });
    assert!(matches!(&roster.errands(now, &state)[..], [Errand::Release { epoch: 1, .. }]));
}

#[test]
fn new_workers_are_recorded_and_get_waiting_sources() {
    let now = Instant::now();
    let mut state = state([put_source("s1")]);
    let mut roster = Roster::new(now, DEPOSED);
    assert_eq!(due(&roster, now, &state), None);
    roster.hello(now, &state, &hello("w1", 1, vec![])).unwrap();
    let change = due(&roster, now, &state).unwrap();
    assert_eq!(change, put_worker("w1"));
    state.apply(change);
    assert_eq!(due(&roster, now, &state), Some(bind("s1", "w1")));
}
