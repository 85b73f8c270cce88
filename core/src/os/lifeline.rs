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
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use nix::libc;

use super::descriptors;
use super::poll::{Pollable, poll};
use super::refusal::check;
use super::refusal::no_proc;

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
    writer: io::PipeWriter,
    reader: io::PipeReader,
}

/// The lifelines of this process, writer above reader in one word; 0 is a free place. A process needs one, and another after
/// each change of its user.
static HELD: [AtomicU64; 32] = [const { AtomicU64::new(0) }; 32];

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
        let lifeline = Lifeline { writer, reader };
        let_go_in_copies()?;
        // Where there is no place left, a bare copy keeps the children of this one alive.
        let _full = HELD.iter().find(|one| one.compare_exchange(0, lifeline.word(), SeqCst, SeqCst).is_ok());
        Ok(lifeline)
    }

    fn word(&self) -> u64 {
        let number = |fd: BorrowedFd<'_>| u64::from(fd.as_raw_fd().unsigned_abs());
        number(self.writer.as_fd()) << 32 | number(self.reader.as_fd())
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

impl Drop for Lifeline {
    fn drop(&mut self) {
        let word = self.word();
        // Pairs with the load in `let_go`, which runs on the thread that forks: SeqCst, for it is seldom and no order has to be thought about.
        let _none = HELD.iter().find(|one| one.compare_exchange(word, 0, SeqCst, SeqCst).is_ok());
    }
}

/// Has the C library put the readers in the place of the writers in each copy that its `fork` makes: a copy must not keep the
/// children of its original alive. The numbers stay taken, because their owners are copied too.
fn let_go_in_copies() -> io::Result<()> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    // Pairs with itself: of all callers one registers the handler. It publishes nothing.
    if REGISTERED.swap(true, SeqCst) {
        return Ok(());
    }
    // SAFETY: the function only loads words and makes system calls, which is allowed in a fresh copy.
    match unsafe { libc::pthread_atfork(None, None, Some(let_go)) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

unsafe extern "C" fn let_go() {
    for held in &HELD {
        // Pairs with the exchanges that take and give back a place.
        let word = held.load(SeqCst);
        // 0 is a free place: both numbers of a lifeline lie above the standard three.
        if word != 0 {
            // Replaced and not closed: the copy's `Lifeline` still has the number, and must close nothing else.
            let (writer, reader) = ((word >> 32) as libc::c_int, word as u32 as libc::c_int);
            // SAFETY: both are descriptors of lifelines that lived when the copy was made; the copy has a table of its own.
            let _closed = unsafe { libc::dup3(reader, writer, libc::O_CLOEXEC) };
        }
    }
}

/// Ties this process to the life of the processes that hold the [`Lifeline`] whose end this is: it is killed (SIGKILL) with them.
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
    // Held open until this process ends.
    hold(end).map(std::mem::forget)
}

/// Has the kernel kill this process when the parent is gone, as long as the result is not dropped. A copy of this process drops its own.
///
/// # Errors
///
/// [`io::Error`], as for [`die_with`].
///
/// ```
/// use procession_core::os::lifeline::{Lifeline, hold};
///
/// let lifeline = Lifeline::new()?;
/// let held = hold(&lifeline.end().try_clone_to_owned()?)?;
/// drop(held);
/// drop(lifeline); // which would have ended this process
/// # std::io::Result::Ok(())
/// ```
pub fn hold(end: &OwnedFd) -> io::Result<OwnedFd> {
    // The owner of the signal belongs to the open file, and siblings share the one that was handed to them: open our own.
    let path = format!("/proc/self/fd/{}", end.as_raw_fd());
    let own = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let own = descriptors::above_standard(own.map_err(no_proc)?.into())?;
    let me = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    // The owner and the signal come before `O_ASYNC`: an end in between would send another signal, or none.
    set(own.as_fd(), libc::F_SETOWN, me)?;
    set(own.as_fd(), F_SETSIG, libc::SIGKILL)?;
    set(own.as_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)?;
    if poll(&[Pollable::readable(own.as_fd())], Some(Instant::now()))?[0] {
        // The parent was gone before the kernel began to watch.
        super::exit::kill_self();
    }
    Ok(own)
}

/// Not in `libc` for this target: see fcntl(2).
const F_SETSIG: libc::c_int = 10;

fn set(fd: BorrowedFd<'_>, command: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the three commands take an integer and change only this open file, which is ours.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, value) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::pidfd::end_child;

    #[test]
    fn a_bare_copy_does_not_keep_the_children_of_its_original() {
        let lifeline = Lifeline::new().expect("a pipe");
        let end = lifeline.end().try_clone_to_owned().expect("a duplicate");
        // SAFETY: the copy makes one system call, again and again, until it is killed.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            loop {
                // SAFETY: it takes nothing and only waits.
                unsafe { libc::pause() };
            }
        }
        drop(lifeline);
        let ended = poll(&[Pollable::readable(end.as_fd())], Some(Instant::now() + std::time::Duration::from_secs(30)));
        end_child(copy.unsigned_abs());
        assert!(ended.expect("it can be waited for")[0], "the copy holds the lifeline");
    }
}
