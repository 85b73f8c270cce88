//! Bytes that cannot be guessed.

use std::io;

use nix::libc;

use super::refusal::check;

/// Fills a buffer with random bytes, by the system call `getrandom`: no file is needed for it, so it works in an empty root, too.
/// Early in the boot of a machine it waits until there is enough that is random.
///
/// # Errors
///
/// The kernel, or a filter, refuses the call; the text says that random bytes were wanted.
///
/// ```
/// let mut bytes = [0; 32];
/// procession_core::os::random::fill(&mut bytes)?;
/// assert_ne!(bytes, [0; 32]);
/// # std::io::Result::Ok(())
/// ```
pub fn fill(mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match some(bytes) {
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let text = format!("no random bytes are to be had, the system call `getrandom` fails: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(())
}

/// Fills the beginning of a buffer, and returns how much of it.
fn some(bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes to the buffer, which is borrowed for the call.
    let count = check(unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0) })?;
    Ok((count as usize).min(bytes.len()))
}
