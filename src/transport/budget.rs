//! The memory that the bodies of a port's requests may take together.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::body::{Body, Bytes};
use futures::StreamExt;

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

    /// The body, whose chunks are counted as they arrive; it breaks off when the port has no room for more.
    pub fn body(self: &Arc<Self>, body: Body) -> Body {
        let share = self.clone();
        Body::from_stream(body.into_data_stream().map(move |chunk: Result<Bytes, axum::Error>| match chunk {
            Ok(bytes) if !share.take(bytes.len()) => {
                tracing::warn!(bytes = bytes.len(), "a request is broken off: all requests together are too large");
                Err(io::Error::other("all requests together are too large, please try again"))
            }
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(io::Error::other(error)),
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
            let body = share.body(Body::from(vec![0; length]));
            async move { axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len()) }
        };
        assert_eq!(read(&first, 70).await.unwrap(), 70);
        assert!(read(&second, 40).await.is_err());
        assert_eq!(read(&second, 30).await.unwrap(), 30);
        drop(first);
        assert_eq!(read(&second, 70).await.unwrap(), 70);
        assert!(read(&second, 1).await.is_err());
    }
}
