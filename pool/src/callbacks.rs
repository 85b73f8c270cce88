//! Where callbacks run: on threads of their own, so that one that panics or never returns hurts nobody.
//!
//! A callback goes to a thread that has nothing to do, and where there is none, to a new one. So none waits for another. A thread
//! that has nothing to do for a while ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_process::cpu_count;

use crate::guard;
use crate::ticket::{LOOKS, SPIN};

/// A thread stays for so long after its last callback.
const LINGER: Duration = Duration::from_millis(200);

pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// Callbacks that no thread has taken yet.
struct Waiting {
    /// Whose threads they are: a copy of that process has none of them.
    owner: Option<ProcessIdentity>,
    callbacks: VecDeque<Callback>,
    /// How many threads wait, less the callbacks that wait.
    spare: isize,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { owner: None, callbacks: VecDeque::new(), spare: 0 });
static CALLED: Condvar = Condvar::new();
/// How many wait, for those who look without the lock.
static LEFT: AtomicUsize = AtomicUsize::new(0);
static MAY_SPIN: LazyLock<bool> = LazyLock::new(|| cpu_count() > 1);

/// Has a callback run soon. Never waits for it, nor for another one.
pub(crate) fn run(callback: Callback) {
    let mut waiting = waiting();
    waiting.callbacks.push_back(callback);
    LEFT.store(waiting.callbacks.len(), Ordering::Relaxed);
    waiting.spare -= 1;
    let is_short = waiting.spare < 0;
    drop(waiting);
    if is_short {
        // Where no thread can be had, the next one that can will find it.
        let _no_thread = thread::Builder::new().name("procession-callback".to_owned()).spawn(work);
    } else {
        CALLED.notify_one();
    }
}

fn work() {
    let mut may_spin = false;
    while let Some(callback) = next(may_spin) {
        may_spin = *MAY_SPIN;
        // A panic has been reported on stderr by then, and is nobody else's business.
        let _panicked = guard::run(callback);
    }
}

/// Looks for a callback for a moment: where one follows the other, to sleep and be woken takes longer than they do.
fn spin() {
    let begin = Instant::now();
    while LEFT.load(Ordering::Relaxed) == 0 && begin.elapsed() < SPIN {
        (0..LOOKS).for_each(|_| std::hint::spin_loop());
        thread::yield_now();
    }
}

/// Waits for a callback, and not for ever.
fn next(may_spin: bool) -> Option<Callback> {
    self::waiting().spare += 1;
    if may_spin {
        spin();
    }
    let waiting = waiting();
    let nothing = |waiting: &mut Waiting| waiting.callbacks.is_empty();
    let waited = CALLED.wait_timeout_while(waiting, LINGER, nothing);
    let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
    let callback = waiting.callbacks.pop_front();
    LEFT.store(waiting.callbacks.len(), Ordering::Relaxed);
    if callback.is_none() {
        waiting.spare -= 1;
    }
    callback
}

fn waiting() -> MutexGuard<'static, Waiting> {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let me = Some(ProcessIdentity::current());
    if waiting.owner != me {
        // What an original has left is for its own threads to call.
        std::mem::forget(std::mem::take(&mut waiting.callbacks));
        (waiting.owner, waiting.spare) = (me, 0);
    }
    waiting
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_hangs_and_one_that_panics_keep_nobody() {
        let (hold, held) = mpsc::channel::<()>();
        run(Box::new(move || held.recv().unwrap_or_default()));
        run(Box::new(|| panic!("as expected")));
        let (told, tell) = mpsc::channel();
        for n in 0..100 {
            let told = told.clone();
            run(Box::new(move || told.send(n).unwrap()));
        }
        let mut all: Vec<u32> = (0..100).map(|_| tell.recv_timeout(Duration::from_secs(120)).unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        drop(hold);
    }
}
