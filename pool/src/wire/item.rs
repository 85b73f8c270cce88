//! The bytes of the rings: items, each a head and a body, and the headers of chunks.
//!
//! A small value is all that most items are, and what crosses between two cores is what costs. So a head is one byte where
//! that is enough:
//!
//! ```text
//! kind: 3 bits | n: 5 bits     n < 24: the body is n bytes long
//!                              else: the next n - 23 bytes say how long it is, little-endian
//! ```
//!
//! The kind of a value is 0, so small values one behind another are a [`CallBatch`](procession_core::CallBatch).

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// An argument, or a result.
    Value,
    /// The same, and descriptors go with it on the control link.
    WithDescriptors,
    /// An [`Answer`](super::protocol::Answer) other than a result.
    Trouble,
    /// How long the last so many tasks took: eight bytes.
    Time,
    /// A value that is too large for a ring: the [`BufferHandle`](procession_core::BufferHandle) of it.
    Lent,
}

/// One item among bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) kind: ItemKind,
    pub(crate) body: &'a [u8],
    /// The length of head and body.
    pub(crate) len: usize,
}

/// The head of an item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; MAX_HEAD],
    len: usize,
}

/// Values of this length, in bytes, and more are lent.
pub(crate) const LARGE: usize = 64 << 10;
/// The most bytes in a head.
pub(crate) const MAX_HEAD: usize = 9;
/// The length of a chunk's header.
pub(crate) const HEADER: usize = 24;

/// Bodies of this length and more have it in bytes of their own.
const LONG: usize = 24;
const NANOS: u64 = (1 << 40) - 1;

impl Head {
    /// The shortest head of an item with a body of `len` bytes.
    #[inline]
    pub(crate) fn new(kind: ItemKind, len: usize) -> Head {
        Head::with_room(kind, len, 1)
    }

    /// The head, if it is a single byte.
    #[inline]
    pub(crate) fn short(kind: ItemKind, len: usize) -> Option<u8> {
        (len < LONG).then_some((kind as u8) << 5 | len as u8)
    }

    /// As [`new`](Head::new), but of `room` bytes at least.
    #[inline]
    pub(crate) fn with_room(kind: ItemKind, len: usize, room: usize) -> Head {
        let mut bytes = [0; MAX_HEAD];
        if room <= 1
            && let Some(head) = Head::short(kind, len)
        {
            bytes[0] = head;
            return Head { bytes, len: 1 };
        }
        let needed = (u64::BITS - (len as u64).leading_zeros()).div_ceil(8) as usize;
        let width = needed.max(room - 1).clamp(1, MAX_HEAD - 1);
        bytes[0] = (kind as u8) << 5 | (LONG - 1 + width) as u8;
        bytes[1..].copy_from_slice(&(len as u64).to_le_bytes());
        Head { bytes, len: 1 + width }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// An item that tells how long the last `count` tasks took together.
pub(crate) fn time(count: u64, nanos: u64) -> [u8; 9] {
    let mut bytes = [(ItemKind::Time as u8) << 5 | 8; 9];
    bytes[1..].copy_from_slice(&((count.min(0xff_ffff) << 40) | nanos.min(NANOS)).to_le_bytes());
    bytes
}

/// The count and the nanoseconds in the body of a [`time`].
pub(crate) fn read_time(body: &[u8]) -> (u64, u64) {
    let number = body.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (number >> 40, number & NANOS)
}

/// The item at the beginning of `bytes`, if it is all there.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Option<Item<'_>> {
    let (&first, rest) = bytes.split_first()?;
    let (kind, short) = (kind(first), usize::from(first & 31));
    if short < LONG {
        return Some(Item { kind, body: rest.get(..short)?, len: 1 + short });
    }
    let (width, mut len) = (short - LONG + 1, [0; 8]);
    len[..width].copy_from_slice(rest.get(..width)?);
    let len = usize::try_from(u64::from_le_bytes(len)).ok()?;
    let body = rest[width..].get(..len)?;
    Some(Item { kind, body, len: 1 + width + len })
}

/// How many small values, at most `most`, are at the beginning of `bytes`, and how many bytes they take up.
#[inline]
pub(crate) fn short_values(bytes: &[u8], most: u64) -> (u64, usize) {
    let (mut count, mut len) = (0, 0);
    while count < most
        && let Some(&head) = bytes.get(len)
        && usize::from(head) < LONG
        && len + usize::from(head) < bytes.len()
    {
        count += 1;
        len += 1 + usize::from(head);
    }
    (count, len)
}

#[inline]
fn kind(first: u8) -> ItemKind {
    match first >> 5 {
        0 => ItemKind::Value,
        1 => ItemKind::WithDescriptors,
        2 => ItemKind::Trouble,
        4 => ItemKind::Lent,
        // What is none of these answers nothing.
        _ => ItemKind::Time,
    }
}

/// What stands before the arguments of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number of the first task, see [`claim`](super::claim).
    pub(crate) number: u64,
    pub(crate) count: u64,
    /// What is to be done with them.
    pub(crate) work: u32,
    /// How many of them are begun at once.
    pub(crate) unit: u32,
    /// How many bytes of items follow.
    pub(crate) len: u64,
}

impl Header {
    pub(crate) fn write(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let (numbers, rest) = bytes.split_at_mut(8);
        let (works, len) = rest.split_at_mut(8);
        numbers.copy_from_slice(&((self.number << 32) | (self.count & 0xffff_ffff)).to_le_bytes());
        works.copy_from_slice(&((u64::from(self.work) << 32) | u64::from(self.unit)).to_le_bytes());
        len.copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`, when it is all there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Header> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?));
        let (numbers, works, len) = (word(0)?, word(8)?, word(16)?);
        let (work, unit) = ((works >> 32) as u32, works as u32);
        Some(Header { number: numbers >> 32, count: numbers & 0xffff_ffff, work, unit, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind, body: &[u8], room: usize) -> Vec<u8> {
        [Head::with_room(kind, body.len(), room).bytes(), body].concat()
    }

    #[test]
    fn items_are_read_as_they_were_written() {
        for len in [0, 1, LONG - 1, LONG, 255, 256, 65_535, 65_536, 1 << 20] {
            for room in [1, 2, 4, MAX_HEAD] {
                let body = vec![7; len];
                let bytes = item(ItemKind::Trouble, &body, room);
                assert!(bytes.len() - len >= room);
                let read_len = bytes.len();
                assert_eq!(read(&bytes), Some(Item { kind: ItemKind::Trouble, body: &body, len: read_len }));
                assert_eq!((read(&bytes[..read_len - 1]), read(&[])), (None, None));
            }
        }
        assert_eq!(Head::new(ItemKind::Value, LONG - 1).bytes().len(), 1);
    }

    #[test]
    fn small_values_are_counted_up_to_what_is_no_small_value() {
        let value = |len: usize| item(ItemKind::Value, &vec![9; len], 1);
        let two = [value(0), value(LONG - 1)].concat();
        for other in [value(LONG), item(ItemKind::Time, &[0; 8], 1), item(ItemKind::Lent, &[1], 1), vec![3, 9, 9]] {
            assert_eq!(short_values(&[&two[..], &other].concat(), 9), (2, two.len()), "{other:?}");
        }
        assert_eq!(short_values(&two, 1), (1, 1));
        assert_eq!(short_values(&two, 9), (2, two.len()));
        assert_eq!(short_values(&[], 9), (0, 0));
    }

    #[test]
    fn times_are_read_as_they_were_written() {
        let bytes = time(u64::MAX, 5);
        let item = read(&bytes).unwrap();
        assert_eq!((item.kind, read_time(item.body), item.len), (ItemKind::Time, (0xff_ffff, 5), 9));
        assert_eq!(read_time(&[1, 2]), (0, 0));
    }

    #[test]
    fn lengths_beyond_all_memory_are_not_believed() {
        assert_eq!(read(&[31, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]), None);
        assert_eq!(read(&[0xff; 8]), None);
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let header = Header { number: (1 << 24) - 1, count: 1 << 20, work: u32::MAX, unit: 7, len: 1 << 40 };
        assert_eq!(Header::read(&header.write()), Some(header));
        assert_eq!(Header::read(&[0; 23]), None);
    }
}
