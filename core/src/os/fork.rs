//! The two ways to make a copy of this process: a child of ours, and a sibling (a child of our parent).
//!
//! Both refuse to copy a process that has more than one thread: whatever locks the other threads hold would stay locked
//! in the copy for ever. With one thread there are none. They also refuse while this process holds a lock in shared memory, whose
//! data two processes would have then. Both together make them safe functions.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::libc;

use super::descriptors;
use super::held::refuse_held_locks;
use super::refusal::check;
use super::refusal::no_proc;
use super::threads::Counter;

/// On which side of the copy the caller finds itself.
///
/// ```
/// use procession_core::os::fork::Forked;
///
/// assert_ne!(Forked::Child, Forked::Parent(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// In the original; the copy has this process number.
    Parent(u32),
    /// In the copy.
    Child,
}

/// Copies this process. In the copy, every descriptor but the standard three and `keep` leads nowhere.
///
/// Objects that the copy inherited and that own such a descriptor get errors from it (`EBADF`). Its number stays taken
/// until they are dropped, so they never meet what the copy opens. The copy is meant to run one function and exit, never
/// to return into what its original was doing.
///
/// What makes it a safe function, although memory is copied with all that refers to something outside: there is one thread, so
/// nothing is in the middle of a change; descriptors lead nowhere, as above; memory that is shared is shared by types that
/// several processes may use; and none of its locks is held, whose data a leaked guard would lend to both processes.
///
/// # Errors
///
/// `EDEADLK` when this process has more than one thread; [`ResourceBusy`](io::ErrorKind::ResourceBusy) when it
/// [holds a lock](super::held); else what `fork` reports.
///
/// ```
/// use procession_core::os::{exit::leave, fork::{Forked, fork}, pidfd::{Exit, PidFd}};
/// use std::io::Write;
///
/// let (_reader, mut writer) = std::io::pipe()?;
/// let Forked::Parent(copy) = fork(&[])? else {
///     let _mine = std::fs::File::open("/")?; // it does not get the pipe's number
///     leave(writer.write(b"unread").unwrap_err().raw_os_error().unwrap_or(0))
/// };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(9)), "EBADF");
/// # std::io::Result::Ok(())
/// ```
///
/// ```
/// // With another thread about, it is not known what it was in the middle of.
/// std::thread::spawn(std::thread::park);
/// let error = procession_core::os::fork::fork(&[]).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::Deadlock);
/// ```
pub fn fork(keep: &[BorrowedFd<'_>]) -> io::Result<Forked> {
    refuse_threads(&Counter::new()?)?;
    refuse_held_locks()?;
    // All that can fail or takes memory comes before: a copy has no way to report an error.
    let stand = Stand::for_all_but(keep)?;
    // SAFETY: this is the only thread, so no lock and no half-made change of another thread is copied.
    match check(unsafe { libc::fork() })? {
        0 => {
            stand.take_place();
            Ok(Forked::Child)
        }
        pid => Ok(Forked::Parent(pid.unsigned_abs())),
    }
}

/// Copies this process as a child of *its parent*: the parent can wait for it and signal it as for any child.
///
/// # Errors
///
/// As for [`fork`], and what `clone3` or `clone` reports.
///
/// ```
/// use procession_core::os::{fork::fork_sibling, threads::Counter};
///
/// std::thread::spawn(std::thread::park);
/// let error = fork_sibling(&Counter::new()?).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::Deadlock);
/// # std::io::Result::Ok(())
/// ```
pub fn fork_sibling(threads: &Counter) -> io::Result<Forked> {
    refuse_threads(threads)?;
    refuse_held_locks()?;
    // The address of the thread's number goes into the clone itself, so it is looked up before.
    let library = CLibrary::of_this_thread();
    match clone_parent(library.tid)? {
        0 => {
            library.adopt();
            Ok(Forked::Child)
        }
        pid => Ok(Forked::Parent(pid)),
    }
}

fn refuse_threads(threads: &Counter) -> io::Result<()> {
    if threads.is_single()? { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EDEADLK)) }
}

/// What the C library keeps per thread and its own `fork` would renew, but a bare system call does not.
struct CLibrary {
    /// Where it caches the thread's number; null when the kernel does not tell.
    tid: *mut libc::c_int,
    /// The head of the list of robust mutexes that this thread holds.
    robust: *mut libc::c_void,
    robust_len: libc::size_t,
}

impl CLibrary {
    fn of_this_thread() -> CLibrary {
        let mut found = CLibrary { tid: std::ptr::null_mut(), robust: std::ptr::null_mut(), robust_len: 0 };
        // SAFETY: the kernel writes one pointer to `tid`; where it does not know the request, it writes nothing.
        let _tells = unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut found.tid) };
        let (head, len) = (&raw mut found.robust, &raw mut found.robust_len);
        // SAFETY: the kernel writes one pointer and one size; thread 0 is the caller.
        let _tells = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, head, len) };
        found
    }

    /// Registers the copied list with the kernel: a fork starts without one, and then a mutex whose holder dies would stay locked.
    fn adopt(&self) {
        if !self.robust.is_null() {
            // SAFETY: the head lies in this thread's own block of the C library, which lives as long as the thread.
            let _set = unsafe { libc::syscall(libc::SYS_set_robust_list, self.robust, self.robust_len) };
        }
    }
}

/// Not in every `libc`: see prctl(2).
const PR_GET_TID_ADDRESS: libc::c_int = 40;

/// The bare call. The exit signal must be 0 with `CLONE_PARENT`: the copy takes over ours.
fn clone_parent(tid: *mut libc::c_int) -> io::Result<u32> {
    // Without its address the kernel can neither write the new number there nor clear it, so the copy does without.
    let (set_tid, clear_tid) =
        if tid.is_null() { (0, 0) } else { (libc::CLONE_CHILD_SETTID, libc::CLONE_CHILD_CLEARTID) };
    let flags = libc::CLONE_PARENT | set_tid | clear_tid;
    match clone3(flags, tid) {
        // Some containers' filters refuse clone3, with either error; the older call does the same here.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => clone(flags, tid),
        result => result,
    }
}

fn clone3(flags: libc::c_int, tid: *mut libc::c_int) -> io::Result<u32> {
    // SAFETY: all-zero is a valid clone_args: no flags, no stack, no signal.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.unsigned_abs());
    args.child_tid = tid as u64;
    // SAFETY: without CLONE_VM the copy runs on a copy of this stack; this thread is the only one; `tid` is null or is
    // where the C library itself wants the number written.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) })?;
    u32::try_from(pid).map_err(io::Error::other)
}

fn clone(flags: libc::c_int, tid: *mut libc::c_int) -> io::Result<u32> {
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: as for clone3; the order of the last two differs between the architectures.
    #[cfg(not(target_arch = "aarch64"))]
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, null, null, tid, null) };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, null, null, null, tid) };
    u32::try_from(check(pid)?).map_err(io::Error::other)
}

/// What the copy puts in the place of its original's descriptors, found before it is made, while an error can still be returned.
///
/// Closing them would give their numbers to whatever is opened next, and objects that the copy has inherited would then
/// read, write and signal what belongs to others.
struct Stand {
    nowhere: OwnedFd,
    numbers: Vec<RawFd>,
}

impl Stand {
    /// For all descriptors above the standard three that are not in `keep`.
    fn for_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<Stand> {
        let mut numbers = descriptors::open_numbers().map_err(no_proc)?;
        numbers.retain(|fd| *fd > 2 && keep.iter().all(|one| one.as_raw_fd() != *fd));
        Ok(Stand { nowhere: descriptors::nowhere()?, numbers })
    }

    /// In the copy.
    fn take_place(self) {
        // Freeing the list would touch several pages of memory more, each of which costs a fresh copy microseconds.
        for &mut number in self.numbers.leak() {
            // SAFETY: only called in a fresh copy, before it runs anything else: the owner of this number here gets errors
            // from now on, as the documentation says, and the original has a table of its own.
            let put = check(unsafe { libc::dup3(self.nowhere.as_raw_fd(), number, libc::O_CLOEXEC) });
            if put.is_err() {
                // A copy that shares its original's descriptors must not run. The only known reason is a lowered limit.
                super::exit::exit_now(1);
            }
        }
    }
}
