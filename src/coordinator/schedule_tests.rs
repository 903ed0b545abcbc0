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
fn a_worker_asked_for_by_name_must_be_online_and_free() {
    let c = Cluster::new(&["w1", "w2"], vec![bind("s1", "w1")]);
    assert_eq!(c.view().named_worker("w2"), Ok("w2"));
    let taken = Rejection::WorkerTaken { worker: "w1".into(), source_id: "s1".into() };
    assert_eq!(c.view().named_worker("w1"), Err(taken));
    assert_eq!(c.view().named_worker("w3"), Err(Rejection::UnknownWorker { worker: "w3".into() }));
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
fn whoever_waits_is_paired_by_files_then_by_the_last_worker_then_anyhow() {
    let history = || vec![bind("s2", "w1"), unbind("s2")];
    let c = Cluster::new(&["w1"], history());
    assert_eq!(c.view().next_binding(), Some(bind("s2", "w1")), "its last one, though s1 waits as well");
    let c = Cluster::new(&["w1"], history()).with_files("s3", "w1");
    assert_eq!(c.view().next_binding(), Some(bind("s3", "w1")));
    assert_eq!(Cluster::new(&["w3"], history()).view().next_binding(), Some(bind("s1", "w3")));
    assert_eq!(Cluster::new(&[], history()).view().next_binding(), None);
    let all_bound = Cluster::new(&["w1"], vec![bind("s1", "w1"), bind("s2", "w2"), bind("s3", "w3")]);
    assert_eq!(all_bound.view().next_binding(), None);
}

#[test]
fn pairing_ends_with_every_source_or_every_worker_taken() {
    let mut c = Cluster::new(&["w1", "w2"], vec![bind("s3", "w2"), unbind("s3")]);
    let mut bound = Vec::new();
    while let Some(change) = c.view().next_binding() {
        assert!(bound.len() < 3, "it must end");
        c.state.apply(change.clone()).into_result().unwrap();
        bound.push(change);
    }
    assert_eq!(bound, [bind("s3", "w2"), bind("s1", "w1")]);
}
