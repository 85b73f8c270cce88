//! [`Remains`]: the value that a function returned, while its result is on its way.

use std::fmt;
use std::mem;

/// The value that a function returned. It is dropped by whoever called the function, when the result was told: to drop it is code of
/// the user's, which may end the process.
///
/// ```
/// use procession_core::codec::{Handles, encode};
/// use procession_core::{Function, Remains};
///
/// let shout = Function::of(|text: String| text.to_uppercase())?;
/// let mut result = Vec::new();
/// let remains: Remains = shout.call_into(encode("ho")?.bytes(), &mut Handles::new(), &mut result)?;
/// assert_eq!(result, encode("HO")?.bytes(), "as it is told");
/// drop(remains);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Remains(Option<Box<dyn Anything>>);

/// What can be dropped.
trait Anything {}

impl<T> Anything for T {}

impl Remains {
    /// Keeps a value that a function of the program has returned, if to drop it does anything.
    pub(crate) fn of<R>(value: R) -> Remains {
        if !mem::needs_drop::<R>() {
            return Remains::default();
        }
        let kept: Box<dyn Anything + '_> = Box::new(value);
        // SAFETY: only the lifetime changes. A function pointer captures nothing and its argument was moved into it, so what
        // it has returned borrows at the most from what lives as long as the program.
        let kept = unsafe { mem::transmute::<Box<dyn Anything + '_>, Box<dyn Anything>>(kept) };
        Remains(Some(kept))
    }

    /// Whether there is nothing to be dropped.
    ///
    /// ```
    /// assert!(procession_core::Remains::default().is_empty());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remains").field("is_empty", &self.is_empty()).finish()
    }
}
