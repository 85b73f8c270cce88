//! Sleeping on a word of shared memory until another thread wakes the sleepers: the futex, in its form for several processes.
//!
//! The kernel compares the word with what the caller expects and puts it to sleep in one step, so a change that is
//! followed by a wake cannot slip in between. Names: [`wait`] sleeps, [`wake`] wakes, the `_bits` forms choose among
//! the sleepers, the `_double` forms use a word of 64 bits of which the kernel compares the low half.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use nix::libc;

/// Every sleeper, for the `bits` of [`wait_bits`] and [`wake_bits`].
///
/// ```
/// use procession_core::os::futex::{EVERY_BIT, wake_bits};
/// use std::sync::atomic::AtomicU32;
///
/// let word = AtomicU32::new(0);
/// assert_eq!(wake_bits(&word, 1, EVERY_BIT), 0, "no thread sleeps here");
/// ```
pub const EVERY_BIT: u32 = u32::MAX;

/// Why a sleep ended.
///
/// ```
/// use procession_core::os::futex::{Awake, wait};
///
/// let word = std::sync::atomic::AtomicU32::new(1);
/// assert_eq!(wait(&word, 0, None), Awake::Changed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awake {
    /// Another thread woke this sleeper. The word may or may not have changed: look again.
    Woken,
    /// The word did not hold the expected value, so there was no sleep at all.
    Changed,
    /// The deadline has passed.
    TimedOut,
}

/// Sleeps while `word` holds `expected`, until woken or until the deadline (`None`: for ever).
///
/// Signals do not end the sleep; a deadline in the past only compares. The word may lie in memory that several
/// processes have mapped, each at an address of its own.
///
/// ```
/// use procession_core::os::futex::{Awake, wait};
/// use std::sync::atomic::AtomicU32;
/// use std::time::{Duration, Instant};
///
/// let word = AtomicU32::new(7);
/// assert_eq!(wait(&word, 6, None), Awake::Changed);
/// let soon = Instant::now().checked_add(Duration::from_millis(1));
/// assert_eq!(wait(&word, 7, soon), Awake::TimedOut);
/// ```
pub fn wait(word: &AtomicU32, expected: u32, until: Option<Instant>) -> Awake {
    wait_bits(word, expected, until, EVERY_BIT)
}

/// As [`wait`], but only a wake that has one of `bits` ends the sleep. Without any bit the call only compares.
///
/// ```
/// use procession_core::os::futex::{Awake, wait_bits};
/// use std::sync::atomic::AtomicU32;
///
/// assert_eq!(wait_bits(&AtomicU32::new(0), 1, None, 0b10), Awake::Changed);
/// ```
pub fn wait_bits(word: &AtomicU32, expected: u32, until: Option<Instant>, bits: u32) -> Awake {
    sleep(word.as_ptr().cast_const(), expected, until, bits)
}

/// As [`wait`] for a word of 64 bits, of which the kernel compares the low half only.
///
/// It may therefore sleep although the high half has changed: use it where such a change needs no attention.
///
/// ```
/// use procession_core::os::futex::{Awake, wait_double};
/// use std::sync::atomic::AtomicU64;
///
/// assert_eq!(wait_double(&AtomicU64::new(1 << 32), (1 << 32) | 1, None), Awake::Changed);
/// ```
pub fn wait_double(word: &AtomicU64, expected: u64, until: Option<Instant>) -> Awake {
    sleep(low_half(word), expected as u32, until, EVERY_BIT)
}

/// Wakes at most `count` sleepers of `word` and returns how many there were.
///
/// ```
/// use procession_core::os::futex::wake;
/// use std::sync::atomic::AtomicU32;
///
/// assert_eq!(wake(&AtomicU32::new(0), u32::MAX), 0);
/// ```
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    wake_bits(word, count, EVERY_BIT)
}

/// As [`wake`], but only sleepers that wait for one of `bits`.
///
/// ```
/// use procession_core::os::futex::wake_bits;
/// use std::sync::atomic::AtomicU32;
///
/// assert_eq!(wake_bits(&AtomicU32::new(0), 1, 0b10), 0);
/// ```
pub fn wake_bits(word: &AtomicU32, count: u32, bits: u32) -> u32 {
    rouse(word.as_ptr().cast_const(), count, bits)
}

/// As [`wake`] for the sleepers of [`wait_double`].
///
/// ```
/// use procession_core::os::futex::wake_double;
/// use std::sync::atomic::AtomicU64;
///
/// assert_eq!(wake_double(&AtomicU64::new(0), 1), 0);
/// ```
pub fn wake_double(word: &AtomicU64, count: u32) -> u32 {
    rouse(low_half(word), count, EVERY_BIT)
}

/// Where the half with the lower bits lies.
fn low_half(word: &AtomicU64) -> *const u32 {
    let first = word.as_ptr().cast_const().cast::<u32>();
    if cfg!(target_endian = "big") { first.wrapping_add(1) } else { first }
}

fn sleep(word: *const u32, expected: u32, until: Option<Instant>, bits: u32) -> Awake {
    // Without bits the kernel refuses; a sleep that no wake-up could end is a comparison.
    let (until, bits) = if bits == 0 { (Some(Instant::now()), 1) } else { (until, bits) };
    // An absolute time, so that signals do not prolong the sleep.
    let deadline = until.and_then(absolute);
    loop {
        match wait_once(word, expected, deadline.as_ref(), bits) {
            Ok(()) => return Awake::Woken,
            Err(libc::EINTR) => {}
            Err(libc::ETIMEDOUT) => return Awake::TimedOut,
            // EAGAIN: another value. Anything else cannot come from valid memory; the caller looks at the word and decides.
            Err(_) => return Awake::Changed,
        }
    }
}

/// One call, with an absolute deadline on the monotonic clock. The error is the number of the errno.
fn wait_once(word: *const u32, expected: u32, deadline: Option<&libc::timespec>, bits: u32) -> Result<(), i32> {
    let deadline = deadline.map_or(std::ptr::null(), std::ptr::from_ref);
    // No private flag: the word lies in memory that other processes have mapped at other addresses.
    let unused = std::ptr::null::<u32>();
    // SAFETY: the kernel only reads the word, which the caller borrows for longer than the call; the deadline is null or
    // points to a timespec that is alive; the fifth argument is not used by this operation.
    let done =
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT_BITSET, expected, deadline, unused, bits) };
    if done < 0 { Err(errno()) } else { Ok(()) }
}

fn rouse(word: *const u32, count: u32, bits: u32) -> u32 {
    // Larger counts are all waiters: there are fewer threads than that.
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    if bits == 0 || count == 0 {
        // The kernel wakes one when asked for none.
        return 0;
    }
    let unused = std::ptr::null::<libc::timespec>();
    // SAFETY: waking uses the word's address alone, which is mapped while the caller borrows it.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE_BITSET, count, unused, unused, bits) };
    u32::try_from(woken).unwrap_or(0)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The instant as the kernel counts it; `None`, which is for ever, when it cannot.
fn absolute(until: Instant) -> Option<libc::timespec> {
    // `Instant` does not show its number, so its distance from now is added to the same clock.
    let left = until.saturating_duration_since(Instant::now());
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to `now`.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } != 0 {
        return None;
    }
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    // A time that the clock cannot reach is no deadline.
    let then = now.checked_add(left)?;
    Some(libc::timespec {
        tv_sec: libc::time_t::try_from(then.as_secs()).ok()?,
        tv_nsec: libc::c_long::from(then.subsec_nanos() as i32),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;

    #[test]
    fn a_wake_ends_the_sleep() {
        let word = AtomicU32::new(0);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, None);
                }
            });
            word.store(1, Ordering::Release);
            wake(&word, 1);
            sleeper.join().expect("the sleeper ends");
        });
    }

    #[test]
    fn only_the_right_bits_wake() {
        let word = AtomicU32::new(0);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait_bits(&word, 0, None, 0b10));
            while wake_bits(&word, 1, 0b10) == 0 {
                assert_eq!(wake_bits(&word, 1, 0b01), 0, "nobody waits for this bit");
                thread::yield_now();
            }
            assert_eq!(sleeper.join().expect("the sleeper ends"), Awake::Woken);
        });
    }

    #[test]
    fn past_and_far_deadlines() {
        let word = AtomicU32::new(0);
        assert_eq!(wait(&word, 0, Some(Instant::now())), Awake::TimedOut);
        let mut far = Instant::now();
        // As far as an `Instant` can say.
        for shift in (0..63).rev() {
            far = far.checked_add(Duration::from_secs(1 << shift)).unwrap_or(far);
        }
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait(&word, 0, Some(far)));
            while wake(&word, 1) == 0 {
                thread::yield_now();
            }
            assert_eq!(sleeper.join().expect("the sleeper ends"), Awake::Woken);
        });
    }

    #[test]
    fn the_double_word_compares_its_low_half() {
        let word = AtomicU64::new((1 << 40) | 5);
        assert_eq!(wait_double(&word, (1 << 40) | 4, None), Awake::Changed);
        assert_eq!(wait_double(&word, 5, Some(Instant::now())), Awake::TimedOut, "the high half does not count");
    }
}
