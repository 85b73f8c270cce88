//! [`Exec`]: start a program with an exact set of descriptors, at a cost that does not depend on how much memory we have.
//!
//! The child is made as `posix_spawn` makes it: it shares our memory and runs on a small stack of its own, while we stand
//! still, until it has executed the program (Linux: `CLONE_VM | CLONE_VFORK`). It makes system calls and nothing else.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow};

use super::descriptors;
use super::pidfd::PidFd;
use super::refusal::check;

/// Enough for a few system calls and the C library's wrappers of them.
const STACK: usize = 64 * 1024;

/// A program to be started.
///
/// ```
/// use procession_core::os::{exec::Exec, pidfd::Exit};
///
/// let null = procession_core::os::stdio::null()?;
/// let [input, output, error] = [&null; 3].map(std::os::fd::AsFd::as_fd);
/// let program = Exec {
///     program: c"/bin/sh",
///     arguments: &[c"sh", c"-c", c"exit 3"],
///     environment: &[],
///     descriptors: &[input, output, error],
///     directory: Some(c"/"),
/// };
/// let (_, child) = program.start()?;
/// while !child.has_ended()? {}
/// assert_eq!(child.reap()?, Some(Exit::Code(3)));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Exec<'a> {
    /// The file to execute.
    pub program: &'a CStr,
    /// Its arguments, its own name first.
    pub arguments: &'a [&'a CStr],
    /// Its environment, as `NAME=value`.
    pub environment: &'a [&'a CStr],
    /// Its descriptors: the first becomes number 0, the next 1, and so on. It gets no others.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// Where it starts, if not where we are.
    pub directory: Option<&'a CStr>,
}

impl Exec<'_> {
    /// Starts it, with no signal blocked, and returns its number and its descriptor.
    ///
    /// # Errors
    ///
    /// What `clone`, `chdir` or `execve` report: the program has not started then, and no child is left.
    ///
    /// ```
    /// use procession_core::os::exec::Exec;
    ///
    /// let nowhere = Exec { program: c"/no/such/file", arguments: &[], environment: &[], descriptors: &[], directory: None };
    /// assert_eq!(nowhere.start().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// ```
    pub fn start(&self) -> io::Result<(u32, PidFd)> {
        let plan = Plan::new(self)?;
        // Of 16 bytes each, since the processor's calling convention asks for a stack that is aligned to them.
        let mut stack = vec![0_u128; STACK / size_of::<u128>()];
        // Blocked around the clone alone: in the child a handler would run with the parent's memory.
        let masked = BlockedSignals::new()?;
        let started = plan.clone_vfork(&mut stack);
        // Before the result is looked at, so that all ways out of here have their signals back.
        drop(masked);
        let (pid, pidfd) = started?;
        match plan.failure.load(Ordering::Relaxed) {
            0 => Ok((pid, pidfd)),
            errno => {
                // It has said why and has ended: take its status, so that no zombie stays.
                super::poll::poll(&[super::poll::Pollable::readable(std::os::fd::AsFd::as_fd(&pidfd))], None)?;
                pidfd.reap()?;
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }
}

/// Everything that the child needs, laid out before it exists, because it may not allocate.
struct Plan {
    program: *const libc::c_char,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    descriptors: Vec<RawFd>,
    /// Where the child keeps the numbers of its copies, because it has no memory of its own.
    copies: Vec<AtomicI32>,
    directory: *const libc::c_char,
    /// Why the child could not execute the program; it writes this into our memory.
    failure: AtomicI32,
    /// The highest number to close one by one, where the call that closes a range is refused; else −1.
    highest: RawFd,
}

impl Plan {
    fn new(exec: &Exec<'_>) -> io::Result<Plan> {
        Ok(Plan {
            program: exec.program.as_ptr(),
            arguments: null_terminated(exec.arguments),
            environment: null_terminated(exec.environment),
            descriptors: exec.descriptors.iter().map(AsRawFd::as_raw_fd).collect(),
            copies: exec.descriptors.iter().map(|_| AtomicI32::new(-1)).collect(),
            directory: exec.directory.map_or(std::ptr::null(), CStr::as_ptr),
            failure: AtomicI32::new(0),
            // Read here, as the child cannot: to list a folder needs memory. With −1 `/proc` need not be mounted.
            highest: if descriptors::can_close_ranges() { -1 } else { descriptors::highest()? },
        })
    }

    fn clone_vfork(&self, stack: &mut [u128]) -> io::Result<(u32, PidFd)> {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        let mut pidfd: RawFd = -1;
        let top = stack.as_mut_ptr_range().end.cast::<libc::c_void>();
        let plan = std::ptr::from_ref(self).cast_mut().cast::<libc::c_void>();
        // SAFETY: `top` is the aligned end of a stack that outlives the child's use of it, because CLONE_VFORK stops this
        // thread until the child has executed or exited. `child` only makes system calls. All signals are blocked, so
        // no handler of ours can run in the shared memory. The kernel writes one descriptor to `pidfd`.
        let pid = check(unsafe { libc::clone(child, top, flags, plan, &raw mut pidfd) })?;
        // SAFETY: the clone succeeded, so the kernel has made this descriptor for us.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let pid = pid.unsigned_abs();
        Ok((pid, PidFd::made_with(pid, pidfd)?))
    }
}

fn null_terminated(strings: &[&CStr]) -> Vec<*const libc::c_char> {
    strings.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Runs in the child, in the parent's memory: system calls only.
extern "C" fn child(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the parent passes its plan and stands still until we are done with it.
    let plan = unsafe { &*plan.cast::<Plan>() };
    // Handlers first and signals last: a signal that came meanwhile must find the default action when it is let through.
    let step = reset_handlers()
        .and_then(|()| place(plan))
        .and_then(|()| enter(plan.directory))
        .and_then(|()| unblock_all())
        .and_then(|()| execute(plan));
    // Reached only if a step has failed: `execve` does not return otherwise.
    plan.failure.store(step.err().unwrap_or(0), Ordering::Relaxed);
    // SAFETY: leaves without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// The error number of the last call of this child, which shares the calling thread's `errno`.
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

fn ok_or_errno(result: libc::c_int) -> Result<(), i32> {
    if result < 0 { Err(errno()) } else { Ok(()) }
}

/// Handlers would be reset by the execution, but one could run before it, in the parent's memory, once signals are unblocked.
/// Ignored ones stay ignored (as for nohup), except SIGPIPE, which the runtime of this program ignores and others must not inherit.
fn reset_handlers() -> Result<(), i32> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: all-zero is a valid sigaction: the default handler and an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: reads into memory of ours. The C library refuses its own two signals; then nothing is read.
        let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
        let handled = action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN;
        if known && (handled || signal == libc::SIGPIPE) {
            action.sa_sigaction = libc::SIG_DFL;
            // SAFETY: the action is valid; handlers are not shared (no CLONE_SIGHAND), so the parent keeps its own.
            ok_or_errno(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
        }
    }
    Ok(())
}

/// Copies each descriptor above the final numbers, then to its number, then closes all the rest.
fn place(plan: &Plan) -> Result<(), i32> {
    let count = plan.descriptors.len() as RawFd;
    // In two steps: a target's number may be the source of a later one, so all are first moved out of the way.
    for (fd, copy) in plan.descriptors.iter().zip(&plan.copies) {
        // SAFETY: duplicates a descriptor that the parent lent, in a table that is the child's own.
        let high = unsafe { libc::fcntl(*fd, libc::F_DUPFD, count) };
        ok_or_errno(high)?;
        copy.store(high, Ordering::Relaxed);
    }
    // `dup2` leaves close-on-exec off, so the program keeps exactly these.
    for (number, copy) in plan.copies.iter().enumerate() {
        // SAFETY: the table is this child's own: what had this number is either copied above or not wanted.
        ok_or_errno(unsafe { libc::dup2(copy.load(Ordering::Relaxed), number as RawFd) })?;
    }
    close_from(count, plan.highest)
}

fn close_from(first: RawFd, highest: RawFd) -> Result<(), i32> {
    if highest < 0 {
        // SAFETY: the table is this child's own: nothing of the parent is closed.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, RawFd::MAX, 0) };
        return if closed < 0 { Err(errno()) } else { Ok(()) };
    }
    for number in first..=highest {
        // SAFETY: as above.
        let _not_open = unsafe { libc::close(number) };
    }
    Ok(())
}

fn enter(directory: *const libc::c_char) -> Result<(), i32> {
    if directory.is_null() {
        return Ok(());
    }
    // SAFETY: a null-terminated string of the parent's, which stands still.
    ok_or_errno(unsafe { libc::chdir(directory) })
}

fn unblock_all() -> Result<(), i32> {
    SigSet::empty().thread_set_mask().map_err(|errno| errno as i32)
}

fn execute(plan: &Plan) -> Result<(), i32> {
    let (arguments, environment) = (plan.arguments.as_ptr(), plan.environment.as_ptr());
    // SAFETY: all three are null-terminated and live in the parent, which stands still.
    ok_or_errno(unsafe { libc::execve(plan.program, arguments, environment) })
}

/// Blocks every signal of this thread until it is dropped.
struct BlockedSignals(SigSet);

impl BlockedSignals {
    fn new() -> io::Result<BlockedSignals> {
        Ok(BlockedSignals(SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?))
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let _restored = self.0.thread_set_mask();
    }
}
