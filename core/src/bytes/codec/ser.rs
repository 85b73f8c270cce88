//! Writing a value: postcard's serializer behind an adapter that keeps the text of errors and checks what postcard takes on trust.
//!
//! To postcard's format come two things more: names travel as numbers, behind the number of a variant and before the fields of a
//! struct, and so does how many parts a struct without names has. See [`names`](super::names) for the reason.

use std::fmt::{Display, Write as _};

use serde::ser::{Serialize, Serializer};

use super::check::{Check, kind};
use super::depth::Depth;
use super::error::Fault;
use super::names::Style;
use super::output::{Output, Writer};
use super::spill::Spill;
use super::written::{Fields, Items, Tuple};

/// Writes `value` behind what `buffer` holds. After an error or a panic the buffer holds what it held.
#[inline]
pub(super) fn append<'a, C: Check, T: Serialize + ?Sized>(
    value: &T,
    buffer: &'a mut Vec<u8>,
    spill: Option<&'a mut (dyn Spill + 'a)>,
) -> Result<(), Fault> {
    let mut output = Output::<C>::new(buffer, spill);
    value.serialize(Writer { output: &mut output, depth: Depth::MAX })?;
    output.finish();
    Ok(())
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

/// Integers of varying length. Those with a sign take turns: 0, -1, 1, -2.
macro_rules! varints {
    ($($method:ident: $type:ty, $kind:ident, |$value:ident| $plain:expr;)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), Fault> {
            self.output.check.note(kind::$kind);
            self.output.number($plain);
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
        // Zigzag, as postcard does it: small negative numbers are short as well.
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
        // Texts and blocks of bytes look alike in the message: only their kinds show it when one is read as the other.
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
        self.output.count(count);
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

/// Flattening a struct makes such a map.
#[cold]
fn unknown_length() -> Fault {
    Fault::text(
        "a map does not know its length beforehand, as with serde's `flatten`; collect it first, or send it as `SelfDescribed`",
    )
}
