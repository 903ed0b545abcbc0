//! Units that fail, panic, hang and end; orders; and what is seen of it.

use std::time::Duration;

use super::bench::{Act, Bench};
use crate::{
    error::Code,
    pb::{Stage, TaskOp, UnitType},
    units::Fence,
};

#[tokio::test]
async fn units_run_in_turn_and_the_last_one_finishes_the_task() {
    let bench = Bench::new("turn").await;
    bench.script.next([Act::Finish]);
    let replies = bench.start_task("t").await.unwrap();
    assert!(replies[0].result, "{replies:?}");
    assert_eq!((&*replies[0].source, &*replies[0].worker), ("s1", "turn"));
    bench.until("Sync runs", || bench.script.runs() == 2).await;
    let status = bench.until_stage("t", Stage::Running).await;
    assert_eq!((status.unit(), status.result), (UnitType::Sync, None));
    assert_eq!(*bench.script.runs.lock().unwrap(), [Fence { cluster_id: 7, epoch: 1 }; 2]);
    let again = bench.start_task("t").await.unwrap_err();
    assert_eq!(again.code(), Code::SchedulerSubTaskExist);
    bench.node.stop().await;
}

#[tokio::test]
async fn orders_are_confirmed_when_they_are_done() {
    let bench = Bench::new("orders").await;
    bench.script.next([Act::Finish]);
    bench.start_task("t").await.unwrap();
    for _ in 0..2 {
        let reply = bench.operate(TaskOp::Pause, "t").await;
        assert!(reply.result, "pausing twice is fine: {reply:?}");
        let status = bench.status("t").await;
        let result = status.result.clone().unwrap();
        assert_eq!((status.stage(), result.is_canceled, result.errors.len()), (Stage::Paused, true, 0));
    }
    for _ in 0..2 {
        assert!(bench.operate(TaskOp::Resume, "t").await.result);
        assert_eq!(bench.status("t").await.stage(), Stage::Running);
    }
    assert!(bench.operate(TaskOp::Delete, "t").await.result);
    let status = bench.cluster.query_status("s1", "").await;
    assert_eq!((status.result, &*status.msg), (true, "no sub task started"));
    assert!(status.sub_task_status.is_empty());
    assert!(bench.start_task("t").await.unwrap()[0].result, "the name is free again");
    bench.node.stop().await;
}

#[tokio::test]
async fn a_curable_error_is_resumed_and_an_incurable_one_waits_for_the_user() {
    let bench = Bench::new("errors").await;
    bench.script.next([Act::Fail(Code::DBExecuteFailed), Act::Fail(Code::DBExecuteFailed), Act::Work]);
    bench.start_task("t").await.unwrap();
    bench.until("two resumes", || bench.script.runs() == 3).await;
    bench.until_stage("t", Stage::Running).await;

    bench.script.next([Act::Fail(Code::DumpUnitRuntime)]);
    bench.operate(TaskOp::Pause, "t").await;
    bench.operate(TaskOp::Resume, "t").await;
    let status = bench.until_stage("t", Stage::Paused).await;
    let result = status.result.unwrap();
    assert!(!result.is_canceled);
    assert_eq!((result.errors[0].err_code, &*result.errors[0].message), (32001, "scripted"));
    let runs = bench.script.runs();
    // Many checks later it still waits; the order of another task passes all queues meanwhile.
    bench.start_task("other").await.unwrap();
    assert_eq!(bench.status("t").await.stage(), Stage::Paused);
    assert_eq!(bench.script.runs(), runs + 1, "only the other task's run");
    assert!(bench.operate(TaskOp::Resume, "t").await.result);
    bench.until_stage("t", Stage::Running).await;
    bench.node.stop().await;
}

#[tokio::test]
async fn a_panic_ends_its_run_only() {
    let bench = Bench::new("panics").await;
    bench.start_task("bystander").await.unwrap();
    bench.until("it runs", || bench.script.runs() == 1).await;
    bench.script.next([Act::Panic]);
    bench.start_task("t").await.unwrap();
    // The panic was an error for a moment, and its run was followed by another.
    bench.until("it was resumed", || bench.script.runs() == 3).await;
    bench.until_stage("t", Stage::Running).await;
    assert_eq!(bench.status("bystander").await.stage(), Stage::Running);
    bench.node.stop().await;
}

#[tokio::test]
async fn a_failed_preparation_is_told_to_who_started_it() {
    let bench = Bench::new("preparation").await;
    *bench.script.prepare_fails.lock().unwrap() = Some(Code::DumpUnitRuntime);
    let reply = bench.start_task("t").await.unwrap().remove(0);
    assert!(!reply.result);
    assert!(reply.msg.starts_with("[code=38032:"), "{}", reply.msg);
    assert!(reply.msg.contains("fail to initialize unit Dump of subtask t"), "{}", reply.msg);
    assert_eq!(bench.status("t").await.stage(), Stage::Paused);
    bench.node.stop().await;
}

#[tokio::test]
async fn a_unit_that_does_not_listen_is_killed() {
    let bench = Bench::new("deaf").await;
    bench.script.next([Act::Deaf]);
    bench.start_task("t").await.unwrap();
    let reply = bench.operate(TaskOp::Pause, "t").await;
    assert!(reply.result, "{reply:?}");
    assert!(bench.status("t").await.result.unwrap().errors.is_empty());
    bench.node.stop().await;
}

#[tokio::test]
async fn an_order_says_how_long_the_end_may_take() {
    let bench = Bench::new("patience").await;
    bench.script.next([Act::Deaf]);
    bench.start_task("t").await.unwrap();
    // A time without end, until a second order has less patience.
    let cluster = bench.cluster.clone();
    let patient = async move { cluster.operate_task(TaskOp::Stop, "t", &[], Some(Duration::MAX)).await };
    let patient = tokio::spawn(patient);
    bench.until("the unit knows", || bench.script.stop_limits() == [Duration::MAX]).await;
    bench.until_stage("t", Stage::Stopping).await;
    let soon = bench.cluster.operate_task(TaskOp::Stop, "t", &[], Some(Duration::ZERO));
    let replies = tokio::time::timeout(Duration::from_secs(10), soon).await.unwrap().unwrap();
    assert!(replies[0].result, "{replies:?}");
    assert_eq!(bench.script.stop_limits(), [Duration::MAX, Duration::ZERO]);
    assert!(patient.await.unwrap().unwrap()[0].result);
    bench.until_stage("t", Stage::Stopped).await;
    bench.node.stop().await;
}

#[tokio::test]
async fn every_actor_reports() {
    let bench = Bench::new("reports").await;
    bench.start_task("t").await.unwrap();
    let seen = bench.cluster.actors().await;
    assert_eq!(seen["missing"], serde_json::json!([]));
    let rows = seen["nodes"][0]["actors"].as_array().unwrap();
    let mut kinds: Vec<_> = rows.iter().map(|r| r["kind"].as_str().unwrap()).collect();
    kinds.sort();
    assert_eq!(kinds, ["inspector", "member", "node", "scheduler", "source", "subtask", "unit", "voter"]);
    for row in rows {
        assert!(row["state"].get("unresponsive").is_none(), "{row}");
        let parent = row["parent"].as_str().unwrap();
        assert!(parent.is_empty() || rows.iter().any(|r| r["name"] == parent), "{row}");
    }
    let unit = rows.iter().find(|r| r["kind"] == "unit").unwrap();
    assert_eq!((unit["name"].as_str(), unit["state"]["unit"].as_str()), (Some("unit:s1/t"), Some("Dump")));
    bench.node.stop().await;
}

#[tokio::test]
async fn members_and_configs_are_known() {
    use crate::pb::members::Member;
    let bench = Bench::new("members").await;
    let members = bench.cluster.members().await;
    let Some(Member::Worker(workers)) = &members[2].member else { panic!("{members:?}") };
    let worker = &workers.workers[0];
    let shown = (&*worker.name, &*worker.addr, &*worker.stage, &*worker.source);
    assert_eq!(shown, ("members", "127.0.0.1:8262", "bound", "s1"));
    assert_eq!(bench.cluster.worker_config("members").await.unwrap(), "name = \"w\"\n");
    assert_eq!(bench.cluster.worker_config("nobody").await.unwrap_err().code(), Code::SchedulerWorkerNotExist);
    let taken = bench.cluster.register_worker("members".into(), "10.0.0.1:8262".into()).await.unwrap_err();
    assert_eq!(taken.code(), Code::SchedulerWorkerExist);
    bench.cluster.register_worker("members".into(), "127.0.0.1:8262".into()).await.unwrap();
    assert_eq!(bench.cluster.remove_source("s1").await.unwrap(), "members");
    assert_eq!(bench.cluster.remove_source("s1").await.unwrap_err().code(), Code::SchedulerSourceCfgNotExist);
    let gone = bench.cluster.query_status("s1", "").await;
    assert!(!gone.result && gone.msg.contains("relevant worker-client not found"), "{gone:?}");
    bench.node.stop().await;
}

#[tokio::test]
async fn a_taken_cluster_port_is_an_error_that_says_so() {
    let bench = Bench::new("port").await;
    let error = bench.second_node_on_its_port().await.unwrap_err();
    assert_eq!(error.code(), Code::MasterStartService);
    assert!(error.message().contains(&format!("127.0.0.1:{}", bench.port)), "{error}");
    assert!(error.raw_cause().contains("in use"), "{error}");
    bench.node.stop().await;
}
