//! [`Input`]: the bytes of a value that is being read, and [`Reader`], which reads one value there.

use super::cursor::Cursor;
use super::depth::Depth;
use super::error::Fault;

/// What is being read.
pub(super) struct Input<'de, C> {
    pub(super) cursor: Cursor<'de>,
    pub(super) check: C,
}

/// Reads one value.
pub(super) struct Reader<'a, 'de, C> {
    pub(super) input: &'a mut Input<'de, C>,
    pub(super) depth: Depth,
}

impl<'de, C> Reader<'_, 'de, C> {
    #[inline]
    pub(super) fn again(&mut self) -> Reader<'_, 'de, C> {
        Reader { input: &mut *self.input, depth: self.depth }
    }

    #[inline]
    pub(super) fn deeper(self) -> Result<Self, Fault> {
        Ok(Self { depth: self.depth.deeper()?, input: self.input })
    }
}
