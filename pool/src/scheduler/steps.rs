//! Counts looks, so that a test can see that they do not grow with the number of jobs. Outside of tests nothing is counted.

/// Notes one look at something of which there may be many.
#[inline]
pub(super) fn count() {
    #[cfg(test)]
    COUNT.set(COUNT.get() + 1);
}

#[cfg(test)]
thread_local!(pub(super) static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
