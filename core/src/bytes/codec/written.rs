//! The parts of compound values on their way out.

use serde::ser::{self, Serialize};

use super::check::Check;
use super::cursor::too_empty;
use super::error::Fault;
use super::names::{Shape, number};
use super::output::Writer;
use crate::tuning::MAX_EMPTY;

/// A sequence or map: its length stands before it. Where it turns out to be another one, it is put right at the end.
pub(super) struct Items<'a, 'b, C> {
    writer: Writer<'a, 'b, C>,
    announced: usize,
    count: usize,
    /// Where the length is written, and where the first item begins.
    place: [usize; 2],
}

impl<'a, 'b, C: Check> Items<'a, 'b, C> {
    #[inline]
    pub(super) fn new(writer: Writer<'a, 'b, C>, announced: usize) -> Result<Self, Fault> {
        // Both ends of the number are noted: `count_anew` replaces it if the length that was announced was wrong.
        let before = writer.output.place();
        writer.output.count(announced);
        let place = [before, writer.output.place()];
        Ok(Self { writer, announced, count: 0, place })
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        value.serialize(self.writer.again())
    }

    /// After the first one is known whether they take up bytes.
    #[inline]
    fn counted(&mut self) -> Result<(), Fault> {
        self.count += 1;
        let max = self.announced.max(self.count);
        if max > MAX_EMPTY && self.writer.output.place() == self.place[1] { Err(too_empty()) } else { Ok(()) }
    }

    #[inline]
    fn finish(self) -> Result<(), Fault> {
        if self.count == self.announced { Ok(()) } else { self.writer.output.count_anew(self.count, self.place) }
    }
}

impl<C: Check> ser::SerializeSeq for Items<'_, '_, C> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.write(value)?;
        self.counted()
    }

    #[inline]
    fn end(self) -> Result<(), Fault> {
        self.finish()
    }
}

impl<C: Check> ser::SerializeMap for Items<'_, '_, C> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.write(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.write(value)?;
        self.counted()
    }

    #[inline]
    fn end(self) -> Result<(), Fault> {
        self.finish()
    }
}

/// Parts without names, of which the reader knows how many there are.
pub(super) struct Tuple<'a, 'b, C> {
    writer: Writer<'a, 'b, C>,
    missing: usize,
}

impl<'a, 'b, C: Check> Tuple<'a, 'b, C> {
    #[inline]
    pub(super) fn new(writer: Writer<'a, 'b, C>, count: usize) -> Self {
        Self { writer, missing: count }
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        // Before the part is written: bytes of a part too many would be read as the next value.
        self.missing = self.missing.checked_sub(1).ok_or_else(too_many)?;
        value.serialize(self.writer.again())
    }

    #[inline]
    fn finish(self) -> Result<(), Fault> {
        if self.missing == 0 { Ok(()) } else { Err(too_few(self.missing)) }
    }
}

macro_rules! tuples {
    ($($trait:ident: $method:ident;)*) => {$(
        impl<C: Check> ser::$trait for Tuple<'_, '_, C> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.write(value)
            }

            #[inline]
            fn end(self) -> Result<(), Fault> {
                self.finish()
            }
        }
    )*};
}

tuples! {
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

/// Parts with names. A number for the names of those that were not left out stands before them.
pub(super) struct Fields<'a, 'b, C> {
    writer: Writer<'a, 'b, C>,
    shape: Shape,
    /// Where it is to be written.
    place: usize,
}

impl<'a, 'b, C: Check> Fields<'a, 'b, C> {
    #[inline]
    pub(super) fn new(writer: Writer<'a, 'b, C>) -> Self {
        let place = writer.output.place();
        // A place for the shape, which is known only at the end: fields that are skipped never come by here.
        writer.output.push_array(Shape::EMPTY.to_bytes());
        Self { writer, shape: Shape::EMPTY, place }
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
        // Only names that are written count, so the reader can find out which were left out.
        self.shape = self.shape.and(number(name));
        value.serialize(self.writer.again())
    }

    #[inline]
    fn finish(self) -> Result<(), Fault> {
        self.writer.output.amend(self.place, self.shape);
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<C: Check> ser::$trait for Fields<'_, '_, C> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
                self.write(name, value)
            }

            #[inline]
            fn end(self) -> Result<(), Fault> {
                self.finish()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

#[cold]
fn too_many() -> Fault {
    Fault::text("a compound value has more parts than it announced")
}

#[cold]
fn too_few(missing: usize) -> Fault {
    Fault::text(format!("a compound value has {missing} parts fewer than it announced"))
}
