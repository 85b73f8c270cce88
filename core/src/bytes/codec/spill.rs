//! [`Spill`]: a place for large blocks of a value, so that they are copied once and not twice.

/// Where a message begins whose value has a large block of bytes, or a long text: shared memory, for example, to which the rest of the
/// message would be copied in the end anyway. See [`append_spilling`](super::append_spilling).
///
/// ```
/// use procession_core::codec::Spill;
///
/// struct Whole(Vec<u8>);
///
/// impl Spill for Whole {
///     fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
///         self.0.extend_from_slice(before);
///         self.0.extend_from_slice(block);
///         true
///     }
///
///     fn amend(&mut self, at: usize, bytes: &[u8]) {
///         self.0[at..at + bytes.len()].copy_from_slice(bytes);
///     }
/// }
/// ```
pub trait Spill {
    /// Takes what was written since the last time, and the block that comes next. With `false`, nothing was taken.
    ///
    /// ```
    /// use procession_core::codec::Spill;
    ///
    /// struct Nowhere;
    ///
    /// impl Spill for Nowhere {
    ///     fn spill(&mut self, _: &[u8], _: &[u8]) -> bool {
    ///         false
    ///     }
    ///
    ///     fn amend(&mut self, _: usize, _: &[u8]) {}
    /// }
    /// ```
    fn spill(&mut self, before: &[u8], block: &[u8]) -> bool;

    /// Writes over bytes that were taken, from the given one on, counted from the first that ever was. What stands before the fields
    /// of a struct is known behind them only.
    ///
    /// ```
    /// use procession_core::codec::Spill;
    ///
    /// struct Whole(Vec<u8>);
    ///
    /// impl Spill for Whole {
    ///     fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
    ///         self.0.extend_from_slice(before);
    ///         self.0.extend_from_slice(block);
    ///         true
    ///     }
    ///
    ///     fn amend(&mut self, at: usize, bytes: &[u8]) {
    ///         self.0[at..at + bytes.len()].copy_from_slice(bytes);
    ///     }
    /// }
    /// ```
    fn amend(&mut self, at: usize, bytes: &[u8]);
}
