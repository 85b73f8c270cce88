//! A lifeline: the kernel ends a child the moment its parent is gone, however the parent died.
//!
//! The parent holds the writing end of a pipe and never writes. Each child opens the reading end for itself and asks for
//! a signal on any event; the only event there can be is that the last writer is gone. Unlike the parent-death signal
//! it follows the parent process and not the thread that started the child, and unlike a watching thread it costs
//! nothing while both live and leaves the child single-threaded.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use nix::libc;

use super::poll::{Pollable, poll};
use super::refusal::no_proc;
use super::{check, descriptors};

/// The parent's side. Dropping it ends all children that hold on to the other side.
///
/// ```
/// use procession_core::os::lifeline::{Lifeline, die_with};
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let lifeline = Lifeline::new()?;
/// let Forked::Parent(copy) = fork(&[lifeline.end()])? else {
///     die_with(&lifeline.end().try_clone_to_owned()?)?;
///     loop { std::thread::park() } // until it is killed
/// };
/// let copy = PidFd::of_child(copy)?;
/// drop(lifeline); // as when this process ends, in whatever way
/// while !copy.has_ended()? {}
/// assert!(matches!(copy.reap()?, Some(Exit::Signal { number: 9, .. })));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Lifeline {
    #[expect(dead_code, reason = "it is held, not used")]
    writer: io::PipeWriter,
    reader: io::PipeReader,
}

impl Lifeline {
    /// Makes one. A process needs only one for all its children.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// let _held_for_ever = std::mem::ManuallyDrop::new(procession_core::os::lifeline::Lifeline::new()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Lifeline> {
        let (reader, writer) = descriptors::pipe()?;
        Ok(Lifeline { writer, reader })
    }

    /// The end to hand to children.
    ///
    /// ```
    /// let lifeline = procession_core::os::lifeline::Lifeline::new()?;
    /// let _copy = lifeline.end().try_clone_to_owned()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn end(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Ties this process to the life of whoever holds the [`Lifeline`] whose end this is: it is killed (SIGKILL) with them.
///
/// # Errors
///
/// `/proc` is not mounted, or the limit on descriptors.
///
/// ```
/// use procession_core::os::lifeline::{Lifeline, die_with};
///
/// let lifeline = Lifeline::new()?;
/// // A child would do this with the end that it was handed.
/// die_with(&lifeline.end().try_clone_to_owned()?)?;
/// # std::mem::forget(lifeline);
/// # std::io::Result::Ok(())
/// ```
pub fn die_with(end: &OwnedFd) -> io::Result<()> {
    // The owner of the signal belongs to the open file, and siblings share the one that was handed to them: open our own.
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    let own = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let own = descriptors::above_standard(own.map_err(no_proc)?.into())?;
    let me = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    set(own.as_fd(), libc::F_SETOWN, me)?;
    set(own.as_fd(), F_SETSIG, libc::SIGKILL)?;
    set(own.as_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)?;
    if poll(&[Pollable::readable(own.as_fd())], Some(Instant::now()))?[0] {
        // The parent was gone before the kernel began to watch.
        super::exit::kill_self();
    }
    // Held open until this process ends.
    std::mem::forget(own);
    Ok(())
}

/// Not in `libc` for this target: see fcntl(2).
const F_SETSIG: libc::c_int = 10;

fn set(fd: BorrowedFd<'_>, command: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the three commands take an integer and change only this open file, which is ours.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, value) }).map(drop)
}
