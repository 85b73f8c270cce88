//! [`Histogram`]: durations, counted by their order of magnitude.

use std::fmt;
use std::time::Duration;

/// Durations, each counted in a bucket for its power of two of nanoseconds.
///
/// ```
/// # use procession_pool::Pool;
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// pool.map(|n: u64| n + 1, 0..100)?;
/// let waits = pool.stats().wait;
/// assert_eq!(waits.count(), 100);
/// assert!(waits.quantile(0.5) <= waits.quantile(0.99));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Histogram {
    buckets: [u64; 64],
}

impl Histogram {
    /// Counts a duration `count` times.
    pub(crate) fn record(&mut self, duration: Duration, count: u64) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // Zero has no logarithm, and counts as a nanosecond.
        self.buckets[nanos.max(1).ilog2() as usize] += count;
    }

    /// Returns the number of durations.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.stats().run.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns an upper bound of the quantile `part`, from 0 to 1. The bound is less than twice the quantile itself. It is zero for
    /// an empty histogram.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert!(Pool::new(1)?.stats().run.quantile(0.5).is_zero());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let wanted = (self.count() as f64 * part.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for (power, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Duration::from_nanos(2_u64.saturating_pow(power as u32 + 1));
            }
        }
        Duration::ZERO
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; 64] }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, max) = (self.quantile(0.5), self.quantile(1.0));
        f.debug_struct("Histogram").field("count", &self.count()).field("half", &half).field("most", &max).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_off_by_less_than_a_factor_of_two() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_nanos(100), 9);
        histogram.record(Duration::from_nanos(5000), 1);
        histogram.record(Duration::ZERO, 0);
        assert_eq!(histogram.count(), 10);
        assert_eq!(histogram.quantile(0.9), Duration::from_nanos(128));
        assert_eq!(histogram.quantile(1.0), Duration::from_nanos(8192));
    }
}
