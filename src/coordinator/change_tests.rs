use super::*;
use crate::coordinator::samples::*;
use crate::error::Code;

/// Applies a change that must be rejected with this code and must leave the state alone.
fn rejected(state: &mut ClusterState, change: ClusterChange) -> DmError {
    let before = state.clone();
    let error = state.apply(change.clone()).into_result().expect_err(&format!("{change:?} must be rejected"));
    assert_eq!(*state, before, "{change:?} was rejected and changed the state");
    error
}

fn stage(task: &str, sources: &[&str], stage: ExpectedStage) -> ClusterChange {
    ClusterChange::SetStage { task: task.into(), sources: names(sources), stage }
}

fn remove_subtasks(task: &str, sources: &[&str]) -> ClusterChange {
    ClusterChange::RemoveSubtasks { task: task.into(), sources: names(sources) }
}

fn remove_source(source_id: &str) -> ClusterChange {
    ClusterChange::RemoveSource { source_id: source_id.into() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

#[test]
fn the_cluster_id_is_given_once() {
    let mut s = state([ClusterChange::Bootstrap { cluster_id: 7 }]);
    assert_eq!(rejected(&mut s, ClusterChange::Bootstrap { cluster_id: 8 }).code(), Code::SchedulerStarted);
    let mut empty = ClusterState::default();
    assert_eq!(rejected(&mut empty, ClusterChange::Bootstrap { cluster_id: 0 }).code(), Code::MasterInvalidOperateOp);
}

#[test]
fn a_worker_may_come_back_under_another_address_and_leaves_only_without_a_source() {
    let mut s = state([put_worker("w1"), put_source("s1"), bind("s1", "w1")]);
    s.apply(ClusterChange::PutWorker { name: "w1".into(), address: "elsewhere:1".into() });
    assert_eq!(s.workers["w1"].address, "elsewhere:1");
    assert_eq!(s.bindings["s1"].epoch, 1, "joining again does not touch the binding");
    let remove = ClusterChange::RemoveWorker { name: "w1".into() };
    assert_eq!(rejected(&mut s, remove.clone()).code(), Code::SchedulerWorkerOnline);
    assert_eq!(s.apply(unbind("s1")), Applied::Done);
    assert_eq!(s.apply(remove.clone()), Applied::Done);
    assert_eq!(rejected(&mut s, remove).code(), Code::SchedulerWorkerNotExist);
}

#[test]
fn sources_are_added_once_and_removed_when_no_task_uses_them() {
    let mut s = state([put_source("mysql-01"), put_task("cap", &["mysql-01"])]);
    assert_eq!(
        rejected(&mut s, put_source("mysql-01")).to_string(),
        "[code=46007:class=scheduler:scope=internal:level=medium], Message: source config with ID mysql-01 already exists"
    );
    assert_eq!(
        rejected(&mut s, remove_source("mysql-01")).to_string(),
        "[code=46010:class=dm-master:scope=internal:level=medium], Message: source with name mysql-01 need to operate \
         has existing tasks [cap], Workaround: Please `stop-task` first."
    );
    assert_eq!(rejected(&mut s, remove_source("nope")).code(), Code::SchedulerSourceCfgNotExist);
    s.apply(remove_subtasks("cap", &[]));
    assert_eq!(s.apply(remove_source("mysql-01")), Applied::Done);
    assert!(s.sources.is_empty() && s.tasks.is_empty());
}

#[test]
fn a_source_is_updated_only_while_its_tasks_rest() {
    let mut s = state([put_source("s1"), put_task("t", &["s1"])]);
    let changed = SourceRecord { source_id: "s1".into(), yaml: "changed".into() };
    let update = ClusterChange::UpdateSource { source: changed };
    assert_eq!(rejected(&mut s, update.clone()).code(), Code::SchedulerSourceCfgUpdate);
    s.apply(stage("t", &["s1"], ExpectedStage::Paused));
    assert_eq!(s.apply(update), Applied::Done);
    assert_eq!(s.sources["s1"].yaml, "changed");
    let unknown = ClusterChange::UpdateSource { source: source("s2") };
    assert_eq!(rejected(&mut s, unknown).code(), Code::SchedulerSourceCfgNotExist);
}

#[test]
fn a_task_starts_as_a_whole_or_not_at_all() {
    let mut s = state([put_source("mysql-01"), put_source("s2"), put_task("cap", &["mysql-01"])]);
    assert_eq!(
        rejected(&mut s, put_task("cap", &["s2", "mysql-01"])).to_string(),
        "[code=46014:class=scheduler:scope=internal:level=medium], Message: subtasks with name cap for sources \
         [mysql-01] already exist, Workaround: Please use `query-status` command to see tasks."
    );
    assert_eq!(rejected(&mut s, put_task("other", &["s2", "s3"])).code(), Code::SchedulerSourceCfgNotExist);
    assert_eq!(rejected(&mut s, put_task("other", &[])).code(), Code::MasterInvalidOperateOp);
    assert_eq!(rejected(&mut s, put_task("other", &["s2", "s2"])).code(), Code::MasterInvalidOperateOp);
    let foreign = ClusterChange::PutTask {
        name: "other".into(),
        yaml: String::new(),
        subtasks: vec![subtask("cap", "s2")],
        stage: ExpectedStage::Running,
    };
    assert_eq!(rejected(&mut s, foreign).code(), Code::MasterInvalidOperateOp);
    // A further source joins a task that is there (start-task -s).
    assert_eq!(s.apply(put_task("cap", &["s2"])), Applied::Done);
    assert_eq!(s.tasks["cap"].subtasks.keys().collect::<Vec<_>>(), ["mysql-01", "s2"]);
    assert_eq!(s.tasks_of("s2", |_| true), ["cap"]);
}

#[test]
fn stages_are_set_for_all_or_for_the_named_sources() {
    let mut s = state([put_source("s1"), put_source("s2"), put_task("t", &["s1", "s2"])]);
    let stages = |s: &ClusterState| s.tasks["t"].subtasks.values().map(|r| r.stage).collect::<Vec<_>>();
    s.apply(stage("t", &["s2"], ExpectedStage::Paused));
    assert_eq!(stages(&s), [ExpectedStage::Running, ExpectedStage::Paused]);
    s.apply(stage("t", &[], ExpectedStage::Stopped));
    assert_eq!(stages(&s), [ExpectedStage::Stopped, ExpectedStage::Stopped]);
    let unknown = rejected(&mut s, stage("none", &[], ExpectedStage::Paused));
    assert_eq!(unknown.code(), Code::SchedulerSubTaskOpTaskNotExist);
    let partly = rejected(&mut s, stage("t", &["s1", "s9"], ExpectedStage::Running));
    assert_eq!(partly.code(), Code::SchedulerSubTaskOpSourceNotExist);
    assert!(partly.message().contains("[s9]"), "{partly}");
}

#[test]
fn the_last_subtask_takes_the_task_along() {
    let mut s = state([put_source("s1"), put_source("s2"), put_task("t", &["s1", "s2"])]);
    assert_eq!(s.apply(remove_subtasks("t", &["s1"])), Applied::Done);
    assert_eq!(s.tasks["t"].subtasks.keys().collect::<Vec<_>>(), ["s2"]);
    assert_eq!(rejected(&mut s, remove_subtasks("t", &["s1"])).code(), Code::SchedulerSubTaskOpSourceNotExist);
    assert_eq!(s.apply(remove_subtasks("t", &["s2"])), Applied::Done);
    assert_eq!(rejected(&mut s, remove_subtasks("t", &[])).code(), Code::SchedulerSubTaskOpTaskNotExist);
}

#[test]
fn every_binding_has_a_higher_epoch_than_all_before() {
    let mut s = state([put_worker("w1"), put_worker("w2"), put_source("s1")]);
    assert_eq!(s.apply(bind("s1", "w1")), Applied::Bound { epoch: 1 });
    assert_eq!(s.apply(bind("s1", "w1")), Applied::Bound { epoch: 2 }, "the worker restarted");
    assert_eq!(s.apply(bind("s1", "w2")), Applied::Bound { epoch: 3 }, "moved");
    assert_eq!(s.sources_of("w1").next(), None);
    s.apply(unbind("s1"));
    assert_eq!(s.apply(bind("s1", "w1")), Applied::Bound { epoch: 4 });
    s.apply(remove_source("s1"));
    assert!(s.bindings.is_empty());
    s.apply(put_source("s1"));
    assert_eq!(s.apply(bind("s1", "w2")), Applied::Bound { epoch: 5 }, "made again, never reused");
    assert_eq!(s.last_bound["s1"], s.bindings["s1"]);
}

#[test]
fn a_binding_needs_a_known_source_and_a_worker_without_another() {
    let mut s = state([put_worker("w1"), put_source("s1"), put_source("s2"), bind("s1", "w1")]);
    assert_eq!(rejected(&mut s, bind("s9", "w1")).code(), Code::SchedulerSourceCfgNotExist);
    assert_eq!(rejected(&mut s, bind("s2", "w9")).code(), Code::SchedulerWorkerNotExist);
    let alone = ClusterChange::Bind { source_id: "s2".into(), worker: "w1".into() };
    let taken = rejected(&mut s, alone);
    assert_eq!(taken.code(), Code::SchedulerWorkerNotFree);
    assert!(taken.message().contains("s1"), "{taken}");
    assert_eq!(s.apply(unbind("s9")), Applied::Done);
    s.last_bound.insert("s2".into(), Binding { worker: "w1".into(), epoch: u64::MAX });
    s.apply(unbind("s1"));
    assert_eq!(rejected(&mut s, bind("s2", "w1")).code(), Code::MasterInvalidOperateOp, "no wrap around");
}

#[test]
fn changes_and_results_survive_the_codec() {
    let changes = [put_worker("w"), put_source("s"), put_task("t", &["s"]), bind("s", "w"), bind("s", "unknown")];
    let (mut live, mut replayed) = (ClusterState::default(), ClusterState::default());
    for change in changes {
        let copy: ClusterChange = crate::wire::decode(&crate::wire::encode(&change)).unwrap();
        assert_eq!(copy, change);
        let applied = live.apply(change);
        assert_eq!(crate::wire::decode::<Applied>(&crate::wire::encode(&applied)).unwrap(), applied);
        assert_eq!(replayed.apply(copy), applied);
    }
    assert_eq!(live, replayed);
}

#[test]
fn no_password_shows_in_the_debug_form() {
    let yaml = "from: {password: \"hush\"}".to_owned();
    let source = SourceRecord { source_id: "s1".into(), yaml: yaml.clone() };
    let mut secret = subtask("t", "s1");
    secret.to.password = crate::config::Secret("hush".into());
    let task = ClusterChange::PutTask { name: "t".into(), yaml, subtasks: vec![secret], stage: ExpectedStage::Running };
    let state = state([ClusterChange::PutSource { source: source.clone() }, task.clone()]);
    for shown in [format!("{task:?}"), format!("{:?}", ClusterChange::PutSource { source }), format!("{state:#?}")] {
        assert!(shown.contains("s1") && !shown.contains("hush"), "{shown}");
    }
}

fn operator(pos: u64, instead: &[&str]) -> Operator {
    Operator {
        position: BinlogPosition::new("bin.000002", pos),
        gtid: String::new(),
        before: Vec::new(),
        instead: Some(instead.iter().map(|sql| (*sql).to_owned()).collect()),
    }
}

#[test]
fn operators_are_one_a_position_in_order_and_end_where_the_checkpoint_passed() {
    let mut s = state([put_source("s1"), put_task("t", &["s1"])]);
    let set = |operator: Operator, passed: u64| ClusterChange::SetOperator {
        task: "t".into(),
        source_id: "s1".into(),
        operator,
        passed: BinlogPosition::new("bin.000002", passed),
    };
    for pos in [300, 100, 200] {
        assert_eq!(s.apply(set(operator(pos, &[]), 4)), Applied::Done);
    }
    assert_eq!(s.apply(set(operator(200, &["r"]), 101)), Applied::Done);
    assert_eq!(s.tasks["t"].subtasks["s1"].operators, [operator(200, &["r"]), operator(300, &[])]);
    let remove = |task: &str, pos| ClusterChange::RemoveOperator {
        task: task.into(),
        source_id: "s1".into(),
        position: BinlogPosition::new("bin.000002", pos),
    };
    assert_eq!(s.apply(remove("t", 200)), Applied::Done);
    let Applied::Rejected(why) = s.apply(remove("t", 200)) else { panic!("removed twice") };
    assert_eq!((why.code(), why.to_string().contains("operator not exist")), (Code::SyncerOperatorNotExist, true));
    assert!(matches!(s.apply(remove("u", 300)), Applied::Rejected(Rejection::UnknownTask { .. })));
    assert_eq!(s.tasks["t"].subtasks["s1"].operators, [operator(300, &[])]);
}

#[test]
fn files_of_loads_are_noted_by_the_bound_worker_and_forgotten_with_what_they_belong_to() {
    let begin =
        || state([put_worker("w1"), put_worker("w2"), put_source("s1"), put_task("t", &["s1"]), bind("s1", "w1")]);
    let files = |worker: &str, held| ClusterChange::LoadFiles {
        source_id: "s1".into(),
        task: "t".into(),
        worker: worker.into(),
        held,
    };
    let holder = |state: &ClusterState| state.loads.get("s1").and_then(|loads| loads.get("t")).cloned();
    let mut now = begin();
    assert!(matches!(now.apply(files("w2", true)), Applied::Rejected(_)), "it is not bound there");
    assert_eq!(now.apply(files("w1", true)), Applied::Done);
    assert_eq!(holder(&now).as_deref(), Some("w1"));
    // Another worker that takes it over and has not begun changes nothing; once it has, the files are there.
    now.apply(bind("s1", "w2"));
    assert_eq!(holder(&now).as_deref(), Some("w1"));
    now.apply(files("w2", true));
    assert_eq!(holder(&now).as_deref(), Some("w2"));
    now.apply(files("w2", false));
    assert!(now.loads.is_empty(), "{:?}", now.loads);

    let ends: [(&str, Vec<ClusterChange>); 2] = [
        ("task", vec![ClusterChange::RemoveSubtasks { task: "t".into(), sources: vec!["s1".into()] }]),
        ("worker", vec![bind("s1", "w2"), ClusterChange::RemoveWorker { name: "w1".into() }]),
    ];
    for (what, changes) in ends {
        let mut now = begin();
        now.apply(files("w1", true));
        changes.into_iter().for_each(|change| drop(now.apply(change)));
        assert!(now.loads.is_empty(), "{what}: {:?}", now.loads);
    }
    let mut without_task = state([put_worker("w1"), put_source("s1"), bind("s1", "w1")]);
    assert!(matches!(without_task.apply(files("w1", true)), Applied::Rejected(_)));
}
