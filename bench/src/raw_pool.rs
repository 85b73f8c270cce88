//! Two forked processes with private rings in shared memory, as the limit for pools. One of the three files with unsafe code.
#![expect(unsafe_code, reason = "fork and shared mappings have no safe form")]

use std::cell::UnsafeCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::group::{Failure, Figure};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;
use crate::pool::{WORKERS, add_one, compute, sum_for};
use crate::pool_block::{MIB, WARM_UP, is_whole};
use crate::pool_ours::{rate, scaling, throughput};

const SLOTS: usize = 1024;
/// So often an end looks before it lets others run, and so often before it sleeps.
const SPINS: u32 = 200;
const YIELDS: u32 = 20_000;

/// One writer, one reader. All zeros is an empty one.
#[repr(C)]
struct Ring {
    written: Padded,
    read: Padded,
    slots: [AtomicU64; SLOTS],
}

/// Alone in its cache lines.
#[repr(C, align(128))]
struct Padded(AtomicU64);

/// What the parent shares with one worker.
#[repr(C)]
struct Lane {
    tasks: Ring,
    results: Ring,
    argument: UnsafeCell<[u8; MIB]>,
    result: UnsafeCell<[u8; MIB]>,
}

struct Pool {
    lanes: &'static [Lane; WORKERS],
    _workers: Forks,
}

/// Forked processes that are killed in the end.
struct Forks(Vec<Pid>);

/// Two forks that wait for nothing.
pub struct Idle(#[expect(dead_code, reason = "kept to be dropped")] Forks);

impl Idle {
    /// # Errors
    ///
    /// When the kernel has no room for a process.
    pub fn start() -> Result<Idle, Failure> {
        Ok(Idle(Forks::start(|_| {
            nix::unistd::pause();
        })?))
    }
}

impl Forks {
    fn start(life: impl Fn(usize)) -> Result<Forks, Failure> {
        let mut forks = Forks(Vec::new());
        for at in 0..WORKERS {
            // SAFETY: the process has one thread, so the copy may do what this one may.
            match unsafe { fork() }? {
                ForkResult::Parent { child } => forks.0.push(child),
                ForkResult::Child => {
                    life(at);
                    // SAFETY: it runs no handler and touches no memory of ours.
                    unsafe { libc::_exit(0) }
                }
            }
        }
        Ok(forks)
    }

    fn join(mut self) -> Result<(), Failure> {
        for pid in self.0.drain(..) {
            expect(waitpid(pid, None)?, WaitStatus::Exited(pid, 0))?;
        }
        Ok(())
    }
}

impl Drop for Forks {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _gone = kill(*pid, Signal::SIGKILL).and_then(|()| waitpid(*pid, None));
        }
    }
}

impl Pool {
    fn start(life: fn(&Lane)) -> Result<Pool, Failure> {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let size = size_of::<[Lane; WORKERS]>();
        // SAFETY: a new mapping at an address of the kernel's choice changes no other memory.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: it is mapped for good, begins with a page, and zeros are empty rings and bytes.
        let lanes = unsafe { &*memory.cast::<[Lane; WORKERS]>() };
        Ok(Pool { lanes, _workers: Forks::start(|at| life(&lanes[at]))? })
    }

    /// Gives each worker every other task, and answers the sum of the results.
    fn sum(&self, count: usize) -> u64 {
        let (mut given, mut taken, mut sum) = (0, 0, 0);
        while taken < count {
            while given < count && self.lanes[given % WORKERS].tasks.push(given as u64) {
                given += 1;
            }
            while let Some(result) = self.lanes[taken % WORKERS].results.pop() {
                sum += result;
                taken += 1;
            }
        }
        sum
    }

    /// Sends `count` blocks through the workers, in turns.
    fn send_blocks(&self, data: &[u8], count: usize) -> Result<(), Failure> {
        let mut copy = vec![0; MIB];
        for at in 0..count + WORKERS {
            let lane = &self.lanes[at % WORKERS];
            if at >= WORKERS {
                lane.results.wait();
                copy_bytes(lane.result.get().cast(), copy.as_mut_ptr());
                expect(is_whole(&copy), true)?;
            }
            if at < count {
                copy_bytes(data.as_ptr(), lane.argument.get().cast());
                lane.tasks.push(0);
            }
        }
        Ok(())
    }
}

impl Ring {
    fn push(&self, value: u64) -> bool {
        let at = self.written.0.load(Ordering::Relaxed);
        if at - self.read.0.load(Ordering::Acquire) == SLOTS as u64 {
            return false;
        }
        self.slots[at as usize % SLOTS].store(value, Ordering::Relaxed);
        self.written.0.store(at + 1, Ordering::Release);
        true
    }

    fn pop(&self) -> Option<u64> {
        let at = self.read.0.load(Ordering::Relaxed);
        if at == self.written.0.load(Ordering::Acquire) {
            return None;
        }
        let value = self.slots[at as usize % SLOTS].load(Ordering::Relaxed);
        self.read.0.store(at + 1, Ordering::Release);
        Some(value)
    }

    /// Spins, then lets others run, and sleeps when there is nothing for long.
    fn wait(&self) -> u64 {
        let mut looks = 0;
        loop {
            if let Some(value) = self.pop() {
                return value;
            }
            looks += 1;
            match looks {
                ..SPINS => std::hint::spin_loop(),
                SPINS..YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
    }
}

/// Copies a block between shared memory and ours.
fn copy_bytes(from: *const u8, to: *mut u8) {
    // SAFETY: both are blocks of a mebibyte, one of them in shared memory, which the other side leaves alone until it is notified.
    unsafe { std::ptr::copy_nonoverlapping(from, to, MIB) };
}

fn add_for_ever(lane: &Lane) {
    loop {
        let result = add_one(lane.tasks.wait());
        while !lane.results.push(result) {
            std::thread::yield_now();
        }
    }
}

fn answer_blocks(lane: &Lane) {
    let mut copy = vec![0; MIB];
    loop {
        lane.tasks.wait();
        copy_bytes(lane.argument.get().cast(), copy.as_mut_ptr());
        if !is_whole(&copy) {
            copy.fill(0);
        }
        copy_bytes(copy.as_ptr(), lane.result.get().cast());
        lane.results.push(0);
    }
}

pub fn single(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::start(add_for_ever)?, options.part(5_000_000));
    expect(pool.sum(count / 10), sum_for(count / 10))?;
    rate(count, || expect(pool.sum(count), sum_for(count)))
}

pub fn apply(options: Options) -> Result<Figure, Failure> {
    let pool = Pool::start(add_for_ever)?;
    let lane = &pool.lanes[0];
    let mut n = 0;
    latency(Repeat::times(20_000).under(options), || {
        n += 1;
        lane.tasks.push(n);
        expect(lane.results.wait(), n + 1)
    })
}

pub fn large(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::start(answer_blocks)?, options.part(1000));
    let data = vec![1; MIB];
    pool.send_blocks(&data, WARM_UP)?;
    throughput(count, || pool.send_blocks(&data, count))
}

pub fn heavy(options: Options) -> Result<Figure, Failure> {
    let count = options.part(1000);
    let run = |count| (0..count).for_each(|_| _ = compute(1000));
    let alone = || {
        run(count);
        Ok(())
    };
    scaling(alone, || Forks::start(|_| run(count / WORKERS))?.join())
}
