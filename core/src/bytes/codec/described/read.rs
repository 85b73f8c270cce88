//! Reading a value by the marks before each thing.

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::mark::Mark;
use crate::bytes::codec::cursor::Cursor;
use crate::bytes::codec::depth::Depth;
use crate::bytes::codec::error::Fault;

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let mut cursor = Cursor::new(bytes);
    let value = T::deserialize(Reader { cursor: &mut cursor, depth: Depth::MAX })?;
    match cursor.len() {
        0 => Ok(value),
        left => Err(Fault::text(format!("{left} bytes are left over after the value"))),
    }
}

/// The number with a sign that stands behind one without.
fn signed<N: TryInto<S>, S>(number: N) -> Result<S, Fault> {
    number.try_into().map_err(|_| postcard::Error::DeserializeBadVarint.into())
}

/// Reads one value.
struct Reader<'a, 'b> {
    cursor: &'a mut Cursor<'b>,
    depth: Depth,
}

impl<'b> Reader<'_, 'b> {
    fn mark(&mut self) -> Result<Mark, Fault> {
        Mark::from_byte(self.cursor.scalar()?)
    }

    /// Takes the mark if it is this one.
    fn skip(&mut self, mark: Mark) -> bool {
        let found = self.cursor.peek() == Some(mark as u8);
        if found {
            let _taken = self.cursor.scalar::<u8>();
        }
        found
    }

    fn again(&mut self) -> Reader<'_, 'b> {
        Reader { cursor: &mut *self.cursor, depth: self.depth }
    }

    fn deeper(self) -> Result<Self, Fault> {
        Ok(Self { depth: self.depth.deeper()?, cursor: self.cursor })
    }

    /// A value that was written as an option, or as none, is read as what it holds where the type is not an option.
    fn present<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        while self.skip(Mark::Some) {}
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn parts<R>(self, read: impl FnOnce(&mut Parts<'_, 'b>) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut parts = Parts { reader: self.deeper()?, is_over: false };
        let value = read(&mut parts)?;
        if parts.is_over || parts.reader.skip(Mark::End) { Ok(value) } else { Err(unread()) }
    }
}

macro_rules! present {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Fault> {
            $(let _ = $argument;)*
            self.present(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_, '_> {
    type Error = Fault;

    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        match self.mark()? {
            Mark::End => Err(Fault::text("a value is missing")),
            Mark::Unit => visitor.visit_unit(),
            Mark::False => visitor.visit_bool(false),
            Mark::True => visitor.visit_bool(true),
            Mark::Number => visitor.visit_u64(self.cursor.number(64)?),
            Mark::Negative => visitor.visit_i64(!signed(self.cursor.number(64)?)?),
            Mark::Large => visitor.visit_u128(self.cursor.scalar()?),
            Mark::LargeNegative => visitor.visit_i128(!signed(self.cursor.scalar::<u128>()?)?),
            Mark::F32 => visitor.visit_f32(self.cursor.scalar()?),
            Mark::F64 => visitor.visit_f64(self.cursor.scalar()?),
            Mark::Char => visitor.visit_char(self.cursor.character()?),
            Mark::Text | Mark::UnitVariant => visitor.visit_string(self.cursor.text()?),
            Mark::Bytes => visitor.visit_byte_buf(self.cursor.block()?),
            Mark::None => visitor.visit_none(),
            Mark::Some => visitor.visit_some(self.deeper()?),
            Mark::Sequence => self.parts(|parts| visitor.visit_seq(parts)),
            Mark::Map => self.parts(|parts| visitor.visit_map(parts)),
            Mark::Variant => {
                let name = self.cursor.text()?;
                visitor.visit_map(Entry { name: Some(name), reader: self.deeper()? })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        // A `Value` writes its null as a unit, and a type with an `Option` may read it.
        if self.skip(Mark::None) || self.skip(Mark::Unit) {
            return visitor.visit_none();
        }
        // The mark may be missing: a `Value` that has read an `Option` writes what was in it, without a mark.
        self.skip(Mark::Some);
        visitor.visit_some(self.deeper()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        while self.skip(Mark::Some) {}
        match self.mark()? {
            // A `Value` keeps no variants: it writes those that it has read as a text, or as a map with one entry.
            Mark::UnitVariant | Mark::Text => {
                let name: de::value::StringDeserializer<Fault> = self.cursor.text()?.into_deserializer();
                visitor.visit_enum(name)
            }
            Mark::Variant => {
                let name = self.cursor.text()?;
                visitor.visit_enum(Entry { name: Some(name), reader: self.deeper()? })
            }
            Mark::Map => self.parts(|parts| visitor.visit_enum(de::value::MapAccessDeserializer::new(parts))),
            _ => Err(Fault::text("something else was written where a variant is read")),
        }
    }

    present! {
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_seq();
        deserialize_map();
        deserialize_identifier();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    forward_to_deserialize_any! { unit unit_struct ignored_any }
}

/// The parts of a compound value, up to the mark of its end.
struct Parts<'a, 'b> {
    reader: Reader<'a, 'b>,
    is_over: bool,
}

impl<'de> Parts<'_, '_> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        // The end is noted, since a visitor may ask again after it, and the next mark is that of another value.
        if self.is_over || self.reader.skip(Mark::End) {
            self.is_over = true;
            return Ok(None);
        }
        seed.deserialize(self.reader.again()).map(Some)
    }
}

impl<'de> de::SeqAccess<'de> for &mut Parts<'_, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.next(seed)
    }
}

impl<'de> de::MapAccess<'de> for &mut Parts<'_, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.reader.again())
    }
}

/// A variant and what it holds: to whom does not know that it is one, a map of one entry.
struct Entry<'a, 'b> {
    name: Option<String>,
    reader: Reader<'a, 'b>,
}

impl<'de> de::MapAccess<'de> for Entry<'_, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.name.take().map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.reader.again())
    }
}

impl<'de, 'a, 'b> de::EnumAccess<'de> for Entry<'a, 'b> {
    type Error = Fault;
    type Variant = Reader<'a, 'b>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Reader<'a, 'b>), Fault> {
        let name = self.name.unwrap_or_default();
        let name: de::value::StringDeserializer<Fault> = name.into_deserializer();
        Ok((seed.deserialize(name)?, self.reader))
    }
}

impl<'de> de::VariantAccess<'de> for Reader<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.present(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.present(visitor)
    }
}

#[cold]
fn unread() -> Fault {
    Fault::text("parts of a compound value were left unread by its type")
}
