//! Raw system calls, as limits. Beside `raw_lock.rs` the one file of the benchmarks with unsafe code.
#![expect(unsafe_code, reason = "fork, clone and _exit have no safe form")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::group::Failure;

/// A small process that makes children for us: a copy of this one, which clones itself once for each byte it reads.
#[derive(Debug)]
pub struct Zygote {
    socket: UnixStream,
}

impl Zygote {
    /// # Errors
    ///
    /// When the kernel has no room for a child or a socket.
    pub fn start() -> Result<Self, Failure> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: the process has one thread, so the copy may do what this one may.
        match unsafe { fork() }? {
            ForkResult::Parent { .. } => Ok(Self { socket: ours }),
            ForkResult::Child => {
                drop(ours);
                serve(theirs)
            }
        }
    }

    /// Has a child made that ends at once with `code`, waits for it, and gives back the code that arrived.
    ///
    /// # Errors
    ///
    /// When the zygote could make none, or something killed the child.
    pub fn clone_and_wait(&mut self, code: u8) -> Result<i32, Failure> {
        self.socket.write_all(&[code])?;
        let mut id = [0; 4];
        self.socket.read_exact(&mut id)?;
        exit_code(Pid::from_raw(i32::from_ne_bytes(id)))
    }
}

/// Forks a child that ends at once with `code`, waits for it, and gives back the code that arrived.
///
/// # Errors
///
/// When the kernel has no room for a child, or something killed it.
pub fn fork_and_wait(code: i32) -> Result<i32, Failure> {
    // SAFETY: the child calls nothing but `_exit`, which is allowed after a fork of any process.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => exit_code(child),
        ForkResult::Child => exit(code),
    }
}

/// The life of a zygote: until the socket closes, it answers each byte with the id of a child that ends with that code.
fn serve(mut socket: UnixStream) -> ! {
    let mut code = [0];
    while socket.read_exact(&mut code).is_ok() {
        let id = clone_sibling();
        if id == 0 {
            exit(code[0].into());
        }
        if socket.write_all(&id.to_ne_bytes()).is_err() {
            break;
        }
    }
    exit(0)
}

/// A copy of this process that is a child of its parent: 0 in the copy, its id here, negative for an error.
fn clone_sibling() -> i32 {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the copy has memory and a stack of its own, as after a fork, and calls nothing but `_exit`.
    let id = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    i32::try_from(id).unwrap_or(-1)
}

fn exit_code(child: Pid) -> Result<i32, Failure> {
    if child.as_raw() < 0 {
        return Err("the zygote could not make a child".into());
    }
    match waitpid(child, None)? {
        WaitStatus::Exited(_, code) => Ok(code),
        status => Err(format!("the child ended with {status:?}").into()),
    }
}

fn exit(code: i32) -> ! {
    // SAFETY: `_exit` may be called at any time: it runs no handler and touches no memory of ours.
    unsafe { libc::_exit(code) }
}
