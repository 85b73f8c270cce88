//! Reading a value, and believing nothing of its bytes before it was checked.
//!
//! Each scalar is read by postcard first and shown to the visitor afterwards, so that an error of the visitor's is ours and keeps its words.

use serde::de::{self, Deserialize, Visitor};

use super::check::{Check, kind};
use super::cursor::Cursor;
use super::depth::Depth;
use super::error::Fault;
use super::input::{Input, Reader};
use super::names::chosen;
use super::read::{Fields, Items, Variant};

/// Reads a value that takes up all of `bytes`.
#[inline]
pub(super) fn from_bytes<'de, C: Check, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Fault> {
    let mut input = Input { cursor: Cursor::new(bytes), check: C::default() };
    let value = T::deserialize(Reader { input: &mut input, depth: Depth::MAX })?;
    // The trailer stands behind the value, so it is taken off before the rest is counted. Another sum is the better
    // error: it says that the two halves of the type differ, and not that bytes are left over.
    if let Some(trailer) = input.check.trailer()
        && input.cursor.array().ok() != Some(trailer)
    {
        return Err(halves_differ());
    }
    match input.cursor.len() {
        0 => Ok(value),
        left => Err(Fault::text(format!("{left} bytes are left over after the value"))),
    }
}

impl<'de, C: Check> Reader<'_, 'de, C> {
    /// Items of which the message says how many there are.
    #[inline]
    fn items(self) -> Result<Items<'static, Self>, Fault> {
        let count = self.input.cursor.count()?;
        Ok(Items::new(self.deeper()?, count, &[]))
    }

    /// Parts of which the type says how many there are.
    #[inline]
    pub(super) fn parts<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        let mut parts = Items::new(self.deeper()?, count, &[]);
        let value = visitor.visit_seq(&mut parts)?;
        parts.finish(value)
    }

    /// Parts of which both say how many there are.
    #[inline]
    pub(super) fn counted_parts<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        let written = self.input.cursor.count()?;
        // Checked in all builds: parts have no names here, so one that is left out would shift all that follow.
        if written != count {
            return Err(other_count(written, count));
        }
        self.input.check.note(kind::TUPLE ^ count as u32);
        self.parts(count, visitor)
    }

    /// Parts with names. Mostly those that are read have been written.
    #[inline]
    pub(super) fn fields<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.input.check.note(kind::STRUCT);
        if self.input.cursor.skip_shape(fields) {
            return self.parts(fields.len(), visitor);
        }
        // Unwrapped, so that both ways do not share a place in memory: a struct read in the usual way stays in registers.
        let value = self.named_fields(name, fields, visitor)?;
        Ok(value)
    }

    /// Some were left out, or names stand for the same field: found by their names.
    #[cold]
    #[inline(never)]
    fn named_fields<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let written = self.input.cursor.array()?;
        let names = chosen(fields, written).ok_or_else(|| other_fields(name, fields))?;
        let mut parts = Items::new(self.deeper()?, names.len(), &names);
        let value = visitor.visit_map(Fields(&mut parts))?;
        parts.finish(value)
    }
}

macro_rules! scalars {
    ($($method:ident: $kind:ident, $type:ty => $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.input.check.note(kind::$kind);
            visitor.$visit(self.input.cursor.scalar::<$type>()?)
        }
    )*};
}

/// Integers of varying length, read as one of at most as many bits as the type has.
macro_rules! varints {
    ($($method:ident: $kind:ident, $type:ty, $read:ident => $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.input.check.note(kind::$kind);
            visitor.$visit(self.input.cursor.$read(<$type>::BITS)? as $type)
        }
    )*};
}

macro_rules! copied {
    ($($method:ident: $kind:ident, $read:ident => $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.input.check.note(kind::$kind);
            visitor.$visit(self.input.cursor.$read()?)
        }
    )*};
}

impl<'de, C: Check> de::Deserializer<'de> for Reader<'_, 'de, C> {
    type Error = Fault;

    scalars! {
        deserialize_bool: BOOL, bool => visit_bool;
        deserialize_i8: I8, i8 => visit_i8;
        deserialize_i128: I128, i128 => visit_i128;
        deserialize_u8: U8, u8 => visit_u8;
        deserialize_u128: U128, u128 => visit_u128;
    }

    varints! {
        deserialize_i16: I16, i16, signed => visit_i16;
        deserialize_i32: I32, i32, signed => visit_i32;
        deserialize_i64: I64, i64, signed => visit_i64;
        deserialize_u16: U16, u16, number => visit_u16;
        deserialize_u32: U32, u32, number => visit_u32;
        deserialize_u64: U64, u64, number => visit_u64;
    }

    // Owned and never borrowed: a borrowed text could change under its reader, since it may lie in shared memory.
    copied! {
        deserialize_f32: F32, f32 => visit_f32;
        deserialize_f64: F64, f64 => visit_f64;
        deserialize_char: CHAR, character => visit_char;
        deserialize_str: TEXT, text => visit_string;
        deserialize_string: TEXT, text => visit_string;
        deserialize_bytes: BYTES, block => visit_byte_buf;
        deserialize_byte_buf: BYTES, block => visit_byte_buf;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        // As the writer says. Types with two forms, such as addresses, would otherwise read the form that was not written.
        false
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.input.check.note(kind::OPTION);
        match self.input.cursor.scalar::<u8>()? {
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
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.input.check.note(kind::SEQUENCE);
        let mut items = self.items()?;
        let value = visitor.visit_seq(&mut items)?;
        items.finish(value)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        self.input.check.note(kind::TUPLE ^ count as u32);
        self.parts(count, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.counted_parts(count, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.input.check.note(kind::MAP);
        let mut items = self.items()?;
        let value = visitor.visit_map(&mut items)?;
        items.finish(value)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.fields(name, fields, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.input.check.note(kind::VARIANT);
        let (index, label) = self.input.cursor.variant()?;
        visitor.visit_enum(Variant { reader: self.deeper()?, name, variants, index, label })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(undescribed())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(undescribed())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(undescribed())
    }
}

#[cold]
fn undescribed() -> Fault {
    Fault::text(
        "the type asks what comes next (as `serde_json::Value` does, and serde's `untagged`, `tag` and `flatten`), which the \
         compact format does not say; send it as `SelfDescribed`",
    )
}

#[cold]
fn halves_differ() -> Fault {
    Fault::text("the type's `Serialize` writes something else than its `Deserialize` reads; make the two agree")
}

#[cold]
fn other_count(written: usize, read: usize) -> Fault {
    Fault::text(format!(
        "{written} parts of a tuple struct or variant were written, and {read} are read; leave out the same ones in both directions"
    ))
}

#[cold]
fn other_fields(name: &str, fields: &[&str]) -> Fault {
    let fields = if fields.is_empty() { "none".to_owned() } else { format!("`{}`", fields.join("`, `")) };
    Fault::text(format!(
        "other fields of `{name}` were written than those that it reads, which are {fields}; with serde's `skip_deserializing`, or `tag` on a \
         struct, send it as `SelfDescribed`, and let `rename` say the same in both directions"
    ))
}
