//! A process that is stopped, and then killed, at many instructions of an operation: what the others see meanwhile and afterwards.
//!
//! The child is traced and executes one instruction at a time. At each of some places it is left where it is: then every try returns,
//! and every wait with a timeout. Then it is killed there, and the object must be whole.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, alarm};
use procession_sync::{Barrier, Condvar, Event, Mutex, ReentrantLock, RwLock, Semaphore, SharedMemory};

use crate::{GUARD, in_child};

/// At how many places of each operation the child is stopped and killed.
const PLACES: usize = 48;

/// A timeout that is over soon, for calls that must not take much longer.
const SHORT: Duration = Duration::from_millis(2);

/// What a process does to an object, and what others must be able to do while it is stopped in it and after it died in it.
struct Operation<T> {
    make: fn() -> T,
    act: fn(&T),
    while_stopped: fn(&T),
    after_death: fn(&T),
}

/// As far as a traced child goes before it is looked at; `false` when that was the end of the process.
type Step = fn(Pid) -> bool;

impl<T> Operation<T> {
    fn explore(self) {
        self.explore_by(instruction);
    }

    fn explore_by(self, step: Step) {
        let steps = self.steps(step);
        assert!(steps > 20, "the operation was not seen: {steps} steps");
        for place in 0..PLACES {
            // Whoever hangs is ended by the alarm, which fails the test.
            alarm::set(GUARD.as_secs() as u32);
            self.try_place(place * steps / PLACES, step);
        }
        alarm::cancel();
    }

    fn steps(&self, step: Step) -> usize {
        let object = (self.make)();
        let child = self.traced(&object);
        (0..).find(|_| !step(child)).expect("it ends")
    }

    fn try_place(&self, steps: usize, step: Step) {
        let object = (self.make)();
        let child = self.traced(&object);
        for _ in 0..steps {
            // The number of steps differs a little from run to run: then it has ended already.
            if !step(child) {
                return (self.after_death)(&object);
            }
        }
        (self.while_stopped)(&object);
        ptrace::kill(child).expect("it is stopped");
        waitpid(child, None).expect("it ends");
        (self.after_death)(&object);
    }

    /// A child that is about to act.
    fn traced(&self, object: &T) -> Pid {
        let child = in_child(|| {
            // What is done once in a process is done before it is traced.
            (self.act)(&(self.make)());
            ptrace::traceme().expect("the parent may trace it");
            raise(Signal::SIGSTOP).expect("it can stop itself");
            (self.act)(object);
            true
        });
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Stopped(child, Signal::SIGSTOP)));
        child
    }
}

/// One instruction, or one system call.
fn instruction(child: Pid) -> bool {
    ptrace::step(child, None).expect("it is stopped");
    matches!(waitpid(child, None), Ok(WaitStatus::Stopped(..)))
}

/// To the next border of a system call: for long operations, whose effects outside of memory happen there.
fn border_of_a_system_call(child: Pid) -> bool {
    ptrace::syscall(child, None).expect("it is stopped");
    matches!(waitpid(child, None), Ok(WaitStatus::Stopped(..)))
}

pub(crate) fn mutex() {
    let take = |lock: &Mutex<u64>| drop(lock.lock());
    let after_death = |lock: &Mutex<u64>| drop(lock.lock());
    let while_stopped = |lock: &Mutex<u64>| {
        drop(lock.try_lock());
        drop(lock.lock_timeout(SHORT));
    };
    Operation { make: || Mutex::new(0).unwrap(), act: take, while_stopped, after_death }.explore();
}

pub(crate) fn reentrant_lock() {
    let act = |lock: &ReentrantLock<u64>| {
        let _outer = lock.lock();
        let _inner = lock.lock();
    };
    let while_stopped = |lock: &ReentrantLock<u64>| {
        drop(lock.try_lock());
        drop(lock.lock_timeout(SHORT));
    };
    Operation { make: || ReentrantLock::new(0).unwrap(), act, while_stopped, after_death: |lock| drop(lock.lock()) }
        .explore();
}

pub(crate) fn reader_writer_lock() {
    fn while_stopped(lock: &RwLock<u64>) {
        drop((lock.try_read(), lock.read_timeout(SHORT)));
        drop(lock.try_write());
        drop(lock.write_timeout(SHORT));
    }
    fn after_death(lock: &RwLock<u64>) {
        drop(lock.write());
        drop(lock.read());
    }
    let make = || RwLock::new(0).unwrap();
    Operation { make, act: |lock| drop(lock.read()), while_stopped, after_death }.explore();
    Operation { make, act: |lock| drop(lock.write()), while_stopped, after_death }.explore();
}

pub(crate) fn semaphore() {
    fn while_stopped(seats: &Semaphore) {
        drop(seats.try_acquire());
        drop(seats.acquire_timeout(SHORT));
        assert!(seats.available() <= 2);
        assert!(!format!("{seats:?}").is_empty());
        assert!(seats.release(1).is_err(), "there are two, held or not");
    }
    let make = || Semaphore::bounded(2).unwrap();
    let after_death = |seats: &Semaphore| {
        let both = (seats.acquire_timeout(GUARD), seats.acquire_timeout(GUARD));
        assert!(both.0.is_some() && both.1.is_some(), "the dead one's permit is back");
        drop(both);
        assert_eq!(seats.available(), 2);
    };
    Operation { make, act: |seats| drop(seats.acquire()), while_stopped, after_death }.explore();
    Operation { make, act: |seats| drop(seats.try_acquire()), while_stopped, after_death }.explore();
    let act = |seats: &Semaphore| seats.acquire().forget();
    let try_only = |seats: &Semaphore| drop((seats.try_acquire(), seats.acquire_timeout(SHORT)));
    let after_death = |seats: &Semaphore| {
        drop(seats.acquire_timeout(GUARD).expect("at most one was forgotten"));
        assert!((1..=2).contains(&seats.available()));
    };
    Operation { make, act, while_stopped: try_only, after_death }.explore();
}

pub(crate) fn barrier() {
    let while_stopped = |barrier: &Barrier| {
        let _broken_or_not = barrier.wait_timeout(SHORT);
        let _at_once = (barrier.waiting(), barrier.is_broken());
        barrier.abort();
        assert!(barrier.is_broken());
    };
    let after_death = |barrier: &Barrier| {
        barrier.reset();
        assert!(barrier.wait_timeout(GUARD).is_ok(), "all parties have come");
    };
    let make = || Barrier::new(1).unwrap();
    let act = |barrier: &Barrier| drop(barrier.wait());
    Operation { make, act, while_stopped, after_death }.explore();
    let act = |barrier: &Barrier| drop(barrier.wait_with(|| {}));
    Operation { make, act, while_stopped, after_death }.explore();
    // Of two: the other one gives up at its deadline, whatever the stopped one has done.
    let make = || Barrier::new(2).unwrap();
    let act = |barrier: &Barrier| drop(barrier.wait_timeout(Duration::ZERO));
    let after_death = |barrier: &Barrier| {
        barrier.reset();
        assert!(!barrier.is_broken());
        assert!(barrier.wait_timeout(SHORT).is_err(), "nobody else comes");
    };
    Operation { make, act, while_stopped, after_death }.explore();
}

pub(crate) fn event_and_condition() {
    let while_stopped = |event: &Event| {
        let _either = (event.wait_timeout(SHORT), event.is_set());
    };
    let after_death = |event: &Event| {
        event.set();
        assert!(event.wait_timeout(GUARD));
    };
    let act = |event: &Event| {
        event.set();
        event.clear();
    };
    Operation { make: || Event::new().unwrap(), act, while_stopped, after_death }.explore();

    type Both = (Condvar, Mutex<u64>);
    let act = |(changed, lock): &Both| {
        drop(changed.wait_timeout(lock.lock().unwrap(), Duration::ZERO));
        changed.notify_one();
        changed.notify_all();
    };
    let while_stopped = |(changed, lock): &Both| {
        changed.notify_one();
        if let Ok(guard) = lock.try_lock() {
            drop(guard);
        }
    };
    let after_death = |(changed, lock): &Both| {
        let guard = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        lock.clear_poison();
        let (_guard, result) = changed.wait_timeout_while(guard, SHORT, |_| true).unwrap();
        assert!(result.timed_out());
    };
    let make = || (Condvar::new().unwrap(), Mutex::new(0).unwrap());
    Operation { make, act, while_stopped, after_death }.explore();
}

/// Memory under a name that is taken away with it.
struct NamedMemory {
    name: String,
    memory: SharedMemory,
}

impl NamedMemory {
    fn new() -> NamedMemory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-steps-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        NamedMemory { memory: SharedMemory::create(&name, 10).unwrap(), name }
    }
}

impl Drop for NamedMemory {
    fn drop(&mut self) {
        SharedMemory::unlink(&self.name).unwrap();
    }
}

/// Whoever is killed while it opens a name does not take the name from those who have the memory.
pub(crate) fn named_memory() {
    let after_death = |named: &NamedMemory| {
        named.memory.write(3, &[7]);
        let mut read = [0];
        SharedMemory::open(&named.name).expect("this process has it").read(3, &mut read);
        assert_eq!(read, [7], "the same memory");
        assert!(SharedMemory::create(&named.name, 10).unwrap_err().is_taken());
    };
    let act = |named: &NamedMemory| drop(SharedMemory::open(&named.name));
    Operation { make: NamedMemory::new, act, while_stopped: |_| {}, after_death }.explore_by(border_of_a_system_call);
}
