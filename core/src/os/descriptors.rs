//! The table of descriptors of this process: which numbers are taken, and what may not be taken.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use super::refusal::check;
use super::refusal::no_proc;

/// The first number after the standard three.
const FIRST: RawFd = 3;

/// Moves a descriptor that has just been made away from the standard three numbers, which may be free: a daemon closes them,
/// and whatever is printed then must not end in a link or a lifeline of ours.
///
/// ```
/// use procession_core::os::descriptors::above_standard;
/// use std::os::fd::AsRawFd;
///
/// let (reader, _writer) = std::io::pipe()?;
/// assert!(above_standard(reader.into())?.as_raw_fd() > 2);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// The limit on descriptors.
#[inline]
pub fn above_standard(made: OwnedFd) -> io::Result<OwnedFd> {
    if made.as_raw_fd() < FIRST { moved(&made) } else { Ok(made) }
}

/// As [`above_standard`], for what has arrived: where there is no other number, it keeps the one that it has.
pub(crate) fn above_standard_if_possible(arrived: OwnedFd) -> OwnedFd {
    if arrived.as_raw_fd() < FIRST { moved(&arrived).unwrap_or(arrived) } else { arrived }
}

/// A pipe, reader and writer, neither of which has a standard number.
///
/// # Errors
///
/// The limit on descriptors.
///
/// ```
/// let (reader, writer) = procession_core::os::descriptors::pipe()?;
/// drop(writer);
/// assert_eq!(std::io::read_to_string(reader)?, "");
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(io::PipeReader, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((above_standard(reader.into())?.into(), above_standard(writer.into())?.into()))
}

#[cold]
fn moved(low: &OwnedFd) -> io::Result<OwnedFd> {
    // It duplicates to the number 3 or a higher one.
    low.try_clone()
}

/// The numbers that are taken, in order, but for that of the look itself.
///
/// Reads the folder into the stack: the 32 KiB that `read_dir` allocates are pages that a copy made next would have to copy.
pub(crate) fn open_numbers() -> io::Result<Vec<RawFd>> {
    let folder = File::options().read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open("/proc/self/fd")?;
    let (mut numbers, mut entries) = (Vec::new(), [0_u8; 2048]);
    loop {
        // SAFETY: the kernel writes at most as many bytes as there are.
        let result =
            unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), entries.as_mut_ptr(), entries.len()) };
        match check(result)? {
            0 => break,
            len => {
                numbers.extend(names(&entries[..usize::try_from(len).map_err(io::Error::other)?]).filter_map(number))
            }
        }
    }
    // The list was read through a descriptor that is closed by the time the caller looks.
    numbers.retain(|number| *number != folder.as_raw_fd());
    numbers.sort_unstable();
    Ok(numbers)
}

/// The names in a series of the kernel's `linux_dirent64`: their length stands at 16, and the name, which a zero ends, at 19.
fn names(mut entries: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = u16::from_ne_bytes(entries.get(16..18)?.try_into().ok()?);
        let (entry, rest) = entries.split_at_checked(len.into())?;
        entries = rest;
        entry.get(19..)?.split(|byte| *byte == 0).next()
    })
}

fn number(name: &[u8]) -> Option<RawFd> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The highest number that is taken.
pub(crate) fn highest() -> io::Result<RawFd> {
    open_numbers().map(|numbers| numbers.last().copied().unwrap_or(0)).map_err(no_proc)
}

/// Returns whether the call that closes a range of descriptors is to be had (since Linux 5.9, where no filter refuses it).
pub(crate) fn can_close_ranges() -> bool {
    // SAFETY: it takes three integers, and there can be no descriptor with this number.
    unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) == 0 }
}

/// A descriptor that can be neither read nor written, waited for nor signalled: each such call is refused with `EBADF`.
pub(crate) fn nowhere() -> io::Result<OwnedFd> {
    let open = |path| File::options().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path);
    // No folder: paths could be looked up from there.
    let file = open("/dev/null").or_else(|_| open("/proc/self/exe"))?;
    above_standard(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_descriptor_to_nowhere_refuses_everything() {
        let mut file = File::from(nowhere().expect("a descriptor"));
        let bad = Some(libc::EBADF);
        assert_eq!(file.read(&mut [0]).unwrap_err().raw_os_error(), bad);
        assert_eq!(file.write(&[0]).unwrap_err().raw_os_error(), bad);
        assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), bad);
    }

    #[test]
    fn numbers_that_are_open_are_found() {
        let (reader, _writer) = pipe().expect("a pipe");
        let numbers = open_numbers().expect("a list");
        assert!(numbers.contains(&reader.as_raw_fd()) && numbers.is_sorted());
    }
}
