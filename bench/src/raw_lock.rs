//! A pthread mutex in shared memory, as the lock to compare with. Beside `raw.rs` the one file with unsafe code.
#![expect(unsafe_code, reason = "pthread mutexes and shared mappings have no safe form")]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::group::Failure;

/// A number under a pthread mutex that processes share, in memory that a fork shares, too. It is never unmapped.
pub struct PthreadMutex(&'static Page);

#[repr(C)]
struct Page {
    lock: UnsafeCell<libc::pthread_mutex_t>,
    number: UnsafeCell<u64>,
    ready: AtomicU32,
}

impl PthreadMutex {
    /// # Errors
    ///
    /// When there is no memory, or the C library refuses.
    pub fn new(robust: bool) -> Result<Self, Failure> {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice changes no other memory.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Page>(), access, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: it is mapped for good, begins with a page, and zeros are a number and bytes of a mutex to be made.
        let page = unsafe { &*memory.cast::<Page>() };
        init(page.lock.get(), robust)?;
        Ok(Self(page))
    }

    /// Takes the lock, adds 1, and gives the lock back.
    #[inline]
    pub fn add_one(&self) {
        // SAFETY: the mutex was made by `new`.
        unsafe { libc::pthread_mutex_lock(self.0.lock.get()) };
        // SAFETY: the lock is held, so no other code touches the number.
        unsafe { *self.0.number.get() += 1 };
        // SAFETY: as for taking it.
        unsafe { libc::pthread_mutex_unlock(self.0.lock.get()) };
    }

    /// Returns the number, once no process adds to it any more.
    pub fn sum(&self) -> u64 {
        // SAFETY: callers wait for the other process first.
        unsafe { *self.0.number.get() }
    }
}

/// Has this process and a fork of it add `times` each, and says how long that took.
///
/// # Errors
///
/// When the fork failed, or its end was not a good one.
pub fn in_two_processes(lock: &PthreadMutex, times: u64) -> Result<Duration, Failure> {
    // SAFETY: the child adds and ends, and needs no lock of this process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            half(lock, times);
            // SAFETY: it runs no handler and touches no memory of ours.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            let start = half(lock, times);
            match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(start.elapsed()),
                status => Err(format!("the child ended with {status:?}").into()),
            }
        }
    }
}

/// Waits for the other one, adds, and says when it began.
fn half(lock: &PthreadMutex, times: u64) -> Instant {
    lock.0.ready.fetch_add(1, Ordering::SeqCst);
    while lock.0.ready.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    (0..times).for_each(|_| lock.add_one());
    start
}

fn init(lock: *mut libc::pthread_mutex_t, robust: bool) -> io::Result<()> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: it fills what it is given.
    check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: they were filled above.
    check(unsafe { libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED) })?;
    if robust {
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST) })?;
    }
    // SAFETY: the mutex is fresh memory that no other code has, and the attributes were filled.
    check(unsafe { libc::pthread_mutex_init(lock, attributes.as_ptr()) })
}

fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
