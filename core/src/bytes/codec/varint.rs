//! Numbers of varying length, of seven bits a byte: the lowest first, and the highest bit of a byte says that there are more. It is
//! postcard's form. All bytes of a number are put together in a register, because a processor is slow to load several bytes that it has
//! stored one by one, and a loop over bytes is mispredicted where lengths vary.

use super::error::Fault;

/// The highest bit of each byte.
const MORE: u64 = 0x8080_8080_8080_8080;
/// The bits of a number that eight bytes hold.
const PACKED_BITS: u32 = 56;
/// The bytes of the longest number.
const MAX_LEN: usize = 10;

/// Returns a number as bytes, and how many of them count; `None` where eight are not enough.
#[inline]
pub(super) fn packed(number: u64) -> Option<([u8; 8], usize)> {
    if number >> PACKED_BITS != 0 {
        return None;
    }
    let len = (u64::BITS - (number | 1).leading_zeros()).div_ceil(7);
    // All bytes but the last one say that there are more.
    let more = MORE & ((1 << (8 * len - 8)) - 1);
    Some(((spread(number) | more).to_le_bytes(), len as usize))
}

/// Does the same for a number of nine or ten bytes.
#[inline]
pub(super) fn packed_long(number: u64) -> ([u8; 16], usize) {
    let (low, high) = (spread(number & ((1 << PACKED_BITS) - 1)) | MORE, number >> PACKED_BITS);
    // The ninth byte holds seven of the eight bits that are left, and the tenth the last one.
    let (ninth, tenth) = (high | high & 0x80, high >> 7);
    let bytes = u128::from(low) | u128::from(ninth | tenth << 8) << 64;
    (bytes.to_le_bytes(), 9 + tenth as usize)
}

/// Reads the number at the start of `bytes`, of at most `bits` bits. Returns it with the number of its bytes.
///
/// Short ones by branches: the place of the next number then depends on a prediction, and not on a computation.
#[inline]
pub(super) fn read(bytes: &[u8], bits: u32) -> Result<(u64, usize), Fault> {
    let low = |byte: u8| u64::from(byte & 0x7f);
    match *bytes {
        [a @ 0..0x80, ..] => Ok((u64::from(a), 1)),
        [a, b @ 0..0x80, ..] => Ok((low(a) | u64::from(b) << 7, 2)),
        [a, b, c @ 0..0x80, ..] if bits > 21 => Ok((low(a) | low(b) << 7 | u64::from(c) << 14, 3)),
        _ => match read_more(bytes, bits) {
            (_, 0) => Err(fault(bytes)),
            found => Ok(found),
        },
    }
}

/// Reads a number of more bytes than a few. The number of its bytes is 0 for none: so both are returned in registers.
#[inline(never)]
fn read_more(bytes: &[u8], bits: u32) -> (u64, usize) {
    let (number, len) = match bytes.first_chunk() {
        Some(chunk) => read_chunk(u64::from_le_bytes(*chunk), &bytes[8..]),
        None => read_end(bytes),
    };
    // Zeros above the number make it no longer than its type may be, as in postcard.
    let is_too_long = len > bits.div_ceil(7) as usize || u64::BITS - number.leading_zeros() > bits;
    if is_too_long { (0, 0) } else { (number, len) }
}

/// Reads a number whose first eight bytes were loaded together.
#[inline]
fn read_chunk(chunk: u64, rest: &[u8]) -> (u64, usize) {
    let ends = !chunk & MORE;
    if ends == 0 {
        return read_long(gather(chunk), rest);
    }
    // Up to the lowest byte that says that there are no more.
    let bits = ends.trailing_zeros() + 1;
    (gather(chunk & (u64::MAX >> (u64::BITS - bits))), bits as usize / 8)
}

/// Reads the ninth byte and the tenth.
#[inline]
fn read_long(low: u64, rest: &[u8]) -> (u64, usize) {
    match *rest {
        [ninth @ 0..0x80, ..] => (low | u64::from(ninth) << PACKED_BITS, 9),
        [ninth, tenth @ 0..2, ..] => (low | u64::from(ninth & 0x7f) << PACKED_BITS | u64::from(tenth) << 63, 10),
        [..] => (0, 0),
    }
}

/// Reads a number of which there are less than eight bytes to the end of the message.
#[cold]
fn read_end(bytes: &[u8]) -> (u64, usize) {
    let mut chunk = [0x80; 8];
    chunk[..bytes.len()].copy_from_slice(bytes);
    read_chunk(u64::from_le_bytes(chunk), &[])
}

/// Puts seven bits into each byte.
#[inline]
fn spread(number: u64) -> u64 {
    let number = number & 0x0000_0000_0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let number = number & 0x0000_3fff_0000_3fff | (number & 0x0fff_c000_0fff_c000) << 2;
    number & 0x007f_007f_007f_007f | (number & 0x3f80_3f80_3f80_3f80) << 1
}

/// Takes seven bits out of each byte.
#[inline]
fn gather(bytes: u64) -> u64 {
    let bytes = bytes & 0x007f_007f_007f_007f | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let bytes = bytes & 0x0000_3fff_0000_3fff | (bytes & 0x3fff_0000_3fff_0000) >> 2;
    bytes & 0x0000_0000_0fff_ffff | (bytes & 0x0fff_ffff_0000_0000) >> 4
}

/// Says why there is no number.
#[cold]
fn fault(bytes: &[u8]) -> Fault {
    let is_cut_off = bytes.len() < MAX_LEN && bytes.iter().all(|byte| *byte > 0x7f);
    let error =
        if is_cut_off { postcard::Error::DeserializeUnexpectedEnd } else { postcard::Error::DeserializeBadVarint };
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(number: u64) -> Vec<u8> {
        match packed(number) {
            Some((bytes, len)) => bytes[..len].to_vec(),
            None => {
                let (bytes, len) = packed_long(number);
                bytes[..len].to_vec()
            }
        }
    }

    /// Around each number of bits, and those that come of a simple generator.
    fn numbers() -> impl Iterator<Item = u64> {
        let edges = (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1, u64::MAX >> bits]);
        let mut seed = 88_172_645_463_325_252_u64;
        let random = (0..10_000).map(move |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> (seed % 64)
        });
        edges.chain(random)
    }

    #[test]
    fn the_form_is_postcards() {
        for number in numbers() {
            let bytes = bytes_of(number);
            assert_eq!(bytes, postcard::to_stdvec(&number).unwrap(), "{number}");
            for behind in [&[][..], &[0x00], &[0xff; 20]] {
                let all = [&bytes, behind].concat();
                assert_eq!(read(&all, 64).ok(), Some((number, bytes.len())), "{number} {behind:?}");
            }
            assert!((0..bytes.len()).all(|len| read(&bytes[..len], 64).is_err()), "{number} cut off");
        }
    }

    #[test]
    fn what_postcard_refuses_is_refused() {
        fn same<T: TryFrom<u64> + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8], bits: u32) {
            let theirs =
                postcard::take_from_bytes::<T>(bytes).ok().map(|(number, rest)| (number, bytes.len() - rest.len()));
            let ours = read(bytes, bits).ok().and_then(|(number, len)| Some((T::try_from(number).ok()?, len)));
            assert_eq!(ours, theirs, "{bytes:x?} as {bits} bits");
        }
        for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            for count in 0..11 {
                for last in [0x00, 0x01, 0x02, 0x03, 0x04, 0x0f, 0x10, 0x7f, 0x80] {
                    let bytes = [&vec![first | 0x80; count][..], &[last], &[0x55; 3]].concat();
                    same::<u16>(&bytes, 16);
                    same::<u32>(&bytes, 32);
                    same::<u64>(&bytes, 64);
                }
            }
        }
    }
}
