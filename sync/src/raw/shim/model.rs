//! The model: loom's atomics, a futex of loom's parts, and processes that die when a test says so.

use std::sync::atomic::AtomicU8;
use std::time::Instant;

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use procession_core::os::backoff::BackoffTimer;
pub(crate) use procession_core::os::identity::ProcessIdentity;

use super::seeded::Seeded;

/// The sleepers of a word. The lock is that of the kernel: comparing and falling asleep are one step.
#[derive(Debug)]
struct Sleepers {
    count: Mutex<u32>,
    wake: Condvar,
}

impl Sleepers {
    fn new() -> Sleepers {
        Sleepers { count: Mutex::new(0), wake: Condvar::new() }
    }

    fn wait(&self, still: impl FnOnce() -> bool) {
        let mut count = self.count.lock().expect("no model panics here");
        // Once a process is dead, each sleep ends at once: that stands for the time that passes.
        if DEAD.load(Ordering::Relaxed) != 0 {
            drop(count);
            loom::thread::yield_now();
        } else if still() {
            *count += 1;
            drop(self.wake.wait(count));
        }
    }

    fn wake(&self, max: u32) -> u32 {
        let mut count = self.count.lock().expect("no model panics here");
        let woken = max.min(*count);
        *count -= woken;
        for _ in 0..woken {
            self.wake.notify_one();
        }
        woken
    }
}

macro_rules! word {
    ($name:ident, $atomic:ty, $value:ty) => {
        /// A word on which threads can sleep. No timeout passes in the model.
        #[derive(Debug)]
        pub(crate) struct $name {
            value: $atomic,
            sleepers: Sleepers,
        }

        impl $name {
            pub(crate) fn fresh() -> $name {
                $name { value: <$atomic>::new(0), sleepers: Sleepers::new() }
            }

            pub(crate) fn wait(&self, expected: $value, _until: Option<Instant>) {
                self.sleepers.wait(|| self.value.load(Ordering::Relaxed) == expected);
            }

            pub(crate) fn wake(&self, count: u32) -> u32 {
                self.sleepers.wake(count)
            }
        }

        impl std::ops::Deref for $name {
            type Target = $atomic;

            fn deref(&self) -> &$atomic {
                &self.value
            }
        }
    };
}

word!(Word32, AtomicU32, u32);
word!(Word64, AtomicU64, u64);

loom::lazy_static! {
    /// One bit for each process that is dead.
    static ref DEAD: AtomicU32 = AtomicU32::new(0);
}

/// From here on the process does nothing any more. Wake the threads that sleep already after this.
pub(crate) fn die(who: ProcessIdentity) {
    // Release: pairs with the Acquire in `is_alive`, so that the thread that finds the death sees what the dead one wrote.
    DEAD.fetch_or(1 << who.to_bits(), Ordering::Release);
}

pub(crate) fn is_alive(who: ProcessIdentity) -> bool {
    // Acquire: pairs with the Release in `die`.
    DEAD.load(Ordering::Acquire) & (1 << who.to_bits()) == 0
}

pub(crate) fn was_alive_recently(who: ProcessIdentity) -> bool {
    is_alive(who)
}

/// No time passes in the model, so each sleep may have been the whole one.
pub(crate) fn slept_through(_timer: &BackoffTimer) -> bool {
    true
}

/// Spinning would only multiply the schedules.
pub(crate) fn has_other_cores() -> bool {
    false
}

/// Loom takes SeqCst operations for AcqRel ones: this makes up for it.
pub(crate) fn model_fence() {
    // Pairs with the fences of the protocols, where the real operations need none.
    fence(Ordering::SeqCst);
}

/// Which fault is switched on in this run: its number plus 1, or 0.
static FAULT: AtomicU8 = AtomicU8::new(0);

pub(crate) fn seed(fault: Option<Seeded>) {
    // SeqCst: set before the threads of a model start and read in them; it pairs with nothing that the model explores.
    FAULT.store(fault.map_or(0, |fault| fault as u8 + 1), std::sync::atomic::Ordering::SeqCst);
}

pub(crate) fn seeded(fault: Seeded) -> bool {
    // SeqCst: as in `seed`.
    FAULT.load(std::sync::atomic::Ordering::SeqCst) == fault as u8 + 1
}
