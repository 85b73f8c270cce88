//! How one waits: spinning for a moment while that pays, then sleeping in slices.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering, Ordering::Relaxed, compiler_fence, fence};
use std::thread;
use std::time::{Duration, Instant};

/// Being woken costs 20 to 50 microseconds; longer than that it does not pay to stay awake.
const SPIN: Duration = Duration::from_micros(50);
/// Who is waited for may have been woken on this very core.
const YIELD: Duration = Duration::from_micros(5);
/// The first sleep. A process that is killed between publishing and waking leaves a sleeper behind for so long.
const FIRST_SLICE: Duration = Duration::from_millis(50);
const LAST_SLICE: Duration = Duration::from_millis(3200);
/// So many vain spins in a row, and only one wait in [`SELDOM`] spins.
const VAIN: u32 = 4;
const SELDOM: u32 = 16;

/// The most pauses before the first look: about a microsecond.
const LAZIEST: u32 = 64;

/// How long one is ready to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// For ever (`None`), or until then.
    Deadline(Option<Instant>),
}

impl Until {
    pub(crate) const FOREVER: Until = Until::Deadline(None);

    pub(crate) fn after(timeout: Duration) -> Until {
        if timeout.is_zero() { Until::Now } else { Until::Deadline(Instant::now().checked_add(timeout)) }
    }

    pub(crate) fn is_over(self) -> bool {
        match self {
            Until::Now => true,
            Until::Deadline(until) => until.is_some_and(|until| until <= Instant::now()),
        }
    }
}

/// The course of one wait.
#[derive(Debug)]
pub(crate) struct Slices {
    until: Option<Instant>,
    slice: Duration,
}

impl Slices {
    pub(crate) fn new(until: Until) -> Slices {
        let until = match until {
            Until::Now => Some(Instant::now()),
            Until::Deadline(until) => until,
        };
        Slices { until, slice: FIRST_SLICE }
    }

    /// When the sleep that begins now shall end.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        let end = Instant::now().checked_add(self.slice);
        self.slice = (self.slice * 2).min(LAST_SLICE);
        match (self.until, end) {
            (Some(until), Some(end)) => Some(until.min(end)),
            (until, end) => end.or(until),
        }
    }
}

/// Remembers whether spinning has paid lately.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    /// How many times in a row it has not.
    vain: AtomicU32,
    /// How many pauses before the first look. Each look takes a line of memory away from who is about to write to it, so while
    /// items come so fast that the first look finds one, it pays to wait for a few.
    lazy: AtomicU32,
}

impl Spin {
    /// Waits a moment for something to become true.
    pub(crate) fn until(&self, mut done: impl FnMut() -> bool) -> bool {
        let vain = self.vain.load(Relaxed);
        if !has_company() || (vain >= VAIN && !vain.is_multiple_of(SELDOM)) {
            self.vain.store(vain.wrapping_add(1), Relaxed);
            return false;
        }
        let lazy = self.lazy.load(Relaxed);
        if pause(4 + lazy, &mut done) {
            self.vain.store(0, Relaxed);
            self.lazy.store((lazy + 4).min(LAZIEST), Relaxed);
            return true;
        }
        self.lazy.store(lazy / 2, Relaxed);
        let start = Instant::now();
        let (mut pauses, mut has_yielded) = (4, false);
        loop {
            if pause(pauses, &mut done) {
                self.vain.store(0, Relaxed);
                return true;
            }
            let elapsed = start.elapsed();
            if elapsed > SPIN {
                self.vain.store(vain.wrapping_add(1).max(1), Relaxed);
                return false;
            }
            if elapsed > YIELD && !has_yielded {
                thread::yield_now();
                has_yielded = true;
            }
            pauses = (pauses * 2).min(32);
        }
    }
}

fn pause(pauses: u32, done: &mut impl FnMut() -> bool) -> bool {
    for _ in 0..pauses {
        std::hint::spin_loop();
    }
    done()
}

/// Between a change that others sleep on, made under a lock, and the look whether they do: neither may pass the other.
#[inline]
pub(crate) fn fence_after_unlock() {
    if cfg!(target_arch = "x86_64") {
        // Giving back the lock was an instruction that orders everything.
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Whether there is more than one core for this process, as far as its affinity and quota tell.
fn has_company() -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) > 1
}
