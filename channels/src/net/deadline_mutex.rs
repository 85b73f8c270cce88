//! [`DeadlineMutex`]: a mutex inside one process that is waited for until a deadline.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex};
#[cfg(feature = "tokio")]
use std::task::Poll;
use std::task::Waker;
use std::time::Instant;

use procession_core::os::mutex::{lock, wait_for};

/// A mutex that is held while messages are sent or received, which may take long. So locking it has a deadline.
#[derive(Debug)]
pub(crate) struct DeadlineMutex<T> {
    state: Mutex<State<T>>,
    unlocked: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// `None` while it is locked.
    value: Option<T>,
    /// Those of tasks that wait for it.
    wakers: Vec<Waker>,
}

/// Gives access to the value, and unlocks it when it is dropped.
#[derive(Debug)]
pub(crate) struct DeadlineGuard<'a, T> {
    mutex: &'a DeadlineMutex<T>,
    value: Option<T>,
}

impl<T> DeadlineMutex<T> {
    pub(super) fn new(value: T) -> DeadlineMutex<T> {
        DeadlineMutex { state: Mutex::new(State { value: Some(value), wakers: Vec::new() }), unlocked: Condvar::new() }
    }

    /// Locks the value, and waits until the deadline; for ever without one.
    pub(super) fn lock(&self, deadline: Option<Instant>) -> Option<DeadlineGuard<'_, T>> {
        let taken = wait_for(&self.unlocked, lock(&self.state), deadline, |state| state.value.take());
        taken.1.map(|value| DeadlineGuard { mutex: self, value: Some(value) })
    }

    /// Locks the value, or has the task woken when it is unlocked.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_lock(&self, waker: &Waker) -> Poll<DeadlineGuard<'_, T>> {
        let mut state = lock(&self.state);
        match state.value.take() {
            Some(value) => Poll::Ready(DeadlineGuard { mutex: self, value: Some(value) }),
            None => {
                state.wakers.push(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Deref for DeadlineGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has the value until it is dropped")
    }
}

impl<T> DerefMut for DeadlineGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has the value until it is dropped")
    }
}

impl<T> Drop for DeadlineGuard<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.mutex.state);
        state.value = self.value.take();
        // All of them: a task that was woken may have been dropped, and would not pass the wake-up on.
        let wakers = std::mem::take(&mut state.wakers);
        // Wakers are code of the runtime, which may come back here.
        drop(state);
        self.mutex.unlocked.notify_one();
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_and_until_the_deadline() {
        let mutex = DeadlineMutex::new(0);
        let guard = mutex.lock(None).unwrap();
        assert!(mutex.lock(Some(Instant::now())).is_none());
        drop(guard);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..1000).for_each(|_| *mutex.lock(None).unwrap() += 1));
            }
        });
        assert_eq!(*mutex.lock(Some(Instant::now())).unwrap(), 4000);
    }
}
