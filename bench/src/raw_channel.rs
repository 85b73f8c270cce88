//! Rings and slots in shared memory between forked processes, as the limit for channels. One of the files with unsafe code.
#![expect(unsafe_code, reason = "fork, futexes and shared mappings have no safe form")]

use std::cell::UnsafeCell;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::channels_course::{
    Small, add_up, amount, large as large_course, look_through, number, round_trips, small, stream as stream_course,
    trip,
};
use crate::group::{Failure, Figure};
use crate::measure::expect;
use crate::options::Options;

const SLOTS: usize = 1024;
/// How many large messages there is room for.
const ROOMS: usize = 4;
const SMALL: usize = 5_000_000;
const TRIPS: usize = 200_000;
/// The time for which a waiter looks before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// A copy of this process, which is killed unless it has ended.
#[derive(Debug)]
pub struct Fork(Option<Pid>);

/// One writer, one reader. All zeros is an empty one.
#[repr(C)]
struct Ring<T> {
    written: End,
    read: End,
    slots: [UnsafeCell<T>; SLOTS],
}

/// How far one side has come, and whether it sleeps. Alone in its cache lines.
#[repr(C, align(128))]
struct End {
    count: AtomicU64,
    sleeps: AtomicU32,
}

/// What two processes share.
#[repr(C)]
struct Lane<T> {
    there: Ring<T>,
    back: Ring<u64>,
}

/// Room for large messages.
struct Rooms(*mut u8);

impl Fork {
    /// Has a copy of this process live that life, and end.
    ///
    /// # Errors
    ///
    /// When the kernel has no room for a process.
    pub fn of(life: impl FnOnce()) -> Result<Fork, Failure> {
        // SAFETY: the process has one thread, so the copy may do what this one may.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Fork(Some(child))),
            ForkResult::Child => {
                let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life));
                // SAFETY: it runs no handler and touches no memory of ours.
                unsafe { libc::_exit(i32::from(lived.is_err())) }
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.0.map_or(0, |pid| pid.as_raw().unsigned_abs())
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When that was not a good one.
    pub fn join(mut self) -> Result<(), Failure> {
        match self.0.take() {
            Some(pid) => expect(waitpid(pid, None)?, WaitStatus::Exited(pid, 0)),
            None => Ok(()),
        }
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take() {
            let _gone = kill(pid, Signal::SIGKILL).and_then(|()| waitpid(pid, None));
        }
    }
}

impl<T: Copy> Ring<T> {
    /// Waits for room and adds a value.
    fn push(&self, value: T, spin: bool) {
        let at = self.written.count.load(Ordering::Relaxed);
        self.read.wait(spin, |read| at - read < SLOTS as u64);
        let slot = self.slots[at as usize % SLOTS].get();
        // SAFETY: there is one writer, and the reader does not look at this slot before it is notified.
        unsafe { slot.write(value) };
        self.written.advance(at + 1);
    }

    /// Waits for a value and takes it.
    fn pop(&self, spin: bool) -> T {
        let at = self.read.count.load(Ordering::Relaxed);
        self.written.wait(spin, |written| written > at);
        let slot = self.slots[at as usize % SLOTS].get();
        // SAFETY: the writer has filled this slot, and leaves it alone until the reader has acknowledged it.
        let value = unsafe { slot.read() };
        self.read.advance(at + 1);
        value
    }
}

impl End {
    fn advance(&self, count: u64) {
        self.count.store(count, Ordering::SeqCst);
        if self.sleeps.load(Ordering::SeqCst) != 0 {
            self.sleeps.store(0, Ordering::SeqCst);
            futex(&self.sleeps, libc::FUTEX_WAKE, 1);
        }
    }

    /// Waits until this side has come far enough.
    fn wait(&self, spin: bool, enough: impl Fn(u64) -> bool) {
        let mut start = None;
        while !enough(self.count.load(Ordering::Acquire)) {
            if spin && start.get_or_insert_with(Instant::now).elapsed() < SPIN {
                std::hint::spin_loop();
                continue;
            }
            self.sleeps.store(1, Ordering::SeqCst);
            if !enough(self.count.load(Ordering::SeqCst)) {
                futex(&self.sleeps, libc::FUTEX_WAIT, 1);
            }
        }
    }
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    let nothing = std::ptr::null::<libc::timespec>();
    // SAFETY: the word is alive, and the kernel only compares it; a thread that is woken for nothing looks again.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, nothing) };
}

/// Zeroed memory that a fork shares. It is never unmapped.
fn memory(size: usize) -> Result<*mut u8, Failure> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice changes no other memory.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    Ok(memory.cast())
}

/// Two empty rings. `T` is plain numbers.
fn lane<T: Copy>() -> Result<&'static Lane<T>, Failure> {
    let memory = memory(size_of::<Lane<T>>())?;
    // SAFETY: it is mapped for good, begins with a page, and zeros are empty rings of numbers.
    Ok(unsafe { &*memory.cast::<Lane<T>>() })
}

pub fn stream(spin: bool, options: Options) -> Result<Figure, Failure> {
    let (lane, count) = (lane::<Small>()?, options.part(SMALL));
    let child = Fork::of(|| add_up(count, || number(lane.there.pop(spin)), |sum| lane.back.push(sum, spin)))?;
    let send = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|n| lane.there.push(small(n), spin));
        Ok(())
    };
    let figure = stream_course(count, send, || Ok(lane.back.pop(spin)))?;
    child.join()?;
    Ok(figure)
}

pub fn round_trip(options: Options) -> Result<Figure, Failure> {
    let (there, back) = (lane::<[u64; 8]>()?, lane::<[u64; 8]>()?);
    let _echo = Fork::of(|| {
        loop {
            back.there.push(there.there.pop(true), true);
        }
    })?;
    round_trips(options.part(TRIPS), |n| {
        there.there.push(trip(n), true);
        expect(back.there.pop(true), trip(n))
    })
}

impl Rooms {
    fn room(&self, size: usize, at: u64) -> *mut u8 {
        // SAFETY: the memory holds that number of rooms of this size, one after another.
        unsafe { self.0.add(at as usize % ROOMS * size) }
    }

    fn write(&self, block: &[u8], at: u64) {
        // SAFETY: the room is as large as the block, and the reader leaves it alone until it is notified.
        unsafe { std::ptr::copy_nonoverlapping(block.as_ptr(), self.room(block.len(), at), block.len()) };
    }

    fn read(&self, size: usize, at: u64) -> &[u8] {
        // SAFETY: the room is as large as the block, and the writer leaves it alone until the reader has acknowledged it.
        unsafe { std::slice::from_raw_parts(self.room(size, at), size) }
    }
}

/// Copied in, and copied out or read in place.
pub fn large(size: usize, in_place: bool, options: Options) -> Result<Figure, Failure> {
    let (rooms, lane, count) = (Rooms(memory(size * ROOMS)?), lane::<u64>()?, amount(size, options));
    let free = self::lane::<u64>()?;
    let child = Fork::of(|| {
        let mut copy = vec![0; if in_place { 0 } else { size }];
        let next = || {
            let at = lane.there.pop(true);
            let block = rooms.read(size, at);
            let found = if in_place {
                look_through(block)
            } else {
                copy.copy_from_slice(block);
                look_through(&copy)
            };
            free.there.push(at, true);
            found
        };
        add_up(count, next, |sum| lane.back.push(sum, true));
    })?;
    let mut at = 0;
    let send = |block: &[u8]| {
        if at >= ROOMS as u64 {
            free.there.pop(true);
        }
        rooms.write(block, at);
        lane.there.push(at, true);
        at += 1;
        Ok(())
    };
    let figure = large_course(size, count, send, || Ok(lane.back.pop(true)))?;
    child.join()?;
    Ok(figure)
}
