//! The standard three descriptors of this process.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, S_IFCHR, S_IFMT, makedev};
use nix::sys::stat::fstat;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::descriptors::{above_standard, pipe};
use super::limits;
use super::refusal::refused;

/// Puts `streams` in the place of this process's standard descriptors: input, output, error. `None` is the null device.
///
/// # Errors
///
/// What `dup2` reports, or there is no `/dev/null`.
///
/// ```
/// use procession_core::os::stdio::{install, null};
///
/// install([None, Some(null()?), Some(null()?)])?;
/// println!("this is never read");
/// assert_eq!(std::fs::read_link("/proc/self/fd/1")?.to_str(), Some("/dev/null"));
/// # std::io::Result::Ok(())
/// ```
pub fn install(streams: [Option<OwnedFd>; 3]) -> io::Result<()> {
    let [input, output, error] = streams;
    replace(input, 0, nothing_to_read, dup2_stdin)?;
    replace(output, 1, null, dup2_stdout)?;
    replace(error, 2, null, dup2_stderr)
}

fn replace(
    wanted: Option<OwnedFd>,
    number: RawFd,
    none: impl Fn() -> io::Result<OwnedFd>,
    dup2: impl Fn(OwnedFd) -> nix::Result<()>,
) -> io::Result<()> {
    match wanted {
        Some(fd) => Ok(dup2(fd)?),
        // A process that has the null device there already saves opening it once more.
        None if is_null(number) => Ok(()),
        None => Ok(dup2(none()?)?),
    }
}

/// Returns whether a descriptor leads to the null device, which has the number 1:3 on every Linux.
fn is_null(number: RawFd) -> bool {
    // The library's own handles would do, but making the first one allocates a buffer.
    // SAFETY: the number is only asked about, and a closed one is an error.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fstat(fd).is_ok_and(|stat| stat.st_mode & S_IFMT == S_IFCHR && stat.st_rdev == makedev(1, 3))
}

/// A descriptor of the null device, open for reading and writing.
///
/// # Errors
///
/// `/dev/null` is not there, or the limit on descriptors.
///
/// ```
/// use std::io::{Read, Write};
///
/// let mut nowhere = std::fs::File::from(procession_core::os::stdio::null()?);
/// writeln!(nowhere, "gone")?;
/// assert_eq!(nowhere.read(&mut [0; 8])?, 0);
/// # std::io::Result::Ok(())
/// ```
pub fn null() -> io::Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null");
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot open /dev/null: {error}"));
    above_standard(file.map_err(|error| if is_limit(&error) { error } else { named(error) })?.into())
}

/// A descriptor that has nothing to read: of the null device, and where that is missing, of a pipe without a writer.
///
/// # Errors
///
/// The limit on descriptors.
///
/// ```
/// let nothing = std::fs::File::from(procession_core::os::stdio::nothing_to_read()?);
/// assert_eq!(std::io::read_to_string(nothing)?, "");
/// # std::io::Result::Ok(())
/// ```
pub fn nothing_to_read() -> io::Result<OwnedFd> {
    null().or_else(|_| pipe().map(|(reader, _)| reader.into()))
}

fn is_limit(error: &io::Error) -> bool {
    limits::explain(error).is_some()
}

/// A file in memory, for output that may never be read.
///
/// # Errors
///
/// The limit on descriptors.
///
/// ```
/// use std::io::{Read, Seek, Write};
///
/// let mut notes = procession_core::os::stdio::memory_file(c"notes")?;
/// write!(notes, "kept until it is dropped")?;
/// notes.rewind()?;
/// let mut text = String::new();
/// notes.read_to_string(&mut text)?;
/// assert_eq!(text, "kept until it is dropped");
/// # std::io::Result::Ok(())
/// ```
pub fn memory_file(label: &CStr) -> io::Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let file = memfd_create(label, MFdFlags::MFD_CLOEXEC).map_err(|error| refused("memfd_create", error))?;
    Ok(above_standard(file)?.into())
}

/// Writes out what waits in the buffers of std's stdout and of the C library's streams.
///
/// ```
/// print!("no line yet");
/// procession_core::os::stdio::flush_all(); // a copy that is made now does not print it once more
/// ```
pub fn flush_all() {
    // Rust's standard error has no buffer.
    let _unwritable = io::Write::flush(&mut io::stdout());
    if has_c_output() {
        // SAFETY: a null pointer is allowed and means all streams, each of which is locked while it is flushed.
        let _unwritable = unsafe { libc::fflush(std::ptr::null_mut()) };
    }
}

/// Returns whether a stream of the C library may hold output. `false` only where glibc has the standard three alone, and both outputs are empty.
///
/// Flushing them in any case would cost a fresh copy three pages of memory, 4 µs on its way out.
fn has_c_output() -> bool {
    // SAFETY: the table below, which is not changed after the linker or loader has filled it in.
    let Streams { first, error, output, pending: Some(pending) } = (unsafe { &STREAMS }) else { return true };
    if first.is_null() || output.is_null() {
        return true;
    }
    // SAFETY: the C library's variable, a pointer. One that another thread replaces meanwhile is of a stream opened too late for us.
    let newest = unsafe { first.read_volatile() };
    // SAFETY: the C library's own streams, which are there for the life of the process.
    newest != *error || [*error, *output].into_iter().any(|stream| unsafe { pending(stream) } != 0)
}

/// What glibc has of its streams, in a list with the newest first. Nulls where the C library has none of these names.
#[repr(C)]
struct Streams {
    first: *const *mut libc::FILE,
    error: *mut libc::FILE,
    output: *mut libc::FILE,
    pending: Option<unsafe extern "C" fn(*mut libc::FILE) -> libc::size_t>,
}

unsafe extern "C" {
    #[link_name = "procession_streams"]
    static STREAMS: Streams;
}

// Names that may be missing: stable Rust has no weak symbols of its own.
std::arch::global_asm!(
    ".weak _IO_list_all",
    ".weak _IO_2_1_stderr_",
    ".weak _IO_2_1_stdout_",
    ".weak __fpending",
    ".pushsection .data.rel.ro.procession_streams,\"aw\"",
    ".balign 8",
    ".hidden procession_streams",
    ".globl procession_streams",
    "procession_streams:",
    ".quad _IO_list_all",
    ".quad _IO_2_1_stderr_",
    ".quad _IO_2_1_stdout_",
    ".quad __fpending",
    ".popsection",
);

/// Returns whether a descriptor of this process is open: one of the standard three may have been closed.
///
/// ```
/// assert!(procession_core::os::stdio::is_open(std::io::stdout()));
/// ```
#[must_use]
pub fn is_open(standard: impl AsFd) -> bool {
    fcntl(standard, FcntlArg::F_GETFD).is_ok()
}
