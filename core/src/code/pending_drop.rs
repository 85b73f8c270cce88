//! [`PendingDrop`]: the value that a function returned, while its result is on its way.

use std::fmt;
use std::mem;

/// The value that a function returned. The caller of the function drops it when the result was sent: to drop it is code of
/// the user's, which may end the process.
///
/// ```
/// use procession_core::codec::{Handles, encode};
/// use procession_core::{Function, PendingDrop};
///
/// let shout = Function::of(|text: String| text.to_uppercase())?;
/// let mut result = Vec::new();
/// let remains: PendingDrop = shout.call_into(encode("ho")?.bytes(), &mut Handles::new(), &mut result)?;
/// assert_eq!(result, encode("HO")?.bytes(), "the encoded result");
/// drop(remains);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct PendingDrop(Option<Box<dyn Anything>>);

/// What can be dropped.
trait Anything {}

impl<T> Anything for T {}

impl PendingDrop {
    /// Keeps a value that a function of the program has returned, if to drop it does anything.
    pub(crate) fn of<R>(value: R) -> PendingDrop {
        if !mem::needs_drop::<R>() {
            return PendingDrop::default();
        }
        let kept: Box<dyn Anything + '_> = Box::new(value);
        // SAFETY: only the lifetime changes. A function pointer captures nothing and its argument was moved into it, so what
        // it has returned borrows at the most from what lives as long as the program.
        let kept = unsafe { mem::transmute::<Box<dyn Anything + '_>, Box<dyn Anything>>(kept) };
        PendingDrop(Some(kept))
    }

    /// Returns whether there is nothing to be dropped.
    ///
    /// ```
    /// assert!(procession_core::PendingDrop::default().is_empty());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for PendingDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingDrop").field("is_empty", &self.is_empty()).finish()
    }
}
