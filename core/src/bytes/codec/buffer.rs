//! [`Buffer`]: where postcard writes to.

use postcard::ser_flavors::Flavor;

/// A flavour of postcard's that fills a vector which may have been used before.
pub(super) struct Buffer<'a>(pub(super) &'a mut Vec<u8>);

impl Flavor for Buffer<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
