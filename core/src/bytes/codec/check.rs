//! [`Check`]: whether the two halves of a type speak of the same things.
//!
//! A type may write a `u8` and read a `u64`, and the bytes of the one can be taken for the other. So both sides keep a sum of the kinds of
//! what they write and read, and the writer's stands behind the value. It costs a step for each number, therefore it is kept in debug
//! builds, and in others if the feature `checked` is on. What names tell is checked in all builds.

/// What this build writes. Both sides of a link are the same build, if they run the same program.
#[cfg(any(debug_assertions, feature = "checked"))]
pub(super) type Usual = Sum;
#[cfg(not(any(debug_assertions, feature = "checked")))]
pub(super) type Usual = Unchecked;

/// Whether this build writes and compares the kinds of all numbers and texts: a debug build, or one with the feature `checked`.
///
/// Two programs of which only one does so do not understand each other, but for what is [`portable`](super::portable).
///
/// ```
/// assert!(procession_core::codec::IS_CHECKED || !cfg!(debug_assertions));
/// ```
pub const IS_CHECKED: bool = Usual::IS_ON;

/// Takes note of what is written, or read.
pub(super) trait Check: Default {
    /// Whether anything is noted.
    const IS_ON: bool;

    fn note(&mut self, what: u32);

    /// What stands behind the value, if anything does.
    fn trailer(&self) -> Option<[u8; 2]>;
}

/// Notes nothing.
#[derive(Default)]
pub(super) struct Unchecked;

impl Check for Unchecked {
    const IS_ON: bool = false;

    #[inline]
    fn note(&mut self, _: u32) {}

    #[inline]
    fn trailer(&self) -> Option<[u8; 2]> {
        None
    }
}

/// Keeps a sum. A value of nothing but units has none.
#[derive(Default)]
pub(super) struct Sum(u32);

impl Check for Sum {
    const IS_ON: bool = true;

    #[inline]
    fn note(&mut self, what: u32) {
        // Rotated, so that the order counts; the factor is 2^32 divided by the golden ratio, an odd number of mixed bits.
        self.0 = (self.0.rotate_left(5) ^ what).wrapping_mul(0x9e37_79b1);
    }

    #[inline]
    fn trailer(&self) -> Option<[u8; 2]> {
        // The upper half: a product carries upwards, so its low bits depend on few of the kinds.
        let [_, _, a, b] = self.0.to_le_bytes();
        // A value that noted nothing has nothing to mix up, and takes up no byte more.
        (self.0 != 0).then_some([a, b])
    }
}

/// The kinds of things, each an arbitrary number. Units are nothing, and a newtype is what it holds.
pub(super) mod kind {
    pub(crate) const BOOL: u32 = 0x01;
    pub(crate) const I8: u32 = 0x02;
    pub(crate) const I16: u32 = 0x03;
    pub(crate) const I32: u32 = 0x04;
    pub(crate) const I64: u32 = 0x05;
    pub(crate) const I128: u32 = 0x06;
    pub(crate) const U8: u32 = 0x07;
    pub(crate) const U16: u32 = 0x08;
    pub(crate) const U32: u32 = 0x09;
    pub(crate) const U64: u32 = 0x0a;
    pub(crate) const U128: u32 = 0x0b;
    pub(crate) const F32: u32 = 0x0c;
    pub(crate) const F64: u32 = 0x0d;
    pub(crate) const CHAR: u32 = 0x0e;
    pub(crate) const TEXT: u32 = 0x0f;
    pub(crate) const BYTES: u32 = 0x10;
    pub(crate) const OPTION: u32 = 0x11;
    pub(crate) const SEQUENCE: u32 = 0x12;
    pub(crate) const MAP: u32 = 0x13;
    pub(crate) const STRUCT: u32 = 0x14;
    pub(crate) const VARIANT: u32 = 0x15;
    /// With the number of parts added.
    pub(crate) const TUPLE: u32 = 0x100;
}
