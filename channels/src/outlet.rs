//! [`Outlet`]: the end of a chain where messages go in, as bytes and descriptors. The typed handles are thin layers over it.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering, Ordering::Relaxed, fence};

use procession_core::codec::Handles;
use procession_core::packet::{MOST_DESCRIPTORS, Packet, Received};

use crate::chain::{Snag, Tail};
use crate::draft::Draft;
use crate::fault::Fault;
use crate::layout::Links;
use crate::patience::{self, Slices, Spin, Until};
use crate::record::INLINE;
use crate::ring::Memory;

/// What is written in [`Wake`](crate::layout::Wake) when somebody is about to sleep and must be woken. It is 0 at first.
pub(crate) const ARMED: u32 = 1;
/// The waking note was sent.
pub(crate) const SIGNALLED: u32 = 2;
/// The first byte of a packet with descriptors; the number of its message follows.
pub(crate) const PARCEL: u8 = 2;
/// The first byte of a waking note behind packets with descriptors; the number of the last of them follows. Where there
/// were none, a note is a single byte.
const NOTE: u8 = 3;
/// After so many messages without a sign of life of the receivers, the kernel is asked whether there are any.
const DOUBT: u64 = 32;
/// So many bytes of a message count as another message, so that little memory is filled for nobody: 2 MiB or one message at a time.
const BULK: usize = 64 << 10;

/// The sending end.
#[derive(Debug)]
pub(crate) struct Outlet {
    memory: Memory,
    which: usize,
    socket: Packet,
    spin: Spin,
    /// How many messages were sent since the receivers were last seen to take one, large ones counted as many.
    unseen: AtomicU64,
    /// How many items the receivers had taken then.
    progress: AtomicU64,
}

/// Why a message was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// There is no room, and the time is over.
    Full,
    /// As many descriptors are on their way as the kernel lets a channel hold.
    Crowded,
    /// Nobody will ever receive it.
    Disconnected,
    Fault(Fault),
}

impl Outlet {
    pub(crate) fn new(memory: Memory, which: usize, socket: Packet) -> Outlet {
        let (unseen, progress) = (AtomicU64::new(DOUBT), AtomicU64::new(0));
        Outlet { memory, which, socket, spin: Spin::default(), unseen, progress }
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
        &self.socket
    }

    /// Sends a message.
    #[inline]
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &Handles, until: Until) -> Result<(), Unsent> {
        if bytes.len() > INLINE {
            return self.send_large(bytes, descriptors, until);
        }
        self.insert(bytes.len(), descriptors, until, |tail, parcel| tail.push(bytes, parcel))
    }

    /// Adds a small message for a receiver that will look for itself sooner or later: one that sleeps is not woken. Answers whether
    /// it was added. It is not where room is scarce: who waits for room must be able to rely on a receiver that is awake.
    pub(crate) fn leave(&self, bytes: &[u8]) -> Result<bool, Unsent> {
        if bytes.len() > INLINE || !self.links().is_roomy() {
            return Ok(false);
        }
        if self.nobody_listens(bytes.len()) {
            return Err(Unsent::Disconnected);
        }
        let Some(mut tail) = Tail::lock(&self.memory, self.links(), Until::Now) else { return Ok(false) };
        let inherited = tail.inherited();
        let done = tail.has_room(true);
        if done {
            tail.push(bytes, None)?;
        }
        tail.publish();
        if inherited {
            self.memory.sweep_if_needed();
        }
        Ok(done)
    }

    /// Sends as many messages as there is room for, under one lock. The pieces are in one buffer, `ends` says where each ends.
    /// At least one is sent, waiting if it must; answers how many.
    /// The first begins at `start`.
    pub(crate) fn send_batch(
        &self,
        buffer: &[u8],
        start: usize,
        ends: &[usize],
        until: Until,
    ) -> Result<usize, Unsent> {
        let mut count = 0;
        self.insert(0, &Handles::new(), until, |tail, _| {
            let mut start = start;
            for end in ends {
                if count > 0 && !tail.has_room(false) {
                    break;
                }
                match tail.push(&buffer[start..*end], None) {
                    // What was pushed before is sent, and the next attempt meets the same snag.
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

    /// An extent of this process with room for a large message. Give it to [`send_extent`](Self::send_extent).
    pub(crate) fn extent(&self, len: usize, until: Until) -> Result<Draft<'_>, Unsent> {
        self.memory.note_size(len as u64);
        Draft::new(&self.memory, len as u64, until)
    }

    /// Sends what was written into an extent.
    pub(crate) fn send_extent(&self, mut draft: Draft<'_>, fds: &Handles, until: Until) -> Result<(), Unsent> {
        let (extent, len) = draft.written();
        // Once it is written down it is part of the chain, even where nobody is left to be told of it.
        self.insert(len as usize, fds, until, |tail, parcel| {
            tail.push_extent(extent, len, parcel).inspect(|()| draft.is_sent())
        })
    }

    /// Whether all receivers are gone.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.socket.is_hung_up()
    }

    /// Makes the descriptor tell when there is room; `true` when there is already, or when nobody is there to make any.
    pub(crate) fn arm(&self) -> bool {
        self.drain();
        self.links().wake.space.store(ARMED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.links().is_full() || self.is_disconnected()
    }

    fn send_large(&self, bytes: &[u8], descriptors: &Handles, until: Until) -> Result<(), Unsent> {
        let mut draft = self.extent(bytes.len(), until)?;
        draft.append(bytes)?;
        self.send_extent(draft, descriptors, until)
    }

    /// Adds to the chain as soon as there is room.
    #[inline]
    fn insert(
        &self,
        len: usize,
        descriptors: &Handles,
        until: Until,
        mut push: impl FnMut(&mut Tail<'_>, Option<u64>) -> Result<(), Snag>,
    ) -> Result<(), Unsent> {
        if self.nobody_listens(len) {
            return Err(Unsent::Disconnected);
        }
        let mut slices = None;
        loop {
            let plenty = until != Until::Now && slices.is_none();
            if self.try_insert(descriptors, plenty, until, &mut push)? {
                return Ok(());
            }
            if self.is_disconnected() {
                return Err(Unsent::Disconnected);
            }
            if until.is_over() {
                let found = plenty && self.try_insert(descriptors, false, until, &mut push)?;
                return if found { Ok(()) } else { Err(Unsent::Full) };
            }
            let slices = slices.get_or_insert_with(|| Slices::new(until));
            self.wait_for_space(slices).map_err(Fault::from)?;
        }
    }

    #[inline]
    fn try_insert(
        &self,
        descriptors: &Handles,
        plenty: bool,
        until: Until,
        push: &mut impl FnMut(&mut Tail<'_>, Option<u64>) -> Result<(), Snag>,
    ) -> Result<bool, Unsent> {
        let mut tail = Tail::lock(&self.memory, self.links(), until).ok_or(Unsent::Full)?;
        let inherited = tail.inherited();
        let done = tail.has_room(plenty);
        let mut rung = Ok(());
        if done {
            let parcel = if descriptors.is_empty() { None } else { Some(tail.next_parcel()) };
            match parcel.map_or(Ok(()), |number| self.post(number, descriptors)) {
                Ok(()) => push(&mut tail, parcel)?,
                Err(unsent) => return self.unposted(unsent, until),
            }
            if self.links().wake.items.load(Relaxed) == ARMED {
                tail.intend();
                rung = self.ring();
            }
            tail.publish();
        } else {
            drop(tail);
        }
        // The lock was given back: sweeping takes them all.
        if inherited {
            self.memory.sweep_if_needed();
        }
        rung.map(|()| done)
    }

    /// What it means that the descriptors could not be sent: that there is no room for now. But where room is never waited for,
    /// because there is no limit, it must not be waited for here in silence.
    #[cold]
    fn unposted(&self, unsent: Unsent, until: Until) -> Result<bool, Unsent> {
        match unsent {
            Unsent::Crowded if until == Until::FOREVER && self.links().is_unlimited() && !self.is_disconnected() => {
                Err(Fault::Crowded.into())
            }
            Unsent::Full | Unsent::Crowded => Ok(false),
            other => Err(other),
        }
    }

    /// Sends descriptors ahead of their record.
    fn post(&self, number: u64, descriptors: &Handles) -> Result<(), Unsent> {
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(Fault::Descriptors(descriptors.len()).into());
        }
        let posted = self.socket.post(&numbered(PARCEL, number), descriptors);
        posted.and_then(|()| self.note_behind(number)).map_err(|error| match error.kind() {
            // A receiver that is gone is found out again by the caller, who then says so.
            ErrorKind::BrokenPipe => Unsent::Full,
            ErrorKind::WouldBlock => Unsent::Crowded,
            _ => Fault::System(error).into(),
        })
    }

    /// Who takes descriptors out of the socket takes the notes in front of them too, which others may not have seen yet.
    fn note_behind(&self, number: u64) -> io::Result<()> {
        let items = &self.links().wake.items;
        if items.load(Relaxed) != 0 {
            self.socket.post(&numbered(NOTE, number), &Handles::new())?;
            items.store(SIGNALLED, Relaxed);
        }
        Ok(())
    }

    /// Sends the note that wakes receivers. The caller has the lock of the tail, so that none falls asleep meanwhile. The state
    /// comes second: a death in between leaves a note too many rather than one too few.
    #[cold]
    fn ring(&self) -> Result<(), Unsent> {
        let last = self.links().tail.parcel.load(Relaxed);
        let rung =
            if last == 0 { self.socket.ring() } else { self.socket.post(&numbered(NOTE, last), &Handles::new()) };
        self.links().wake.items.store(SIGNALLED, Relaxed);
        patience::has_woken();
        match rung {
            // Nobody is left, and what is added is for nobody.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unsent::Disconnected),
            // A socket that is full wakes as well as one more note.
            _ => Ok(()),
        }
    }

    /// Whether there is reason to ask whether any receiver is left, and none is.
    #[inline]
    fn nobody_listens(&self, len: usize) -> bool {
        // Threads that count at the same time may lose a count, which matters little.
        let unseen = self.unseen.load(Relaxed);
        self.unseen.store(unseen + 1 + (len / BULK) as u64, Relaxed);
        let doubts = unseen >= DOUBT || self.links().wake.look.load(Relaxed) != 0;
        doubts && self.look_for_receivers()
    }

    #[cold]
    fn look_for_receivers(&self) -> bool {
        self.unseen.store(0, Relaxed);
        let passed = self.links().head.commit.load(Relaxed);
        let asked = self.links().wake.look.swap(0, Relaxed) != 0;
        if self.progress.swap(passed, Relaxed) != passed && !asked {
            return false;
        }
        let gone = self.is_disconnected();
        if gone {
            self.unseen.store(DOUBT, Relaxed);
        }
        gone
    }

    fn wait_for_space(&self, slices: &mut Slices) -> std::io::Result<()> {
        // More than one place, or each item would cost a look at what the receivers do.
        if self.spin.until(|| 2 * u64::from(self.links().is_roomy())) {
            return Ok(());
        }
        self.memory.sweep_if_needed();
        if !self.arm() {
            self.socket.wait(slices.next())?;
        }
        Ok(())
    }

    /// Takes the notes that told of space.
    fn drain(&self) {
        while let Ok(Received::Packet(..) | Received::Bare(..)) = self.socket.take(&mut [0; 1]) {}
    }
}

/// A packet of one kind with a number.
fn numbered(kind: u8, number: u64) -> [u8; 9] {
    let mut packet = [kind; 9];
    packet[1..].copy_from_slice(&number.to_le_bytes());
    packet
}

impl From<Snag> for Unsent {
    #[cold]
    fn from(snag: Snag) -> Unsent {
        match snag {
            Snag::NoExtent(none) => none.into(),
            other => Unsent::Fault(other.into()),
        }
    }
}

impl From<Fault> for Unsent {
    fn from(fault: Fault) -> Unsent {
        Unsent::Fault(fault)
    }
}
