use std::time::{Duration, Instant};

use super::*;
use crate::actors::supervise::ResumePolicy;

fn subtask() -> Subtask {
    Subtask::new("t1", AutoResume::new(ResumePolicy { jitter: false, ..Default::default() }))
}

fn prepare(generation: u64) -> Effect {
    Effect::Prepare { generation, from: 0, fresh: true }
}

fn error(text: &str) -> DmError {
    DmError::new(Code::DBExecuteFailed).msg(text)
}

/// A subtask whose Sync runs, in generation 1.
fn syncing() -> Subtask {
    let mut s = subtask();
    assert_eq!(s.follow(ExpectedStage::Running, true), [prepare(1)]);
    assert_eq!(s.prepared(1, Some((2, UnitType::Sync))), [Effect::Launch { generation: 1, index: 2 }]);
    s
}

#[test]
fn units_run_in_turn_and_finished_ones_are_skipped() {
    let mut s = subtask();
    assert_eq!(s.follow(ExpectedStage::Running, true), [prepare(1)]);
    assert_eq!((s.stage, s.reached(ExpectedStage::Running)), (Stage::New, None));
    assert_eq!(s.prepared(1, Some((0, UnitType::Dump))), [Effect::Launch { generation: 1, index: 0 }]);
    assert_eq!(s.reached(ExpectedStage::Running), Some(Ok(())));
    let next = s.ended(1, Outcome::Ended(Ended::Finished));
    assert_eq!(next, [Effect::Prepare { generation: 1, from: 1, fresh: false }]);
    assert_eq!(s.stage, Stage::Running);
    assert_eq!(s.prepared(1, Some((2, UnitType::Sync))), [Effect::Launch { generation: 1, index: 2 }]);
    assert_eq!(s.unit, UnitType::Sync);
    s.ended(1, Outcome::Ended(Ended::Finished));
    assert_eq!(s.prepared(1, None), []);
    assert_eq!((s.stage, s.result.clone()), (Stage::Finished, Some(ProcessResult::default())));
    assert_eq!(s.follow(ExpectedStage::Running, true), []);
    assert_eq!(s.follow(ExpectedStage::Paused, true), []);
    assert!(s.reached(ExpectedStage::Paused).unwrap().unwrap_err().contains("40050"));
}

#[test]
fn a_pause_waits_for_the_run_and_is_no_error() {
    let mut s = syncing();
    assert_eq!(s.follow(ExpectedStage::Paused, true), [Effect::StopUnit]);
    assert_eq!((s.stage, s.reached(ExpectedStage::Paused)), (Stage::Pausing, None));
    assert_eq!(s.follow(ExpectedStage::Paused, true), []);
    assert_eq!(s.ended(1, Outcome::Ended(Ended::Stopped)), []);
    let canceled = ProcessResult { is_canceled: true, ..Default::default() };
    assert_eq!((s.stage, s.result.clone()), (Stage::Paused, Some(canceled)));
    assert_eq!(s.reached(ExpectedStage::Paused), Some(Ok(())));
    // Pausing twice is fine, and a new assignment that says Running resumes it.
    assert_eq!(s.follow(ExpectedStage::Paused, true), []);
    assert_eq!(s.follow(ExpectedStage::Running, false), [prepare(2)]);
    assert_eq!(s.stage, Stage::Resuming);
}

#[test]
fn a_resume_during_pausing_is_not_lost() {
    let mut s = syncing();
    s.follow(ExpectedStage::Paused, true);
    assert_eq!(s.follow(ExpectedStage::Running, true), []);
    assert_eq!(s.ended(1, Outcome::Killed), [prepare(2)]);
}

#[test]
fn an_error_pauses_and_only_the_user_or_the_backoff_resumes() {
    let mut s = syncing();
    assert_eq!(s.ended(1, Outcome::Failed(error("it broke"))), []);
    assert_eq!(s.stage, Stage::Paused);
    assert_eq!(s.reached(ExpectedStage::Paused), Some(Ok(())));
    let text = s.reached(ExpectedStage::Running).unwrap().unwrap_err();
    assert!(text.starts_with("ErrCode:10006 ErrClass:\"database\""), "{text}");
    // The heartbeat's repeated assignment is no order.
    assert_eq!(s.follow(ExpectedStage::Running, false), []);
    let now = Instant::now();
    assert_eq!(s.tick(now, |_| true, 0.0), (Verdict::Resume, vec![prepare(2)]));
    s.prepared(2, Some((2, UnitType::Sync)));
    s.ended(2, Outcome::Failed(error("again")));
    assert_eq!(s.tick(now + Duration::from_secs(1), |_| true, 0.0), (Verdict::Wait, vec![]));
    assert_eq!(s.tick(now + Duration::from_secs(2), |_| true, 0.0).0, Verdict::Resume);
    s.prepared(3, Some((2, UnitType::Sync)));
    s.ended(3, Outcome::Failed(error("and again")));
    assert_eq!(s.follow(ExpectedStage::Running, true), [prepare(4)]);
}

#[test]
fn a_manual_pause_of_a_failed_subtask_ends_its_auto_resume() {
    let mut s = syncing();
    s.ended(1, Outcome::Failed(error("it broke")));
    assert_eq!(s.follow(ExpectedStage::Paused, true), []);
    let result = s.result.clone().unwrap();
    assert!(result.is_canceled);
    assert_eq!(result.errors.len(), 1);
    assert_eq!(s.tick(Instant::now(), |_| true, 0.0), (Verdict::Leave, vec![]));
}

#[test]
fn a_failed_preparation_names_unit_and_subtask() {
    let mut s = subtask();
    s.follow(ExpectedStage::Running, true);
    s.unprepared(1, Some(UnitType::Load), error("no target"));
    assert_eq!((s.stage, s.unit), (Stage::Paused, UnitType::Load));
    let message = &s.result.as_ref().unwrap().errors[0].message;
    assert_eq!(message, "fail to initialize unit Load of subtask t1: no target");
    assert!(s.reached(ExpectedStage::Running).unwrap().is_err());
}

#[test]
fn pausing_a_preparation_drops_it_and_its_late_word_is_ignored() {
    let mut s = subtask();
    s.follow(ExpectedStage::Running, true);
    assert_eq!(s.follow(ExpectedStage::Paused, true), [Effect::DropPreparation]);
    assert_eq!(s.stage, Stage::Paused);
    assert_eq!(s.prepared(1, Some((0, UnitType::Dump))), []);
    assert_eq!(s.stage, Stage::Paused);
    // Between two units as well.
    let mut s = syncing();
    s.ended(1, Outcome::Ended(Ended::Finished));
    assert_eq!(s.follow(ExpectedStage::Paused, true), [Effect::DropPreparation]);
    assert_eq!(s.stage, Stage::Paused);
}

#[test]
fn the_actor_ends_only_when_its_run_is_over() {
    let mut s = syncing();
    assert_eq!(s.retire(false), [Effect::StopUnit]);
    assert_eq!(s.follow(ExpectedStage::Running, true), []);
    assert_eq!(s.retire(true), [Effect::KillUnit]);
    assert_eq!(s.ended(1, Outcome::Killed), [Effect::Gone]);
    assert_eq!(subtask().retire(false), [Effect::Gone]);
    let mut preparing = subtask();
    preparing.follow(ExpectedStage::Running, true);
    assert_eq!(preparing.retire(true), [Effect::DropPreparation, Effect::Gone]);
    let mut pausing = syncing();
    pausing.follow(ExpectedStage::Paused, true);
    assert_eq!(pausing.retire(false), []);
    assert_eq!(pausing.ended(1, Outcome::Ended(Ended::Stopped)), [Effect::Gone]);
}

#[test]
fn a_stop_closes_the_unit_and_a_start_begins_again() {
    let mut s = syncing();
    assert_eq!(s.follow(ExpectedStage::Stopped, true), [Effect::StopUnit]);
    assert_eq!(s.stage, Stage::Stopping);
    s.ended(1, Outcome::Ended(Ended::Stopped));
    assert_eq!((s.stage, s.result.clone()), (Stage::Stopped, None));
    assert_eq!(s.follow(ExpectedStage::Running, false), [prepare(2)]);
}

#[test]
fn a_unit_that_stops_unasked_is_an_error() {
    let mut s = syncing();
    s.ended(1, Outcome::Ended(Ended::Stopped));
    assert_eq!(s.stage, Stage::Paused);
    assert_eq!(s.result.as_ref().unwrap().errors[0].err_code, 50000);
    // Facts of another run change nothing.
    let mut s = syncing();
    assert_eq!(s.ended(7, Outcome::Killed), []);
    assert_eq!(s.stage, Stage::Running);
}
