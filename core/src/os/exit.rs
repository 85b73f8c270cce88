//! The end of this process: what is run on the way out, and the ways that run nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, process};

use nix::libc;
use nix::sys::signal::{Signal, raise};

use super::mutex::lock;
use super::{profile, stdio};

/// What runs at exit, the newest first.
static AT_EXIT: Mutex<Vec<fn()>> = Mutex::new(Vec::new());
static ON_STATUS: Mutex<Vec<fn(i32)>> = Mutex::new(Vec::new());
static HOOKED: AtomicBool = AtomicBool::new(false);
static STATUS_HOOKED: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    /// glibc's sibling of `atexit`, whose function is given the status that `exit` was called with.
    fn on_exit(function: extern "C" fn(libc::c_int, *mut libc::c_void), argument: *mut libc::c_void) -> libc::c_int;
}

/// Runs `function` when this process exits, whether `main` returns or `exit` is called; not when a signal ends it.
///
/// A panic in it aborts the process, as it would in any function that C calls.
///
/// # Errors
///
/// The C library has no memory for the registration.
///
/// ```
/// use procession_core::os::exit::{at_exit, exit_now};
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let Forked::Parent(copy) = fork(&[])? else {
///     at_exit(|| exit_now(7))?;
///     std::process::exit(0)
/// };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(7)));
/// # std::io::Result::Ok(())
/// ```
pub fn at_exit(function: fn()) -> io::Result<()> {
    let mut list = lock(&AT_EXIT);
    // Relaxed, as the store: both with the lock held. A registration that has failed is tried again by the next caller.
    if !HOOKED.load(Ordering::Relaxed) {
        // SAFETY: the function stays valid for the life of the process: it is in its image.
        registered(unsafe { libc::atexit(run_at_exit) })?;
        // Pairs with the load in `run_at_exit`. An exit of another thread in between misses no function: none is listed yet.
        HOOKED.store(true, Ordering::SeqCst);
    }
    list.push(function);
    Ok(())
}

/// Runs `function` at exit with the status as `exit` was given it: the kernel passes on its lowest eight bits only.
///
/// # Errors
///
/// As [`at_exit`].
///
/// ```
/// use procession_core::os::exit::{exit_now, on_exit_status};
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let Forked::Parent(copy) = fork(&[])? else {
///     on_exit_status(|status| exit_now(status / 10))?;
///     std::process::exit(70)
/// };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(7)));
/// # std::io::Result::Ok(())
/// ```
pub fn on_exit_status(function: fn(i32)) -> io::Result<()> {
    let mut list = lock(&ON_STATUS);
    // Relaxed, as the store: both with the lock held.
    if !STATUS_HOOKED.load(Ordering::Relaxed) {
        // SAFETY: as above; the argument is not used.
        registered(unsafe { on_exit(run_on_status, std::ptr::null_mut()) })?;
        STATUS_HOOKED.store(true, Ordering::Relaxed);
    }
    list.push(function);
    Ok(())
}

/// Ends this process with `code` after the functions of [`at_exit`]. It flushes stdout and the streams of C code, and writes the
/// profile of an instrumented program, but runs nothing that C code has registered.
///
/// For a copy of another process: what was registered there is the original's to run. (It is also what makes the end of a
/// copy cheap, because the C library's own way out touches memory all over the program.)
///
/// ```
/// use procession_core::os::exit::leave;
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let Forked::Parent(copy) = fork(&[])? else { leave(7) };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(7)));
/// # std::io::Result::Ok(())
/// ```
pub fn leave(code: i32) -> ! {
    // Hooks first, as they may print; then the buffers; the counts of the profile last, so that they cover both.
    run_at_exit();
    stdio::flush_all();
    profile::write();
    exit_now(code)
}

/// Ends this process at once with `code`: no function that waits for the exit runs, nothing is flushed.
///
/// ```
/// use procession_core::os::exit::{at_exit, exit_now};
/// # use procession_core::os::{fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let Forked::Parent(copy) = fork(&[])? else {
///     at_exit(|| unreachable!("nothing is run"))?;
///     exit_now(7)
/// };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(7)));
/// # std::io::Result::Ok(())
/// ```
pub fn exit_now(code: i32) -> ! {
    // Not `_exit`, whose code lies in a page of its own: a fresh copy pays for each page that it touches.
    // SAFETY: it takes an integer, does not return, and runs nothing that could see a broken state.
    unsafe { libc::syscall(libc::SYS_exit_group, code) };
    // The kernel does not come back from this call. The type needs an end all the same.
    process::abort()
}

/// Ends this process at once by SIGKILL.
///
/// ```
/// use procession_core::Control;
/// use procession_core::os::{exit::kill_self, fork::Forked};
///
/// let (mut here, there) = Control::pair()?;
/// let (side, there) = there.fork()?;
/// if side == Forked::Child {
///     kill_self(); // `there` is not dropped, and yet it is closed
/// }
/// drop(there);
/// assert!(here.recv::<u8>(None)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kill_self() -> ! {
    let _never_fails = raise(Signal::SIGKILL);
    process::abort()
}

fn registered(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::OutOfMemory)) }
}

extern "C" fn run_at_exit() {
    // Taking the lock writes to a page that a fresh copy would have to copy.
    // Pairs with the store in `at_exit`.
    if !HOOKED.load(Ordering::SeqCst) {
        return;
    }
    // Taken out one by one, so that a function may exit or register another.
    while let Some(function) = { lock(&AT_EXIT).pop() } {
        function();
    }
}

extern "C" fn run_on_status(status: libc::c_int, _argument: *mut libc::c_void) {
    // As above: a function may register another one, or exit, while the lock is free.
    while let Some(function) = { lock(&ON_STATUS).pop() } {
        function(status);
    }
}
