//! The bytes of the rings: items, each a head and a body, and the headers of chunks.
//!
//! Most items are small values, and the number of cache lines that cross between two cores limits how many of them pass. So a
//! head is one byte where that is enough:
//!
//! ```text
//! kind: 3 bits | n: 5 bits     n < 24: the body is n bytes long
//!                              else: the next n - 23 bytes are its length, little-endian
//! ```
//!
//! The kind of a value is 0, so small values one behind another are a [`CallBatch`](procession_core::CallBatch).

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// An argument, or a result.
    Value,
    /// The same, with descriptors on the control link.
    WithDescriptors,
    /// A [`RunError`](super::messages::RunError) in place of a result.
    Failure,
    /// The time that the last tasks took: eight bytes.
    Time,
    /// The [`BufferHandle`](procession_core::BufferHandle) of a value that is too large for a ring.
    InBuffer,
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
pub(crate) struct ItemHead {
    bytes: [u8; MAX_HEAD_LEN],
    len: usize,
}

/// The longest head, in bytes.
pub(crate) const MAX_HEAD_LEN: usize = 9;
/// The length of a chunk's header, in bytes.
pub(crate) const CHUNK_HEADER_LEN: usize = 24;

/// The length in bytes from which on a body's length has bytes of its own.
const LONG_BODY: usize = 24;
/// The longest time that an item can say: 40 bits of nanoseconds, which are 18 minutes. 24 bits are left for the count.
const MAX_NANOS: u64 = (1 << 40) - 1;

impl ItemHead {
    /// Returns the shortest head of an item with a body of `len` bytes.
    #[inline]
    pub(crate) fn new(kind: ItemKind, len: usize) -> ItemHead {
        ItemHead::with_min_len(kind, len, 1)
    }

    /// Returns the head, if it is a single byte.
    #[inline]
    pub(crate) fn short(kind: ItemKind, len: usize) -> Option<u8> {
        (len < LONG_BODY).then_some((kind as u8) << 5 | len as u8)
    }

    /// Returns a head of at least `min_len` bytes, for a place that was reserved before the length was known.
    #[inline]
    pub(crate) fn with_min_len(kind: ItemKind, len: usize, min_len: usize) -> ItemHead {
        let mut bytes = [0; MAX_HEAD_LEN];
        if min_len <= 1
            && let Some(head) = ItemHead::short(kind, len)
        {
            bytes[0] = head;
            return ItemHead { bytes, len: 1 };
        }
        let needed = (u64::BITS - (len as u64).leading_zeros()).div_ceil(8) as usize;
        let width = needed.max(min_len - 1).clamp(1, MAX_HEAD_LEN - 1);
        bytes[0] = (kind as u8) << 5 | (LONG_BODY - 1 + width) as u8;
        bytes[1..].copy_from_slice(&(len as u64).to_le_bytes());
        ItemHead { bytes, len: 1 + width }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Returns an item that says how many nanoseconds the last `count` tasks took together.
pub(crate) fn time(count: u64, nanos: u64) -> [u8; 9] {
    let mut bytes = [(ItemKind::Time as u8) << 5 | 8; 9];
    bytes[1..].copy_from_slice(&((count.min(0xff_ffff) << 40) | nanos.min(MAX_NANOS)).to_le_bytes());
    bytes
}

/// Returns the count and the nanoseconds in the body of a [`time`].
pub(crate) fn read_time(body: &[u8]) -> (u64, u64) {
    let number = body.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (number >> 40, number & MAX_NANOS)
}

/// Returns the item at the beginning of `bytes`, if it is complete.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Option<Item<'_>> {
    let (&first, rest) = bytes.split_first()?;
    let (kind, short) = (kind(first), usize::from(first & 31));
    if short < LONG_BODY {
        return Some(Item { kind, body: rest.get(..short)?, len: 1 + short });
    }
    let (width, mut len) = (short - LONG_BODY + 1, [0; 8]);
    len[..width].copy_from_slice(rest.get(..width)?);
    let len = usize::try_from(u64::from_le_bytes(len)).ok()?;
    let body = rest[width..].get(..len)?;
    Some(Item { kind, body, len: 1 + width + len })
}

/// Returns the kind that the first byte of a head names.
#[inline]
fn kind(first: u8) -> ItemKind {
    match first >> 5 {
        0 => ItemKind::Value,
        1 => ItemKind::WithDescriptors,
        2 => ItemKind::Failure,
        4 => ItemKind::InBuffer,
        // An unknown kind is read as a time, which ends no task.
        _ => ItemKind::Time,
    }
}

/// Consecutive results at the beginning of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResultExtent {
    /// Their length in bytes.
    pub(crate) len: usize,
    pub(crate) count: u64,
    /// The number of them that come with descriptors.
    pub(crate) with_descriptors: usize,
    /// The number of them that lie in buffers.
    pub(crate) in_buffers: usize,
}

/// Measures the results at the beginning of `bytes`, at most `max` of them.
#[inline]
pub(crate) fn results(bytes: &[u8], max: u64) -> ResultExtent {
    let mut extent = short_values(bytes, max);
    while extent.count < max
        && let Some(Item { kind, len, .. }) = bytes.get(extent.len..).and_then(read)
        && matches!(kind, ItemKind::Value | ItemKind::WithDescriptors | ItemKind::InBuffer)
    {
        extent.len += len;
        extent.count += 1;
        extent.with_descriptors += usize::from(kind == ItemKind::WithDescriptors);
        extent.in_buffers += usize::from(kind == ItemKind::InBuffer);
    }
    extent
}

/// Measures the small values at the beginning of `bytes`, which need no decision for each.
#[inline]
fn short_values(bytes: &[u8], max: u64) -> ResultExtent {
    let (mut count, mut len) = (0, 0);
    while count < max
        && let Some(&head) = bytes.get(len)
        && usize::from(head) < LONG_BODY
        && len + usize::from(head) < bytes.len()
    {
        count += 1;
        len += 1 + usize::from(head);
    }
    ResultExtent { len, count, ..ResultExtent::default() }
}

/// The header before the arguments of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    /// The number of the first task, see [`claim`](super::claim).
    pub(crate) number: u64,
    pub(crate) count: u64,
    /// The number of the function that is applied.
    pub(crate) function: u32,
    /// The number of tasks that start together. Of a task with descriptors, which is alone, the serial number of those.
    pub(crate) chunk_size: u32,
    /// The length in bytes of the items behind the header.
    pub(crate) len: u64,
}

impl ChunkHeader {
    pub(crate) fn write(self) -> [u8; CHUNK_HEADER_LEN] {
        let words = [
            (self.number << 32) | (self.count & 0xffff_ffff),
            (u64::from(self.function) << 32) | u64::from(self.chunk_size),
            self.len,
        ];
        let mut bytes = [0; CHUNK_HEADER_LEN];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    /// Reads the header at the beginning of `bytes`, if it is complete.
    pub(crate) fn read(bytes: &[u8]) -> Option<ChunkHeader> {
        let word = |offset: usize| Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk::<8>()?));
        let (numbers, function, len) = (word(0)?, word(8)?, word(16)?);
        let (number, count) = (numbers >> 32, numbers & 0xffff_ffff);
        Some(ChunkHeader { number, count, function: (function >> 32) as u32, chunk_size: function as u32, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind, body: &[u8], min_len: usize) -> Vec<u8> {
        [ItemHead::with_min_len(kind, body.len(), min_len).bytes(), body].concat()
    }

    #[test]
    fn items_are_read_as_they_were_written() {
        for len in [0, 1, LONG_BODY - 1, LONG_BODY, 255, 256, 65_535, 65_536, 1 << 20] {
            for min_len in [1, 2, 4, MAX_HEAD_LEN] {
                let body = vec![7; len];
                let bytes = item(ItemKind::Failure, &body, min_len);
                assert!(bytes.len() - len >= min_len);
                let read_len = bytes.len();
                assert_eq!(read(&bytes), Some(Item { kind: ItemKind::Failure, body: &body, len: read_len }));
                assert_eq!((read(&bytes[..read_len - 1]), read(&[])), (None, None));
            }
        }
        assert_eq!(ItemHead::new(ItemKind::Value, LONG_BODY - 1).bytes().len(), 1);
    }

    #[test]
    fn results_end_where_another_item_begins() {
        let value = |len: usize| item(ItemKind::Value, &vec![9; len], 1);
        let two = [value(0), value(LONG_BODY - 1)].concat();
        let extent = |count, len| ResultExtent { len, count, ..ResultExtent::default() };
        for other in [item(ItemKind::Time, &[0; 8], 1), item(ItemKind::Failure, &[1], 1), vec![3, 9, 9]] {
            assert_eq!(results(&[&two[..], &other].concat(), 9), extent(2, two.len()), "{other:?}");
        }
        assert_eq!(
            (results(&two, 1), results(&two, 9), results(&[], 9)),
            (extent(1, 1), extent(2, two.len()), extent(0, 0))
        );
        let unusual =
            [value(1), value(LONG_BODY), item(ItemKind::WithDescriptors, &[1], 1), item(ItemKind::InBuffer, &[1], 1)];
        let unusual = unusual.concat();
        let all = ResultExtent { len: unusual.len(), count: 4, with_descriptors: 1, in_buffers: 1 };
        assert_eq!(results(&unusual, 9), all);
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
        let header =
            ChunkHeader { number: (1 << 24) - 1, count: 1 << 20, function: u32::MAX, chunk_size: 7, len: 1 << 40 };
        assert_eq!(ChunkHeader::read(&header.write()), Some(header));
        assert_eq!(ChunkHeader::read(&[0; 23]), None);
    }
}
