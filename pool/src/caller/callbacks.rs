//! Runs callbacks on threads of their own, so that one that panics or never returns hurts no other.
//!
//! A callback goes to an idle thread, or else to a new one. So none waits for another. A thread that was idle for a while ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use procession_core::os::backoff::{Backoff, has_other_cores};
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;

use crate::model::catch::catch;
use crate::model::tuning::{CALLER_SPIN, POLLS_PER_YIELD, THREAD_IDLE_TIMEOUT};

/// A function that runs once, on a thread of this module's.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// Callbacks that no thread has taken yet.
struct Queue {
    /// The process of the threads. A copy of it (`fork`) has none of them.
    owner: Option<ProcessIdentity>,
    callbacks: VecDeque<Callback>,
    /// The number of idle threads less the number of callbacks.
    spare: isize,
    /// The number of idle threads that poll. Each takes a callback without being woken.
    polling: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { owner: None, callbacks: VecDeque::new(), spare: 0, polling: 0 });
static QUEUED: Condvar = Condvar::new();
/// The number of callbacks, for threads that look without the lock.
static LEN: AtomicUsize = AtomicUsize::new(0);

/// Has a callback run soon. Never waits for it, nor for another one.
pub(crate) fn run(callback: Callback) {
    let mut queue = lock();
    // `spare` counts a thread that was notified and has not woken yet as taken. A count of those that sleep would not.
    if queue.spare > 0 {
        push_to_idle(queue, callback);
        return;
    }
    queue.push(callback);
    drop(queue);
    // If there can be no thread, the next idle one finds the callback.
    let _no_thread = thread::Builder::new().name("procession-callback".to_owned()).spawn(work);
}

/// Has a callback run soon on an idle thread, or gives it back.
pub(crate) fn run_if_idle(callback: Callback) -> Result<(), Callback> {
    let queue = lock();
    if queue.spare <= 0 {
        return Err(callback);
    }
    push_to_idle(queue, callback);
    Ok(())
}

/// Adds a callback for an idle thread, and wakes one unless a thread that polls takes it.
fn push_to_idle(mut queue: MutexGuard<'_, Queue>, callback: Callback) {
    queue.push(callback);
    let is_polled_for = queue.callbacks.len() <= queue.polling;
    drop(queue);
    if !is_polled_for {
        QUEUED.notify_one();
    }
}

/// Runs callbacks until there was none for [`THREAD_IDLE_TIMEOUT`]: the main function of a thread.
fn work() {
    let mut may_spin = false;
    while let Some(callback) = next(may_spin) {
        may_spin = has_other_cores();
        // A panic has been written to standard error, and concerns no other callback.
        let _panicked = catch(callback);
    }
}

/// Waits for a callback. `None` after some time without any.
fn next(may_spin: bool) -> Option<Callback> {
    let mut queue = lock();
    queue.spare += 1;
    if may_spin {
        queue.polling += 1;
        drop(queue);
        // Where one callback follows the other, to sleep and be woken takes longer than they do. Relaxed: the lock orders it.
        Backoff::new(CALLER_SPIN, POLLS_PER_YIELD).spin_until(|| LEN.load(Ordering::Relaxed) > 0);
        queue = lock();
        queue.polling = queue.polling.saturating_sub(1);
    }
    let deadline = Some(Instant::now() + THREAD_IDLE_TIMEOUT);
    let (mut queue, callback) = mutex::wait_for(&QUEUED, queue, deadline, |queue| queue.callbacks.pop_front());
    // Relaxed: a hint for idle threads that spin.
    LEN.store(queue.callbacks.len(), Ordering::Relaxed);
    if callback.is_none() {
        queue.spare -= 1;
    }
    callback
}

/// Returns the queue of this process. A copy of a process begins with an empty one and without threads.
fn lock() -> MutexGuard<'static, Queue> {
    let mut queue = mutex::lock(&QUEUE);
    let me = Some(ProcessIdentity::current());
    if queue.owner != me {
        // The callbacks of the original are left to its own threads, so they are neither run nor dropped here.
        std::mem::forget(std::mem::take(&mut queue.callbacks));
        (queue.owner, queue.spare, queue.polling) = (me, 0, 0);
    }
    queue
}

impl Queue {
    fn push(&mut self, callback: Callback) {
        self.callbacks.push_back(callback);
        // Relaxed: a hint for idle threads that spin.
        LEN.store(self.callbacks.len(), Ordering::Relaxed);
        self.spare -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn callbacks_that_hang_or_panic_keep_no_other_from_running() {
        let (hold, held) = mpsc::channel::<()>();
        run(Box::new(move || held.recv().unwrap_or_default()));
        run(Box::new(|| panic!("as expected")));
        let (sender, receiver) = mpsc::channel();
        for n in 0..100 {
            let sender = sender.clone();
            run(Box::new(move || sender.send(n).unwrap()));
        }
        let mut all: Vec<u32> = (0..100).map(|_| receiver.recv_timeout(Duration::from_secs(120)).unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        drop(hold);
    }
}
