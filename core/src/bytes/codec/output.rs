//! [`Output`]: the bytes of a value on their way into a buffer, and [`Writer`], which writes one value there.

use postcard::Serializer as Postcard;
use serde::ser::Serializer;

use super::buffer::Buffer;
use super::check::{Check, kind};
use super::depth::Depth;
use super::error::Fault;
use super::names::{Label, Shape, Style};
use super::spill::Spill;
use super::varint;
use crate::os::large;
use crate::tuning::SPILLED_BLOCK;

/// A vector that is being filled. It may have been used before.
pub(super) struct Output<'a, C> {
    pub(super) postcard: Postcard<Buffer<'a>>,
    /// How much it held.
    before: usize,
    is_whole: bool,
    pub(super) check: C,
    /// Where large blocks go.
    spill: Option<&'a mut (dyn Spill + 'a)>,
    /// How many bytes have gone there.
    spilled: usize,
    /// Whether nothing goes there any more, because what is being written may have to be moved.
    pub(super) is_kept: bool,
}

impl<'a, C: Check> Output<'a, C> {
    #[inline]
    pub(super) fn new(buffer: &'a mut Vec<u8>, spill: Option<&'a mut (dyn Spill + 'a)>) -> Self {
        let (before, postcard) = (buffer.len(), Postcard { output: Buffer(buffer) });
        Self { before, postcard, is_whole: false, check: C::default(), spill, spilled: 0, is_kept: false }
    }

    /// Writes what stands behind the value. Without this call, the buffer is put back to what it held.
    #[inline]
    pub(super) fn finish(mut self) {
        if let Some(trailer) = self.check.trailer() {
            self.bytes().extend_from_slice(&trailer);
        }
        // Last of all: until then `drop` cuts off what was written, so that an error leaves the caller's buffer as it was.
        self.is_whole = true;
    }
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

    /// Writes the number of a shape over what was written at a place.
    #[inline]
    pub(super) fn amend(&mut self, place: usize, shape: Shape) {
        // Mostly nothing was spilled at all, and then a place is one in the vector.
        match self.postcard.output.0.get_mut(place..place + Shape::SIZE) {
            Some(written) if self.spilled == 0 => written.copy_from_slice(&shape.to_bytes()),
            _ => self.amend_behind_spilled(place, shape),
        }
    }

    #[cold]
    #[inline(never)]
    fn amend_behind_spilled(&mut self, place: usize, shape: Shape) {
        let bytes = shape.to_bytes();
        match self.kept(place).and_then(|at| self.bytes().get_mut(at..at + bytes.len())) {
            Some(written) => written.copy_from_slice(&bytes),
            None => {
                if let Some(spill) = &mut self.spill {
                    spill.amend(place - self.before, &bytes);
                }
            }
        }
    }
}

impl<C: Check> Output<'_, C> {
    /// Writes how many there are of something.
    #[inline]
    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Writes a count anew, with what stands behind it.
    #[cold]
    pub(super) fn count_anew(&mut self, count: usize, [place, begin]: [usize; 2]) -> Result<(), Fault> {
        let (Some(place), Some(begin)) = (self.kept(place), self.kept(begin)) else { return Err(other_length()) };
        let end = self.bytes().len();
        self.count(count);
        // Written at the end and moved: the new number may be longer than the old one.
        let number = self.bytes().split_off(end);
        self.bytes().splice(place..begin, number);
        Ok(())
    }

    /// Writes a number of varying length.
    #[inline]
    pub(super) fn number(&mut self, number: u64) {
        match number {
            0..0x80 => self.push_array([number as u8]),
            0x80..0x4000 => self.push_array([number as u8 | 0x80, (number >> 7) as u8]),
            0x4000..0x20_0000 => {
                self.push_array([number as u8 | 0x80, (number >> 7) as u8 | 0x80, (number >> 14) as u8]);
            }
            _ => self.long_number(number),
        }
    }

    #[inline(never)]
    fn long_number(&mut self, number: u64) {
        match varint::packed(number) {
            Some((bytes, len)) => self.push_some(bytes, len),
            None => {
                let (bytes, len) = varint::packed_long(number);
                self.push_some(bytes, len);
            }
        }
    }

    #[inline]
    fn push_some<const N: usize>(&mut self, bytes: [u8; N], len: usize) {
        let buffer = self.bytes();
        // All of them and then a cut: a copy of fixed length is one store.
        let end = buffer.len() + len;
        buffer.extend_from_slice(&bytes);
        buffer.truncate(end);
    }

    #[inline]
    pub(super) fn block(&mut self, block: &[u8]) -> Result<(), Fault> {
        if block.len() >= SPILLED_BLOCK {
            return self.large_block(block);
        }
        Ok(self.postcard.serialize_bytes(block)?)
    }

    #[cold]
    fn large_block(&mut self, block: &[u8]) -> Result<(), Fault> {
        // The length belongs to what is handed over before the block, so it is written first.
        self.count(block.len());
        let (bytes, before) = (&mut *self.postcard.output.0, self.before);
        // Where a count may be written anew, what follows it would have to be moved, and what was handed over cannot be.
        let spill = self.spill.as_mut().filter(|_| !self.is_kept);
        if spill.is_some_and(|spill| spill.spill(&bytes[before..], block)) {
            // Places are counted over both parts, so `amend` finds out which of the two holds one.
            self.spilled += bytes.len() - before + block.len();
            bytes.truncate(before);
        } else {
            large::append(bytes, block);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn variant(&mut self, index: u32, name: &str, style: Style) -> Result<(), Fault> {
        self.check.note(kind::VARIANT);
        self.number(u64::from(index));
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

/// Writes one value.
pub(super) struct Writer<'a, 'b, C> {
    pub(super) output: &'a mut Output<'b, C>,
    pub(super) depth: Depth,
}

impl<'b, C: Check> Writer<'_, 'b, C> {
    #[inline]
    pub(super) fn again(&mut self) -> Writer<'_, 'b, C> {
        Writer { output: &mut *self.output, depth: self.depth }
    }

    #[inline]
    pub(super) fn deeper(self) -> Result<Self, Fault> {
        Ok(Self { depth: self.depth.deeper()?, output: self.output })
    }
}

#[cold]
fn other_length() -> Fault {
    Fault::text("a sequence or map with a large block has another length than it announced; collect it first")
}
