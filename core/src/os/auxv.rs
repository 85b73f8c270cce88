//! The auxiliary vector: what the kernel gave this process when it was executed.

use nix::libc;

/// Returns whether this program runs with more rights than the process that started it (set-user-id, set-group-id, capabilities).
///
/// Such a program must not obey what its starter says through the environment.
///
/// ```
/// assert!(!procession_core::os::auxv::is_privileged());
/// ```
#[must_use]
pub fn is_privileged() -> bool {
    // SAFETY: reads the auxiliary vector, which the C library keeps for the life of the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
