//! The decision: how many lanes may send at once.

use std::time::Duration;

/// A number is judged by what becomes durable in at least this long.
const LEAST: Duration = Duration::from_millis(100);
/// And by at least so many transactions of each lane that may send.
const TRANSACTIONS: usize = 4;
/// So many bytes count as one row: they cost a target about as much.
const BYTES_OF_A_ROW: usize = 512;
/// A larger number is taken when it brings in so much more, a smaller one when it brings in hardly less.
const GAIN: f64 = 1.05;
const LOSS: f64 = 0.98;
/// Spans without a trial, at most, where trials bring nothing.
const REST: u32 = 64;

/// What became durable in some time under one limit.
#[derive(Clone, Default, Debug)]
pub struct Span {
    /// Rows, with long ones counted as several.
    work: usize,
    rows: usize,
    transactions: usize,
    /// Transactions behind which more changes waited.
    pressed: usize,
    /// All transactions' time on the way.
    busy: Duration,
    pub length: Duration,
}

impl Span {
    /// A transaction is durable.
    pub fn add(&mut self, rows: usize, bytes: usize, more: bool, took: Duration) {
        self.work += rows + bytes / BYTES_OF_A_ROW;
        self.rows += rows;
        self.transactions += 1;
        self.pressed += usize::from(more);
        self.busy += took;
    }

    /// Milliseconds of a transaction, and its rows.
    pub fn means(&self) -> (f64, f64) {
        let transactions = self.transactions.max(1) as f64;
        (self.busy.as_secs_f64() * 1e3 / transactions, self.rows as f64 / transactions)
    }

    fn speed(&self) -> f64 {
        self.work as f64 / self.length.as_secs_f64().max(1e-6)
    }

    /// Changes waited for the target, so that its speed is what is seen.
    fn shows_target(&self) -> bool {
        self.pressed * 2 >= self.transactions
    }
}

/// What is being found out.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Trial {
    /// The speed under the limit; trials begin after so many spans.
    Before { rest: u32 },
    /// The speed under another limit, while `before` is that of `home`.
    Other { home: usize, before: f64 },
    /// The speed under the limit again, for what else changes meanwhile must not count.
    Again { other: usize, before: f64, tried: f64 },
}

/// Lanes that may have a transaction on its way at once: from 1 to all.
#[derive(Clone, PartialEq, Debug)]
pub struct SendLimit {
    lanes: usize,
    now: usize,
    trial: Trial,
    upwards: bool,
    /// Trials since the last that brought something.
    vain: u32,
}

impl SendLimit {
    /// All lanes may send.
    pub fn new(lanes: usize) -> SendLimit {
        SendLimit::at(lanes, lanes)
    }

    /// So many of the lanes may send.
    pub fn at(now: usize, lanes: usize) -> SendLimit {
        let lanes = lanes.max(1);
        SendLimit { lanes, now: now.clamp(1, lanes), trial: Trial::Before { rest: 0 }, upwards: false, vain: 0 }
    }

    /// The limit that counts now.
    pub fn now(&self) -> usize {
        self.now
    }

    /// Whether a span says enough to be judged.
    pub fn is_enough(&self, span: &Span) -> bool {
        span.length >= LEAST && span.transactions >= TRANSACTIONS * self.now
    }

    /// A span under the limit that counts now is over.
    pub fn after(&mut self, span: &Span) {
        if !span.shows_target() {
            // The source is slower: a limit brings nothing, and must not make anybody wait.
            if let Trial::Other { home, .. } = self.trial {
                self.now = home;
            }
            self.now = (self.now + step(self.now)).min(self.lanes);
            self.trial = Trial::Before { rest: 0 };
            return;
        }
        match self.trial {
            Trial::Before { rest } if rest > 0 => self.trial = Trial::Before { rest: rest - 1 },
            Trial::Before { .. } => self.begin(span.speed()),
            Trial::Other { home, before } => {
                let other = std::mem::replace(&mut self.now, home);
                self.trial = Trial::Again { other, before, tried: span.speed() };
            }
            Trial::Again { other, before, tried } => self.judge(other, (before + span.speed()) / 2.0, tried),
        }
    }

    fn begin(&mut self, before: f64) {
        let up = (self.now + step(self.now)).min(self.lanes);
        let down = self.now.saturating_sub(step(self.now)).max(1);
        let other = match (self.upwards && up > self.now) || down == self.now {
            true => up,
            false => down,
        };
        if other != self.now {
            self.trial = Trial::Other { home: std::mem::replace(&mut self.now, other), before };
        }
    }

    fn judge(&mut self, other: usize, own: f64, tried: f64) {
        let wanted = if other > self.now { own * GAIN } else { own * LOSS };
        if tried >= wanted {
            self.upwards = other > self.now;
            self.now = other;
            self.vain = 0;
        } else {
            self.upwards = other < self.now;
            self.vain = (self.vain + 1).min(16);
        }
        let rest = if self.vain < 2 { 0 } else { REST.min(1 << (self.vain - 1).min(6)) };
        self.trial = Trial::Before { rest };
    }
}

/// A quarter, and at least one.
fn step(number: usize) -> usize {
    number.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that works off so many rows a second at most, each transaction taking at least its way; one that has more
    /// than `best` transactions at once loses a bit for each.
    struct Model {
        way: f64,
        most: f64,
        best: usize,
        rows: f64,
    }

    impl Model {
        fn speed(&self, senders: usize) -> f64 {
            let many = senders.saturating_sub(self.best) as f64;
            (senders as f64 * self.rows / self.way).min(self.most) * (1.0 - 0.004 * many)
        }

        fn span(&self, senders: usize, noise: f64) -> Span {
            Span {
                work: (self.speed(senders) * noise) as usize,
                transactions: 1000,
                pressed: 1000,
                length: Duration::from_secs(1),
                ..Span::default()
            }
        }

        /// The limits of the last half of so many spans, under noise of some percent.
        fn settles(&self, limit: &mut SendLimit, spans: usize, noise: f64) -> (usize, usize, f64) {
            let (mut least, mut most, mut speed) = (usize::MAX, 0, 0.0);
            // A fixed sequence of numbers that looks random (a linear congruence).
            let mut seed = 12345u64;
            for at in 0..spans {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let random = (seed >> 33) as f64 / f64::from(1u32 << 31) * 2.0 - 1.0;
                if at >= spans / 2 {
                    (least, most) = (least.min(limit.now()), most.max(limit.now()));
                    speed += self.speed(limit.now());
                }
                limit.after(&self.span(limit.now(), 1.0 + noise * random));
            }
            (least, most, speed / (spans - spans / 2) as f64)
        }
    }

    #[test]
    fn a_near_target_gets_few_and_a_distant_one_all() {
        // 0.5 ms for a transaction of 100 rows, 400,000 rows/s at most: two would do.
        let near = Model { way: 0.0005, most: 400_000.0, best: 2, rows: 100.0 };
        let mut limit = SendLimit::new(16);
        let (least, most, speed) = near.settles(&mut limit, 200, 0.0);
        assert!(least >= 1 && most <= 4, "{least} to {most}");
        assert!(speed > 0.97 * near.speed(2), "{speed}");
        // 20 ms: 64 lanes are still not enough.
        let distant = Model { way: 0.02, most: 400_000.0, best: 64, rows: 100.0 };
        let mut limit = SendLimit::new(64);
        let (_, most, speed) = distant.settles(&mut limit, 400, 0.0);
        assert_eq!(most, 64);
        assert!(speed > 0.98 * distant.speed(64), "{speed}");
    }

    #[test]
    fn a_target_that_becomes_distant_gets_more_again() {
        let near = Model { way: 0.0005, most: 400_000.0, best: 2, rows: 100.0 };
        let distant = Model { way: 0.02, most: 400_000.0, best: 64, rows: 100.0 };
        let mut limit = SendLimit::new(16);
        near.settles(&mut limit, 300, 0.0);
        assert!(limit.now() <= 4);
        let (_, most, speed) = distant.settles(&mut limit, 400, 0.0);
        assert_eq!(most, 16);
        assert!(speed > 0.95 * distant.speed(16), "{speed}");
    }

    #[test]
    fn noise_costs_little() {
        for model in [
            Model { way: 0.0005, most: 400_000.0, best: 2, rows: 100.0 },
            Model { way: 0.005, most: 100_000.0, best: 8, rows: 100.0 },
            Model { way: 0.02, most: 400_000.0, best: 64, rows: 100.0 },
        ] {
            let mut limit = SendLimit::new(32);
            let (_, _, speed) = model.settles(&mut limit, 2000, 0.1);
            let best = (1..=32).map(|senders| model.speed(senders)).fold(0.0, f64::max);
            assert!(speed > 0.9 * best, "{} ms: {speed} of {best}", model.way * 1e3);
        }
    }

    #[test]
    fn without_changes_that_wait_nobody_is_held_back() {
        let mut limit = SendLimit::at(2, 16);
        let idle = Span { work: 10, transactions: 100, pressed: 3, length: LEAST, ..Span::default() };
        for _ in 0..20 {
            limit.after(&idle);
        }
        assert_eq!(limit.now(), 16);
        let one = SendLimit::new(0);
        assert_eq!((one.now(), one.lanes), (1, 1));
    }

    #[test]
    fn a_span_is_judged_when_every_sender_was_heard() {
        let limit = SendLimit::at(4, 8);
        let span = |transactions, length| Span { work: 1, transactions, pressed: 0, length, ..Span::default() };
        assert!(limit.is_enough(&span(16, LEAST)));
        assert!(!limit.is_enough(&span(15, LEAST)));
        assert!(!limit.is_enough(&span(16, LEAST / 2)));
    }
}
