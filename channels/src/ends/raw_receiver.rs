//! [`RawReceiver`]: the end of a chain where messages come out, as bytes and descriptors. The typed handles are thin layers over it.

use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, compiler_fence, fence};
use std::thread;

use procession_core::codec::Handles;
use procession_core::packet::Packet;

use super::backoff::ItemSpin;
use super::batch::Batch;
use super::error::RawRecvError;
use super::packets;
use crate::memory::chain::{Head, Tail, Taken};
use crate::memory::copy_target::CopyTarget;
use crate::memory::error::ChainError;
use crate::memory::extent_ref::ExtentRef;
use crate::memory::layout::{ARMED, ChainState, NOTIFIED};
use crate::memory::shared_memory::Memory;
use crate::memory::until::Until;

/// The receiving end.
#[derive(Debug)]
pub(crate) struct RawReceiver {
    memory: Memory,
    pub(super) which: usize,
    socket: Option<Packet>,
    spin: ItemSpin,
    /// Whether a wake-up may be in the socket.
    may_have_wakeup: AtomicBool,
    /// Whether all senders were found gone.
    senders_are_gone: AtomicBool,
    /// Whether arming failed the last time, so that the socket may not become readable.
    is_unarmed: AtomicBool,
    /// Longest message of plain bytes that is taken.
    pub(super) max_len: AtomicU64,
}

/// A message that was received.
#[derive(Debug)]
pub(crate) struct RawMessage {
    /// Where its bytes are; `None` if they were few and have been copied.
    pub(crate) extent: Option<ExtentRef>,
    pub(crate) descriptors: Handles,
}

impl RawReceiver {
    pub(crate) fn new(memory: Memory, which: usize, socket: Packet) -> RawReceiver {
        RawReceiver {
            memory,
            which,
            socket: Some(socket),
            spin: ItemSpin::new(),
            may_have_wakeup: AtomicBool::new(true),
            senders_are_gone: AtomicBool::new(false),
            is_unarmed: AtomicBool::new(false),
            max_len: AtomicU64::new(u64::MAX),
        }
    }

    #[inline]
    pub(crate) fn chain(&self) -> &ChainState {
        &self.memory.header().chains[self.which]
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn socket(&self) -> &Packet {
        self.socket.as_ref().expect("there is one until the drop")
    }

    /// Receives a message, and copies a small one to the target. `check` is called before, under the lock, with its length: what it refuses
    /// stays in the queue.
    #[inline]
    pub(crate) fn recv(
        &self,
        target: &mut impl CopyTarget,
        until: Until,
        check: impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<RawMessage, RawRecvError> {
        self.wait_for(until, || self.try_recv(target, until, &check))
    }

    /// Receives up to `max` small messages under one lock, waiting for the first. Adds none if the next one is large or has descriptors:
    /// it must be received by itself.
    pub(crate) fn recv_batch(
        &self,
        batch: &mut Batch,
        max: usize,
        until: Until,
        check: impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<(), RawRecvError> {
        self.wait_for(until, || Ok(self.try_recv_batch(batch, max, until, &check)?.then_some(())))
    }

    /// Returns whether all senders are gone. There may still be items.
    pub(crate) fn is_disconnected(&self) -> bool {
        // Relaxed: once it is true it stays true.
        self.senders_are_gone.load(Relaxed) || {
            let gone = self.socket().is_hung_up();
            self.senders_are_gone.fetch_or(gone, Relaxed);
            gone
        }
    }

    /// Waits until there is an item or all senders are gone. Returns `false` when the time is over before.
    pub(crate) fn wait_ready(&self, until: Until) -> Result<bool, ChainError> {
        match self.wait_for(until, || Ok((!self.chain().is_empty()).then_some(()))) {
            Ok(()) | Err(RawRecvError::Disconnected) => Ok(true),
            Err(RawRecvError::Empty) => Ok(false),
            Err(RawRecvError::Failed(error)) => Err(error),
        }
    }

    /// Makes the socket readable when there is an item. Returns `true` if there is one already, and `None` if the locks were not to be had
    /// until then.
    ///
    /// With both locks no sender adds anything meanwhile, so the next one finds the mark. And while the queue is empty, no other
    /// receiver needs the wake-ups that are taken out of the socket.
    pub(crate) fn arm(&self, until: Until) -> Option<bool> {
        // A sender that holds the lock is about to add an item: sleeping now would cost two wake-ups.
        if self.chain().tail.lock.is_held() && self.help_preempted_sender() {
            return Some(true);
        }
        // The order of all locks of a channel: the tail first.
        let tail = Tail::lock(&self.memory, self.chain(), until)?;
        let head = Head::lock(&self.memory, self.chain(), until)?;
        let owner_died = tail.owner_died() || head.owner_died();
        let is_ready = !self.chain().is_empty();
        if !is_ready {
            // The mark first: a death in between must not leave the mark of a wake-up that was taken out. Relaxed: senders read it
            // under the lock of the tail.
            self.chain().waiters.receivers.store(ARMED, Relaxed);
            if self.may_have_wakeup.swap(false, Relaxed) {
                packets::discard_wakeups(self.socket());
            }
        }
        drop(head);
        drop(tail);
        if owner_died {
            self.memory.recover_if_needed();
        }
        Some(is_ready)
    }

    /// Arms for a caller that waits for the socket by itself. Waits for no process.
    pub(crate) fn try_arm(&self) -> Option<bool> {
        // The caller may be woken at any time after this, and other callers too.
        self.may_have_wakeup.store(true, Relaxed);
        let is_ready = self.arm(Until::Now);
        self.may_have_wakeup.store(true, Relaxed);
        self.is_unarmed.store(is_ready.is_none(), Relaxed);
        if is_ready != Some(true) && self.is_disconnected() { Some(true) } else { is_ready }
    }

    /// Returns whether arming failed the last time, so that the caller must look again before long.
    pub(crate) fn is_unarmed(&self) -> bool {
        self.is_unarmed.load(Relaxed)
    }

    /// Lets a sender finish that was preempted by the thread that it woke, or completes its commit. Returns whether there is an item.
    fn help_preempted_sender(&self) -> bool {
        thread::yield_now();
        self.chain().tail.help_complete();
        !self.chain().is_empty()
    }

    /// Looks until something is there, all senders are gone, or the time is over.
    #[inline]
    fn wait_for<R>(
        &self,
        until: Until,
        mut look: impl FnMut() -> Result<Option<R>, RawRecvError>,
    ) -> Result<R, RawRecvError> {
        if let Some(found) = look()? {
            return Ok(found);
        }
        loop {
            // Without the lock: a look costs the sender one cache line.
            let seen = until != Until::Now && self.spin.spin(|| self.chain().len());
            if let Some(found) = seen.then(&mut look).transpose()?.flatten() {
                return Ok(found);
            }
            // Senders that are gone add nothing more, so the look after this decides. A caller that sleeps learns of it there.
            let gone = (until == Until::Now || self.senders_are_gone.load(Relaxed)) && self.is_disconnected();
            if let Some(found) = look()? {
                return Ok(found);
            }
            if gone {
                return Err(RawRecvError::Disconnected);
            }
            if until.is_over() {
                return Err(RawRecvError::Empty);
            }
            self.sleep(until).map_err(ChainError::from)?;
            if let Some(found) = look()? {
                return Ok(found);
            }
        }
    }

    /// Sleeps until there is an item, all senders are gone, or the time is over. No look from time to time is needed: a sender wakes
    /// receivers before it adds an item.
    fn sleep(&self, until: Until) -> std::io::Result<()> {
        self.memory.recover_if_needed();
        if self.arm(until) != Some(false) {
            return Ok(());
        }
        let (has_wakeup, gone) = self.socket().wait(until.deadline())?;
        // It stays in the socket for others, until a receiver finds the queue empty.
        if has_wakeup {
            self.may_have_wakeup.store(true, Relaxed);
        }
        self.senders_are_gone.fetch_or(gone, Relaxed);
        // The sender was about to add an item, and may have been preempted by this thread.
        if self.chain().is_empty() {
            self.chain().tail.help_complete();
        }
        Ok(())
    }

    #[inline]
    fn try_recv(
        &self,
        target: &mut impl CopyTarget,
        until: Until,
        check: &impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<Option<RawMessage>, RawRecvError> {
        let mut head = Head::lock(&self.memory, self.chain(), until).ok_or(RawRecvError::Empty)?;
        let owner_died = head.owner_died();
        let received = match head.take(target, false, check)? {
            None => {
                drop(head);
                None
            }
            Some(Taken { extent, fd_packet }) => {
                // Under the lock, so that of several receivers each takes the descriptors of its own message.
                let descriptors =
                    fd_packet.map_or(Ok(Handles::new()), |number| packets::recv_fds(self.socket(), number));
                head.publish(extent.map(|(extent, _)| extent));
                // Made before the error returns: a message without its descriptors is given back as well.
                let extent = extent.map(|(extent, len)| ExtentRef::new(self.memory.clone(), extent, len));
                Some(RawMessage { extent, descriptors: descriptors? })
            }
        };
        self.after_taking(owner_died, received.is_some());
        Ok(received)
    }

    fn try_recv_batch(
        &self,
        batch: &mut Batch,
        max: usize,
        until: Until,
        check: &impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<bool, RawRecvError> {
        let mut head = Head::lock(&self.memory, self.chain(), until).ok_or(RawRecvError::Empty)?;
        let owner_died = head.owner_died();
        // Items that come after this look are left: the caller must not learn both that the queue was empty and of an item.
        let has_item = head.has_item();
        let before = batch.ends.len();
        while has_item && batch.ends.len() - before < max {
            match head.take(&mut batch.bytes, true, check) {
                Ok(Some(_)) => batch.ends.push(batch.bytes.len()),
                Ok(None) => break,
                // Those before it are returned first; the next call meets the same error.
                Err(_) if batch.ends.len() > before => break,
                Err(error) => return Err(error.into()),
            }
        }
        // An error has returned before: dropping the head without this leaves everything as it was.
        head.publish(None);
        self.after_taking(owner_died, has_item);
        Ok(has_item)
    }

    /// Does what must be done without the lock after something was taken.
    #[inline]
    fn after_taking(&self, owner_died: bool, has_taken: bool) {
        if owner_died {
            self.memory.recover_if_needed();
        }
        if has_taken {
            self.wake_senders();
        }
    }

    /// Wakes senders that wait for space, as soon as there is enough: one that is woken for each item would only be in the way.
    #[inline]
    fn wake_senders(&self) {
        // Pairs with the fence in `RawSender::arm`: either this look sees the mark, or the sender sees the space.
        if cfg!(target_arch = "x86_64") {
            // Giving back the lock was an atomic read-modify-write, which orders everything on this processor.
            compiler_fence(SeqCst);
        } else {
            fence(SeqCst);
        }
        if self.chain().waiters.senders.load(Relaxed) == ARMED && self.chain().has_ample_space() {
            self.notify();
        }
    }

    #[cold]
    fn notify(&self) {
        // AcqRel: of several receivers one sends the wake-up, after what all of them took.
        if self.chain().waiters.senders.swap(NOTIFIED, AcqRel) == ARMED {
            // A socket that is full wakes as well, and senders that are gone need no wake-up.
            let _either_way = self.socket().ring();
        }
    }
}

impl Drop for RawReceiver {
    fn drop(&mut self) {
        // Closed here rather than after this function, for the store below.
        self.socket = None;
        // SeqCst, after the socket was closed: a sender that sees it finds the socket closed.
        self.chain().waiters.receiver_dropped.store(1, SeqCst);
    }
}
