//! [`RawSender`]: the end of a chain where messages go in, as bytes and descriptors. The typed handles are thin layers over it.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, fence};

use procession_core::codec::Handles;
use procession_core::os::backoff::BackoffTimer;
use procession_core::packet::{MOST_DESCRIPTORS, Packet, Received};

use super::backoff::{ItemSpin, note_wakeup, timer};
use super::error::RawSendError;
use super::packets;
use crate::memory::chain::Tail;
use crate::memory::error::ChainError;
use crate::memory::large_message::LargeMessage;
use crate::memory::layout::{ARMED, ChainState, NOTIFIED};
use crate::memory::shared_memory::Memory;
use crate::memory::until::Until;
use crate::tuning::{BYTES_PER_COUNTED_SEND, MAX_INLINE_BYTES, SENDS_PER_LIVENESS_CHECK};

/// The sending end.
#[derive(Debug)]
pub(crate) struct RawSender {
    memory: Memory,
    pub(super) which: usize,
    socket: Packet,
    spin: ItemSpin,
    /// Number of messages that were sent since the receivers were last seen to take one; a large message counts as many.
    unseen: AtomicU64,
    /// The head's commit word at that time.
    seen_commit: AtomicU64,
}

impl RawSender {
    pub(crate) fn new(memory: Memory, which: usize, socket: Packet) -> RawSender {
        // The first message asks the kernel whether any receiver is left.
        let (unseen, seen_commit) = (AtomicU64::new(SENDS_PER_LIVENESS_CHECK), AtomicU64::new(0));
        RawSender { memory, which, socket, spin: ItemSpin::new(), unseen, seen_commit }
    }

    #[inline]
    pub(crate) fn chain(&self) -> &ChainState {
        &self.memory.header().chains[self.which]
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn socket(&self) -> &Packet {
        &self.socket
    }

    /// Sends a message.
    #[inline]
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &Handles, until: Until) -> Result<(), RawSendError> {
        if bytes.len() > MAX_INLINE_BYTES {
            // Written before the lock is taken, so that others need not wait for the copy.
            let mut message = self.large_message(bytes.len() as u64, until)?;
            message.append(bytes)?;
            return self.send_large(message, descriptors, until);
        }
        self.insert(bytes.len(), descriptors, until, |tail, fd_packet| tail.push(bytes, fd_packet))
    }

    /// Adds a small message without waking a receiver that sleeps. Returns whether it was added. Where space is scarce it is not: a sender
    /// that waits for space relies on receivers being awake.
    pub(crate) fn send_unnotified(&self, bytes: &[u8]) -> Result<bool, RawSendError> {
        if bytes.len() > MAX_INLINE_BYTES || !self.chain().has_ample_space() {
            return Ok(false);
        }
        if self.receivers_are_gone(bytes.len()) {
            return Err(RawSendError::Disconnected);
        }
        // This call is an optimisation of its caller, so it waits for no process.
        let Some(mut tail) = Tail::lock(&self.memory, self.chain(), Until::Now) else { return Ok(false) };
        let owner_died = tail.owner_died();
        let has_space = tail.has_space(true);
        has_space.then(|| tail.push(bytes, None)).transpose()?;
        tail.publish();
        if owner_died {
            self.memory.recover_if_needed();
        }
        Ok(has_space)
    }

    /// Sends as many messages as there is space for, under one lock, and at least one, waiting if it must. Returns how many.
    ///
    /// The messages lie one behind the other in `buffer`, from `start` on; `ends` says where each ends.
    pub(crate) fn send_batch(
        &self,
        buffer: &[u8],
        start: usize,
        ends: &[usize],
        until: Until,
    ) -> Result<usize, RawSendError> {
        let mut count = 0;
        self.insert(0, &Handles::new(), until, |tail, _| {
            let mut start = start;
            for end in ends {
                if count > 0 && !tail.has_space(false) {
                    break;
                }
                match tail.push(&buffer[start..*end], None) {
                    // Those before it are sent first; the next attempt meets the same error, or a new block.
                    Err(_) if count > 0 => break,
                    other => other?,
                }
                start = *end;
                count += 1;
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Makes room for a large message, to be written and given to [`send_large`](Self::send_large).
    pub(crate) fn large_message(&self, capacity: u64, until: Until) -> Result<LargeMessage<'_>, RawSendError> {
        self.memory.record_size(capacity);
        Ok(LargeMessage::new(&self.memory, capacity, until)?)
    }

    /// Sends a large message.
    pub(crate) fn send_large(
        &self,
        mut message: LargeMessage<'_>,
        descriptors: &Handles,
        until: Until,
    ) -> Result<(), RawSendError> {
        let (extent, len) = message.written();
        // Once its record is written the extent is part of the chain, even if the wake-up fails.
        self.insert(len as usize, descriptors, until, |tail, fd_packet| {
            tail.push_extent(extent, len, fd_packet).inspect(|()| message.mark_sent())
        })
    }

    /// Returns whether all receivers are gone.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.socket.is_hung_up()
    }

    /// Makes the socket readable when there is space. Returns `true` if there is already, or if no receiver is left.
    pub(crate) fn arm(&self) -> bool {
        while let Ok(Received::Packet(..) | Received::Bare(..)) = self.socket.take(&mut [0; 1]) {}
        // SeqCst store and fence pair with the fence in `RawReceiver::wake_senders`: either this look sees the space, or the receiver
        // sees the mark.
        self.chain().waiters.senders.store(ARMED, SeqCst);
        fence(SeqCst);
        !self.chain().is_full() || self.is_disconnected()
    }

    /// Adds to the chain as soon as there is space.
    #[inline]
    fn insert(
        &self,
        len: usize,
        descriptors: &Handles,
        until: Until,
        mut push: impl FnMut(&mut Tail<'_>, Option<u64>) -> Result<(), ChainError>,
    ) -> Result<(), RawSendError> {
        if self.receivers_are_gone(len) {
            return Err(RawSendError::Disconnected);
        }
        let mut sleeps = None;
        loop {
            // Before the first sleep, space for several items is waited for; afterwards any space will do.
            let ample = until != Until::Now && sleeps.is_none();
            if self.try_insert(descriptors, ample, until, &mut push)? {
                return Ok(());
            }
            if self.is_disconnected() {
                return Err(RawSendError::Disconnected);
            }
            if until.is_over() {
                // The last attempt takes any space, also a little.
                let added = ample && self.try_insert(descriptors, false, until, &mut push)?;
                return if added { Ok(()) } else { Err(RawSendError::Full) };
            }
            let sleeps = sleeps.get_or_insert_with(|| timer(until));
            self.wait_for_space(sleeps).map_err(ChainError::from)?;
        }
    }

    #[inline]
    fn try_insert(
        &self,
        descriptors: &Handles,
        ample: bool,
        until: Until,
        push: &mut impl FnMut(&mut Tail<'_>, Option<u64>) -> Result<(), ChainError>,
    ) -> Result<bool, RawSendError> {
        let mut tail = Tail::lock(&self.memory, self.chain(), until).ok_or(RawSendError::Full)?;
        let owner_died = tail.owner_died();
        let has_space = tail.has_space(ample);
        let mut notified = Ok(());
        if has_space {
            // Before the record: a receiver that finds the record finds its descriptors.
            let fd_packet = if descriptors.is_empty() { None } else { Some(tail.next_fd_packet()) };
            match fd_packet.map_or(Ok(()), |number| self.send_fds(number, descriptors)) {
                Ok(()) => push(&mut tail, fd_packet)?,
                Err(error) => return self.without_fds(error, until),
            }
            // Relaxed: written under both locks, of which this thread has one.
            if self.chain().waiters.receivers.load(Relaxed) == ARMED {
                // Announced first, so that the receiver that is woken can complete the commit if this process is stopped.
                tail.announce();
                notified = self.notify();
            }
            // Also when the wake-up failed: the item is written, and a receiver that is on its way in a message may still come.
            tail.publish();
        } else {
            drop(tail);
        }
        // The lock was given back: recovery takes them all.
        if owner_died {
            self.memory.recover_if_needed();
        }
        notified.map(|()| has_space)
    }

    /// Decides what it means that descriptors could not be sent: `Ok(false)` to wait for space.
    #[cold]
    fn without_fds(&self, error: RawSendError, until: Until) -> Result<bool, RawSendError> {
        match error {
            // A queue without a limit never waits for space, so this is no place to wait in silence.
            RawSendError::FdLimit
                if until == Until::FOREVER && self.chain().is_unlimited() && !self.is_disconnected() =>
            {
                Err(ChainError::FdLimit.into())
            }
            RawSendError::Full | RawSendError::FdLimit => Ok(false),
            other => Err(other),
        }
    }

    /// Sends descriptors ahead of their record.
    fn send_fds(&self, number: u64, descriptors: &Handles) -> Result<(), RawSendError> {
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(ChainError::Descriptors(descriptors.len()).into());
        }
        let sent = packets::send_fds(&self.socket, number, descriptors).and_then(|()| self.repeat_wakeup(number));
        sent.map_err(|error| match error.kind() {
            // The caller then finds that no receiver is left.
            ErrorKind::BrokenPipe => RawSendError::Full,
            ErrorKind::WouldBlock => RawSendError::FdLimit,
            _ => ChainError::System(error).into(),
        })
    }

    /// Repeats a wake-up behind descriptors: the receiver that takes them takes the wake-ups in front of them too, which other receivers
    /// may not have seen yet.
    fn repeat_wakeup(&self, number: u64) -> io::Result<()> {
        let state = &self.chain().waiters.receivers;
        if state.load(Relaxed) == 0 {
            return Ok(());
        }
        packets::send_wakeup(&self.socket, number).inspect(|()| state.store(NOTIFIED, Relaxed))
    }

    /// Wakes receivers. The caller has the lock of the tail, so that none falls asleep meanwhile.
    #[cold]
    fn notify(&self) -> Result<(), RawSendError> {
        let last = self.chain().tail.last_fd_packet.load(Relaxed);
        let sent = packets::send_wakeup(&self.socket, last);
        // After the wake-up: a death in between leaves one wake-up too many rather than one too few.
        self.chain().waiters.receivers.store(NOTIFIED, Relaxed);
        note_wakeup();
        // The kernel knows best: the socket has no other end any more.
        match sent {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(RawSendError::Disconnected),
            // A socket that is full wakes as well as one more wake-up.
            _ => Ok(()),
        }
    }

    /// Returns whether all receivers are gone, which is looked into where there is reason to.
    #[inline]
    fn receivers_are_gone(&self, len: usize) -> bool {
        // Relaxed, and no read-modify-write: threads that count at once may lose a count, which only delays the check.
        let unseen = self.unseen.load(Relaxed);
        self.unseen.store(unseen + 1 + (len / BYTES_PER_COUNTED_SEND) as u64, Relaxed);
        let check = unseen >= SENDS_PER_LIVENESS_CHECK || self.chain().waiters.receiver_dropped.load(Relaxed) != 0;
        check && self.check_receivers()
    }

    #[cold]
    fn check_receivers(&self) -> bool {
        // Reset first: of several threads, one asks the kernel.
        self.unseen.store(0, Relaxed);
        let commit = self.chain().head.commit.load(Relaxed);
        // Relaxed: the kernel, which is asked next, orders this after the drop.
        let one_was_dropped = self.chain().waiters.receiver_dropped.swap(0, Relaxed) != 0;
        if self.seen_commit.swap(commit, Relaxed) != commit && !one_was_dropped {
            return false;
        }
        let gone = self.is_disconnected();
        if gone {
            // The next message asks again, and fails at once as well.
            self.unseen.store(SENDS_PER_LIVENESS_CHECK, Relaxed);
        }
        gone
    }

    fn wait_for_space(&self, sleeps: &mut BackoffTimer) -> io::Result<()> {
        // Space for one item is not waited for: each item would cost a look at what the receivers do.
        if self.spin.spin(|| 2 * u64::from(self.chain().has_ample_space())) {
            return Ok(());
        }
        // Here it delays no other call: this one has to wait anyway.
        self.memory.recover_if_needed();
        if !self.arm() {
            self.socket.wait(sleeps.next_sleep())?;
        }
        Ok(())
    }
}
