//! How a chain stands: questions that need no lock.

use std::fmt::DebugStruct;
use std::sync::atomic::{Ordering, Ordering::Relaxed};

use crate::layout::{Links, Wake};
use crate::typed::Limits;

impl Links {
    /// How many items are queued.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        // The head first: it never passes the tail, so the difference is not negative.
        let passed = self.head.commit.load(Ordering::Acquire) >> 1;
        (self.tail.commit.load(Ordering::Acquire) >> 1).saturating_sub(passed)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether senders never wait for room.
    pub(crate) fn is_unlimited(&self) -> bool {
        let Wake { capacity, window, .. } = &self.wake;
        capacity.load(Relaxed) >= Limits::NONE && window.load(Relaxed) >= Limits::NONE
    }

    /// Whether senders must wait.
    pub(crate) fn is_full(&self) -> bool {
        !self.wake.has_room(self.len(), self.bytes())
    }

    /// Whether there is room for several items, if there ever is.
    pub(crate) fn is_roomy(&self) -> bool {
        let (items, wake) = (self.len(), &self.wake);
        let full = wake.capacity.load(Relaxed);
        items == 0 || items <= full - full / 4 && wake.has_room(items, self.bytes().saturating_add(wake.slack()))
    }

    fn bytes(&self) -> u64 {
        self.tail.bytes.load(Relaxed).wrapping_sub(self.head.bytes.load(Relaxed))
    }

    /// How many items there may be; `None` without a limit.
    pub(crate) fn capacity(&self) -> Option<usize> {
        let items = self.wake.capacity.load(Relaxed);
        if items >= Limits::NONE { None } else { usize::try_from(items).ok() }
    }
}

impl Links {
    /// Shows what a person wants to know who looks for the cause of a hang: how full it is, and which processes are in the middle of
    /// sending and receiving.
    pub(crate) fn show<'a, 'f, 'g>(&self, shown: &'a mut DebugStruct<'f, 'g>) -> &'a mut DebugStruct<'f, 'g> {
        shown.field("len", &self.len()).field("capacity", &self.capacity()).field("is_full", &self.is_full());
        shown.field("sending", &self.tail.lock.holder()).field("receiving", &self.head.lock.holder())
    }
}

impl Wake {
    /// Whether another item may be added to so many items and bytes. The count of bytes may be off, and even below zero, after
    /// a death, so it does not count where there is no item.
    #[inline]
    pub(crate) fn has_room(&self, items: u64, bytes: u64) -> bool {
        let few = bytes.cast_signed() < self.window.load(Relaxed).cast_signed();
        items < self.capacity.load(Relaxed) && (few || items == 0)
    }

    /// A quarter of what may be queued, in bytes; nothing where there is no limit.
    fn slack(&self) -> u64 {
        let window = self.window.load(Relaxed);
        if window >= Limits::NONE { 0 } else { window / 4 }
    }
}
