use super::*;
use crate::coordinator::samples;

fn spec(task: &str, expected: ExpectedStage) -> SubtaskSpec {
    SubtaskSpec { config: samples::subtask(task, "s1"), expected, operators: Vec::new() }
}

fn running(task: &str) -> SubtaskSpec {
    spec(task, ExpectedStage::Running)
}

fn run(task: &str) -> Order {
    Order::Start { task: task.into() }
}

fn retire(task: &str, kill: bool) -> Effect {
    Effect::Retire { task: task.into(), kill }
}

#[test]
fn the_subtasks_become_those_of_the_assignment() {
    let mut s = Subtasks::default();
    let (effects, confirm) = s.follow(vec![running("a")], Some(&run("a")));
    assert_eq!((effects, confirm), (vec![start(running("a"))], Confirm::BySubtask));
    // The same again changes nothing; a pause is told; an order is told even when the stage is the same.
    assert_eq!(s.follow(vec![running("a")], None), (vec![], Confirm::Now));
    let tell = |expected, by_user| vec![Effect::Tell { task: "a".into(), expected, by_user }];
    let paused = vec![spec("a", ExpectedStage::Paused)];
    assert_eq!(s.follow(paused, None).0, tell(ExpectedStage::Paused, false));
    assert_eq!(s.follow(vec![running("a")], None).0, tell(ExpectedStage::Running, false));
    assert_eq!(s.follow(vec![running("a")], Some(&run("a"))).0, tell(ExpectedStage::Running, true));
    assert_eq!(s.alive().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_deleted_task_is_gone_when_its_actor_is() {
    let mut s = Subtasks::default();
    s.follow(vec![running("a"), running("b")], None);
    let delete = Order::Delete { task: "a".into() };
    assert_eq!(s.follow(vec![running("b")], Some(&delete)), (vec![retire("a", false)], Confirm::WhenGone));
    // Started again before the old one is gone: it waits for it.
    assert_eq!(s.follow(vec![running("a"), running("b")], Some(&run("a"))), (vec![], Confirm::BySubtask));
    assert_eq!(s.gone("a"), [start(running("a"))]);
    assert_eq!(s.follow(vec![running("a")], Some(&delete)).1, Confirm::Now);
}

#[test]
fn a_changed_config_starts_a_new_actor_after_the_old_one() {
    let mut s = Subtasks::default();
    s.follow(vec![running("a")], None);
    let mut changed = running("a");
    changed.config.meta_schema = "other".into();
    assert_eq!(s.follow(vec![changed.clone()], None).0, [retire("a", false)]);
    assert_eq!(s.gone("a"), [start(changed)]);
}

#[test]
fn a_failed_actor_comes_back_unless_it_is_no_longer_wanted() {
    let mut s = Subtasks::default();
    s.follow(vec![running("a")], None);
    assert_eq!(s.gone("a"), [Effect::RestartLater { task: "a".into() }]);
    assert_eq!(s.follow(vec![running("a")], None).0, []);
    assert_eq!(s.restart("a"), [start(running("a"))]);
    assert_eq!(s.restart("a"), []);
    s.gone("a");
    assert_eq!(s.follow(vec![], None).0, []);
    assert_eq!(s.restart("a"), []);
}

#[test]
fn the_source_ends_after_its_subtasks() {
    let mut s = Subtasks::default();
    s.follow(vec![running("a"), running("b")], None);
    assert_eq!(s.retire(false), [retire("a", false), retire("b", false)]);
    assert_eq!(s.retire(true), [retire("a", true), retire("b", true)]);
    assert_eq!(s.follow(vec![running("c")], None).0, []);
    assert_eq!(s.gone("a"), []);
    assert_eq!(s.gone("b"), [Effect::Gone]);
    assert_eq!(Subtasks::default().retire(true), [Effect::Gone]);
}
