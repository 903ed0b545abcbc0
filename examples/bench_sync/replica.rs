//! The server's own replica, catching up with the same binlog over the same rows.

use std::time::Instant;

use crate::{
    report::Measured,
    support::{
        process::cpu_seconds,
        servers::{PASSWORD, Server, USER},
    },
    turn::await_markers,
    workload::Workload,
};

/// One turn; `threads` 0 is serial, as MariaDB is by default.
pub async fn turn(source: &Server, target: &Server, work: &Workload, threads: u32) -> Measured {
    work.reset_target(target, false).await;
    target
        .exec(&format!(
            "SET GLOBAL slave_parallel_threads = {threads}; SET GLOBAL slave_parallel_mode = 'optimistic'; \
             CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = '{USER}', \
             MASTER_PASSWORD = '{PASSWORD}', MASTER_LOG_FILE = '{}', MASTER_LOG_POS = {}, MASTER_USE_GTID = no",
            source.port, work.file, work.pos
        ))
        .await;
    let mut conn = target.conn().await;
    let (cpu, source_cpu) = (cpu_seconds(target.pid()), cpu_seconds(source.pid()));
    let started = Instant::now();
    target.exec("START SLAVE").await;
    await_markers(&mut conn, || None).await;
    let measured = Measured {
        seconds: started.elapsed().as_secs_f64(),
        changes: work.changes,
        megabytes: work.binlog_bytes as f64 / 1e6,
        cpu: None,
        target_cpu: cpu_seconds(target.pid()) - cpu,
        source_cpu: cpu_seconds(source.pid()) - source_cpu,
        peak_memory: None,
    };
    work.assert_equal(source, target).await;
    target.exec("STOP SLAVE; RESET SLAVE ALL").await;
    conn.disconnect().await.unwrap();
    measured
}
