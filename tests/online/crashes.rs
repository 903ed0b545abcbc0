//! The run ends between any two steps of keeping and replaying, and the next one goes on: nothing is lost, nothing is
//! done twice (a second ADD KEY without a name would be a second key).

use dm::units::failpoint::{self, Place};

use super::{config, ended_equal, gh_ost_begins, gh_ost_ends, pairs, same};
use crate::units_sync::Running;

const PLACES: [Place; 8] = [
    Place::CheckpointBeforeFlush,
    Place::CheckpointAfterFlush,
    Place::DdlBeforeLock,
    Place::DdlBeforeIntent,
    Place::DdlBeforeRun,
    Place::DdlAfterRun,
    Place::DdlBeforeDone,
    Place::DdlAfterDone,
];

#[tokio::test]
async fn a_crash_at_every_step_of_a_run() {
    let all = std::env::var_os("DM_RELEASES").is_some();
    for (number, (source, target, gtid)) in pairs().into_iter().enumerate() {
        let table =
            "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT, b INT); INSERT INTO d.t VALUES (1,1,1)";
        source.exec(table).await;
        target.exec(table).await;
        let config = config(&source, &target, gtid);
        let mut running = Running::start(&config, 1).started(&target).await;
        let mut columns = "`id`, `a`, `b`".to_owned();
        let mut struck = 0;
        for (round, place) in PLACES.into_iter().enumerate() {
            // The first pass is that of the CREATE or of its flush, later ones are those of the ALTERs and the RENAME.
            for passes in 1..=3 {
                // Every day each pair of servers has every other place and pass.
                if !all && (round + passes as usize + number).is_multiple_of(2) {
                    continue;
                }
                failpoint::arm(&config.name, place, passes);
                let name = format!("c{round}_{passes}");
                let alters = [format!("ADD COLUMN {name} INT DEFAULT 3, ADD KEY (a)"), "ADD KEY (b)".to_owned()];
                let alters = [alters[0].as_str(), alters[1].as_str()];
                source.exec(&gh_ost_begins("t", &columns, &alters)).await;
                source.exec("UPDATE d.t SET a = a + 1; UPDATE d._t_gho SET a = a + 1").await;
                source.exec(&gh_ost_ends("t")).await;
                columns.push_str(&format!(", `{name}`"));
                source
                    .exec(&format!("INSERT INTO d.t (id, {name}) VALUES ({}, 9)", round * 10 + passes as usize + 1))
                    .await;
                // Fewer passes than that: it must not strike later.
                let error = tokio::select! {
                    error = running.ended() => error,
                    () = same(&source, &target) => String::new(),
                };
                if !error.is_empty() {
                    assert!(error.contains(place.name()), "{place:?} {passes}: {error}");
                    struck += 1;
                    running = Running::start(&config, 1 + struck / 2);
                }
                failpoint::disarm(&config.name, place);
                ended_equal(&source, &target, &config, &mut running).await;
            }
        }
        assert!(struck >= if all { 14 } else { 7 }, "{struck} points struck");
        running.stop().await.unwrap();
    }
}
