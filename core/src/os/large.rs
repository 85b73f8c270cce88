//! Large pieces of this process's own memory. Touching fresh memory for the first time takes longer than copying into it, because it
//! comes page by page; in large pages it takes a fifth of the time.

use nix::libc;

/// From this size on, in bytes, large pages are asked for: a few of them fit in then.
const LARGE: usize = 4 << 20;
/// The size of a large page on all processors that have pages of 4 KiB, in bytes. Where it is another, less is gained.
const PAGE: usize = 2 << 20;

/// A copy of these bytes.
///
/// ```
/// let bytes = vec![7; 5 << 20];
/// assert_eq!(procession_core::os::large::copied(&bytes), bytes);
/// ```
#[inline]
#[must_use]
pub fn copied(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() < LARGE {
        return bytes.to_vec();
    }
    let mut copy = Vec::new();
    append(&mut copy, bytes);
    copy
}

/// Appends bytes to a buffer.
///
/// ```
/// let mut buffer = vec![1, 2];
/// procession_core::os::large::append(&mut buffer, &[3]);
/// assert_eq!(buffer, [1, 2, 3]);
/// ```
#[inline]
pub fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() >= LARGE {
        reserve(buffer, bytes.len());
    }
    buffer.extend_from_slice(bytes);
}

/// Makes room in a buffer, in large pages where it is much and the kernel has them.
///
/// ```
/// let mut buffer = vec![1];
/// procession_core::os::large::reserve(&mut buffer, 8 << 20);
/// assert!(buffer.capacity() > 8 << 20);
/// ```
pub fn reserve(buffer: &mut Vec<u8>, additional: usize) {
    let before = buffer.capacity();
    buffer.reserve_exact(additional);
    // Memory that was there before has been touched, and small pages already back it.
    if buffer.capacity() == before || buffer.capacity() < LARGE {
        return;
    }
    let room = buffer.as_mut_ptr_range();
    let (start, end) = (room.start.addr(), room.start.addr() + buffer.capacity());
    // Only pages that lie whole inside of the buffer: the rest of a page at either end has other owners.
    let (first, last) = (start.next_multiple_of(PAGE), end / PAGE * PAGE);
    if first < last {
        let place = buffer.as_mut_ptr().wrapping_add(first - start);
        // SAFETY: whole pages that lie inside the buffer's own memory. The advice changes of which size the kernel makes them,
        // and nothing of what is in them; where it is refused, they are made as always.
        let _advised = unsafe { libc::madvise(place.cast(), last - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_the_same_of_any_size() {
        for len in [0, 1, LARGE - 1, LARGE, 9 * LARGE + 5] {
            let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
            assert_eq!(copied(&bytes), bytes);
            let mut buffer = vec![9; 3];
            append(&mut buffer, &bytes);
            assert_eq!((&buffer[..3], &buffer[3..]), (&[9; 3][..], &bytes[..]));
        }
    }
}
