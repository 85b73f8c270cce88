//! Short values, each behind one byte that says how long it is.

/// The longest one, in bytes.
pub(crate) const MAX_SHORT: usize = 23;

/// Returns the short value at the beginning of `bytes`.
#[inline]
pub(crate) fn short(bytes: &[u8]) -> Option<&[u8]> {
    let (&len, rest) = bytes.split_first()?;
    if usize::from(len) > MAX_SHORT { None } else { rest.get(..usize::from(len)) }
}
