//! [`Histogram`]: durations, counted by their order of magnitude.

use std::fmt;
use std::time::Duration;

/// Durations, each counted in the box of its power of two of nanoseconds.
///
/// ```
/// # use procession_pool::Pool;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// pool.map(|n: u64| n + 1, 0..100)?;
/// let waits = pool.stats().wait;
/// assert_eq!(waits.count(), 100);
/// assert!(waits.quantile(0.5) <= waits.quantile(0.99));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Histogram {
    boxes: [u64; 64],
}

impl Histogram {
    /// Counts a duration, so many times.
    pub(crate) fn record(&mut self, duration: Duration, count: u64) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.boxes[nanos.max(1).ilog2() as usize] += count;
    }

    /// How many durations were counted.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.stats().run.count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.boxes.iter().sum()
    }

    /// A duration that this part of all of them, from 0 to 1, does not exceed: not the least one, but less than twice that. Zero
    /// if there are none.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert!(Pool::new(1)?.stats().run.quantile(0.5).is_zero());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let wanted = (self.count() as f64 * part.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for (power, count) in self.boxes.iter().enumerate() {
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
        Histogram { boxes: [0; 64] }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = (self.quantile(0.5), self.quantile(1.0));
        f.debug_struct("Histogram").field("count", &self.count()).field("half", &half).field("most", &most).finish()
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
