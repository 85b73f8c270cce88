//! The parts of compound values on their way in.

use serde::de::{self, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

use super::check::Check;
use super::error::Fault;
use super::input::Reader;
use super::names::{Label, Style};

/// Parts that lie one behind another, and how many there still are.
pub(super) struct Items<'n, R> {
    reader: R,
    left: usize,
    /// The names of all of them, if they have any.
    names: &'n [&'static str],
    /// Whether the last one took up no bytes.
    was_empty: bool,
}

impl<'n, R> Items<'n, R> {
    #[inline]
    pub(super) fn new(reader: R, count: usize, names: &'n [&'static str]) -> Self {
        Self { reader, left: count, names, was_empty: false }
    }

    /// What the visitor left unread would otherwise be taken for the next value.
    #[inline]
    pub(super) fn finish<T>(&self, value: T) -> Result<T, Fault> {
        if self.left == 0 { Ok(value) } else { Err(unread(self.left)) }
    }
}

impl<'de, C: Check> Items<'_, Reader<'_, 'de, C>> {
    /// Reads one if there is one. Those that take up no bytes are counted, since the message does not bound them.
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let before = self.reader.input.cursor.len();
        let value = seed.deserialize(self.reader.again())?;
        self.was_empty = self.reader.input.cursor.len() == before;
        if self.was_empty {
            self.reader.input.cursor.charge(size_of::<S::Value>())?;
        }
        Ok(Some(value))
    }

    /// A hint for allocation: each element of a size worth reserving takes at least one byte of the message.
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.reader.input.cursor.len())
    }
}

impl<'de, C: Check> de::SeqAccess<'de> for Items<'_, Reader<'_, 'de, C>> {
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

impl<'de, C: Check> de::MapAccess<'de> for Items<'_, Reader<'_, 'de, C>> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        if !self.was_empty {
            // The bytes of the keys bound the number of the values.
            return seed.deserialize(self.reader.again());
        }
        let before = self.reader.input.cursor.len();
        let value = seed.deserialize(self.reader.again())?;
        // A map may keep every entry, even of equal keys, so that values without bytes add up.
        if self.reader.input.cursor.len() == before {
            self.reader.input.cursor.charge(size_of::<S::Value>())?;
        }
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// The fields of a struct, each under its name.
pub(super) struct Fields<'a, 'n, R>(pub(super) &'a mut Items<'n, R>);

impl<'de, C: Check> de::MapAccess<'de> for Fields<'_, '_, Reader<'_, 'de, C>> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let at = self.0.names.len() - self.0.left;
        match self.0.names.get(at) {
            Some(name) => seed.deserialize(Identifier { name, index: at as u32 }).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        self.0.next(seed)?.ok_or_else(no_value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.left)
    }
}

/// One variant of an enum.
pub(super) struct Variant<'a, 'de, C> {
    pub(super) reader: Reader<'a, 'de, C>,
    /// The enum's name.
    pub(super) name: &'static str,
    /// The names that it knows.
    pub(super) variants: &'static [&'static str],
    pub(super) index: u32,
    pub(super) label: Label,
}

impl<C: Check> Variant<'_, '_, C> {
    #[inline]
    fn expect(&self, style: Style) -> Result<(), Fault> {
        if self.label.has_style(style) { Ok(()) } else { Err(other_style(self.name, self.index, self.label, style)) }
    }
}

impl<'de, C: Check> de::EnumAccess<'de> for Variant<'_, 'de, C> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        // By name: the number of a variant differs between the halves when one of them skips some.
        let variant = match self.label.find(self.variants, self.index) {
            Some(name) => seed.deserialize(Identifier { name, index: self.index })?,
            None => unlisted(seed, Stranger { index: self.index, is_listed: !self.variants.is_empty() })?,
        };
        Ok((variant, self))
    }
}

impl<'de, C: Check> de::VariantAccess<'de> for Variant<'_, 'de, C> {
    type Error = Fault;

    #[inline]
    fn unit_variant(self) -> Result<(), Fault> {
        self.expect(Style::Unit)
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.expect(Style::Newtype)?;
        seed.deserialize(self.reader)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        self.expect(Style::Tuple)?;
        self.reader.counted_parts(count, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.expect(Style::Struct)?;
        self.reader.fields(self.name, fields, visitor)
    }
}

/// A name, for the type that asks which part comes. A type that asks for a number gets the writer's.
struct Identifier {
    name: &'static str,
    index: u32,
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.visit_u32(self.index)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Identifier {
    type Error = Fault;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.name)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.name)
    }

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum ignored_any
    }
}

#[cold]
#[inline(never)]
fn unlisted<'de, S: DeserializeSeed<'de>>(seed: S, variant: Stranger) -> Result<S::Value, Fault> {
    seed.deserialize(variant)
}

/// A variant that is not among those that its type says it can read. If it says nothing, the number must do.
struct Stranger {
    index: u32,
    is_listed: bool,
}

impl<'de> de::Deserializer<'de> for Stranger {
    type Error = Fault;

    /// Types with a variant for all others take a name that they do not know.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.is_listed {
            true => visitor.visit_str(&format!("number {}, which is written but not read", self.index)),
            false => visitor.visit_u32(self.index),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cold]
fn unread(left: usize) -> Fault {
    Fault::text(format!("{left} parts of a compound value were left unread by its type"))
}

#[cold]
fn no_value() -> Fault {
    Fault::text("a field was asked for that was not announced")
}

#[cold]
fn other_style(name: &str, index: u32, written: Label, read: Style) -> Fault {
    let (written, read) = (format!("{:?}", written.style()).to_lowercase(), format!("{read:?}").to_lowercase());
    Fault::text(format!(
        "variant {index} of `{name}` was written as a {written} variant and is read as a {read} variant"
    ))
}
