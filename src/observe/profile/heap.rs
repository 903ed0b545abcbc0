//! Who holds the heap: jemalloc notes the stack of one allocation in every two MiB, and knows which of them still live.
//! It is in all programs but those built without the feature `jemalloc`, which is one by default.

use super::NoProfile;

/// The heap that lives now, as gzipped protobuf.
#[cfg(feature = "jemalloc")]
pub async fn profile() -> Result<Vec<u8>, NoProfile> {
    let Some(control) = jemalloc_pprof::PROF_CTL.as_ref() else {
        return Err(NoProfile::Unable(
            "jemalloc was told not to note allocations. Please start without prof:false in _RJEM_MALLOC_CONF.".into(),
        ));
    };
    let mut control = control.clone().lock_owned().await;
    let made = tokio::task::spawn_blocking(move || control.dump_pprof().map_err(|e| e.to_string()));
    made.await.map_err(|e| NoProfile::Failed(e.to_string()))?.map_err(NoProfile::Failed)
}

/// The heap that lives now: not known to a program of this build.
#[cfg(not(feature = "jemalloc"))]
pub async fn profile() -> Result<Vec<u8>, NoProfile> {
    let pid = std::process::id();
    Err(NoProfile::Unable(format!(
        "This program was built without the feature `jemalloc`, whose allocator notes who holds memory. Please build it \
         without `--no-default-features`, or on its machine: heaptrack -p {pid}"
    )))
}
