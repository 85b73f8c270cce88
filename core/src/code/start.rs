//! How an executed child learns that it is one: a variable of its environment, and the control link that comes with it.
//!
//! ```
//! use procession_core::{Control, os::stdio::null, start};
//! use std::os::fd::AsFd;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     if let Some(mut parent) = start::inherited()? {
//!         parent.send("hello from the child")?; // the same program, the second time
//!         return Ok(());
//!     }
//!     let (mut here, there) = Control::pair()?;
//!     let null = null()?;
//!     let (_, child) = start::reexec(&there, [null.as_fd(); 3])?;
//!     drop(there);
//!     assert_eq!(here.recv::<String>(None)?.as_deref(), Some("hello from the child"));
//!     # while !child.has_ended()? { std::thread::yield_now() }
//!     Ok(())
//! }
//! ```

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, io};

use nix::libc;

use crate::code::control::Control;
use crate::code::image;
use crate::os::exec::Exec;
use crate::os::pidfd::{PidFd, own_number};
use crate::os::refusal::check;
use crate::os::refusal::{no_proc, refused};
use crate::os::{auxv, threads};

/// Set for a child: see [`Mark`].
const MARK: &str = "PROCESSION_CHILD";

/// Set for an agent whose driver invites it by its standard input. It holds no secret.
///
/// ```
/// assert!(std::env::var_os(procession_core::start::AGENT).is_none(), "this program is no agent");
/// ```
pub const AGENT: &str = "PROCESSION_AGENT";

/// Set for an agent that joins a driver by itself: the address.
///
/// ```
/// assert!(std::env::var_os(procession_core::start::JOIN).is_none(), "this program is no agent");
/// ```
pub const JOIN: &str = "PROCESSION_JOIN";

/// The number of the control link in an executed child: the first after the standard three.
const CONTROL: RawFd = 3;

/// How deep a family of processes may grow. No program needs more; a program that starts itself by mistake stops here.
const DEEPEST: u32 = 100;

/// This program, executed once more.
///
/// The child finds its control link with [`inherited`].
///
/// # Errors
///
/// `/proc` is not mounted, or leads to another program, as where the loader was started with this one as its argument; a
/// limit of the machine; an environment that is too large to be handed on; a family of processes that is too deep.
///
/// ```
/// use procession_core::{Control, os::stdio::null, start::{inherited, reexec}};
/// use std::os::fd::AsFd;
///
/// # if let Some(_parent) = inherited()? { return Ok(()) }
/// let (mut here, there) = Control::pair()?;
/// let null = null()?;
/// let (pid, child) = reexec(&there, [null.as_fd(); 3])?;
/// assert_ne!(pid, std::process::id());
/// drop(there);
/// assert!(here.recv::<u8>(None)?.is_none(), "the child has closed its end, or is gone");
/// # while !child.has_ended()? { std::thread::yield_now() }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn reexec(control: &Control, standard: [BorrowedFd<'_>; 3]) -> io::Result<(u32, PidFd)> {
    if let Some(other) = image::run_by_another() {
        let text = "/proc/self/exe is not this program but the one that runs it";
        let remedy = "start the program directly, and not through the loader, Valgrind or another interpreter";
        return Err(io::Error::other(format!("{text}, {}: {remedy}", other.display())));
    }
    let [input, output, error] = standard;
    let arguments = c_strings(env::args_os())?;
    let mark = Mark::of_next_child(control)?.variable();
    // A mark of this process's own may still be there, and a child would find two. The first one would win.
    let environment = c_strings(env::vars_os().filter(|(name, _)| name != MARK).map(pair).chain([mark]))?;
    let exec = Exec {
        // Not by its path: there may be another build by now, in which functions have other places.
        program: c"/proc/self/exe",
        arguments: &arguments.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
        environment: &environment.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
        // The place in this list is the number in the child, so the link becomes `CONTROL`, where `inherited` looks for it.
        descriptors: &[input, output, error, control.socket().as_fd()],
        directory: None,
    };
    exec.start().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT) if Path::new("/proc/self/exe").exists() => {
            let text = "this program's loader is not found (is it there under this root directory?)";
            io::Error::new(error.kind(), format!("{text}: {error}"))
        }
        Some(libc::ENOENT) => no_proc(error),
        Some(libc::E2BIG) => too_large(&error, &environment),
        Some(libc::EACCES | libc::EPERM | libc::ENOSYS) => io::Error::new(
            error.kind(),
            format!("this program may not be executed once more (its file, or the system call `execve`): {error}"),
        ),
        _ => error,
    })
}

/// The most bytes that the kernel takes for one variable with its name (`MAX_ARG_STRLEN`).
const MOST_IN_A_VARIABLE: usize = 128 * 1024;

/// The error of a program that could not be executed because of what it was to be handed.
fn too_large(error: &io::Error, environment: &[CString]) -> io::Error {
    let largest = environment.iter().max_by_key(|one| one.as_bytes_with_nul().len());
    let Some(largest) = largest.filter(|one| one.as_bytes_with_nul().len() > MOST_IN_A_VARIABLE) else {
        let total: usize = environment.iter().map(|one| one.as_bytes_with_nul().len()).sum();
        let text = format!("the environment ({total} bytes) and the arguments are too large for a new program");
        return io::Error::other(format!("{text} (a quarter of `ulimit -s` is allowed): {error}"));
    };
    let name = largest.to_string_lossy();
    let name = name.split('=').find(|part| !part.is_empty()).unwrap_or_default();
    let text = format!("the environment variable `{name}` has {} bytes", largest.as_bytes().len());
    io::Error::other(format!("{text}, and no program is executed with one above {MOST_IN_A_VARIABLE}: {error}"))
}

/// The control link that this process was executed with, once, and `None` in a process that is no child.
///
/// Takes the mark out of the environment, so that programs which this one starts do not mistake themselves for children; with
/// several threads about it stays there, because another might be reading, and is not believed by those programs.
///
/// # Errors
///
/// The mark is of this process but there is no link, or the program must not obey it.
///
/// ```
/// // This program was not started by another of its kind.
/// assert!(procession_core::start::inherited()?.is_none());
/// # std::io::Result::Ok(())
/// ```
pub fn inherited() -> io::Result<Option<Control>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(variable) = env::var_os(MARK) else { return Ok(None) };
    // Pairs with itself: of all callers one takes the descriptor. It publishes nothing.
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(None);
    }
    // Removed, so that programs that this one starts do not take themselves for its children. With more threads it stays:
    // another one could be reading the environment, and `is_of_another` finds such a mark out.
    if threads::is_single().unwrap_or(false) {
        // SAFETY: this is the only thread.
        unsafe { env::remove_var(MARK) };
    }
    let Some(mark) = Mark::read(&variable) else { return Ok(None) };
    // Before the mark is found to be another's: a chain of starts through other programs must end as well.
    DEPTH.store(mark.depth, Ordering::Relaxed);
    if mark.is_of_another() {
        return Ok(None);
    }
    // Before anything is read from the link: its starter chooses which functions this process runs.
    if auxv::is_privileged() {
        return Err(io::Error::other(
            "a program with more rights than its starter obeys no one: it is set-user-id, or its starter acts for another \
             user than its real one",
        ));
    }
    if cookie(CONTROL).ok() != Some(mark.cookie) {
        return Err(io::Error::other(format!("{MARK} is set, but descriptor {CONTROL} is no link to a parent")));
    }
    // SAFETY: `reexec` puts the link there. The number is that of the very socket whose cookie the parent has written into
    // the mark, and no socket ever has the cookie of another; nothing else of this process knows of it.
    let socket = unsafe { OwnedFd::from_raw_fd(CONTROL) };
    // It came through an execution, and so is open across the next one: a program started here would keep the link alive.
    nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(Some(Control::from_socket(socket)))
}

/// Returns whether this process was executed as a child, and has not found its control link yet.
pub(crate) fn is_child() -> bool {
    let mark = env::var_os(MARK).and_then(|value| Mark::read(&value));
    mark.is_some_and(|mark| cookie(CONTROL).ok() == Some(mark.cookie))
}

/// Returns whether this process was started as an agent, and has not taken the mark out of its environment yet.
pub(crate) fn is_agent() -> bool {
    [AGENT, JOIN].iter().any(|name| env::var_os(name).is_some())
}

/// How deep this process is below the first of its family.
static DEPTH: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// What a child finds in its environment. A program that the child starts may find it too, and must not believe it.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    /// How deep the child is below the first process of its family.
    depth: u32,
    /// Who has started it.
    parent: u32,
    /// The kernel's number of its control link, which no other socket has.
    cookie: u64,
}

impl Mark {
    fn of_next_child(control: &Control) -> io::Result<Mark> {
        let depth = DEPTH.load(Ordering::Relaxed) + 1;
        if depth > DEEPEST {
            let text =
                format!("processes have started each other {DEEPEST} levels deep; does a child start itself again?");
            return Err(io::Error::other(text));
        }
        let cookie = cookie(control.socket().as_raw_fd()).map_err(|error| refused("getsockopt", error))?;
        Ok(Mark { depth, parent: own_number(), cookie })
    }

    fn variable(&self) -> OsString {
        format!("{MARK}={}.{}.{}", self.depth, self.parent, self.cookie).into()
    }

    fn read(value: &OsStr) -> Option<Mark> {
        let mut parts = value.to_str()?.split('.');
        let (depth, parent, cookie) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Mark { depth: depth.parse().ok()?, parent: parent.parse().ok()?, cookie: cookie.parse().ok()? })
    }

    /// Returns whether it was made for another process, whose environment this one has got.
    fn is_of_another(&self) -> bool {
        // A child whose parent has died has another one by now, and in a namespace the number differs. The cookie decides then.
        std::os::unix::process::parent_id() != self.parent && cookie(CONTROL).ok() != Some(self.cookie)
    }
}

/// The kernel's number of a socket, which it gives to no other.
fn cookie(socket: RawFd) -> io::Result<u64> {
    let (mut cookie, mut size) = (0_u64, size_of::<u64>() as libc::socklen_t);
    let value = (&raw mut cookie).cast();
    // SAFETY: the kernel writes at most `size` bytes to `cookie`; a number that is no socket is an error.
    check(unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_COOKIE, value, &raw mut size) })?;
    Ok(cookie)
}

/// Sets how deep this process is, in a copy of a process that was not executed.
///
/// ```
/// // In a copy, first thing:
/// procession_core::start::descend();
/// ```
pub fn descend() {
    DEPTH.fetch_add(1, Ordering::Relaxed);
}

fn pair((name, value): (OsString, OsString)) -> OsString {
    let mut bytes = name.into_vec();
    bytes.push(b'=');
    bytes.extend_from_slice(value.as_bytes());
    OsString::from_vec(bytes)
}

fn c_strings(strings: impl Iterator<Item = OsString>) -> io::Result<Vec<CString>> {
    strings.map(|one| CString::new(one.into_vec()).map_err(io::Error::other)).collect()
}

/// Makes `variables` the whole environment of this process, as they are: a name that is there twice, or that begins with
/// `=`, is taken over too.
///
/// # Errors
///
/// This process has more than one thread: another could be reading the environment. A name or value holds a zero byte.
///
/// ```
/// std::thread::spawn(std::thread::park);
/// assert!(procession_core::start::set_environment(&[]).is_err(), "another thread may be reading it");
/// ```
pub fn set_environment(variables: &[(OsString, OsString)]) -> io::Result<()> {
    refuse_threads()?;
    let strings = c_strings(variables.iter().cloned().map(pair))?;
    let mut pointers: Vec<*mut libc::c_char> = strings.into_iter().map(CString::into_raw).collect();
    pointers.push(std::ptr::null_mut());
    // The C library never frees what was put there by hand, and neither may we.
    let list = Box::leak(pointers.into_boxed_slice()).as_mut_ptr();
    // SAFETY: this is the only thread, so no thread reads it meanwhile; the list ends with a null pointer, and it and its strings
    // live for ever.
    unsafe { environ = list };
    Ok(())
}

unsafe extern "C" {
    /// The environment, as POSIX has it: a program may put a list of its own there.
    static mut environ: *mut *mut libc::c_char;
}

/// Sets one variable of the environment, or removes it.
///
/// # Errors
///
/// As [`set_environment`], and for a name that is empty or holds `=` or a zero byte.
///
/// ```
/// std::thread::spawn(std::thread::park);
/// assert!(procession_core::start::set_variable(&"LANG".into(), None).is_err());
/// ```
pub fn set_variable(name: &OsString, value: Option<&OsString>) -> io::Result<()> {
    refuse_threads()?;
    let text = name.as_bytes();
    // The functions below panic for such names and values.
    let value_has_zero = value.is_some_and(|one| one.as_bytes().contains(&0));
    if text.is_empty() || text.contains(&b'=') || text.contains(&0) || value_has_zero {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no variable can be named {name:?}")));
    }
    match value {
        // SAFETY: this is the only thread, and the name and the value have been checked.
        Some(value) => unsafe { env::set_var(name, value) },
        // SAFETY: as above.
        None => unsafe { env::remove_var(name) },
    }
    Ok(())
}

fn refuse_threads() -> io::Result<()> {
    if crate::os::threads::is_single()? {
        return Ok(());
    }
    Err(io::Error::other("the environment cannot be changed once there are several threads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nonsense_is_none() {
        let (here, _there) = Control::pair().unwrap();
        let mark = Mark::of_next_child(&here).unwrap();
        let text = mark.variable().into_string().unwrap();
        assert_eq!(Mark::read(OsStr::new(text.split_once('=').unwrap().1)), Some(mark));
        for nonsense in ["", "1", "1.2", "1.2.x", "-1.2.3"] {
            assert_eq!(Mark::read(OsStr::new(nonsense)), None);
        }
    }

    #[test]
    fn no_two_sockets_have_one_cookie() {
        let (here, there) = Control::pair().unwrap();
        assert_ne!(cookie(here.socket().as_raw_fd()).unwrap(), cookie(there.socket().as_raw_fd()).unwrap());
        cookie(-1).unwrap_err();
    }

    #[test]
    fn the_variable_that_is_too_large_is_named() {
        let error = || io::Error::from_raw_os_error(libc::E2BIG);
        let large = CString::new(format!("LARGE={}", "x".repeat(MOST_IN_A_VARIABLE))).unwrap();
        assert!(too_large(&error(), &[c"A=1".to_owned(), large]).to_string().contains("variable `LARGE` has 131078"));
        assert!(too_large(&error(), &[c"A=1".to_owned()]).to_string().contains("the environment (4 bytes)"));
    }
}
