//! Writing a value: postcard's serializer behind an adapter that keeps the text of errors and checks what postcard takes on trust.
//!
//! To postcard's format come two things more: names travel as numbers, behind the number of a variant and before the fields of a
//! struct, and so does how many parts a struct without names has. See [`names`](super::names) for the reason.

use std::fmt::{Display, Write as _};

use postcard::Serializer as Postcard;
use serde::ser::{Serialize, Serializer};

use crate::os::large;

use super::MAX_DEPTH;
use super::buffer::Buffer;
use super::check::{Check, kind};
use super::error::Fault;
use super::names::{Label, Style};
use super::spill::{SPILLED, Spill};
use super::written::{Fields, Items, Tuple};

/// Writes `value` behind what `buffer` holds. After an error or a panic the buffer holds what it held.
#[inline]
pub(super) fn append<'a, C: Check, T: Serialize + ?Sized>(
    value: &T,
    buffer: &'a mut Vec<u8>,
    spill: Option<&'a mut (dyn Spill + 'a)>,
) -> Result<(), Fault> {
    let before = buffer.len();
    let postcard = Postcard { output: Buffer(buffer) };
    let mut output =
        Output { before, postcard, is_whole: false, check: C::default(), spill, spilled: 0, is_kept: false };
    value.serialize(Writer { output: &mut output, depth: MAX_DEPTH })?;
    if let Some(trailer) = output.check.trailer() {
        output.bytes().extend_from_slice(&trailer);
    }
    output.is_whole = true;
    Ok(())
}

/// A vector that is being filled. It may have been used before.
pub(super) struct Output<'a, C> {
    postcard: Postcard<Buffer<'a>>,
    /// How much it held.
    before: usize,
    is_whole: bool,
    check: C,
    /// Where large blocks go.
    spill: Option<&'a mut (dyn Spill + 'a)>,
    /// How many bytes have gone there.
    spilled: usize,
    /// Whether nothing goes there any more, because what is being written may have to be moved.
    is_kept: bool,
}

impl<C> Output<'_, C> {
    #[inline]
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.postcard.output.0
    }

    /// Where the next byte is written to. What was spilled counts as if it still lay in the vector.
    #[inline]
    pub(super) fn place(&self) -> usize {
        self.spilled + self.postcard.output.0.len()
    }

    /// Where a place is in the vector, if it was not spilled.
    #[inline]
    fn kept(&self, place: usize) -> Option<usize> {
        place.checked_sub(self.spilled).filter(|at| *at >= self.before)
    }

    #[inline]
    pub(super) fn push_array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes().extend_from_slice(&bytes);
    }

    /// Writes over what was written at a place.
    #[inline]
    pub(super) fn amend<const N: usize>(&mut self, place: usize, bytes: [u8; N]) {
        match self.kept(place).and_then(|at| self.bytes().get_mut(at..at + N)) {
            Some(written) => written.copy_from_slice(&bytes),
            None => self.amend_spilled(place, &bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn amend_spilled(&mut self, place: usize, bytes: &[u8]) {
        if let Some(spill) = &mut self.spill {
            spill.amend(place - self.before, bytes);
        }
    }
}

impl<C: Check> Output<'_, C> {
    /// How many there are of something.
    #[inline]
    pub(super) fn count(&mut self, count: usize) -> Result<(), Fault> {
        match packed(count as u64) {
            Some((bytes, len)) => self.push_packed(bytes, len),
            None => self.postcard.serialize_u64(count as u64)?,
        }
        Ok(())
    }

    /// Writes a count anew, with what stands behind it.
    #[cold]
    pub(super) fn count_anew(&mut self, count: usize, [place, begin]: [usize; 2]) -> Result<(), Fault> {
        let (Some(place), Some(begin)) = (self.kept(place), self.kept(begin)) else { return Err(other_length()) };
        let end = self.bytes().len();
        self.count(count)?;
        let number = self.bytes().split_off(end);
        self.bytes().splice(place..begin, number);
        Ok(())
    }

    #[inline]
    fn push_packed(&mut self, bytes: [u8; 8], len: usize) {
        let buffer = self.bytes();
        let end = buffer.len() + len;
        buffer.extend_from_slice(&bytes);
        buffer.truncate(end);
    }

    #[inline]
    fn block(&mut self, block: &[u8]) -> Result<(), Fault> {
        if block.len() >= SPILLED {
            return self.large_block(block);
        }
        Ok(self.postcard.serialize_bytes(block)?)
    }

    #[cold]
    fn large_block(&mut self, block: &[u8]) -> Result<(), Fault> {
        self.count(block.len())?;
        let (bytes, before) = (&mut *self.postcard.output.0, self.before);
        let spill = self.spill.as_mut().filter(|_| !self.is_kept);
        if spill.is_some_and(|spill| spill.spill(&bytes[before..], block)) {
            self.spilled += bytes.len() - before + block.len();
            bytes.truncate(before);
        } else {
            large::append(bytes, block);
        }
        Ok(())
    }

    #[inline]
    fn variant(&mut self, index: u32, name: &str, style: Style) -> Result<(), Fault> {
        self.check.note(kind::VARIANT);
        self.count(index as usize)?;
        self.push_array(Label::new(name, style).to_bytes());
        Ok(())
    }
}

/// Takes back half a value.
impl<C> Drop for Output<'_, C> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_whole {
            let before = self.before;
            self.bytes().truncate(before);
        }
    }
}

/// Such an integer as bytes, and how many of them count; `None` where eight are not enough.
///
/// They are put together in a register: a processor is slow to load several bytes that it has stored one by one.
#[inline]
fn packed(mut rest: u64) -> Option<([u8; 8], usize)> {
    let (mut bytes, mut shift) = (0, 0);
    while rest > 0x7f {
        if shift == 56 {
            return None;
        }
        bytes |= (rest & 0x7f | 0x80) << shift;
        rest >>= 7;
        shift += 8;
    }
    Some(((bytes | rest << shift).to_le_bytes(), shift / 8 + 1))
}

/// Writes one value.
pub(super) struct Writer<'a, 'b, C> {
    pub(super) output: &'a mut Output<'b, C>,
    /// How much deeper values may nest.
    pub(super) depth: u32,
}

impl<C: Check> Writer<'_, '_, C> {
    #[inline]
    fn deeper(self) -> Result<Self, Fault> {
        match self.depth {
            0 => Err(too_deep()),
            depth => Ok(Self { output: self.output, depth: depth - 1 }),
        }
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty, $kind:ident;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Fault> {
            self.output.check.note(kind::$kind);
            Ok(self.output.postcard.$method(value)?)
        }
    )*};
}

/// Integers of varying length, of seven bits a byte: the lowest first, and the highest bit says that there are more. Those with
/// a sign take turns: 0, -1, 1, -2.
macro_rules! varints {
    ($($method:ident: $type:ty, $kind:ident, |$value:ident| $plain:expr;)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), Fault> {
            self.output.check.note(kind::$kind);
            match packed($plain) {
                Some((bytes, len)) => self.output.push_packed(bytes, len),
                None => self.output.postcard.$method($value)?,
            }
            Ok(())
        }
    )*};
}

impl<'a, 'b, C: Check> Serializer for Writer<'a, 'b, C> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Items<'a, 'b, C>;
    type SerializeTuple = Tuple<'a, 'b, C>;
    type SerializeTupleStruct = Tuple<'a, 'b, C>;
    type SerializeTupleVariant = Tuple<'a, 'b, C>;
    type SerializeMap = Items<'a, 'b, C>;
    type SerializeStruct = Fields<'a, 'b, C>;
    type SerializeStructVariant = Fields<'a, 'b, C>;

    scalars! {
        serialize_bool: bool, BOOL;
        serialize_i8: i8, I8;
        serialize_i128: i128, I128;
        serialize_u8: u8, U8;
        serialize_u128: u128, U128;
        serialize_f32: f32, F32;
        serialize_f64: f64, F64;
        serialize_char: char, CHAR;
    }

    varints! {
        serialize_i16: i16, I16, |value| u64::from(((value << 1) ^ (value >> 15)) as u16);
        serialize_i32: i32, I32, |value| u64::from(((value << 1) ^ (value >> 31)) as u32);
        serialize_i64: i64, I64, |value| ((value << 1) ^ (value >> 63)) as u64;
        serialize_u16: u16, U16, |value| u64::from(value);
        serialize_u32: u32, U32, |value| u64::from(value);
        serialize_u64: u64, U64, |value| value;
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        self.output.check.note(kind::TEXT);
        self.output.block(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Fault> {
        self.output.check.note(kind::BYTES);
        self.output.block(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Fault> {
        self.output.check.note(kind::OPTION);
        Ok(self.output.postcard.serialize_none()?)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        self.output.check.note(kind::OPTION);
        self.output.postcard.serialize_u8(1)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, variant: &'static str) -> Result<(), Fault> {
        self.output.variant(index, variant, Style::Unit)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Fault> {
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.output.variant(index, variant, Style::Newtype)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Items<'a, 'b, C>, Fault> {
        self.output.check.note(kind::SEQUENCE);
        self.output.is_kept |= count.is_none();
        Items::new(self.deeper()?, count.unwrap_or_default())
    }

    #[inline]
    fn serialize_tuple(self, count: usize) -> Result<Tuple<'a, 'b, C>, Fault> {
        self.output.check.note(kind::TUPLE ^ count as u32);
        Ok(Tuple::new(self.deeper()?, count))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Tuple<'a, 'b, C>, Fault> {
        self.output.count(count)?;
        self.serialize_tuple(count)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Tuple<'a, 'b, C>, Fault> {
        self.output.variant(index, variant, Style::Tuple)?;
        self.serialize_tuple_struct(name, count)
    }

    #[inline]
    fn serialize_map(self, count: Option<usize>) -> Result<Items<'a, 'b, C>, Fault> {
        self.output.check.note(kind::MAP);
        Items::new(self.deeper()?, count.ok_or_else(unknown_length)?)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a, 'b, C>, Fault> {
        self.output.check.note(kind::STRUCT);
        Ok(Fields::new(self.deeper()?))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Fields<'a, 'b, C>, Fault> {
        self.output.variant(index, variant, Style::Struct)?;
        self.serialize_struct(name, count)
    }

    /// Formats once: a text that was measured first and changed in between would spoil the rest of the message.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Fault> {
        let mut text = String::new();
        write!(text, "{value}").map_err(|_| Fault::text("the value's `Display` failed"))?;
        self.serialize_str(&text)
    }
}

#[cold]
fn other_length() -> Fault {
    Fault::text("a sequence or map with a large block has another length than it announced; collect it first")
}

#[cold]
pub(super) fn too_deep() -> Fault {
    Fault::text(format!("values are nested more than {MAX_DEPTH} levels deep; send them as a flat list"))
}

/// Whoever flattens a struct makes such a map.
#[cold]
fn unknown_length() -> Fault {
    Fault::text(
        "a map does not know its length beforehand, as with serde's `flatten`; collect it first, or send it as `SelfDescribed`",
    )
}
