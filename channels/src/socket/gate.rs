//! [`Gate`]: a lock inside one process that is waited for no longer than until a deadline.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "tokio")]
use std::task::Poll;
use std::task::Waker;
use std::time::Instant;

/// A value for one thread at a time. Who passes may keep it for long, so waiting for it has a deadline, unlike for a mutex.
#[derive(Debug)]
pub(super) struct Gate<T> {
    place: Mutex<Place<T>>,
    returned: Condvar,
}

#[derive(Debug)]
struct Place<T> {
    /// Nothing while somebody has it.
    value: Option<T>,
    /// Tasks that wait for it.
    wakers: Vec<Waker>,
}

/// The value, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a, T> {
    gate: &'a Gate<T>,
    value: Option<T>,
}

impl<T> Gate<T> {
    pub(super) fn new(value: T) -> Gate<T> {
        Gate { place: Mutex::new(Place { value: Some(value), wakers: Vec::new() }), returned: Condvar::new() }
    }

    /// Waits until the value is here, or the deadline has passed (`None`: for ever).
    pub(super) fn pass(&self, deadline: Option<Instant>) -> Option<Pass<'_, T>> {
        let mut place = self.place();
        loop {
            if let Some(value) = place.value.take() {
                return Some(Pass { gate: self, value: Some(value) });
            }
            place = match deadline {
                None => self.returned.wait(place).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.returned.wait_timeout(place, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Has a task woken when the value may be here.
    #[cfg(feature = "tokio")]
    pub(super) fn poll_pass(&self, waker: &Waker) -> Poll<Pass<'_, T>> {
        let mut place = self.place();
        match place.value.take() {
            Some(value) => Poll::Ready(Pass { gate: self, value: Some(value) }),
            None => {
                place.wakers.push(waker.clone());
                Poll::Pending
            }
        }
    }

    fn place(&self) -> MutexGuard<'_, Place<T>> {
        // Nothing between taking and leaving this mutex can panic half-way, so a poisoned one holds a whole value.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Pass<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a pass holds its value until it is dropped")
    }
}

impl<T> DerefMut for Pass<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a pass holds its value until it is dropped")
    }
}

impl<T> Drop for Pass<'_, T> {
    fn drop(&mut self) {
        let mut place = self.gate.place();
        place.value = self.value.take();
        let wakers = std::mem::take(&mut place.wakers);
        drop(place);
        self.gate.returned.notify_one();
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_no_longer_than_asked() {
        let gate = Gate::new(0);
        let pass = gate.pass(None).unwrap();
        assert!(gate.pass(Some(Instant::now())).is_none());
        drop(pass);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..1000).for_each(|_| *gate.pass(None).unwrap() += 1));
            }
        });
        assert_eq!(*gate.pass(Some(Instant::now())).unwrap(), 4000);
    }
}
