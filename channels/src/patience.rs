//! How one waits: spinning for a moment while that pays, then sleeping; those who wait for room do so in slices.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, Ordering::Relaxed, compiler_fence, fence};
use std::thread;
use std::time::{Duration, Instant};

use procession_sync::{RobustGuard, RobustLock};

/// Being woken costs 20 to 50 microseconds; longer than that it does not pay to stay awake.
const SPIN: Duration = Duration::from_micros(50);
/// Who is waited for may have been woken on this very core.
const YIELD: Duration = Duration::from_micros(5);
/// The first sleep of one who waits for room, which may be there although it is too little for being woken.
const FIRST_SLICE: Duration = Duration::from_millis(50);
const LAST_SLICE: Duration = Duration::from_millis(3200);
/// How long a call that does not wait tries for a lock. Who holds one is done within microseconds if it runs, and within a few
/// milliseconds if others run on its core. One that was stopped must not hold up those who only try.
const TRY_FOR: Duration = Duration::from_millis(3);
/// So many vain spins in a row, and only one wait in [`SELDOM`] spins.
const VAIN: u32 = 4;
const SELDOM: u32 = 16;

/// The most pauses before the first look: about a microsecond.
const LAZIEST: u32 = 64;
/// After so many waits it is tried whether being lazy pays.
const TRIAL: u32 = 64;
/// How often one looks before one looks at the clock.
const LOOKS: u32 = 16;
/// How often one looks before all else: who is busy answers within a microsecond, in which a look at the clock would be in the way.
const AT_ONCE: u32 = 64;

thread_local! {
    /// Whether this thread has woken somebody since it last waited: then that one may be about to run on this very core.
    static HAS_WOKEN: Cell<bool> = const { Cell::new(false) };
}

/// Takes note that this thread has woken somebody.
pub(crate) fn has_woken() {
    HAS_WOKEN.set(true);
}

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

    /// When it ends; `None` for never.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Until::Now => Some(Instant::now()),
            Until::Deadline(until) => until,
        }
    }

    /// Takes a lock, unless that takes too long: its holder may have been stopped.
    #[inline]
    pub(crate) fn lock(self, lock: &RobustLock) -> Option<RobustGuard<'_>> {
        lock.lock_until(|| match self {
            Until::Now => Instant::now().checked_add(TRY_FOR),
            Until::Deadline(until) => until,
        })
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
        Slices { until: until.deadline(), slice: FIRST_SLICE }
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
    /// items come one upon the other, it pays to wait for a few.
    lazy: AtomicU32,
    /// How many waits there were since one was lazy.
    eager: AtomicU32,
    /// Whether it was there as soon as this thread had given way: then both run on one core.
    shares: AtomicBool,
}

impl Spin {
    /// Waits a moment for something to be there. `look` says how many.
    pub(crate) fn until(&self, mut look: impl FnMut() -> u64) -> bool {
        let vain = self.vain.load(Relaxed);
        if !has_company() || (vain >= VAIN && !vain.is_multiple_of(SELDOM)) {
            self.vain.store(vain.wrapping_add(1), Relaxed);
            return false;
        }
        let seen = self.look_lazily(&mut look) || self.stay_awake(look);
        self.vain.store(if seen { 0 } else { vain.wrapping_add(1).max(1) }, Relaxed);
        seen
    }

    /// Looks once, after some pauses if there are usually several items then.
    fn look_lazily(&self, look: &mut impl FnMut() -> u64) -> bool {
        let (lazy, eager) = (self.lazy.load(Relaxed), self.eager.load(Relaxed));
        // Now and then it is tried whether it would pay.
        let pauses = if lazy == 0 && eager >= TRIAL { LAZIEST / 4 } else { lazy };
        if pauses == 0 {
            self.eager.store(eager + 1, Relaxed);
            return false;
        }
        let seen = pause_and(pauses, look);
        let next = if seen > 1 { (pauses + 4).min(LAZIEST) } else { pauses / 2 };
        self.lazy.store(if next < 4 { 0 } else { next }, Relaxed);
        self.eager.store(0, Relaxed);
        seen > 0
    }

    /// Looks again and again, for as long as that pays.
    fn stay_awake(&self, mut look: impl FnMut() -> u64) -> bool {
        let (has_woken, shares) = (HAS_WOKEN.replace(false), self.shares.load(Relaxed));
        // Whoever has just been woken takes longer than a few looks.
        if !has_woken && look_often(if shares { LOOKS } else { AT_ONCE }, 1, &mut look) {
            self.shares.store(false, Relaxed);
            return true;
        }
        if (has_woken || shares) && self.give_way(&mut look) {
            return true;
        }
        self.stay_longer(look)
    }

    /// Looks less and less often, and by the clock.
    fn stay_longer(&self, mut look: impl FnMut() -> u64) -> bool {
        let start = Instant::now();
        let (mut pauses, mut has_yielded) = (1, false);
        while !look_often(LOOKS, pauses, &mut look) {
            let elapsed = start.elapsed();
            if elapsed > SPIN {
                return false;
            }
            if elapsed > YIELD && !has_yielded {
                has_yielded = true;
                if self.give_way(&mut look) {
                    return true;
                }
            }
            pauses = (pauses * 2).min(16);
        }
        true
    }

    /// Lets others run on this core, and looks. Where they run for long, it is not the one who is waited for.
    fn give_way(&self, look: &mut impl FnMut() -> u64) -> bool {
        let start = Instant::now();
        thread::yield_now();
        let seen = look() > 0;
        self.shares.store(seen && start.elapsed() < SPIN, Relaxed);
        seen
    }
}

/// Looks so many times, with pauses before each look.
fn look_often(times: u32, pauses: u32, look: &mut impl FnMut() -> u64) -> bool {
    (0..times).any(|_| pause_and(pauses, look) > 0)
}

fn pause_and(pauses: u32, look: &mut impl FnMut() -> u64) -> u64 {
    for _ in 0..pauses {
        std::hint::spin_loop();
    }
    look()
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
