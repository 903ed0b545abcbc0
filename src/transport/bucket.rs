//! A rate with a burst.

use std::time::{Duration, Instant};

/// Tokens that fill with time; what is asked takes one.
#[derive(Debug)]
pub struct Bucket {
    tokens: f64,
    filled: Instant,
    per_second: f64,
    burst: f64,
}

impl Bucket {
    /// A full one.
    pub fn new(per_second: f64, burst: f64) -> Bucket {
        Bucket { tokens: burst, filled: Instant::now(), per_second, burst }
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Takes so many, on credit if need be; returns how long to wait until the debt is paid.
    pub fn owe(&mut self, now: Instant, tokens: u32) -> Duration {
        self.fill(now);
        self.tokens -= f64::from(tokens);
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / self.per_second).unwrap_or(Duration::MAX)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_comes_with_time() {
        let mut bucket = Bucket::new(10.0, 2.0);
        let now = Instant::now() + Duration::from_secs(1);
        assert!(bucket.take(now) && bucket.take(now) && !bucket.take(now));
        assert!(bucket.take(now + Duration::from_millis(101)));
        let later = now + Duration::from_secs(10);
        assert_eq!(bucket.owe(later, 2), Duration::ZERO);
        assert_eq!(bucket.owe(later, 5), Duration::from_millis(500));
        assert_eq!(bucket.owe(later + Duration::from_millis(500), 0), Duration::ZERO);
    }
}
