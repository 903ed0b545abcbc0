//! A lane's queue: at most `queue-size` row changes wait in it, however they are handed on.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::dispatch::gone;
use crate::error::DmError;

/// The dispatcher's end.
pub struct LaneQueue<T> {
    lots: mpsc::Sender<Vec<T>>,
    room: Arc<Semaphore>,
    size: usize,
}

/// The lane's end.
pub struct Waiting<T> {
    lots: mpsc::Receiver<Vec<T>>,
    room: Arc<Semaphore>,
    /// Of the lot that was taken last.
    rest: std::vec::IntoIter<T>,
    /// Room that this lot still takes.
    taken: usize,
    size: usize,
}

/// A queue for `size` changes.
pub fn queue<T>(size: usize) -> (LaneQueue<T>, Waiting<T>) {
    let size = size.clamp(1, 1 << 20);
    let (sender, lots) = mpsc::channel(size);
    let room = Arc::new(Semaphore::new(size));
    let waiting = Waiting { lots, room: room.clone(), rest: Vec::new().into_iter(), taken: 0, size };
    (LaneQueue { lots: sender, room, size }, waiting)
}

impl<T> LaneQueue<T> {
    /// Tells how many changes wait, for as long as the queue is there.
    pub fn length(&self) -> impl Fn() -> Option<usize> + Send + Sync + use<T> {
        let (room, size) = (Arc::downgrade(&self.room), self.size);
        move || room.upgrade().map(|room| size.saturating_sub(room.available_permits()))
    }

    /// Puts changes behind the others; waits for room. More than the whole queue wait for it to be empty.
    pub async fn send(&self, changes: Vec<T>) -> Result<(), DmError> {
        let count = changes.len().min(self.size);
        // The lane gives the room back.
        self.room.acquire_many(count as u32).await.map_err(|_| gone())?.forget();
        self.lots.send(changes).await.map_err(|_| gone())
    }
}

impl<T> Waiting<T> {
    /// The next change; None when the queue is closed and all were taken.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            if let Some(change) = self.rest.next() {
                return Some(change);
            }
            self.give_back();
            let lot = self.lots.recv().await?;
            self.take(lot);
        }
    }

    /// The change after it, if one is there.
    pub fn peek(&mut self) -> Option<&T> {
        while self.rest.as_slice().is_empty() {
            self.give_back();
            let lot = self.lots.try_recv().ok()?;
            self.take(lot);
        }
        self.rest.as_slice().first()
    }

    /// Takes the change that `peek` showed.
    pub fn pop(&mut self) -> Option<T> {
        self.rest.next()
    }

    fn take(&mut self, lot: Vec<T>) {
        self.taken = lot.len().min(self.size);
        self.rest = lot.into_iter();
    }

    /// The room of a lot of which nothing is left.
    fn give_back(&mut self) {
        self.room.add_permits(std::mem::take(&mut self.taken));
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        // Whoever waits for room learns that nobody is there any more.
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lots_larger_than_the_queue_pass_and_a_full_queue_waits() {
        let (sender, mut waiting) = queue(2);
        let sending = tokio::spawn(async move {
            for lot in [vec![1, 2, 3], vec![4], vec![5, 6], vec![7]] {
                sender.send(lot).await.unwrap();
            }
            sender
        });
        for wanted in 1..=7 {
            assert_eq!(waiting.next().await, Some(wanted));
        }
        let sender = sending.await.unwrap();
        assert_eq!(waiting.peek(), None);
        sender.send(vec![8]).await.unwrap();
        assert_eq!(waiting.peek(), Some(&8));
        sender.send(vec![9]).await.unwrap();
        assert!(sender.room.try_acquire().is_err(), "one was looked at, one waits: the queue is full");
        drop(waiting);
        assert!(sender.send(vec![10]).await.is_err());
    }
}
