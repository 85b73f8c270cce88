//! The groups `lock` and `lock-pair`: the cost of a lock without contention, and the rate of two processes that contend for it.
//!
//! Each operation takes the lock, adds 1 to what it guards, and gives it back; the sum is checked in the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use procession::Process;
use procession::sync::{Mutex, ReentrantLock, RwLock, Semaphore, Shared};

use crate::group::{Failure, Figure, Group, System};
use crate::measure::expect;
use crate::options::Options;
use crate::python;
use crate::raw_lock::{self, PthreadMutex};

/// Without contention.
pub const GROUP: Group = Group {
    name: "lock",
    title: "lock, add 1, unlock, alone",
    unit: "ns (lower is better)",
    systems: &[
        System { name: "procession Mutex", measure: |options| ours(options) },
        System { name: "procession ReentrantLock", measure: reentrant },
        System { name: "procession RwLock, write", measure: write },
        System { name: "procession RwLock, read", measure: read },
        System { name: "procession Semaphore", measure: semaphore },
        System { name: "raw pthread, shared, robust", measure: |options| pthread(true, options) },
        System { name: "raw pthread, shared", measure: |options| pthread(false, options) },
        System { name: "parking_lot, in one process", measure: parking_lot },
        System { name: "std, in one process", measure: std_mutex },
        System { name: "CPython Lock", measure: |options| cpython("Lock", 1, options) },
        System { name: "CPython RLock", measure: |options| cpython("RLock", 1, options) },
    ],
};

/// Two want it at the same time, as often as they can.
pub const GROUP_PAIR: Group = Group {
    name: "lock-pair",
    title: "lock, add 1, unlock, two processes at once",
    unit: "million a second, both together (higher is better)",
    systems: &[
        System { name: "procession Mutex", measure: our_pair },
        System { name: "raw pthread, shared, robust", measure: |options| pthread_pair(true, options) },
        System { name: "raw pthread, shared", measure: |options| pthread_pair(false, options) },
        System { name: "parking_lot, two threads", measure: parking_lot_pair },
        System { name: "std, two threads", measure: std_pair },
        System { name: "CPython Lock", measure: |options| cpython("Lock", 2, options) },
    ],
};

const TIMES: u64 = 10_000_000;
const TIMES_EACH: u64 = 5_000_000;

/// Nanoseconds for one of `times` operations, after some that warm up.
fn alone(options: Options, mut operation: impl FnMut()) -> (Figure, u64) {
    let times = options.part(TIMES);
    let warm_up = times / 10;
    (0..warm_up).for_each(|_| operation());
    let start = Instant::now();
    (0..times).for_each(|_| operation());
    (Figure::Value(start.elapsed().as_nanos() as f64 / times as f64), warm_up + times)
}

fn checked((figure, times): (Figure, u64), sum: u64) -> Result<Figure, Failure> {
    expect(sum, times)?;
    Ok(figure)
}

fn ours(options: Options) -> Result<Figure, Failure> {
    let lock = Mutex::new(0_u64)?;
    let measured = alone(options, || *lock.lock().unwrap() += 1);
    checked(measured, *lock.lock().unwrap())
}

fn reentrant(options: Options) -> Result<Figure, Failure> {
    let lock = ReentrantLock::new(())?;
    let mut sum = 0;
    let measured = alone(options, || {
        let _held = lock.lock().unwrap();
        sum += 1;
    });
    checked(measured, sum)
}

fn write(options: Options) -> Result<Figure, Failure> {
    let lock = RwLock::new(0_u64)?;
    let measured = alone(options, || *lock.write().unwrap() += 1);
    checked(measured, *lock.read().unwrap())
}

fn read(options: Options) -> Result<Figure, Failure> {
    let lock = RwLock::new(1_u64)?;
    let mut sum = 0;
    let measured = alone(options, || sum += *lock.read().unwrap());
    checked(measured, sum)
}

fn semaphore(options: Options) -> Result<Figure, Failure> {
    let semaphore = Semaphore::new(1)?;
    let mut sum = 0;
    let measured = alone(options, || {
        let _permit = semaphore.acquire();
        sum += 1;
    });
    checked(measured, sum)
}

fn pthread(robust: bool, options: Options) -> Result<Figure, Failure> {
    let lock = PthreadMutex::new(robust)?;
    let measured = alone(options, || lock.add_one());
    checked(measured, lock.sum())
}

fn parking_lot(options: Options) -> Result<Figure, Failure> {
    let lock = parking_lot::Mutex::new(0_u64);
    let measured = alone(options, || *lock.lock() += 1);
    checked(measured, lock.into_inner())
}

fn std_mutex(options: Options) -> Result<Figure, Failure> {
    let lock = std::sync::Mutex::new(0_u64);
    let measured = alone(options, || *lock.lock().unwrap() += 1);
    checked(measured, lock.into_inner()?)
}

/// Comes when both are there, so that neither has a start.
fn meet(ready: &AtomicU32) {
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
}

fn rate(took: Duration, times: u64) -> Figure {
    Figure::Value(2.0 * times as f64 / took.as_secs_f64() / 1e6)
}

fn our_pair(options: Options) -> Result<Figure, Failure> {
    fn half((lock, ready, times): (Mutex<u64>, Shared<AtomicU32>, u64)) {
        meet(&ready);
        (0..times).for_each(|_| *lock.lock().unwrap() += 1);
    }
    let (lock, ready, times) = (Mutex::new(0_u64)?, Shared::new(AtomicU32::new(0))?, options.part(TIMES_EACH));
    let other = Process::spawn(half, (lock.clone(), ready.clone(), times))?;
    while ready.load(Ordering::SeqCst) < 1 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    half((lock.clone(), ready, times));
    other.join()?;
    let took = start.elapsed();
    expect(*lock.lock().unwrap(), 2 * times)?;
    Ok(rate(took, times))
}

fn pthread_pair(robust: bool, options: Options) -> Result<Figure, Failure> {
    let (lock, times) = (PthreadMutex::new(robust)?, options.part(TIMES_EACH));
    let took = raw_lock::in_two_processes(&lock, times)?;
    expect(lock.sum(), 2 * times)?;
    Ok(rate(took, times))
}

fn parking_lot_pair(options: Options) -> Result<Figure, Failure> {
    let (lock, times) = (parking_lot::Mutex::new(0_u64), options.part(TIMES_EACH));
    let took = in_two_threads(|| (0..times).for_each(|_| *lock.lock() += 1));
    expect(lock.into_inner(), 2 * times)?;
    Ok(rate(took, times))
}

fn std_pair(options: Options) -> Result<Figure, Failure> {
    let (lock, times) = (std::sync::Mutex::new(0_u64), options.part(TIMES_EACH));
    let took = in_two_threads(|| (0..times).for_each(|_| *lock.lock().unwrap() += 1));
    expect(lock.into_inner()?, 2 * times)?;
    Ok(rate(took, times))
}

fn in_two_threads(half: impl Fn() + Sync) -> Duration {
    let ready = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            meet(&ready);
            half();
        });
        meet(&ready);
        let start = Instant::now();
        half();
        start
    })
    .elapsed()
}

fn cpython(kind: &str, processes: u32, options: Options) -> Result<Figure, Failure> {
    let times = options.part(TIMES_EACH) / 10;
    python::run("lock.py", &[kind, &processes.to_string(), &times.to_string()])
}
