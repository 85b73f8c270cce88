//! Writing: postcard's serializer behind an adapter that keeps the text of errors and checks what postcard takes on
//! trust.
//!
//! The adapter forwards every scalar and writes the few marks of compound values (a count, a variant's number) through
//! the same serializer, so the bytes are exactly postcard's.

use std::fmt::{Display, Write as _};

use postcard::Serializer as Postcard;
use postcard::ser_flavors::Flavor;
use serde::ser::{self, Serialize, Serializer};

use super::MAX_DEPTH;
use super::error::Fault;

/// Writes `value` behind what `buffer` holds. After an error or a panic the buffer holds what it held.
#[inline]
pub(super) fn append<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), Fault> {
    let mut postcard = Postcard { output: Buffer { before: buffer.len(), bytes: buffer, is_whole: false } };
    value.serialize(Writer { postcard: &mut postcard, depth: MAX_DEPTH })?;
    postcard.output.is_whole = true;
    Ok(())
}

/// A flavour of postcard's that fills a vector which may have been used before.
struct Buffer<'a> {
    bytes: &'a mut Vec<u8>,
    /// How much it held.
    before: usize,
    is_whole: bool,
}

impl Buffer<'_> {
    #[inline]
    fn push_packed(&mut self, bytes: [u8; 8], len: usize) {
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(&bytes);
        self.bytes.truncate(end);
    }
}

/// Takes back half a value.
impl Drop for Buffer<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_whole {
            self.bytes.truncate(self.before);
        }
    }
}

impl Flavor for Buffer<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.bytes.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Writes one value.
struct Writer<'a, 'b> {
    postcard: &'a mut Postcard<Buffer<'b>>,
    /// How much deeper values may nest.
    depth: u32,
}

impl<'a, 'b> Writer<'a, 'b> {
    #[inline]
    fn deeper(self) -> Result<Self, Fault> {
        match self.depth {
            0 => Err(too_deep()),
            depth => Ok(Self { postcard: self.postcard, depth: depth - 1 }),
        }
    }

    #[inline]
    fn elements(self, count: usize) -> Result<Elements<'a, 'b>, Fault> {
        Ok(Elements { writer: self.deeper()?, missing: count })
    }
}

macro_rules! forward {
    ($($method:ident: $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Fault> {
            Ok(self.postcard.$method(value)?)
        }
    )*};
}

/// Integers of varying length, of seven bits a byte: the lowest first, and the highest bit says that there are more. Those with
/// a sign take turns: 0, -1, 1, -2.
macro_rules! varints {
    ($($method:ident: $type:ty, |$value:ident| $plain:expr;)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), Fault> {
            match packed($plain) {
                Some((bytes, len)) => self.postcard.output.push_packed(bytes, len),
                None => self.postcard.$method($value)?,
            }
            Ok(())
        }
    )*};
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

impl<'a, 'b> Serializer for Writer<'a, 'b> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Elements<'a, 'b>;
    type SerializeTuple = Elements<'a, 'b>;
    type SerializeTupleStruct = Elements<'a, 'b>;
    type SerializeTupleVariant = Elements<'a, 'b>;
    type SerializeMap = Elements<'a, 'b>;
    type SerializeStruct = Elements<'a, 'b>;
    type SerializeStructVariant = Elements<'a, 'b>;

    forward! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i128: i128;
        serialize_u8: u8;
        serialize_u128: u128;
        serialize_f32: f32;
        serialize_f64: f64;
        serialize_char: char;
        serialize_str: &str;
        serialize_bytes: &[u8];
        serialize_unit_struct: &'static str;
    }

    varints! {
        serialize_i16: i16, |value| u64::from(((value << 1) ^ (value >> 15)) as u16);
        serialize_i32: i32, |value| u64::from(((value << 1) ^ (value >> 31)) as u32);
        serialize_i64: i64, |value| ((value << 1) ^ (value >> 63)) as u64;
        serialize_u16: u16, |value| u64::from(value);
        serialize_u32: u32, |value| u64::from(value);
        serialize_u64: u64, |value| value;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Fault> {
        Ok(self.postcard.serialize_none()?)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        self.postcard.serialize_u8(1)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Fault> {
        Ok(self.postcard.serialize_unit()?)
    }

    #[inline]
    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<(), Fault> {
        Ok(self.postcard.serialize_unit_variant(name, index, variant)?)
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
        _: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.postcard.serialize_u32(index)?;
        value.serialize(self.deeper()?)
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Elements<'a, 'b>, Fault> {
        self.postcard.serialize_seq(count)?;
        self.elements(count.unwrap_or_default())
    }

    #[inline]
    fn serialize_tuple(self, count: usize) -> Result<Elements<'a, 'b>, Fault> {
        self.elements(count)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Elements<'a, 'b>, Fault> {
        self.elements(count)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        count: usize,
    ) -> Result<Elements<'a, 'b>, Fault> {
        self.postcard.serialize_u32(index)?;
        self.elements(count)
    }

    #[inline]
    fn serialize_map(self, count: Option<usize>) -> Result<Elements<'a, 'b>, Fault> {
        self.postcard.serialize_map(count)?;
        self.elements(count.unwrap_or_default())
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, count: usize) -> Result<Elements<'a, 'b>, Fault> {
        self.elements(count)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        count: usize,
    ) -> Result<Elements<'a, 'b>, Fault> {
        self.postcard.serialize_u32(index)?;
        self.elements(count)
    }

    /// Formats once: postcard formats twice, and a text that changed in between would spoil the rest of the message.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Fault> {
        let mut text = String::new();
        write!(text, "{value}").map_err(|_| Fault::text("the value's `Display` failed"))?;
        self.serialize_str(&text)
    }
}

/// Writes the parts of a compound value, and counts them: the reader is told their number beforehand.
struct Elements<'a, 'b> {
    writer: Writer<'a, 'b>,
    missing: usize,
}

impl Elements<'_, '_> {
    #[inline]
    fn count(&mut self) -> Result<(), Fault> {
        self.missing = self.missing.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        value.serialize(Writer { postcard: self.writer.postcard, depth: self.writer.depth })
    }

    #[inline]
    fn finish(self) -> Result<(), Fault> {
        if self.missing == 0 { Ok(()) } else { Err(too_few(self.missing)) }
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident $(($key:ty))?;)*) => {$(
        impl ser::$trait for Elements<'_, '_> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Fault> {
                self.count()?;
                self.write(value)
            }

            #[inline]
            fn end(self) -> Result<(), Fault> {
                self.finish()
            }

            elements!(@skip $($key)?);
        }
    )*};
    (@skip) => {};
    (@skip $key:ty) => {
        #[cold]
        fn skip_field(&mut self, field: $key) -> Result<(), Fault> {
            Err(skipped(field))
        }
    };
}

elements! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl ser::SerializeMap for Elements<'_, '_> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.count()?;
        self.write(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.write(value)
    }

    #[inline]
    fn end(self) -> Result<(), Fault> {
        self.finish()
    }
}

#[cold]
pub(super) fn too_deep() -> Fault {
    Fault::text(format!("values are nested more than {MAX_DEPTH} levels deep; send them as a flat list"))
}

#[cold]
fn too_many() -> Fault {
    Fault::text("a compound value has more parts than it announced")
}

#[cold]
fn too_few(missing: usize) -> Fault {
    Fault::text(format!("a compound value has {missing} parts fewer than it announced"))
}

#[cold]
fn skipped(field: &str) -> Fault {
    Fault::text(format!(
        "field `{field}` was left out, but the format has no place for gaps; remove `skip_serializing_if`"
    ))
}
