//! The loop around one operation: warm up, measure each iteration, take the median.

use std::time::{Duration, Instant};

use crate::group::{Failure, Figure};
use crate::options::Options;

/// How often an operation is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    pub warm_up: usize,
    pub measured: usize,
}

impl Repeat {
    /// A tenth of the iterations warms up.
    pub const fn times(measured: usize) -> Self {
        Self { warm_up: measured.div_ceil(10), measured }
    }

    /// The numbers that the options ask for.
    pub fn under(self, options: Options) -> Self {
        Self::times(options.part(self.measured))
    }
}

/// The median latency of `operation` in microseconds. `operation` checks its own result.
pub fn latency(repeat: Repeat, mut operation: impl FnMut() -> Result<(), Failure>) -> Result<Figure, Failure> {
    for _ in 0..repeat.warm_up {
        operation()?;
    }
    let mut times = Vec::with_capacity(repeat.measured);
    for _ in 0..repeat.measured {
        let start = Instant::now();
        operation()?;
        times.push(start.elapsed());
    }
    Ok(Figure::Value(microseconds(median_time(times))))
}

/// An error unless a result is the expected one: a wrong answer must not become a good figure.
pub fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("the result is {found:?}, it should be {expected:?}").into())
}

/// The middle one of sorted values, the mean of the middle two when their number is even; `NaN` for none.
pub fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted {
        [] => f64::NAN,
        _ if sorted.len() % 2 == 1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

fn median_time(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_wrong_result_is_no_figure() {
        let figure = latency(Repeat::times(3), || expect(1, 2));
        assert_eq!(figure.unwrap_err().to_string(), "the result is 1, it should be 2");
    }

    #[test]
    fn every_iteration_runs() {
        let mut runs = 0;
        let figure = latency(Repeat { warm_up: 2, measured: 5 }, || {
            runs += 1;
            Ok(())
        });
        assert!(matches!(figure, Ok(Figure::Value(_))));
        assert_eq!(runs, 7);
    }
}
