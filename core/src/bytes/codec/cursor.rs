//! [`Cursor`]: the bytes of a message on their way into a value, each looked at once. Scalars are read by postcard.
//!
//! The other side may still be able to write to these bytes. So whatever is checked is taken out first: numbers into registers, texts
//! into memory of our own.

use postcard::Deserializer as Postcard;
use postcard::de_flavors::Slice;
use serde::de::Deserialize;

use crate::os::large;
use crate::tuning::{MAX_EMPTY, MAX_EMPTY_BYTES};

use super::error::Fault;
use super::names::{Label, Shape};
use super::varint;

/// What of a message has not been read.
pub(super) struct Cursor<'de> {
    bytes: &'de [u8],
    /// The list of fields whose number was looked up last, and its number: the structs of a sequence are all of one type.
    fields: &'static [&'static str],
    shape: u32,
    /// How many values without bytes there may still be.
    empty: usize,
    empty_memory: usize,
}

impl<'de> Cursor<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        let (fields, shape) = (&[][..], u32::MAX);
        Self { bytes, fields, shape, empty: MAX_EMPTY, empty_memory: MAX_EMPTY_BYTES }
    }

    /// Returns how many bytes are left.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// A scalar, as postcard reads it. Its reader lives no longer than that, so that all of it is kept in registers.
    ///
    /// Texts and blocks would be lent by postcard, and texts checked where they lie: see [`block`](Self::block).
    #[inline(always)]
    pub(super) fn scalar<T: Deserialize<'de>>(&mut self) -> Result<T, Fault> {
        let mut postcard = Postcard::from_flavor(Slice::new(self.bytes));
        let scalar = T::deserialize(&mut postcard)?;
        self.bytes = postcard.finalize()?;
        Ok(scalar)
    }

    /// A number of varying length, of at most `bits` bits.
    #[inline]
    pub(super) fn number(&mut self, bits: u32) -> Result<u64, Fault> {
        let (number, len) = varint::read(self.bytes, bits)?;
        self.bytes = self.bytes.get(len..).unwrap_or_default();
        Ok(number)
    }

    /// A number with a sign: they take turns.
    #[inline]
    pub(super) fn signed(&mut self, bits: u32) -> Result<i64, Fault> {
        let number = self.number(bits)?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Returns how many there are of something.
    #[inline]
    pub(super) fn count(&mut self) -> Result<usize, Fault> {
        // A length for which a pointer is too short is longer than any message.
        usize::try_from(self.number(usize::BITS)?).map_err(|_| truncated())
    }

    /// A number for names, which is written byte by byte.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (&first, rest) = self.bytes.split_first_chunk().ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(first)
    }

    /// A float, as postcard reads it, in fewer steps.
    #[inline]
    pub(super) fn f32(&mut self) -> Result<f32, Fault> {
        self.array().map(f32::from_le_bytes)
    }

    #[inline]
    pub(super) fn f64(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }

    /// The number of a variant, and the number for its name.
    #[inline]
    pub(super) fn variant(&mut self) -> Result<(u32, Label), Fault> {
        match self.bytes.split_first_chunk() {
            // Numbers below 128 are one byte, as nearly all variants' are: number and label are taken in one step.
            Some((&[index @ 0..0x80, first, second], rest)) => {
                self.bytes = rest;
                Ok((index.into(), Label::from_bytes([first, second])))
            }
            _ => self.large_variant(),
        }
    }

    #[cold]
    #[inline(never)]
    fn large_variant(&mut self) -> Result<(u32, Label), Fault> {
        let index = self.number(u32::BITS)? as u32;
        Ok((index, Label::from_bytes(self.array()?)))
    }

    /// Skips the number for the names of fields if it is the one of all `fields`.
    ///
    /// Not inlined: what is left of reading a small struct is, and that saves more than this call costs.
    #[inline(never)]
    pub(super) fn skip_shape(&mut self, fields: &'static [&'static str]) -> bool {
        if !std::ptr::eq(self.fields.as_ptr(), fields.as_ptr()) || self.fields.len() != fields.len() {
            self.look_up(fields);
        }
        let Some((&[a, b, c], rest)) = self.bytes.split_first_chunk() else { return false };
        let is_same = u32::from_le_bytes([a, b, c, 0]) == self.shape;
        if is_same {
            self.bytes = rest;
        }
        is_same
    }

    #[inline(never)]
    fn look_up(&mut self, fields: &'static [&'static str]) {
        let [a, b, c] = Shape::of(fields).to_bytes();
        (self.fields, self.shape) = (fields, u32::from_le_bytes([a, b, c, 0]));
    }

    /// The bytes behind a length.
    #[inline]
    fn slice(&mut self) -> Result<&'de [u8], Fault> {
        let len = self.count()?;
        let (slice, rest) = self.bytes.split_at_checked(len).ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(slice)
    }

    /// A block of bytes behind its length, copied: it does not change any more.
    pub(super) fn block(&mut self) -> Result<Vec<u8>, Fault> {
        let block = self.slice()?;
        // Copied before it is looked at: the other side may still write to these bytes.
        Ok(large::copied(block))
    }

    /// A text. What is checked is the copy.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        // Our own copy is checked, and it is the one that is handed on.
        String::from_utf8(self.block()?).map_err(|_| postcard::Error::DeserializeBadUtf8.into())
    }

    /// A character, which is written like a text.
    pub(super) fn character(&mut self) -> Result<char, Fault> {
        // No character takes more than four bytes in UTF-8. They are copied for the same reason as texts.
        let mut copy = [0; 4];
        let text = self.slice()?;
        let place = copy.get_mut(..text.len()).ok_or_else(no_character)?;
        place.copy_from_slice(text);
        let mut characters = std::str::from_utf8(place).map_err(|_| no_character())?.chars();
        // More than one character in the text is an error too, and not cut off.
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(no_character()),
        }
    }

    /// Counts a value that takes up `memory` bytes and no byte of the message.
    #[cold]
    #[inline(never)]
    pub(super) fn charge(&mut self, memory: usize) -> Result<(), Fault> {
        // Two bounds: one on the time that elements without memory cost, and one on the memory of the others.
        match (self.empty.checked_sub(1), self.empty_memory.checked_sub(memory)) {
            (Some(empty), Some(empty_memory)) => {
                (self.empty, self.empty_memory) = (empty, empty_memory);
                Ok(())
            }
            _ => Err(too_empty()),
        }
    }
}

#[cold]
fn truncated() -> Fault {
    postcard::Error::DeserializeUnexpectedEnd.into()
}

#[cold]
fn no_character() -> Fault {
    postcard::Error::DeserializeBadChar.into()
}

/// Writers say the same.
#[cold]
pub(super) fn too_empty() -> Fault {
    Fault::text(format!(
        "sequences announce more than {MAX_EMPTY} elements that take up no bytes, or more than {MAX_EMPTY_BYTES} bytes of memory \
         for such elements, more than the message has room for; send their number"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_their_largest() {
        assert_eq!(Cursor::new(&[0xff, 0xff, 3]).number(16).ok(), Some(0xffff));
        assert_eq!(Cursor::new(&[0xff, 0xff, 3]).signed(16).ok(), Some(i16::MIN.into()));
        assert!(Cursor::new(&[0x80, 0x80, 4]).number(16).is_err());
        for bits in 0..64 {
            let number = u64::MAX >> bits;
            let (positive, negative) = (number.cast_signed().max(0), number.cast_signed().min(-1));
            for signed in [positive, !positive, negative, !negative] {
                let bytes = postcard::to_stdvec(&signed).unwrap();
                let mut cursor = Cursor::new(&bytes);
                assert_eq!((cursor.signed(64).ok(), cursor.len()), (Some(signed), 0));
            }
        }
        let largest = [&[0xff; 18][..], &[3]].concat();
        assert_eq!(Cursor::new(&largest).scalar::<u128>().ok(), Some(u128::MAX));
        let beyond = [&[0xff; 18][..], &[4]].concat();
        assert!(Cursor::new(&beyond).scalar::<u128>().is_err());
    }

    #[test]
    fn characters_are_whole_and_alone() {
        let read = |bytes: &[u8]| Cursor::new(bytes).character().ok();
        assert_eq!((read(&[1, b'a']), read("\u{4}🦀".as_bytes())), (Some('a'), Some('🦀')));
        for broken in [&[0][..], &[2, b'a', b'b'], &[1, 0xff], &[5, 0, 0, 0, 0, 0], &[3, b'a'], &[]] {
            assert_eq!(read(broken), None, "{broken:?}");
        }
    }
}
