//! The bytes of the rings: items, each a head of eight bytes and a body, and the headers of chunks.

/// What an item is. The first byte of its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// An argument, or a result.
    Value,
    /// The same, and descriptors go with it on the control link.
    WithDescriptors,
    /// An [`Answer`](super::protocol::Answer) other than a result.
    Trouble,
    /// How long the last so many tasks took. It has no body.
    Time,
}

/// The length of an item's head.
pub(crate) const HEAD: usize = 8;
/// The length of a chunk's header.
pub(crate) const HEADER: usize = 24;

const LENGTH: u64 = (1 << 56) - 1;
const NANOS: u64 = (1 << 40) - 1;

/// The head of an item with a body of `len` bytes.
#[inline]
pub(crate) fn head(kind: ItemKind, len: usize) -> [u8; HEAD] {
    (((kind as u64) << 56) | (len as u64 & LENGTH)).to_le_bytes()
}

/// An item that tells how long the last `count` tasks took together.
#[inline]
pub(crate) fn time(count: u64, nanos: u64) -> [u8; HEAD] {
    (((ItemKind::Time as u64) << 56) | (count.min(0xffff) << 40) | nanos.min(NANOS)).to_le_bytes()
}

/// The count and the nanoseconds in the body of a [`time`].
#[inline]
pub(crate) fn read_time(number: u64) -> (u64, u64) {
    (number >> 40, number & NANOS)
}

/// Reads the item at the beginning of `bytes`: its kind, the number in its head, and its body. `None` when it is not all there.
///
/// The number is the length of the body, but for [`ItemKind::Time`].
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Option<(ItemKind, u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let head = u64::from_le_bytes(*head);
    let kind = match head >> 56 {
        0 => ItemKind::Value,
        1 => ItemKind::WithDescriptors,
        2 => ItemKind::Trouble,
        // What is none of these is an item without a body, which answers nothing.
        _ => return Some((ItemKind::Time, head & LENGTH, &[])),
    };
    let len = usize::try_from(head & LENGTH).ok()?;
    Some((kind, head & LENGTH, rest.get(..len)?))
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

    #[test]
    fn items_are_read_as_they_were_written() {
        let mut bytes = head(ItemKind::Trouble, 3).to_vec();
        bytes.extend(b"abc");
        assert_eq!(read(&bytes), Some((ItemKind::Trouble, 3, &b"abc"[..])));
        assert_eq!(read(&bytes[..10]), None);
        assert_eq!(read(&bytes[..7]), None);
        let (kind, number, body) =
            read(&time(70_000, 5)).map(|(kind, number, body)| (kind, number, body.len())).unwrap();
        assert_eq!((kind, read_time(number), body), (ItemKind::Time, (0xffff, 5), 0));
        assert_eq!(read(&[0xff; 8]).unwrap().0, ItemKind::Time);
        assert_eq!(read(&head(ItemKind::Value, usize::MAX)), None);
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let header = Header { number: (1 << 24) - 1, count: 1 << 20, work: u32::MAX, unit: 7, len: 1 << 40 };
        assert_eq!(Header::read(&header.write()), Some(header));
        assert_eq!(Header::read(&[0; 23]), None);
    }
}
