//! [`Ring`]: a stream of bytes through shared memory, from one process that writes to one that reads.
//!
//! ```text
//! tail    how many bytes were written, ever      only the writer stores
//! head    how many bytes were read, ever         only the reader stores
//! words   what else the two have to tell each other
//! roles   who writes and who reads, from the first time on
//! bytes   capacity of them, a power of two: byte n lies at n modulo capacity
//! ```
//!
//! Bytes are published by the store of the tail that follows them, and given back by the store of the head, so either side
//! may be killed at any instruction and the other one sees whole publications only. No call sleeps here: a side that wants to wait has
//! to agree with the other side on how it is woken.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::bytes::codec::Kind;
use crate::memory::mapping::{Mapping, MappingError};
use crate::memory::role::Role;

/// Bytes between two words, so that two processes that write to different ones do not disturb each other.
const LINE: usize = 128;
/// How many words are free for the users of a ring.
const WORDS: usize = 6;
/// Where the bytes begin: after the mark, the tail, the head, the words, and who writes and reads.
const HEADER: usize = LINE * (5 + WORDS);
/// The first word of every ring of this layout.
const MARK: u64 = u64::from_le_bytes(*b"ringv2\0\0");
/// What the memory of a ring is in a message.
const KIND: Kind = Kind::own(*b"ring    ");

/// A stream of bytes between two processes, in shared memory. A handle: clones and copies in other processes are the same ring.
///
/// It has one writer and one reader: the first handle that writes is the writer for good, and the first that reads is the reader. No other
/// handle, nor a copy of theirs in a fork of their process, can write or read.
///
/// ```
/// use procession_core::{Ring, codec};
///
/// let mut here = Ring::with_label("procession: example", 4096)?;
/// let mut there: Ring = codec::decode(codec::encode(&here)?)?;
/// assert_eq!(here.write(b"for the other side"), 18);
/// here.publish();
/// let mut read = Vec::new();
/// assert!(there.read(&mut read));
/// assert_eq!(read, b"for the other side");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ring {
    memory: Mapping,
    mask: u64,
    /// The writer's tail with what is not published yet.
    written: u64,
    /// The reader's head as the writer last saw it.
    seen_head: u64,
    writes: Role,
    reads: Role,
}

impl Ring {
    /// Makes an empty ring with room for `capacity` bytes, rounded up to a power of two.
    ///
    /// # Errors
    ///
    /// The memory is exhausted, or a limit on descriptors or mappings is reached.
    ///
    /// ```
    /// use procession_core::Ring;
    ///
    /// let ring = Ring::with_label("procession: example", 1000)?;
    /// assert_eq!(ring.capacity(), 1024);
    /// assert!(Ring::with_label("procession: example", 1 << 60).unwrap_err().is_out_of_memory());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn with_label(label: &str, capacity: usize) -> Result<Ring, MappingError> {
        // A power of two, so that a mask finds the place of a byte; a peer checks the same in `deserialize`.
        let capacity = capacity.max(64).next_power_of_two();
        let ring = Ring::over(Mapping::with_label(HEADER + capacity, label)?, capacity);
        // Pairs with the Acquire in `deserialize`: a process that finds the mark finds a whole ring.
        ring.line(0).store(MARK, Ordering::Release);
        Ok(ring)
    }

    /// Returns how many bytes can be written and not yet read.
    ///
    /// ```
    /// use procession_core::Ring;
    ///
    /// let mut ring = Ring::with_label("procession: example", 4096)?;
    /// assert_eq!(ring.write(&[0; 5000]), ring.capacity(), "no more than that");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.mask as usize + 1
    }

    /// A word that means what the two sides make of it, 0 at first. There are six, and words beyond are those again.
    ///
    /// ```
    /// use procession_core::{Ring, codec};
    /// use std::sync::atomic::Ordering::SeqCst;
    ///
    /// const ASLEEP: usize = 0;
    ///
    /// let here = Ring::with_label("procession: example", 4096)?;
    /// let there: Ring = codec::decode(codec::encode(&here)?)?;
    /// here.word(ASLEEP).store(1, SeqCst);
    /// assert_eq!(there.word(ASLEEP).load(SeqCst), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn word(&self, number: usize) -> &AtomicU64 {
        self.line(3 + number % WORDS)
    }

    /// Returns whether the reader has not yet read everything that was published.
    ///
    /// ```
    /// use procession_core::Ring;
    ///
    /// let mut ring = Ring::with_label("procession: example", 4096)?;
    /// ring.write(b"news");
    /// assert!(ring.is_empty(), "nothing is published yet");
    /// ring.publish();
    /// assert!(!ring.is_empty());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Both pair with the Release of the other side, in `publish` and in `read`, as `read` and `free` do: what a caller does after this look
        // comes after what it has seen.
        self.tail().load(Ordering::Acquire) == self.head().load(Ordering::Acquire)
    }

    /// Copies as much in as there is room for, and returns how much that was. The other side sees it when it is published.
    ///
    /// ```
    /// use procession_core::Ring;
    ///
    /// let mut ring = Ring::with_label("procession: example", 64)?;
    /// assert_eq!(ring.write(&[1; 60]), 60);
    /// assert_eq!(ring.write(&[2; 60]), 4, "the rest has to wait until some is read");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        // By the head that was last seen, if that will do: the line of the real one is being written to by the reader.
        let count = if self.fits(bytes.len()) { bytes.len() } else { bytes.len().min(self.free()) };
        self.write_whole(&bytes[..count]);
        count
    }

    /// Copies in what [fits](Ring::fits).
    #[inline]
    pub(crate) fn write_whole(&mut self, bytes: &[u8]) {
        let place = (self.written & self.mask) as usize;
        // Two parts at most: `fits` and `free` allow no more than the capacity.
        let (first, rest) = bytes.split_at(bytes.len().min(self.capacity() - place));
        self.put(place, first);
        if !rest.is_empty() {
            self.put(0, rest);
        }
        // Kept in the handle until `publish`: the reader must not see one half of what belongs together.
        self.written = self.written.wrapping_add(bytes.len() as u64);
    }

    /// Returns how many bytes can be written now.
    ///
    /// ```
    /// use procession_core::Ring;
    ///
    /// let mut ring = Ring::with_label("procession: example", 64)?;
    /// ring.write(b"four");
    /// assert_eq!(ring.free(), 60);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn free(&mut self) -> usize {
        // Pairs with the Release in `read`: bytes are overwritten only after the reader has copied them.
        self.seen_head = self.head().load(Ordering::Acquire);
        if self.is_writer() { self.seen_room() } else { 0 }
    }

    /// Returns whether `count` bytes can be written now. Loads the head only where the last one seen leaves no room.
    #[inline]
    pub(crate) fn fits(&mut self, count: usize) -> bool {
        self.writes.is_held() && count <= self.seen_room() || self.fits_by_head(count)
    }

    /// Returns whether `count` bytes can be written by the head as it is now, where that is not known yet.
    #[cold]
    fn fits_by_head(&mut self, count: usize) -> bool {
        count <= self.free()
    }

    /// Returns how many bytes could be written when the head was last seen. A head that makes no sense leaves no room.
    #[inline]
    fn seen_room(&self) -> usize {
        (self.mask + 1).saturating_sub(self.written.wrapping_sub(self.seen_head)) as usize
    }

    /// Lets the other side see what was written.
    ///
    /// ```
    /// use procession_core::{Ring, codec};
    ///
    /// let mut here = Ring::with_label("procession: example", 64)?;
    /// let mut there: Ring = codec::decode(codec::encode(&here)?)?;
    /// let mut read = Vec::new();
    /// here.write(b"all ");
    /// here.write(b"at once");
    /// assert!(!there.read(&mut read));
    /// here.publish();
    /// assert!(there.read(&mut read));
    /// assert_eq!(read, b"all at once");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn publish(&self) {
        if self.writes.is_held() {
            self.publish_whole();
        }
    }

    /// Lets the other side see what [fitted](Ring::fits): only the writer asks that, so it is not asked again who this is.
    #[inline]
    pub(crate) fn publish_whole(&self) {
        // Pairs with the Acquire in `read`: a reader that sees this tail sees the bytes before it.
        self.tail().store(self.written, Ordering::Release);
    }

    /// Appends all that there is to read to `bytes`, and gives its room back. Returns whether there was anything.
    ///
    /// ```
    /// use procession_core::{Ring, codec};
    ///
    /// let mut here = Ring::with_label("procession: example", 64)?;
    /// let mut there: Ring = codec::decode(codec::encode(&here)?)?;
    /// let mut read = b"before, ".to_vec();
    /// here.write(b"and after");
    /// here.publish();
    /// assert!(there.read(&mut read));
    /// assert_eq!(read, b"before, and after");
    /// assert!(!there.read(&mut read), "that was all");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn read(&mut self, bytes: &mut Vec<u8>) -> bool {
        // Relaxed: only the reader writes the head, and that is this handle.
        let head = self.head().load(Ordering::Relaxed);
        // Pairs with the Release in `publish`.
        let tail = self.tail().load(Ordering::Acquire);
        // The role comes last: to look at an empty ring must not make a handle the reader.
        if head == tail || !self.is_reader() {
            return false;
        }
        // A tail that makes no sense cannot show more than there is.
        let count = tail.wrapping_sub(head).min(self.mask + 1) as usize;
        let place = (head & self.mask) as usize;
        let first = count.min(self.capacity() - place);
        self.get(place, first, bytes);
        if first < count {
            self.get(0, count - first, bytes);
        }
        // Not `head + count`: after a tail that made no sense the two counters agree again.
        // Pairs with the Acquire in `free`: the bytes were copied before their room is given back.
        self.head().store(tail, Ordering::Release);
        true
    }

    /// Orders everything before it against everything after it, as seen from the other side: between a word that says "I
    /// sleep" and a last look at the ring, and between a publication and a look at that word.
    ///
    /// ```
    /// use procession_core::Ring;
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// const ASLEEP: usize = 0;
    ///
    /// let ring = Ring::with_label("procession: example", 64)?;
    /// // The reader says that it is about to sleep, and looks once more: the writer either sees the word, or was seen by it.
    /// ring.word(ASLEEP).store(1, Relaxed);
    /// Ring::full_fence();
    /// let may_sleep = ring.is_empty();
    /// assert!(may_sleep);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[inline]
    pub fn full_fence() {
        // Pairs with the same call on the other side: of two sides that each store and then look, at least one sees the store of the other.
        fence(Ordering::SeqCst);
    }

    fn over(memory: Mapping, capacity: usize) -> Ring {
        let (writes, reads) = (Role::default(), Role::default());
        let mut ring = Ring { memory, mask: capacity as u64 - 1, written: 0, seen_head: 0, writes, reads };
        // Pair with the Release in `publish` and `read` of earlier holders of the roles, whose work this handle may take up.
        ring.written = ring.tail().load(Ordering::Acquire);
        ring.seen_head = ring.head().load(Ordering::Acquire);
        ring
    }

    /// Returns whether this handle is the one that writes. It becomes so here if none is.
    #[inline]
    fn is_writer(&mut self) -> bool {
        self.writes.is_held() || self.become_writer()
    }

    #[cold]
    fn become_writer(&mut self) -> bool {
        // Once in the life of a handle, so this is kept out of the code of each write.
        self.writes = Role::take(self.line(3 + WORDS));
        self.writes.is_held()
    }

    #[inline]
    fn is_reader(&mut self) -> bool {
        if !self.reads.is_held() {
            self.reads = Role::take(self.line(4 + WORDS));
        }
        self.reads.is_held()
    }

    #[inline]
    fn tail(&self) -> &AtomicU64 {
        self.line(1)
    }

    #[inline]
    fn head(&self) -> &AtomicU64 {
        self.line(2)
    }

    #[inline]
    fn line(&self, number: usize) -> &AtomicU64 {
        debug_assert!(number * LINE < HEADER);
        // SAFETY: the header has `5 + WORDS` lines, and the mapping is longer than the header.
        let place = unsafe { self.memory.as_ptr().byte_add(number * LINE) };
        // SAFETY: the mapping begins at a page, so the place is aligned; it lives as long as `self`, any bytes are a valid
        // word, and all processes use it as an atomic.
        unsafe { place.cast::<AtomicU64>().as_ref() }
    }

    #[inline]
    fn data(&self, place: usize, len: usize) -> NonNull<u8> {
        debug_assert!(place + len <= self.capacity());
        // SAFETY: callers stay inside the capacity, and the mapping holds the header and that many bytes.
        unsafe { self.memory.as_ptr().byte_add(HEADER + place) }
    }

    #[inline]
    fn put(&mut self, place: usize, bytes: &[u8]) {
        let to = self.data(place, bytes.len());
        match bytes.len() {
            // Most of what is written is small, and a call costs more than that.
            1 => put_ends::<1>(to, bytes),
            2..4 => put_ends::<2>(to, bytes),
            4..8 => put_ends::<4>(to, bytes),
            8..=16 => put_ends::<8>(to, bytes),
            // SAFETY: the target is inside the mapping, which no Rust reference shows; the source is a borrowed slice. Only this handle
            // writes, and the reader does not read these bytes before they are published.
            len => unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), len) },
        }
    }

    #[inline]
    fn get(&self, place: usize, len: usize, bytes: &mut Vec<u8>) {
        let from = self.data(place, len);
        // The bytes are copied out before any code looks at them: the room they lie in is the writer's again soon.
        bytes.reserve(len);
        let end = bytes.len();
        let spare = NonNull::from(bytes.spare_capacity_mut()).cast::<u8>();
        // SAFETY: the vector has at least `len` bytes of spare room, and the source is inside the mapping. The writer does
        // not write there before the head has moved.
        unsafe { spare.copy_from_nonoverlapping(from, len) };
        // SAFETY: that many bytes behind the old end were just written.
        unsafe { bytes.set_len(end + len) };
    }
}

/// Writes `N` to twice as many bytes to a place in the mapping that has room for them: the first `N`, and the last.
#[inline]
fn put_ends<const N: usize>(to: NonNull<u8>, bytes: &[u8]) {
    // The parts overlap where there are fewer than twice `N` bytes. Both write the same there, so nothing is lost.
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else { return };
    // SAFETY: `N` is not more than there is room for; the mapping is shown by no Rust reference, and the reader does not read
    // these bytes before they are published.
    unsafe { to.copy_from_nonoverlapping(NonNull::from(first).cast(), N) };
    // SAFETY: `bytes.len()` bytes from the beginning are inside the room.
    let end = unsafe { to.add(bytes.len() - N) };
    // SAFETY: as for the first ones; the last byte is the last that there is room for.
    unsafe { end.copy_from_nonoverlapping(NonNull::from(last).cast(), N) };
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity()).field("is_empty", &self.is_empty()).finish()
    }
}

impl Serialize for Ring {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.memory.serialize_as(KIND, serializer)
    }
}

/// A ring is believed when its memory has the right size and begins with the right mark.
impl<'de> Deserialize<'de> for Ring {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ring, D::Error> {
        let memory = Mapping::deserialize_as(KIND, deserializer)?;
        let capacity = memory.len().checked_sub(HEADER).filter(|capacity| capacity.is_power_of_two());
        let capacity = capacity.ok_or_else(|| D::Error::custom("the memory has not the size of a ring"))?;
        let ring = Ring::over(memory, capacity);
        // Pairs with the Release in `with_label`.
        if ring.line(0).load(Ordering::Acquire) != MARK {
            return Err(D::Error::custom("the memory holds no ring, or one of another version"));
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::codec;

    #[test]
    fn a_long_stream_arrives_in_pieces() {
        let mut here = Ring::with_label("procession: test", 100).unwrap();
        let mut there: Ring = codec::decode(codec::encode(&here).unwrap()).unwrap();
        let sent: Vec<u8> = (0..10_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut at, mut read) = (0, Vec::new());
        while at < sent.len() {
            at += here.write(&sent[at..sent.len().min(at + 77)]);
            here.publish();
            assert!(there.read(&mut read));
        }
        assert_eq!(read, sent);
        assert!(!there.read(&mut read) && here.is_empty());
    }

    #[test]
    fn what_is_not_published_is_not_seen_and_a_full_ring_takes_no_more() {
        let mut ring = Ring::with_label("procession: test", 64).unwrap();
        assert_eq!(ring.write(&[1; 100]), 64);
        let mut other: Ring = codec::decode(codec::encode(&ring).unwrap()).unwrap();
        assert!(!other.read(&mut Vec::new()));
        assert_eq!((ring.free(), ring.write(&[1])), (0, 0));
        ring.publish();
        assert!(other.read(&mut Vec::new()));
        assert_eq!(ring.free(), 64);
    }

    #[test]
    fn counters_out_of_place_are_harmless() {
        let mut ring = Ring::with_label("procession: test", 64).unwrap();
        ring.head().store(12_345, Ordering::Release);
        assert_eq!((ring.free(), ring.write(&[1; 10])), (0, 0));
        let mut read = Vec::new();
        ring.read(&mut read);
        assert!(read.len() <= 64);
    }

    #[test]
    fn only_the_first_who_writes_and_the_first_who_reads_ever_do() {
        let copy = |ring: &Ring| codec::decode::<Ring>(codec::encode(ring).unwrap()).unwrap();
        let mut writer = Ring::with_label("procession: test", 64).unwrap();
        let (mut reader, mut third) = (copy(&writer), copy(&writer));
        assert_eq!(writer.write(b"mine"), 4);
        assert_eq!((reader.write(b"not"), third.free(), third.write(b"not")), (0, 0, 0));
        third.publish();
        assert!(writer.is_empty());
        writer.publish();
        let mut read = Vec::new();
        assert!(reader.read(&mut read) && read == b"mine");
        writer.write(b"more");
        writer.publish();
        let mut fourth = copy(&writer);
        assert!(!third.read(&mut read) && !writer.read(&mut read) && !fourth.read(&mut read) && !fourth.is_empty());
        assert_eq!((fourth.write(b"not"), writer.write(b"again")), (0, 5));
        assert!(reader.read(&mut read) && read == b"minemore");
    }

    #[test]
    fn other_memory_is_no_ring() {
        let memory = Mapping::new(HEADER + 64).unwrap();
        assert!(codec::decode::<Ring>(codec::encode(&memory).unwrap()).is_err());
        let memory = Mapping::new(100).unwrap();
        assert!(codec::decode::<Ring>(codec::encode(&memory).unwrap()).is_err());
    }
}
