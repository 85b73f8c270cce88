//! [`Cursor`]: the bytes of a message on their way into a value, each looked at once.
//!
//! The other side may still be able to write to these bytes. So whatever is checked is taken out first: numbers into registers, texts
//! into memory of our own.

use crate::os::large;

use super::error::Fault;

/// How many values that take up no bytes one message may bring, all its sequences together: no length of a message bounds
/// them, and a processor counts so far in half a second.
pub(super) const MOST_EMPTY: usize = 1 << 28;

/// How many bytes of memory such values may take up together, if they take up memory: 16 MiB.
const MOST_EMPTY_MEMORY: usize = 1 << 24;

/// What of a message has not been read.
pub(super) struct Cursor<'de> {
    bytes: &'de [u8],
    /// How many values without bytes there may still be.
    empty: usize,
    empty_memory: usize,
}

impl<'de> Cursor<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { bytes, empty: MOST_EMPTY, empty_memory: MOST_EMPTY_MEMORY }
    }

    /// How many bytes are left.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.bytes.split_first().ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(first)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (&first, rest) = self.bytes.split_first_chunk().ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(first)
    }

    /// A number of varying length, at most `largest`, which is at least 127.
    #[inline]
    pub(super) fn number(&mut self, largest: u64) -> Result<u64, Fault> {
        match self.bytes.split_first() {
            Some((&first, rest)) if first < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(first))
            }
            _ => self.several_bytes(largest),
        }
    }

    #[inline]
    fn several_bytes(&mut self, largest: u64) -> Result<u64, Fault> {
        let mut number = 0;
        for at in 0..9 {
            let byte = *self.bytes.get(at).ok_or_else(truncated)?;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.bytes = &self.bytes[at + 1..];
                return if number > largest { Err(too_large()) } else { Ok(number) };
            }
        }
        self.long_number(u128::from(largest)).map(|number| number as u64)
    }

    #[inline]
    pub(super) fn long_number(&mut self, largest: u128) -> Result<u128, Fault> {
        let (mut number, mut shift) = (0_u128, 0);
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if shift > 126 || part << shift >> shift != part {
                return Err(too_large());
            }
            number |= part << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        if number > largest { Err(too_large()) } else { Ok(number) }
    }

    /// A block of bytes behind its length, copied: it does not change any more.
    pub(super) fn block(&mut self) -> Result<Vec<u8>, Fault> {
        let len = self.number(u64::MAX)?;
        let split = usize::try_from(len).ok().and_then(|len| self.bytes.split_at_checked(len));
        let (block, rest) = split.ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(large::copied(block))
    }

    /// A text. What is checked is the copy.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        String::from_utf8(self.block()?).map_err(|_| Fault::text("a string is not valid UTF-8"))
    }

    /// A character, which is written like a text.
    pub(super) fn character(&mut self) -> Result<char, Fault> {
        let mut copy = [0; 4];
        let len = usize::from(self.byte()?);
        let place = copy.get_mut(..len).ok_or_else(no_character)?;
        let (text, rest) = self.bytes.split_at_checked(len).ok_or_else(truncated)?;
        place.copy_from_slice(text);
        self.bytes = rest;
        let mut characters = std::str::from_utf8(place).map_err(|_| no_character())?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(no_character()),
        }
    }

    /// Takes note of a value of so many bytes of memory and none of the message.
    #[cold]
    #[inline(never)]
    pub(super) fn charge(&mut self, memory: usize) -> Result<(), Fault> {
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
    Fault::text("the bytes end in the middle of the value")
}

#[cold]
fn too_large() -> Fault {
    Fault::text("a number is too large for its type")
}

#[cold]
fn no_character() -> Fault {
    Fault::text("a char is not a Unicode scalar value")
}

/// Writers say the same.
#[cold]
pub(super) fn too_empty() -> Fault {
    Fault::text(format!(
        "sequences announce more than {MOST_EMPTY} elements that take up no bytes, or more than {MOST_EMPTY_MEMORY} bytes of memory \
         for such elements, more than the message has room for; send their number"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_their_largest() {
        assert_eq!(Cursor::new(&[0xff, 0xff, 3]).number(u16::MAX.into()).ok(), Some(0xffff));
        assert!(Cursor::new(&[0x80, 0x80, 4]).number(u16::MAX.into()).is_err());
        assert!(Cursor::new(&[0xff; 30]).number(u64::MAX).is_err());
        for bits in 0..64 {
            let (number, mut bytes) = (u64::MAX >> bits, Vec::new());
            let mut rest = number;
            while rest > 0x7f {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            assert_eq!(Cursor::new(&bytes).number(u64::MAX).ok(), Some(number));
            bytes.extend([0x95; 10]);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!((cursor.number(u64::MAX).ok(), cursor.len()), (Some(number), 10));
        }
        assert!(Cursor::new(&[0x80]).number(u64::MAX).is_err());
        let largest = [&[0xff; 18][..], &[3]].concat();
        assert_eq!(Cursor::new(&largest).long_number(u128::MAX).ok(), Some(u128::MAX));
        let beyond = [&[0xff; 18][..], &[4]].concat();
        assert!(Cursor::new(&beyond).long_number(u128::MAX).is_err());
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
