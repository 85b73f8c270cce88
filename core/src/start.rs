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

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, io};

use crate::control::Control;
use crate::os::auxv;
use crate::os::exec::Exec;
use crate::os::pidfd::PidFd;

/// Set for a child, to how deep it is below the first process of its family.
const MARK: &str = "PROCESSION_CHILD";

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
/// `/proc` is not mounted, a limit of the machine, a family of processes that is too deep, or no memory.
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
    let [input, output, error] = standard;
    let arguments = c_strings(env::args_os())?;
    let environment = c_strings(env::vars_os().filter(|(name, _)| name != MARK).map(pair).chain([mark()?]))?;
    let exec = Exec {
        program: c"/proc/self/exe",
        arguments: &arguments.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
        environment: &environment.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
        descriptors: &[input, output, error, control.socket().as_fd()],
        directory: None,
    };
    exec.start()
}

/// The control link that this process was executed with, once, and `None` in a process that is no child.
///
/// Takes the mark out of the environment, so that programs which this one starts do not mistake themselves for children.
///
/// # Errors
///
/// The mark is there but the program must not obey it, or there is no link.
///
/// ```
/// // This program was not started by another of its kind.
/// assert!(procession_core::start::inherited()?.is_none());
/// # std::io::Result::Ok(())
/// ```
pub fn inherited() -> io::Result<Option<Control>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(mark) = env::var_os(MARK) else { return Ok(None) };
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(None);
    }
    // SAFETY: this runs first in `main` or before it, where a program has one thread; a program that has started others
    // by then and reads its environment meanwhile is warned in the documentation of `init`.
    unsafe { env::remove_var(MARK) };
    let depth = mark.to_str().and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    DEPTH.store(depth, Ordering::Relaxed);
    if auxv::is_privileged() {
        return Err(io::Error::other("a program with more rights than its starter obeys no one"));
    }
    // SAFETY: `reexec` puts the link there, and nothing else of this fresh process has looked at the number yet.
    let socket = unsafe { OwnedFd::from_raw_fd(CONTROL) };
    if !is_socket(&socket) {
        std::mem::forget(socket);
        return Err(io::Error::other(format!("{MARK} is set, but descriptor {CONTROL} is no link to a parent")));
    }
    nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(Some(Control::from_socket(socket)))
}

/// How deep this process is below the first of its family.
static DEPTH: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn mark() -> io::Result<OsString> {
    let depth = DEPTH.load(Ordering::Relaxed) + 1;
    if depth > DEEPEST {
        let text = format!("processes have started each other {DEEPEST} levels deep; does a child start itself again?");
        return Err(io::Error::other(text));
    }
    Ok(format!("{MARK}={depth}").into())
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

fn is_socket(fd: &OwnedFd) -> bool {
    nix::sys::stat::fstat(fd).is_ok_and(|stat| stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFSOCK)
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

/// Makes `variables` the whole environment of this process.
///
/// # Errors
///
/// This process has more than one thread: another could be reading the environment.
///
/// ```
/// std::thread::spawn(std::thread::park);
/// assert!(procession_core::start::set_environment(&[]).is_err(), "another thread may be reading it");
/// ```
pub fn set_environment(variables: &[(OsString, OsString)]) -> io::Result<()> {
    refuse_threads()?;
    let stale: Vec<OsString> = env::vars_os().map(|(name, _)| name).collect();
    for name in stale.iter().filter(|one| !one.is_empty()) {
        // SAFETY: this is the only thread.
        unsafe { env::remove_var(name) };
    }
    variables.iter().try_for_each(|(name, value)| set_variable(name, Some(value)))
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
