//! [`WakerList`]: the wakers of one job.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use procession_core::os::mutex;

use crate::model::catch::catch;

/// Wakers by name. None is woken or dropped under the lock: it is code of the user's.
#[derive(Default)]
pub(super) struct WakerList(Mutex<Vec<(WakerId, Waker)>>);

/// Names a registered waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WakerId(u64);

impl WakerId {
    pub(crate) fn new() -> WakerId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only the numbers have to be distinct.
        WakerId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl WakerList {
    /// Adds a waker, or replaces the one of this name.
    pub(super) fn set(&self, id: WakerId, waker: &Waker) {
        let new = waker.clone();
        let mut wakers = self.lock();
        let replaced = match wakers.iter_mut().find(|(other, _)| *other == id) {
            Some((_, present)) => Some(std::mem::replace(present, new)),
            None => {
                wakers.push((id, new));
                None
            }
        };
        drop(wakers);
        drop(replaced);
    }

    /// Removes a waker. It may still be woken once, by a thread that has copied the list.
    pub(super) fn remove(&self, id: WakerId) {
        let removed = self.lock().extract_if(.., |(other, _)| *other == id).next();
        // Dropped outside of the lock, because it may own much.
        drop(removed);
    }

    /// Wakes all wakers. They stay registered, because the job may not have ended.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<Waker> = self.lock().iter().map(|(_, waker)| waker.clone()).collect();
        // The panic of a waker has been written to standard error.
        wakers.into_iter().for_each(|waker| drop(catch(|| waker.wake())));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(WakerId, Waker)>> {
        mutex::lock(&self.0)
    }
}
