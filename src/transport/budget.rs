//! The memory that the bodies of a port's requests may take together.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

/// Bytes that may be held at once.
#[derive(Debug)]
pub struct Budget {
    free: AtomicUsize,
}

impl Budget {
    pub fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { free: AtomicUsize::new(bytes) })
    }

    /// One request's part, nothing so far.
    pub fn share(self: &Arc<Self>) -> Arc<Share> {
        Arc::new(Share { budget: self.clone(), taken: AtomicUsize::new(0) })
    }
}

/// What one request holds; free again when dropped, which is when the request is answered.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    taken: AtomicUsize,
}

impl Share {
    fn take(&self, bytes: usize) -> bool {
        let taken = self.budget.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        if taken.is_ok() {
            self.taken.fetch_add(bytes, Ordering::AcqRel);
        }
        taken.is_ok()
    }

    /// The body, whose chunks are counted as they arrive; it breaks off when the port has no room for more, or when it
    /// is not whole in time: what came of it is held until then.
    pub fn body(self: &Arc<Self>, body: Body, time: Duration) -> Body {
        let (share, end) = (self.clone(), Instant::now() + time);
        Body::from_stream(stream::try_unfold(body.into_data_stream(), move |mut chunks| {
            let share = share.clone();
            async move {
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the request was not whole in time");
                let Some(chunk) = timeout_at(end, chunks.next()).await.map_err(late)? else { return Ok(None) };
                let bytes: Bytes = chunk.map_err(io::Error::other)?;
                if !share.take(bytes.len()) {
                    tracing::warn!(bytes = bytes.len(), "a request is broken off: all requests together are too large");
                    return Err(io::Error::other("all requests together are too large, please try again"));
                }
                Ok(Some((bytes, chunks)))
            }
        }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.taken.load(Ordering::Acquire), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_share_what_there_is_and_give_it_back() {
        let budget = Budget::new(100);
        let (first, second) = (budget.share(), budget.share());
        let read = |share: &Arc<Share>, length: usize| {
            let body = share.body(Body::from(vec![0; length]), Duration::from_secs(60));
            async move { axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len()) }
        };
        assert_eq!(read(&first, 70).await.unwrap(), 70);
        assert!(read(&second, 40).await.is_err());
        assert_eq!(read(&second, 30).await.unwrap(), 30);
        drop(first);
        assert_eq!(read(&second, 70).await.unwrap(), 70);
        assert!(read(&second, 1).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_is_not_whole_in_time_gives_back_what_it_holds() {
        let budget = Budget::new(100);
        let share = budget.share();
        let stalls = stream::iter([Ok::<_, io::Error>(Bytes::from_static(&[0; 70]))]).chain(stream::pending());
        let body = share.body(Body::from_stream(stalls), Duration::from_millis(20));
        let why = axum::body::to_bytes(body, usize::MAX).await.unwrap_err();
        assert!(why.to_string().contains("not whole in time"), "{why}");
        drop(share);
        assert!(budget.share().take(100));
    }
}
