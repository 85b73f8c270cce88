//! Errors of system calls that are not there, or that a filter forbids: they name the call, because the kernel does not.

use std::io;

use nix::libc;
use thiserror::Error;

/// Turns a negative return value of C into the error of `errno`.
pub(crate) fn check<T: Copy + PartialOrd + From<i8>>(returned: T) -> io::Result<T> {
    if returned < T::from(0) { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// A call that this system does not let us make.
#[derive(Debug, Error)]
#[error("the system call `{call}` is refused here (by a seccomp filter, a container or an old kernel): {error}")]
struct Refused {
    call: &'static str,
    error: io::Error,
}

/// Returns whether an error says that the call itself is not to be had.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EACCES))
}

/// Names the call that has failed with this error, where the call itself was refused. Other errors stay what they are.
///
/// ```
/// let error = std::io::Error::from_raw_os_error(38); // ENOSYS
/// let error = procession_core::os::refusal::refused("memfd_create", error);
/// assert!(error.to_string().contains("`memfd_create` is refused here"));
/// ```
pub fn refused(call: &'static str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    if is_refusal(&error) { io::Error::new(error.kind(), Refused { call, error }) } else { error }
}

/// The error of a file in `/proc` that could not be opened: where it is missing, `/proc` is not mounted.
pub(crate) fn no_proc(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::NotFound {
        return error;
    }
    io::Error::new(
        error.kind(),
        "/proc is not mounted, and procession needs it (in a chroot: `mount -t proc proc /proc`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_is_named_and_a_limit_is_not() {
        let error = |number| refused("memfd_create", io::Error::from_raw_os_error(number));
        let text = error(libc::ENOSYS).to_string();
        assert!(text.contains("`memfd_create`") && text.contains("os error 38"), "{text}");
        assert_eq!(error(libc::EMFILE).raw_os_error(), Some(libc::EMFILE));
    }
}
