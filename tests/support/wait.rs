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

/// As [`until`], of something that takes as long as the machine needs: `deadline` counts from the last change of what is seen,
/// ten of it are the most.
pub async fn while_moving<T, F, Fut>(what: &str, deadline: Duration, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let most = Instant::now() + deadline * 10;
    let (mut end, mut seen) = (Instant::now() + deadline, String::new());
    loop {
        let why = match probe().await {
            Ok(value) => return value,
            Err(why) => why,
        };
        let now = Instant::now();
        if why != seen {
            (end, seen) = (now + deadline, why);
        }
        assert!(now < end.min(most), "{what}: nothing moved for {deadline:?}; last seen: {seen}");
        pause().await;
    }
}

/// The interval between two looks at a state.
async fn pause() {
    tokio::time::interval_at(tokio::time::Instant::now() + Duration::from_millis(100), Duration::from_secs(1))
        .tick()
        .await;
}
