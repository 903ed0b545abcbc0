//! Which masters to dial when, and which connections to drop: decided without a runtime.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::actors::supervise::Backoff;

/// A connection must show that it knows the cookie within this.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Two addresses of one master: the second is not dialled before this.
const ALIAS_RETRY: Duration = Duration::from_secs(30);

#[derive(Debug)]
enum Line {
    Down {
        next: Instant,
    },
    Dialling,
    /// A TCP connection to this socket address; `ready` after the handshake.
    Up {
        peer: String,
        ready: bool,
    },
}

/// The connections to the masters. They are never given up.
#[derive(Debug, Default)]
pub struct Dials {
    lines: BTreeMap<String, (Line, Backoff)>,
}

impl Dials {
    /// Where the masters are now. Lines to addresses that are no longer among them end when they break.
    pub fn masters(&mut self, now: Instant, addresses: Vec<String>) {
        self.lines.retain(|address, (line, _)| addresses.contains(address) || matches!(line, Line::Up { .. }));
        for address in addresses {
            let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 2.0, true);
            self.lines.entry(address).or_insert((Line::Down { next: now }, backoff));
        }
    }

    /// The addresses to dial now.
    pub fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        for (address, (line, _)) in &mut self.lines {
            if matches!(line, Line::Down { next } if *next <= now) {
                *line = Line::Dialling;
                due.push(address.clone());
            }
        }
        due
    }

    /// A line is down: whether any is to be dialled.
    pub fn any_down(&self) -> bool {
        self.lines.is_empty() || self.lines.values().any(|(line, _)| !matches!(line, Line::Up { ready: true, .. }))
    }

    /// The TCP connection stands. False: another line leads there already, drop this one.
    pub fn connected(&mut self, now: Instant, address: &str, peer: &str) -> bool {
        let taken = self.lines.values().any(|(line, _)| matches!(line, Line::Up { peer: p, .. } if p == peer));
        let Some((line, _)) = self.lines.get_mut(address) else { return false };
        *line = match taken {
            true => Line::Down { next: now + ALIAS_RETRY },
            false => Line::Up { peer: peer.to_owned(), ready: false },
        };
        !taken
    }

    /// Nobody answered.
    pub fn failed(&mut self, now: Instant, address: &str, dice: f64) {
        if let Some((line, backoff)) = self.lines.get_mut(address) {
            *line = Line::Down { next: now + backoff.delay(dice) };
            backoff.forward();
        }
    }

    /// The handshake is done.
    pub fn ready(&mut self, peer: &str) {
        for (line, backoff) in self.lines.values_mut() {
            if let Line::Up { peer: p, ready } = line
                && p == peer
            {
                *ready = true;
                backoff.reset();
            }
        }
    }

    /// The connection ended: dial again, at once when it had worked.
    pub fn closed(&mut self, now: Instant, peer: &str, dice: f64) {
        for (line, backoff) in self.lines.values_mut() {
            if matches!(line, Line::Up { peer: p, .. } if p == peer) {
                *line = Line::Down { next: now + backoff.delay(dice) };
                backoff.forward();
            }
        }
    }

    /// All connections are gone (the server that held them failed).
    pub fn all_closed(&mut self, now: Instant) {
        for (line, _) in self.lines.values_mut() {
            if matches!(line, Line::Up { .. }) {
                *line = Line::Down { next: now };
            }
        }
    }

    /// Address and state of each line, for the console.
    pub fn report(&self) -> serde_json::Value {
        let word = |line: &Line| match line {
            Line::Down { .. } => "down",
            Line::Dialling => "dialling",
            Line::Up { ready: false, .. } => "handshake",
            Line::Up { ready: true, .. } => "up",
        };
        let rows = self.lines.iter().map(|(address, (line, _))| (address.clone(), word(line).into()));
        rows.collect::<serde_json::Map<_, _>>().into()
    }
}

/// Connections that have yet to show that they belong to the cluster.
#[derive(Debug)]
pub struct Strangers<K> {
    since: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Strangers<K> {
    /// None yet.
    pub fn new() -> Self {
        Strangers { since: BTreeMap::new() }
    }

    /// A connection opened.
    pub fn opened(&mut self, now: Instant, session: K) {
        self.since.insert(session, now);
    }

    /// It has shown what it must, or is gone.
    pub fn settled(&mut self, session: &K) {
        self.since.remove(session);
    }

    /// Those that took too long, once each.
    pub fn overdue(&mut self, now: Instant) -> Vec<K> {
        let late = |at: &Instant| now.saturating_duration_since(*at) >= HANDSHAKE_LIMIT;
        let overdue: Vec<K> = self.since.iter().filter(|(_, at)| late(at)).map(|(k, _)| k.clone()).collect();
        for session in &overdue {
            self.since.remove(session);
        }
        overdue
    }
}

impl<K: Ord + Clone> Default for Strangers<K> {
    fn default() -> Self {
        Strangers::new()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
