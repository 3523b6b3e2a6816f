//! How fast data may go (`--bwlimit`, spec: options 6.9).

use std::time::{Duration, Instant};

/// Debts below this many seconds are carried over instead of waited for (spec: options 6.9).
const MIN_SLEEP: f64 = 0.1;

/// The state of `--bwlimit` (spec: options 6.9).
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    /// KiB/s; 0 is no limit.
    limit: u64,
    debt: f64,
    last: Option<Instant>,
}

impl Throttle {
    /// Without a limit.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets the limit in bytes per second; 0: no limit. It may change at any time.
    pub(crate) fn set(&mut self, bytes_per_second: u64) {
        let limit = bytes_per_second.saturating_add(512) / 1024;
        if limit != self.limit {
            self.limit = limit;
            // What a faster limit carried over could take minutes at a slower one.
            self.debt = self.debt.min(MIN_SLEEP * (limit * 1024) as f64);
        }
    }

    /// How much one write may carry.
    pub(crate) fn piece(&self) -> usize {
        match self.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit.saturating_mul(128))
                .unwrap_or(usize::MAX)
                .max(512),
        }
    }

    /// Records a write of `n` bytes at `now`. The caller sleeps for the returned time and then calls
    /// [`slept`](Self::slept).
    pub(crate) fn written(&mut self, n: usize, now: Instant) -> Option<Duration> {
        if self.limit == 0 {
            return None;
        }
        let rate = (self.limit * 1024) as f64;
        let elapsed = self
            .last
            .map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.last = Some(now);
        self.debt = (self.debt + n as f64 - elapsed * rate).max(0.0);
        let seconds = self.debt / rate;
        (seconds >= MIN_SLEEP).then(|| Duration::from_secs_f64(seconds))
    }

    /// Adds the difference between the wanted and the real sleep to the debt.
    pub(crate) fn slept(&mut self, wanted: Duration, now: Instant) {
        let rate = (self.limit * 1024) as f64;
        let slept = self
            .last
            .map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.debt = (wanted.as_secs_f64() - slept) * rate;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttle_follows_the_rule() {
        let mut t = Throttle::new();
        t.set(1);
        assert_eq!((t.limit, t.piece()), (0, usize::MAX));
        t.set(512);
        assert_eq!((t.limit, t.piece()), (1, 512));
        t.set(100 * 1024);
        assert_eq!((t.limit, t.piece()), (100, 12800));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        // 0.05 s worth: carried.
        assert_eq!(t.written(5120, at(0)), None);
        // 0.1 s worth: slept off.
        let sleep = t.written(5120, at(0)).unwrap();
        assert!((sleep.as_secs_f64() - 0.1).abs() < 1e-9);
        // 0.15 s slept instead: 0.05 s in hand.
        t.slept(sleep, at(150));
        assert_eq!(t.written(10240, at(150)), None);
        assert!((t.debt - 5120.0).abs() < 1.0);
        // A debt that is carried over is no more than that at a lower limit.
        assert_eq!(t.written(1000, at(150)), None);
        t.set(1024);
        assert!((t.debt - 102.4).abs() < 1e-9);
        t.set(0);
        assert_eq!(t.written(1 << 30, at(200)), None);
        t.set(100 * 1024);
        // A pause is not saved up.
        assert_eq!(t.written(100, at(60_000)), None);
        assert!(t.debt.abs() < 1e-9);
    }
}
