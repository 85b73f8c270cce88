//! [`Limits`], and how full a chain is: questions that need no lock.

use std::fmt::DebugStruct;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::layout::{ChainState, Waiters};

/// What a chain can hold before senders wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) items: u64,
    /// With this many bytes queued, a sender of another item waits.
    pub(crate) bytes: u64,
}

impl Limits {
    pub(crate) const UNLIMITED: u64 = i64::MAX as u64;
}

impl ChainState {
    /// Sets the limits of a new chain.
    pub(crate) fn set_limits(&self, limits: Limits) {
        // Relaxed: the memory has not been handed to another process yet.
        self.waiters.capacity.store(limits.items, Relaxed);
        self.waiters.byte_capacity.store(limits.bytes, Relaxed);
    }

    /// Returns the number of queued items.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        // Both pair with the Release in `LockedEnd::commit`. The head is loaded first: it never passes the tail, so the
        // difference is not negative.
        let taken = self.head.commit.load(Acquire) >> 1;
        (self.tail.commit.load(Acquire) >> 1).saturating_sub(taken)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether senders never wait for space.
    pub(crate) fn is_unlimited(&self) -> bool {
        let Waiters { capacity, byte_capacity, .. } = &self.waiters;
        capacity.load(Relaxed) >= Limits::UNLIMITED && byte_capacity.load(Relaxed) >= Limits::UNLIMITED
    }

    /// Returns whether senders must wait.
    pub(crate) fn is_full(&self) -> bool {
        !self.waiters.has_space(self.len(), self.bytes())
    }

    /// Returns whether a quarter of the capacity is free, so that waking a sender pays.
    pub(crate) fn has_ample_space(&self) -> bool {
        let (items, waiters) = (self.len(), &self.waiters);
        let capacity = waiters.capacity.load(Relaxed);
        // A sender that is woken for each item would only be in the way of the receiver.
        let reserve = waiters.quarter_of_bytes();
        items == 0 || items <= capacity - capacity / 4 && waiters.has_space(items, self.bytes().saturating_add(reserve))
    }

    fn bytes(&self) -> u64 {
        // Not read together with the items, so it may be off by those that pass meanwhile. It only decides about waiting.
        self.tail.bytes.load(Relaxed).wrapping_sub(self.head.bytes.load(Relaxed))
    }

    /// Returns the largest number of items; `None` without a limit.
    pub(crate) fn capacity(&self) -> Option<usize> {
        let items = self.waiters.capacity.load(Relaxed);
        if items >= Limits::UNLIMITED { None } else { usize::try_from(items).ok() }
    }

    /// Adds what helps to debug a hang: how full the chain is, and which processes are sending and receiving right now.
    pub(crate) fn show<'a, 'f, 'g>(&self, shown: &'a mut DebugStruct<'f, 'g>) -> &'a mut DebugStruct<'f, 'g> {
        shown.field("len", &self.len()).field("capacity", &self.capacity()).field("is_full", &self.is_full());
        shown.field("sending", &self.tail.lock.holder()).field("receiving", &self.head.lock.holder())
    }
}

impl Waiters {
    /// Returns whether another item may be added to this many items and bytes.
    #[inline]
    pub(crate) fn has_space(&self, items: u64, bytes: u64) -> bool {
        // After a death the count of bytes may be off, and even below zero. So it does not count where no item is queued.
        let few = bytes.cast_signed() < self.byte_capacity.load(Relaxed).cast_signed();
        items < self.capacity.load(Relaxed) && (few || items == 0)
    }

    /// Returns a quarter of the capacity in bytes; 0 without a limit.
    fn quarter_of_bytes(&self) -> u64 {
        let bytes = self.byte_capacity.load(Relaxed);
        if bytes >= Limits::UNLIMITED { 0 } else { bytes / 4 }
    }
}
