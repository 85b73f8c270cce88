//! The clock that all processes of the machine share, and that is never set.

use std::time::Duration;

use nix::libc;

/// Returns how long the machine has run, as every process of it sees it at this moment.
///
/// It is the clock of [`Instant`](std::time::Instant), in a form that can be sent to another process.
///
/// ```
/// use procession_core::os::clock;
///
/// let earlier = clock::monotonic();
/// assert!(clock::monotonic() >= earlier);
/// ```
#[inline]
#[must_use]
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// Returns the time since the machine was started. Unlike [`monotonic`], it goes on while the machine is suspended.
///
/// ```
/// use procession_core::os::clock;
///
/// let awake = clock::monotonic();
/// assert!(clock::boottime() >= awake);
/// ```
#[must_use]
pub fn boottime() -> Duration {
    read(libc::CLOCK_BOOTTIME)
}

#[inline]
fn read(clock: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to `now`.
    let outcome = unsafe { libc::clock_gettime(clock, &raw mut now) };
    debug_assert_eq!(outcome, 0, "this clock always exists, and the place to write to is good");
    // Neither is negative, and there are fewer than 10^9 nanoseconds.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
