//! Reading: postcard's deserializer behind an adapter that keeps the text of errors and believes no length.
//!
//! Each scalar is read by postcard first and shown to the visitor afterwards, so that an error of the visitor's is ours
//! and keeps its words.

use postcard::Deserializer as Postcard;
use postcard::de_flavors::Slice;
use serde::de::value::U32Deserializer;
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};

use super::MAX_DEPTH;
use super::error::Fault;
use super::ser::too_deep;

/// The longest sequence of values that take no space, such as `Vec<()>`: no message length bounds it, only patience.
const MAX_EMPTY_ELEMENTS: usize = 1 << 24;

/// Reads a value that takes up all of `bytes`.
#[inline]
pub(super) fn from_bytes<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Fault> {
    let mut postcard = Postcard::from_bytes(bytes);
    let value = T::deserialize(Reader { postcard: &mut postcard, len: bytes.len(), depth: MAX_DEPTH })?;
    match postcard.finalize()?.len() {
        0 => Ok(value),
        left => Err(Fault::text(format!("{left} bytes are left over after the value"))),
    }
}

/// Reads one value.
struct Reader<'a, 'de> {
    postcard: &'a mut Postcard<'de, Slice<'de>>,
    /// The length of the whole message.
    len: usize,
    /// How much deeper values may nest.
    depth: u32,
}

impl<'de> Reader<'_, 'de> {
    #[inline]
    fn read<T: Deserialize<'de>>(&mut self) -> Result<T, Fault> {
        Ok(T::deserialize(&mut *self.postcard)?)
    }

    #[inline]
    fn again(&mut self) -> Reader<'_, 'de> {
        Reader { postcard: self.postcard, len: self.len, depth: self.depth }
    }

    #[inline]
    fn deeper(self) -> Result<Self, Fault> {
        match self.depth {
            0 => Err(too_deep()),
            depth => Ok(Self { depth: depth - 1, ..self }),
        }
    }

    /// The announced number of elements, if the message has room for so many.
    #[inline]
    fn count(&mut self) -> Result<usize, Fault> {
        let count: usize = self.read()?;
        if count > self.len.max(MAX_EMPTY_ELEMENTS) { Err(too_long(count)) } else { Ok(count) }
    }

    #[inline]
    fn parts<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        let mut elements = Elements { reader: self.deeper()?, left: count };
        let value = visitor.visit_seq(&mut elements)?;
        elements.finish(value)
    }
}

macro_rules! forward {
    ($($method:ident: $type:ty => $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.read::<$type>()?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_, 'de> {
    type Error = Fault;

    forward! {
        deserialize_bool: bool => visit_bool;
        deserialize_i8: i8 => visit_i8;
        deserialize_i16: i16 => visit_i16;
        deserialize_i32: i32 => visit_i32;
        deserialize_i64: i64 => visit_i64;
        deserialize_i128: i128 => visit_i128;
        deserialize_u8: u8 => visit_u8;
        deserialize_u16: u16 => visit_u16;
        deserialize_u32: u32 => visit_u32;
        deserialize_u64: u64 => visit_u64;
        deserialize_u128: u128 => visit_u128;
        deserialize_f32: f32 => visit_f32;
        deserialize_f64: f64 => visit_f64;
        deserialize_char: char => visit_char;
        deserialize_str: &'de str => visit_borrowed_str;
        deserialize_string: &'de str => visit_borrowed_str;
        deserialize_bytes: &'de [u8] => visit_borrowed_bytes;
        deserialize_byte_buf: &'de [u8] => visit_borrowed_bytes;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        match self.read::<u8>()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self.deeper()?),
            _ => Err(postcard::Error::DeserializeBadOption.into()),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let count = self.count()?;
        self.parts(count, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        self.parts(count, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.parts(count, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.count()?;
        let mut entries = Elements { reader: self.deeper()?, left };
        let value = visitor.visit_map(&mut entries)?;
        entries.finish(value)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.parts(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(self.deeper()?)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(postcard::Error::WontImplement.into())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(postcard::Error::WontImplement.into())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(postcard::Error::WontImplement.into())
    }
}

/// Reads the parts of a compound value, and counts them.
struct Elements<'a, 'de> {
    reader: Reader<'a, 'de>,
    left: usize,
}

impl<'de> Elements<'_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.reader.again()).map(Some)
    }

    /// A hint for allocation: each element of a size worth reserving takes at least one byte of the message.
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.reader.len)
    }

    /// What the visitor left unread would otherwise be taken for the next value.
    #[inline]
    fn finish<T>(&self, value: T) -> Result<T, Fault> {
        if self.left == 0 { Ok(value) } else { Err(unread(self.left)) }
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.next(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.reader.again())
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::EnumAccess<'de> for Reader<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), Fault> {
        let index: U32Deserializer<Fault> = self.read::<u32>()?.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Reader<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        self.parts(count, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.parts(fields.len(), visitor)
    }
}

#[cold]
fn too_long(count: usize) -> Fault {
    Fault::text(format!("a sequence or map announces {count} elements, more than the message has room for"))
}

#[cold]
fn unread(left: usize) -> Fault {
    Fault::text(format!("{left} parts of a compound value were left unread by its type"))
}
