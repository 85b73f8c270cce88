//! [`EndCopy`]: the end of a copy of the process that returns, or unwinds, from the user's code.

use crate::os::exit::exit_now;
use crate::os::identity::remembered_number;
use crate::os::pidfd::own_number;

/// Ends, when dropped, a copy of the process that made it.
///
/// The user's code may fork its process by itself, and both processes return or unwind from it. The copy has the links and the shared
/// memory of the original, where each result is expected once: it ends here, before it reads or writes any of them. Its exit code is 0, or
/// 101 when it unwinds, which is the code of a program that panics.
///
/// ```
/// use procession_core::EndCopy;
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// fn run(function: impl FnOnce() -> Result<u32, std::io::Error>) -> Result<u32, std::io::Error> {
///     let _copy = EndCopy::here();
///     function()
/// }
///
/// let fork = || Ok(match fork(&[])? { Forked::Parent(copy) => copy, Forked::Child => 0 });
/// let copy = PidFd::of_child(run(fork)?)?; // it returns once, although the function returns twice
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(0)));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "it ends copies when it is dropped: keep it until the user's code has returned"]
pub struct EndCopy {
    /// The number of the process that goes on.
    original: u32,
    /// Whether the number is remembered, and not asked for.
    is_remembered: bool,
}

impl EndCopy {
    /// Marks the calling process as the one that goes on.
    ///
    /// ```
    /// drop(procession_core::EndCopy::here()); // in the same process it does nothing
    /// ```
    #[inline]
    pub fn here() -> EndCopy {
        EndCopy { original: remembered_number(), is_remembered: true }
    }

    /// Does the same without remembering the number of the process, for a process that calls a single function: the page in which
    /// the number is remembered costs a fresh copy more than asking twice.
    #[inline]
    pub(crate) fn here_once() -> EndCopy {
        EndCopy { original: own_number(), is_remembered: false }
    }
}

impl Drop for EndCopy {
    #[inline]
    fn drop(&mut self) {
        let number = if self.is_remembered { remembered_number() } else { own_number() };
        if number != self.original {
            // Runs no exit hook, and flushes no buffer: both belong to the original.
            exit_now(if std::thread::panicking() { 101 } else { 0 });
        }
    }
}
