use super::*;
use crate::coordinator::samples::{bind, put_source, put_worker, state, unbind};

struct Cluster {
    state: ClusterState,
    online: BTreeSet<String>,
    load_files: BTreeMap<String, BTreeSet<String>>,
}

impl Cluster {
    fn new(online: &[&str], changes: Vec<ClusterChange>) -> Self {
        let workers = ["w1", "w2", "w3"].map(put_worker);
        let sources = ["s1", "s2", "s3"].map(put_source);
        let state = state(workers.into_iter().chain(sources).chain(changes));
        Cluster { state, online: online.iter().map(|w| w.to_string()).collect(), load_files: BTreeMap::new() }
    }

    fn with_files(mut self, source: &str, worker: &str) -> Self {
        self.load_files.entry(source.into()).or_default().insert(worker.into());
        self
    }

    fn view(&self) -> View<'_> {
        View { state: &self.state, online: &self.online, load_files: &self.load_files }
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
    assert_eq!(Cluster::new(&all, history()).with_files("s1", "w3").view().worker_for_source("s1"), Some("w3"));
    assert_eq!(Cluster::new(&all, history()).view().worker_for_source("s1"), Some("w2"));
    assert_eq!(Cluster::new(&["w1", "w3"], history()).view().worker_for_source("s1"), Some("w1"));
    assert_eq!(Cluster::new(&[], history()).view().worker_for_source("s1"), None);
    let held_by_a_busy_one = Cluster::new(&all, vec![bind("s2", "w3")]).with_files("s1", "w3");
    assert_eq!(held_by_a_busy_one.view().worker_for_source("s1"), Some("w1"));
}

#[test]
fn a_worker_gets_the_source_of_its_files_then_its_last_one_then_any() {
    let history = || vec![bind("s2", "w1"), unbind("s2")];
    assert_eq!(Cluster::new(&["w1"], history()).with_files("s3", "w1").view().source_for_worker("w1"), Some("s3"));
    assert_eq!(Cluster::new(&["w1"], history()).view().source_for_worker("w1"), Some("s2"));
    assert_eq!(Cluster::new(&["w3"], history()).view().source_for_worker("w3"), Some("s1"));
    let all_bound = Cluster::new(&["w1"], vec![bind("s1", "w1"), bind("s2", "w2"), bind("s3", "w3")]);
    assert_eq!(all_bound.view().source_for_worker("w1"), None);
}

#[test]
fn a_worker_asked_for_by_name_must_be_online_and_free() {
    let c = Cluster::new(&["w1", "w2"], vec![bind("s1", "w1")]);
    assert_eq!(c.view().named_worker("w2"), Ok("w2"));
    let taken = Rejection::WorkerTaken { worker: "w1".into(), source_id: "s1".into() };
    assert_eq!(c.view().named_worker("w1"), Err(taken));
    assert_eq!(c.view().named_worker("w3"), Err(Rejection::UnknownWorker { worker: "w3".into() }));
}

#[test]
fn a_worker_that_went_on_through_a_masters_restart_keeps_its_epoch() {
    let c = Cluster::new(&["w1"], vec![bind("s1", "w1"), bind("s1", "w1")]);
    assert_eq!(c.view().worker_online("w1", Some(("s1", 2))), []);
}

#[test]
fn a_worker_that_restarted_or_works_under_an_old_binding_is_bound_anew() {
    let c = Cluster::new(&["w1"], vec![bind("s1", "w1"), bind("s1", "w1")]);
    for running in [None, Some(("s1", 1)), Some(("s2", 2))] {
        assert_eq!(c.view().worker_online("w1", running), [bind("s1", "w1")]);
    }
    let unbound = Cluster::new(&["w1"], vec![]);
    assert_eq!(unbound.view().worker_online("w1", Some(("s1", 9))), [bind("s1", "w1")]);
}

#[test]
fn the_source_of_a_lost_worker_moves_or_waits() {
    let c = Cluster::new(&["w2"], vec![bind("s1", "w1")]);
    assert_eq!(c.view().worker_offline("w1"), [bind("s1", "w2")]);
    let nobody = Cluster::new(&["w2"], vec![bind("s1", "w1"), bind("s2", "w2")]);
    assert_eq!(nobody.view().worker_offline("w1"), [unbind("s1")]);
    assert_eq!(nobody.view().worker_offline("w3"), []);
}

#[test]
fn a_waiting_source_is_bound_once() {
    let c = Cluster::new(&["w1", "w2"], vec![bind("s1", "w1")]);
    assert_eq!(c.view().source_waiting("s2"), [bind("s2", "w2")]);
    assert_eq!(c.view().source_waiting("s1"), []);
    assert_eq!(c.view().source_waiting("unknown"), []);
}

#[test]
fn a_new_leader_settles_everything_with_changes_that_all_apply() {
    let mut c = Cluster::new(&["w2", "w3"], vec![bind("s1", "w1"), bind("s2", "w2")]);
    let changes = c.view().settle();
    assert_eq!(changes, [bind("s1", "w3")], "s3 has to wait: nobody is free");
    for change in changes {
        c.state.apply(change).into_result().unwrap();
    }
    assert_eq!(c.view().settle(), [], "settled");
    c.online = BTreeSet::from(["w1".to_owned()]);
    let changes = c.view().settle();
    assert_eq!(changes, [bind("s1", "w1"), unbind("s2")]);
}
