//! Counts visits to entries of which there may be many, so that tests see whether they grow with the number of jobs.

/// Counts one visit. Does nothing outside of tests.
#[inline]
pub(super) fn count() {
    #[cfg(test)]
    COUNT.set(COUNT.get() + 1);
}

#[cfg(test)]
thread_local!(pub(super) static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
