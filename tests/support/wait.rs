//! Awaiting a state with a deadline; nothing here sleeps for luck.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Asks `probe` until it answers `Ok(value)`; the last `Err(why)` is in the panic when `deadline` passes.
pub async fn until<T, F, Fut>(what: &str, deadline: Duration, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + deadline;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(why) if Instant::now() >= end => panic!("{what}: not within {deadline:?}; last seen: {why}"),
            Err(_) => pause().await,
        }
    }
}

/// The interval between two looks at a state.
async fn pause() {
    tokio::time::interval_at(tokio::time::Instant::now() + Duration::from_millis(100), Duration::from_secs(1))
        .tick()
        .await;
}
