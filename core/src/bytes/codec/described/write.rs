//! Writing a value with a mark before each thing.

use postcard::Serializer as Postcard;
use serde::ser::{self, Serialize, Serializer};

use super::mark::Mark;
use crate::bytes::codec::buffer::Buffer;
use crate::bytes::codec::depth::Depth;
use crate::bytes::codec::error::Fault;

pub(super) fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    value.serialize(Writer { bytes: &mut bytes, depth: Depth::MAX })?;
    Ok(bytes)
}

/// Writes one value.
struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    depth: Depth,
}

impl<'a> Writer<'a> {
    fn mark(&mut self, mark: Mark) {
        self.bytes.push(mark as u8);
    }

    /// Writes something as postcard writes it.
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        Ok(value.serialize(&mut Postcard { output: Buffer(self.bytes) })?)
    }

    fn marked<T: Serialize + ?Sized>(mut self, mark: Mark, value: &T) -> Result<(), Fault> {
        self.mark(mark);
        self.put(value)
    }

    fn deeper(self) -> Result<Self, Fault> {
        Ok(Self { depth: self.depth.deeper()?, bytes: self.bytes })
    }

    fn parts(mut self, mark: Mark) -> Result<Parts<'a>, Fault> {
        self.mark(mark);
        Ok(Parts(self.deeper()?))
    }

    fn variant(mut self, name: &str) -> Result<Self, Fault> {
        self.mark(Mark::Variant);
        self.put(name)?;
        self.deeper()
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Fault> {
            // The width is not kept: a reader that asks what comes next takes any number that fits.
            self.serialize_i128(value.into())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    /// What serde keeps for later, as for `flatten` and `untagged`, is read as if it were readable: so it is written in that way.
    fn is_human_readable(&self) -> bool {
        true
    }

    integers! {
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
    }

    fn serialize_i128(self, value: i128) -> Result<(), Fault> {
        if value >= 0 {
            return self.serialize_u128(value as u128);
        }
        let mark = if i64::try_from(value).is_ok() { Mark::Negative } else { Mark::LargeNegative };
        // The complement is small for numbers near zero, and so takes few bytes.
        self.marked(mark, &(!value as u128))
    }

    fn serialize_u128(self, value: u128) -> Result<(), Fault> {
        self.marked(if u64::try_from(value).is_ok() { Mark::Number } else { Mark::Large }, &value)
    }

    fn serialize_bool(mut self, value: bool) -> Result<(), Fault> {
        self.mark(if value { Mark::True } else { Mark::False });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        self.marked(Mark::F32, &value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        self.marked(Mark::F64, &value)
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.marked(Mark::Char, &value)
    }

    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        self.marked(Mark::Text, value)
    }

    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), Fault> {
        self.mark(Mark::Bytes);
        Ok(Postcard { output: Buffer(self.bytes) }.serialize_bytes(value)?)
    }

    fn serialize_none(mut self) -> Result<(), Fault> {
        self.mark(Mark::None);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Fault> {
        self.mark(Mark::Some);
        value.serialize(self.deeper()?)
    }

    fn serialize_unit(mut self) -> Result<(), Fault> {
        self.mark(Mark::Unit);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Fault> {
        self.marked(Mark::UnitVariant, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Fault> {
        value.serialize(self.deeper()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        // Without a count: maps made by `flatten` do not know theirs, so an end mark closes all compound values.
        self.parts(Mark::Sequence)
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(Mark::Sequence)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(Mark::Sequence)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        self.variant(variant)?.parts(Mark::Sequence)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        self.parts(Mark::Map)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(Mark::Map)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        self.variant(variant)?.parts(Mark::Map)
    }
}

/// The parts of a compound value, up to the mark of its end.
struct Parts<'a>(Writer<'a>);

impl Parts<'_> {
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        value.serialize(Writer { bytes: &mut *self.0.bytes, depth: self.0.depth })
    }

    fn finish(mut self) -> Result<(), Fault> {
        self.0.mark(Mark::End);
        Ok(())
    }
}

macro_rules! parts {
    ($($trait:ident: $method:ident $($key:ident)?;)*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), Fault> {
                $(self.write($key)?;)?
                self.write(value)
            }

            fn end(self) -> Result<(), Fault> {
                self.finish()
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeStruct: serialize_field key;
    SerializeStructVariant: serialize_field key;
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.write(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.write(value)
    }

    fn end(self) -> Result<(), Fault> {
        self.finish()
    }
}
