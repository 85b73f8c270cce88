//! The shape of a type: what serde reads when it reads a value of it, down to the names and kinds of fields and variants.
//!
//! It is found by reading a value out of nothing: the [`Tracer`] notes what it is asked for, and hands out something plain. Of an
//! enum one variant is read at a time, so it is done several times. How deep and how long it goes is limited, so types that
//! contain themselves have a shape too. A type that does not want what it is given ends its trace there: what was noted
//! before still counts. Two programs trace in the same way, so equal types have equal shapes.

use std::collections::HashMap;

use super::fnv::Fnv;
use crate::wire::tuning::{MAX_DEPTH, MAX_FULL_DEPTH, MAX_NOTES, MAX_ROUNDS};
use procession_process::panics;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// A number for the shape of a type.
pub(super) fn shape<T: DeserializeOwned>() -> u64 {
    let mut tracer = Tracer { hash: Fnv::new(), notes: 0, depth: 0, enums: HashMap::new() };
    for _ in 0..MAX_ROUNDS {
        // The value is of no interest, and neither is why there may be none, be it a panic.
        let _ended_early = panics::catch(|| drop(T::deserialize(&mut tracer)));
        // A panic has left it where it was, while an error has come back up through `inside`.
        tracer.depth = 0;
        if tracer.is_done() {
            break;
        }
    }
    tracer.hash.0
}

/// Reads values out of nothing.
struct Tracer {
    hash: Fnv,
    notes: usize,
    depth: usize,
    enums: HashMap<&'static str, Seen>,
}

/// The variants of an enum that were seen.
#[derive(Default)]
struct Seen {
    variants: usize,
    /// The number of times that one of them was read.
    turns: usize,
    /// A variant whose trace came to an end.
    ending: Option<usize>,
}

/// A trace ends without a value.
type Error = serde::de::value::Error;

fn over() -> Error {
    serde::de::Error::custom("the trace is over")
}

impl Tracer {
    fn note(&mut self, what: &str) -> Result<(), Error> {
        self.notes += 1;
        // Before the hash: both programs end the trace at the same note, and so with the same number.
        if self.notes > MAX_NOTES {
            return Err(over());
        }
        self.hash.add(what.as_bytes());
        Ok(())
    }

    fn note_number(&mut self, number: usize) -> Result<(), Error> {
        self.note(&number.to_string())
    }

    fn is_deep(&self) -> bool {
        self.depth > MAX_FULL_DEPTH
    }

    fn is_done(&self) -> bool {
        self.notes > MAX_NOTES || self.enums.values().all(|seen| seen.turns >= seen.variants)
    }

    /// Goes down by one floor and comes back.
    fn inside<R>(&mut self, read: impl FnOnce(&mut Tracer) -> Result<R, Error>) -> Result<R, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(over());
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Reads `count` items, named or not.
    fn items<'de, V: Visitor<'de>>(
        &mut self,
        names: &'static [&'static str],
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note_number(count)?;
        self.inside(|tracer| visitor.visit_seq(Items { tracer, names, left: count }))
    }

    /// Chooses a variant: each in turn.
    fn choose(&mut self, name: &'static str, variants: usize) -> usize {
        let is_deep = self.is_deep();
        let seen = self.enums.entry(name).or_default();
        seen.variants = variants;
        match seen.ending {
            // A recursive enum ends only with a variant that does not contain it.
            Some(ending) if is_deep => ending,
            _ => {
                seen.turns += 1;
                // An enum without variants must not end in a division by zero.
                (seen.turns - 1) % variants.max(1)
            }
        }
    }
}

/// Writes what reads one plain thing.
macro_rules! plain {
    ($($method:ident: $kind:literal => $visit:ident($($value:expr)?);)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                self.note($kind)?;
                visitor.$visit($($value)?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for &mut Tracer {
    type Error = Error;

    // 1 and not 0, because some numbers must not be 0.
    plain! {
        deserialize_bool: "bool" => visit_bool(false);
        deserialize_i8: "i8" => visit_i8(1);
        deserialize_i16: "i16" => visit_i16(1);
        deserialize_i32: "i32" => visit_i32(1);
        deserialize_i64: "i64" => visit_i64(1);
        deserialize_i128: "i128" => visit_i128(1);
        deserialize_u8: "u8" => visit_u8(1);
        deserialize_u16: "u16" => visit_u16(1);
        deserialize_u32: "u32" => visit_u32(1);
        deserialize_u64: "u64" => visit_u64(1);
        deserialize_u128: "u128" => visit_u128(1);
        deserialize_f32: "f32" => visit_f32(1.0);
        deserialize_f64: "f64" => visit_f64(1.0);
        deserialize_char: "char" => visit_char('a');
        deserialize_str: "str" => visit_str("");
        deserialize_string: "str" => visit_str("");
        deserialize_bytes: "bytes" => visit_bytes(&[]);
        deserialize_byte_buf: "bytes" => visit_bytes(&[]);
        deserialize_unit: "unit" => visit_unit();
        deserialize_identifier: "identifier" => visit_str("");
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.note("any")?;
        Err(over())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("option")?;
        if self.is_deep() { visitor.visit_none() } else { self.inside(|tracer| visitor.visit_some(tracer)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.note(name)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.note(name)?;
        self.inside(|tracer| visitor.visit_newtype_struct(tracer))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("seq")?;
        // One element has the shape of all.
        let count = usize::from(!self.is_deep());
        self.items(&[], count, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.note("tuple")?;
        self.items(&[], len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name)?;
        self.items(&[], len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("map")?;
        let left = usize::from(!self.is_deep());
        self.inside(|tracer| visitor.visit_map(Items { tracer, names: &[], left }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name)?;
        self.items(fields, fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name)?;
        self.note_number(variants.len())?;
        variants.iter().try_for_each(|variant| self.note(variant))?;
        let chosen = self.choose(name, variants.len());
        self.note_number(chosen)?;
        let value = self.inside(|tracer| visitor.visit_enum(Chosen { tracer, index: chosen }))?;
        // After the value was read: a variant that contains its enum without an end never gets here.
        self.enums.entry(name).or_default().ending = Some(chosen);
        Ok(value)
    }

    /// As the codec of the network says.
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The things in another one.
struct Items<'a> {
    tracer: &'a mut Tracer,
    names: &'static [&'static str],
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        // Only structs and variants like them have names. Everything else has an empty list, in which no index is found.
        if let Some(name) = self.names.get(self.names.len().wrapping_sub(self.left)) {
            self.tracer.note(name)?;
        }
        self.left -= 1;
        seed.deserialize(&mut *self.tracer).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.tracer)
    }
}

/// One variant of an enum.
struct Chosen<'a> {
    tracer: &'a mut Tracer,
    index: usize,
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let index: U32Deserializer<Error> = u32::try_from(self.index).map_err(|_| over())?.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.tracer.note("unit")
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.tracer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.tracer.items(&[], len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.tracer.items(fields, fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::num::NonZeroU32;
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    use super::*;

    /// Whether two shapes differ: of types that stand in two blocks, and so may have one name.
    macro_rules! differ {
        ({ $($one:item)* } { $($other:item)* }) => {{
            let one = { $(#[derive(Serialize, Deserialize)] $one)* shape::<It>() };
            let same = { $(#[derive(Serialize, Deserialize)] $one)* shape::<It>() };
            let other = { $(#[derive(Serialize, Deserialize)] $other)* shape::<It>() };
            assert_eq!(one, same);
            one != other
        }};
    }

    #[test]
    fn fields_count_by_name_kind_and_order() {
        assert!(differ!({ struct It { pay: u64 } } { struct It { pay: u64, bonus: u64 } }));
        assert!(differ!({ struct It { pay: u64 } } { struct It { pay: u32 } }));
        assert!(differ!({ struct It { pay: u64 } } { struct It { wage: u64 } }));
        assert!(differ!({ struct It { a: u8, b: u8 } } { struct It { b: u8, a: u8 } }));
        assert!(differ!({ struct It(u8, u8); } { struct It(u8, u8, u8); }));
        assert!(differ!({ struct It { deep: Vec<Option<Inner>> } struct Inner { a: u8 } }
                        { struct It { deep: Vec<Option<Inner>> } struct Inner { a: i8 } }));
    }

    #[test]
    fn what_is_in_variants_counts_too() {
        assert!(differ!({ enum It { A, B } } { enum It { A, C } }));
        assert!(differ!({ enum It { A, B(u8), C { x: u8 } } } { enum It { A, B(u8), C { x: u16 } } }));
        assert!(differ!({ enum It { A(Inner), B } enum Inner { X, Y, Z(u8) } }
                        { enum It { A(Inner), B } enum Inner { X, Y, Z(u16) } }));
    }

    #[test]
    fn types_that_contain_themselves_have_a_shape() {
        assert!(differ!({ struct It { next: Option<Box<It>>, rest: Vec<It>, last: u8 } }
                        { struct It { next: Option<Box<It>>, rest: Vec<It>, last: u16 } }));
        assert!(differ!({ enum It { Add(Box<It>, Box<It>), Number(u8) } }
                        { enum It { Add(Box<It>, Box<It>), Number(u16) } }));
        assert!(differ!({ struct It { endless: Box<It>, x: u8 } } { struct It { endless: Box<It>, x: u8, y: u8 } }));
    }

    #[test]
    fn odd_types_neither_panic_nor_hang() {
        struct Panics;
        impl<'de> Deserialize<'de> for Panics {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Panics, D::Error> {
                let number = u8::deserialize(deserializer)?;
                assert_ne!(number, 1, "on purpose");
                Ok(Panics)
            }
        }
        let shapes = [
            shape::<(NonZeroU32, Duration, char, ())>(),
            shape::<HashMap<String, BTreeMap<u8, HashSet<i64>>>>(),
            shape::<Result<std::net::IpAddr, std::path::PathBuf>>(),
            shape::<Vec<Panics>>(),
            shape::<[[u64; 32]; 32]>(),
        ];
        assert_eq!(HashSet::from(shapes).len(), shapes.len());
    }
}
