//! [`Inlet`]: the end of a chain where messages come out, as bytes and descriptors. The typed handles are thin layers over it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, Ordering::Relaxed};
use std::thread;

use procession_core::codec::Handles;
use procession_core::packet::{Packet, Received};

use crate::chain::{Head, Tail, Taken};
use crate::fault::Fault;
use crate::in_place::Lent;
use crate::layout::Links;
use crate::outlet::{ARMED, PARCEL, SIGNALLED};
use crate::patience::{Spin, Until, fence_after_unlock};
use crate::ring::Memory;
use crate::sink::Sink;

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Inlet {
    memory: Memory,
    which: usize,
    socket: Option<Packet>,
    spin: Spin,
    /// Whether there may be a waking note in the socket.
    noted: AtomicBool,
    /// How often all senders were found gone.
    ends: AtomicU64,
    /// Whether somebody else was in the way when this was last armed for others, so that the descriptor may not tell.
    unarmed: AtomicBool,
}

/// Why no message was received.
#[derive(Debug)]
pub(crate) enum Unreceived {
    /// There is none, and the time is over.
    Empty,
    /// There will be none.
    Disconnected,
    Fault(Fault),
}

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Where its bytes are; `None` if they were few and have been copied.
    pub(crate) lent: Option<Lent>,
    pub(crate) descriptors: Handles,
}

/// Several small messages, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Batch {
    /// The messages one by one.
    pub(crate) fn pieces(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
    }
}

thread_local! {
    /// A buffer for the bytes of small messages, so that nothing is allocated for them.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the buffer of this thread, empty.
#[inline]
pub(crate) fn with_buffer<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let answer = work(&mut buffer);
    // Large ones are not worth keeping for ever.
    if buffer.capacity() <= 1 << 20 {
        let _thread_ends = BUFFER.try_with(|place| place.set(buffer));
    }
    answer
}

impl Inlet {
    pub(crate) fn new(memory: Memory, which: usize, socket: Packet) -> Inlet {
        let (noted, ends, unarmed) = (AtomicBool::new(true), AtomicU64::new(0), AtomicBool::new(false));
        Inlet { memory, which, socket: Some(socket), spin: Spin::default(), noted, ends, unarmed }
    }

    #[inline]
    pub(crate) fn links(&self) -> &Links {
        &self.memory.header().chains[self.which]
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn which(&self) -> usize {
        self.which
    }

    pub(crate) fn socket(&self) -> &Packet {
        self.socket.as_ref().expect("there is one until the drop")
    }

    /// Receives a message: a small one into the buffer.
    #[inline]
    pub(crate) fn recv(self: &Arc<Self>, buffer: &mut Vec<u8>, until: Until) -> Result<Parcel, Unreceived> {
        self.recv_checked(buffer, until, |_, _| Ok(()))
    }

    /// As [`recv`](Self::recv), and `check` is asked under the lock, before the item is taken, with its length: what it refuses stays.
    #[inline]
    pub(crate) fn recv_checked(
        self: &Arc<Self>,
        sink: &mut impl Sink,
        until: Until,
        check: impl Fn(&Memory, u64) -> Result<(), Fault>,
    ) -> Result<Parcel, Unreceived> {
        self.wait_for(until, || self.try_recv(sink, until, &check))
    }

    /// Receives up to `most` small messages under one lock, waiting for the first; none if the next one is large or has
    /// descriptors: it must be received by itself.
    pub(crate) fn recv_batch(
        &self,
        batch: &mut Batch,
        most: usize,
        until: Until,
        check: impl Fn(&Memory, u64) -> Result<(), Fault>,
    ) -> Result<(), Unreceived> {
        self.wait_for(until, || self.try_batch(batch, most, until, &check).map(|there| there.then_some(())))
    }

    /// Whether all senders are gone. There may still be items.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.ends.load(Relaxed) > 0 || {
            let gone = self.socket().is_hung_up();
            self.ends.fetch_add(gone.into(), Relaxed);
            gone
        }
    }

    /// Waits until there is an item or all senders are gone; `false` when the time is over before.
    pub(crate) fn wait_ready(&self, until: Until) -> Result<bool, Fault> {
        let ready = || !self.links().is_empty() || self.is_disconnected();
        let answer = self.wait_for(until, || Ok(ready().then_some(())));
        match answer {
            Ok(()) | Err(Unreceived::Disconnected) => Ok(true),
            Err(Unreceived::Empty) => Ok(false),
            Err(Unreceived::Fault(fault)) => Err(fault),
        }
    }

    /// Makes the descriptor tell when there is an item; `true` when there is one already, `None` when somebody else was in the
    /// way until then.
    ///
    /// With both locks nobody adds anything, or tells of it, meanwhile. So whoever adds something later finds the mark. And when
    /// the queue is empty then notes are of no use to others, who would find nothing either.
    pub(crate) fn arm(&self, until: Until) -> Option<bool> {
        if self.links().tail.lock.is_held() && self.is_about_to_come() {
            return Some(true);
        }
        let tail = Tail::lock(&self.memory, self.links(), until)?;
        let head = Head::lock(&self.memory, self.links(), until)?;
        let inherited = tail.inherited() || head.inherited();
        let ready = !self.links().is_empty();
        if !ready {
            // First the mark: who is killed in between must not leave a mark of a note that is gone.
            self.links().wake.items.store(ARMED, Relaxed);
            if self.noted.swap(false, Relaxed) {
                self.drain();
            }
        }
        drop(head);
        drop(tail);
        if inherited {
            self.memory.sweep_if_needed();
        }
        Some(ready)
    }

    /// As [`arm`](Self::arm), for those who wait for the descriptor by themselves, and without waiting for anybody.
    pub(crate) fn arm_for_others(&self) -> Option<bool> {
        self.noted.store(true, Relaxed);
        let ready = self.arm(Until::Now);
        self.noted.store(true, Relaxed);
        self.unarmed.store(ready.is_none(), Relaxed);
        if ready != Some(true) && self.is_disconnected() { Some(true) } else { ready }
    }

    /// Whether it could not be armed, so that one must look again before long.
    pub(crate) fn is_unarmed(&self) -> bool {
        self.unarmed.load(Relaxed)
    }

    /// Whether there is an item, now that the one who has the lock of the tail had a moment for it. Whoever woke this thread may
    /// have been pushed aside by it in the act, and has waited long enough; if it was stopped, it is helped.
    fn is_about_to_come(&self) -> bool {
        thread::yield_now();
        self.links().tail.complete();
        !self.links().is_empty()
    }

    /// Looks for what is wanted until it is there, all senders are gone, or the time is over.
    #[inline]
    fn wait_for<R>(
        &self,
        until: Until,
        mut look: impl FnMut() -> Result<Option<R>, Unreceived>,
    ) -> Result<R, Unreceived> {
        if let Some(found) = look()? {
            return Ok(found);
        }
        loop {
            let seen = until != Until::Now && self.spin.until(|| self.links().len());
            if let Some(found) = seen.then(&mut look).transpose()?.flatten() {
                return Ok(found);
            }
            // Nobody adds anything after all senders were found gone, so one more look decides.
            let gone = (until == Until::Now || self.ends.load(Relaxed) > 0) && self.is_disconnected();
            if let Some(found) = look()? {
                return Ok(found);
            }
            if gone {
                return Err(Unreceived::Disconnected);
            }
            if until.is_over() {
                return Err(Unreceived::Empty);
            }
            self.sleep(until).map_err(Fault::from)?;
            if let Some(found) = look()? {
                return Ok(found);
            }
        }
    }

    /// Sleeps until there is an item, all senders are gone, or the time is over. It need not look from time to time: whoever adds
    /// an item has told of it before.
    fn sleep(&self, until: Until) -> std::io::Result<()> {
        self.memory.sweep_if_needed();
        if self.arm(until) != Some(false) {
            return Ok(());
        }
        let (note, gone) = self.socket().wait(until.deadline())?;
        if note {
            self.noted.store(true, Relaxed);
        }
        self.ends.fetch_add(gone.into(), Relaxed);
        // Whoever woke this thread was about to add an item, and may have been pushed aside for it.
        if self.links().is_empty() {
            self.links().tail.complete();
        }
        Ok(())
    }

    #[inline]
    fn try_recv(
        self: &Arc<Self>,
        sink: &mut impl Sink,
        until: Until,
        check: &impl Fn(&Memory, u64) -> Result<(), Fault>,
    ) -> Result<Option<Parcel>, Unreceived> {
        let mut head = Head::lock(&self.memory, self.links(), until).ok_or(Unreceived::Empty)?;
        let inherited = head.inherited();
        let taken = head.take(sink, false, check)?;
        let answer = match taken {
            None => {
                drop(head);
                None
            }
            Some(Taken::Bytes { parcel }) => {
                let descriptors = parcel.map_or(Ok(Handles::new()), |number| self.unpack(number));
                head.publish(None);
                Some(Parcel { lent: None, descriptors: descriptors? })
            }
            Some(Taken::Extent { extent, len, parcel }) => {
                let descriptors = parcel.map_or(Ok(Handles::new()), |number| self.unpack(number));
                head.publish(Some(extent));
                let lent = Lent::new(Arc::clone(self), extent, len);
                Some(Parcel { lent: Some(lent), descriptors: descriptors? })
            }
        };
        self.after(inherited, answer.is_some());
        Ok(answer)
    }

    fn try_batch(
        &self,
        batch: &mut Batch,
        most: usize,
        until: Until,
        check: &impl Fn(&Memory, u64) -> Result<(), Fault>,
    ) -> Result<bool, Unreceived> {
        let mut head = Head::lock(&self.memory, self.links(), until).ok_or(Unreceived::Empty)?;
        let inherited = head.inherited();
        // What comes after this look is left for the next one: what is taken here must be answered for here.
        let there = head.has_item();
        let before = batch.ends.len();
        while there && batch.ends.len() - before < most {
            match head.take(&mut batch.bytes, true, check) {
                Ok(Some(_)) => batch.ends.push(batch.bytes.len()),
                Ok(None) => break,
                // Those before it are answered for first, and the next look meets the same fault.
                Err(_) if batch.ends.len() > before => break,
                Err(fault) => return Err(fault.into()),
            }
        }
        head.publish(None);
        self.after(inherited, there);
        Ok(there)
    }

    /// What is to be done after something was taken, without the lock.
    #[inline]
    fn after(&self, inherited: bool, taken: bool) {
        if inherited {
            self.memory.sweep_if_needed();
        }
        if taken {
            self.wake_senders();
        }
    }

    /// Wakes senders that wait for space, as soon as there is some.
    #[inline]
    fn wake_senders(&self) {
        fence_after_unlock();
        // A sender that is woken for each single item would only get in the way of the receiver.
        if self.links().wake.space.load(Relaxed) == ARMED && self.links().is_roomy() {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        if self.links().wake.space.swap(SIGNALLED, Ordering::AcqRel) == ARMED {
            // A socket that is full wakes as well as one more note, and senders that are gone need no waking.
            let _either_way = self.socket().ring();
        }
    }

    /// Takes the descriptors of a message out of the socket. The caller has the lock of the head.
    #[cold]
    fn unpack(&self, number: u64) -> Result<Handles, Fault> {
        let mut packet = [0; 9];
        loop {
            // What is behind those that are wanted stays: a receiver has died after it took them.
            if self.socket().peek(&mut packet).is_none_or(|len| len == 9 && !is_before(packet, number)) {
                return Err(Fault::LostDescriptors);
            }
            match self.socket().take(&mut packet) {
                Ok(Received::Packet(9, descriptors)) if packet[0] == PARCEL && number_in(packet) == number => {
                    return Ok(descriptors);
                }
                Ok(Received::Bare(_, error)) if packet[0] == PARCEL && number_in(packet) == number => {
                    return Err(Fault::Unopened(error));
                }
                // A note, behind which there is another one; or a sender has died before it could add the message that these
                // were for.
                Ok(Received::Packet(..) | Received::Bare(..)) => {}
                Ok(Received::Nothing | Received::End) => return Err(Fault::LostDescriptors),
                Err(error) => return Err(Fault::Unopened(error)),
            }
        }
    }

    /// Takes a waking note out of the socket, and descriptors in front of it, which a dead sender has left there. More notes
    /// than one only wake somebody once more. The caller has both locks, and the queue is empty.
    fn drain(&self) {
        while self.socket().skip() == Some(PARCEL) {}
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.socket = None;
        // Senders look for themselves whether others are left.
        self.links().wake.look.store(1, Ordering::SeqCst);
    }
}

/// Whether a packet may be in front of the descriptors of that message, or is their own.
fn is_before(packet: [u8; 9], number: u64) -> bool {
    if packet[0] == PARCEL { number_in(packet) <= number } else { number_in(packet) < number }
}

fn number_in([_, number @ ..]: [u8; 9]) -> u64 {
    u64::from_le_bytes(number)
}

impl From<Fault> for Unreceived {
    fn from(fault: Fault) -> Unreceived {
        Unreceived::Fault(fault)
    }
}
