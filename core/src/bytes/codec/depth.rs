//! [`Depth`]: how much deeper a value may nest.

use super::error::Fault;
use crate::tuning::MAX_DEPTH;

/// How many levels of values may still follow.
#[derive(Clone, Copy)]
pub(super) struct Depth(u32);

impl Depth {
    pub(super) const MAX: Self = Self(MAX_DEPTH);

    #[inline]
    pub(super) fn deeper(self) -> Result<Self, Fault> {
        match self.0 {
            0 => Err(too_deep()),
            left => Ok(Self(left - 1)),
        }
    }
}

#[cold]
fn too_deep() -> Fault {
    Fault::text(format!("values are nested more than {MAX_DEPTH} levels deep; send them as a flat list"))
}
