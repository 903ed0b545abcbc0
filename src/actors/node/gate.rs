//! What the cluster port takes: so many connections, of which few may be strangers (who have not shown yet that they
//! know the secret); little of what a stranger sends; and so many frames a second of anybody. Who sends more is not
//! read meanwhile, so that TCP slows it down and nothing piles up here.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use futures::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use crate::transport::{
    bucket::Bucket,
    places::{Place, Places},
};

/// What the cluster port takes. A frame has 16 MiB at most, which is the transport's own limit.
#[derive(Clone, Copy, Debug)]
pub struct GateLimits {
    /// Connections in all; a worker has one to each master.
    pub connections: usize,
    /// Connections in all, and of one address, that have yet to show that they belong to the cluster.
    pub strangers: usize,
    pub strangers_of_one: usize,
    /// Bytes that are read of such a one; its handshake has some hundred.
    pub stranger_bytes: u64,
    /// Frames a second of one connection, after the burst.
    pub frames: f64,
    pub burst: f64,
}

impl Default for GateLimits {
    fn default() -> Self {
        GateLimits {
            connections: 4096,
            strangers: 256,
            strangers_of_one: 64,
            stranger_bytes: 64 << 10,
            frames: 20_000.0,
            burst: 100_000.0,
        }
    }
}

/// The gate in front of the port.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    all: Arc<Places>,
    strangers: Arc<Places>,
    /// By the address that ractor_cluster knows a connection by.
    doors: Mutex<HashMap<String, Weak<Door>>>,
}

/// One connection, as the gate knows it.
#[derive(Debug)]
pub struct Door {
    known: AtomicBool,
    waiting: AtomicWaker,
    /// Given back when it is known.
    stranger: Mutex<Option<Place>>,
    gate: Arc<Gate>,
    peer: String,
    _place: Place,
}

impl Gate {
    pub fn new(limits: GateLimits) -> Arc<Gate> {
        // A worker behind the same address as all others is no flood: only strangers are counted by address.
        let all = Places::new(limits.connections, limits.connections);
        let strangers = Places::new(limits.strangers, limits.strangers_of_one);
        Arc::new(Gate { limits, all, strangers, doors: Mutex::default() })
    }

    /// A connection came in; `None` when there is no place for it.
    pub fn enter(self: &Arc<Self>, peer: SocketAddr) -> Option<Arc<Door>> {
        // A client that maps its address into IPv6 is no other one.
        let address: IpAddr = peer.ip().to_canonical();
        let (place, stranger) = (self.all.take(address)?, self.strangers.take(address)?);
        let door = Arc::new(Door {
            known: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            stranger: Mutex::new(Some(stranger)),
            gate: self.clone(),
            peer: peer.to_string(),
            _place: place,
        });
        self.doors().insert(door.peer.clone(), Arc::downgrade(&door));
        Some(door)
    }

    /// The other side has shown that it knows the cluster's secret.
    pub fn knows(&self, peer: &str) {
        let door = self.doors().get(peer).and_then(Weak::upgrade);
        if let Some(door) = door {
            door.known.store(true, Ordering::Release);
            drop(door.stranger.lock().unwrap_or_else(PoisonError::into_inner).take());
            door.waiting.wake();
        }
    }

    fn doors(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let mut doors = self.gate.doors();
        // The address may be another connection's by now.
        if doors.get(&self.peer).is_some_and(|door| door.strong_count() == 0) {
            doors.remove(&self.peer);
        }
    }
}

/// A connection behind the gate.
#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    door: Arc<Door>,
    /// Read of a stranger.
    read: u64,
    frames: Frames,
    bucket: Bucket,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, door: Arc<Door>) -> Guarded<S> {
        let bucket = Bucket::new(door.gate.limits.frames, door.gate.limits.burst);
        Guarded { stream, door, read: 0, frames: Frames::default(), bucket, pause: None }
    }

    /// How much may be read now; pending while a stranger has had its share, or too many frames came.
    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let limit = self.door.gate.limits.stranger_bytes;
        // Registered before the look, so that no word between the two is missed.
        self.door.waiting.register(cx.waker());
        if self.door.known.load(Ordering::Acquire) {
            return Poll::Ready(usize::MAX);
        }
        match limit.saturating_sub(self.read) {
            0 => Poll::Pending,
            left => Poll::Ready(usize::try_from(left).unwrap_or(usize::MAX)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let allowed = ready!(me.poll_allowed(cx)).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
        ready!(Pin::new(&mut me.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        let begun = me.frames.pass(part.filled());
        buffer.advance(read);
        me.read = me.read.saturating_add(read as u64);
        let wait = if begun > 0 { me.bucket.owe(Instant::now(), begun) } else { std::time::Duration::ZERO };
        if !wait.is_zero() {
            tracing::debug!(peer = me.door.peer, ?wait, "many frames of a node, it is read later");
            me.pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Counts frames as they pass: eight bytes of length (big-endian), then so many bytes.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; 8],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the frame that are still to come.
    left: u64,
}

impl Frames {
    /// These bytes come next; returns how many frames began with them.
    fn pass(&mut self, mut bytes: &[u8]) -> u32 {
        let mut begun = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skip as u64;
                bytes = bytes.split_at(skip).1;
                continue;
            }
            let (now, later) = bytes.split_at((8 - self.have).min(bytes.len()));
            self.head.iter_mut().skip(self.have).zip(now).for_each(|(to, from)| *to = *from);
            self.have += now.len();
            bytes = later;
            if self.have == 8 {
                (self.left, self.have) = (u64::from_be_bytes(self.head), 0);
                begun += 1;
            }
        }
        begun
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
