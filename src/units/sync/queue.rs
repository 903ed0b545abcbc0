//! A lane's queue: at most `queue-size` row changes wait in it, however they are handed on.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{change::Change, dispatch::gone};
use crate::error::DmError;

/// The dispatcher's end.
pub struct LaneQueue {
    lots: mpsc::Sender<Vec<Change>>,
    room: Arc<Semaphore>,
    size: usize,
}

/// The lane's end.
pub struct Waiting {
    lots: mpsc::Receiver<Vec<Change>>,
    room: Arc<Semaphore>,
    /// Of the lot that was taken last.
    rest: std::vec::IntoIter<Change>,
    taken: usize,
    size: usize,
}

/// A queue of `size` changes.
pub fn queue(size: usize) -> (LaneQueue, Waiting) {
    let size = size.clamp(1, 1 << 20);
    let (sender, lots) = mpsc::channel(size);
    let room = Arc::new(Semaphore::new(size));
    let waiting = Waiting { lots, room: room.clone(), rest: Vec::new().into_iter(), taken: 0, size };
    (LaneQueue { lots: sender, room, size }, waiting)
}

impl LaneQueue {
    /// Tells how many changes wait, for as long as the queue is there.
    pub fn length(&self) -> impl Fn() -> Option<usize> + Send + Sync + 'static {
        let (room, size) = (Arc::downgrade(&self.room), self.size);
        move || room.upgrade().map(|room| size.saturating_sub(room.available_permits()))
    }

    /// Puts changes behind the others; waits for room. More than the whole queue wait for it to be empty.
    pub async fn send(&self, changes: Vec<Change>) -> Result<(), DmError> {
        let count = changes.len().min(self.size);
        // The lane gives the room back when it takes the lot.
        self.room.acquire_many(count as u32).await.map_err(|_| gone())?.forget();
        self.lots.send(changes).await.map_err(|_| gone())
    }
}

impl Waiting {
    /// The next change; None when the queue is closed and all were taken.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.rest.next() {
                return Some(change);
            }
            let lot = self.lots.recv().await?;
            self.take(lot);
        }
    }

    /// The change after it, if one is there.
    pub fn peek(&mut self) -> Option<&Change> {
        while self.rest.as_slice().is_empty() {
            let lot = self.lots.try_recv().ok()?;
            self.take(lot);
        }
        self.rest.as_slice().first()
    }

    /// Takes the change that `peek` showed.
    pub fn pop(&mut self) -> Option<Change> {
        self.rest.next()
    }

    fn take(&mut self, lot: Vec<Change>) {
        // The lot before is all gone to the target, or it is with the lane now and counts as one batch.
        self.room.add_permits(std::mem::replace(&mut self.taken, lot.len().min(self.size)));
        self.rest = lot.into_iter();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Whoever waits for room learns that nobody is there any more.
        self.room.close();
    }
}
