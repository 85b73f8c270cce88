//! The crate alone, in a program with one thread whose children are made by a plain `fork`: no other crate of the
//! workspace, no `init`, handles simply inherited. Without the test harness, which has threads.

mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use procession_sync::{Barrier, Event, Mutex, MutexGuard, RwLock, Semaphore};

const GUARD: Duration = Duration::from_secs(60);

const TESTS: [(&str, fn()); 14] = [
    ("a_counter_is_exact", a_counter_is_exact),
    ("a_dead_holder_is_noticed", a_dead_holder_is_noticed),
    ("an_inherited_guard_is_not_the_childs", an_inherited_guard_is_not_the_childs),
    ("permits_of_a_dead_child_come_back", permits_of_a_dead_child_come_back),
    ("a_barrier_lets_all_through", a_barrier_lets_all_through),
    ("signals_do_not_end_a_wait", signals_do_not_end_a_wait),
    ("a_guard_of_the_parents_is_not_used_in_a_copy", a_guard_of_the_parents_is_not_used_in_a_copy),
    ("stopped_and_killed_in_a_mutex", steps::mutex),
    ("stopped_and_killed_in_a_reentrant_lock", steps::reentrant_lock),
    ("stopped_and_killed_in_a_reader_writer_lock", steps::reader_writer_lock),
    ("stopped_and_killed_in_a_semaphore", steps::semaphore),
    ("stopped_and_killed_in_a_barrier", steps::barrier),
    ("stopped_and_killed_in_an_event_or_condition", steps::event_and_condition),
    ("killed_while_it_opens_a_name", steps::named_memory),
];

/// Understands as much of the test harness's command line as test runners use: `--list`, `--ignored`, and names.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let says = |option: &str| words.iter().any(|word| word == option);
    let chosen = |name: &str| {
        let mut names = words.iter().filter(|word| !word.starts_with("--") && *word != "terse").peekable();
        names.peek().is_none() || names.any(|wanted| name.contains(wanted.as_str()))
    };
    for (name, test) in TESTS.into_iter().filter(|(name, _)| chosen(name) && !says("--ignored")) {
        if says("--list") {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// Runs `body` in a child and ends it at once, without what the parent would do at its exit.
fn in_child(body: impl FnOnce() -> bool) -> Pid {
    // SAFETY: this program has one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.expect("a fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: ends the process; nothing of it is used any more.
            unsafe { nix::libc::_exit(if good { 0 } else { 1 }) }
        }
    }
}

fn ends_well(child: Pid) -> bool {
    waitpid(child, None) == Ok(WaitStatus::Exited(child, 0))
}

fn kill_and_wait(child: Pid) {
    kill(child, Signal::SIGKILL).expect("the child is there");
    waitpid(child, None).expect("the child ends");
}

fn stay(there: &Event) -> bool {
    there.set();
    loop {
        std::thread::park();
    }
}

fn a_counter_is_exact() {
    let counter = Mutex::new(0_u64).unwrap();
    let count = || (0..100_000).for_each(|_| *counter.lock().unwrap() += 1);
    let children = [(); 4].map(|()| {
        in_child(|| {
            count();
            true
        })
    });
    count();
    assert!(children.into_iter().all(ends_well));
    assert_eq!(*counter.lock().unwrap(), 500_000);
}

fn a_dead_holder_is_noticed() {
    let (lock, there) = (Mutex::new(1).unwrap(), Event::new().unwrap());
    let child = in_child(|| {
        let _held = lock.lock();
        stay(&there)
    });
    assert!(there.wait_timeout(GUARD));
    kill(child, Signal::SIGKILL).unwrap();
    // Nobody has waited for the child yet: a zombie does not keep a lock.
    let error = lock.lock().unwrap_err();
    let culprit = MutexGuard::poisoned_by(error.get_ref()).unwrap();
    assert_eq!(culprit.pid(), child.as_raw().unsigned_abs());
    waitpid(child, None).unwrap();
}

fn an_inherited_guard_is_not_the_childs() {
    let (lock, rwlock) = (Mutex::new(1).unwrap(), RwLock::new(1).unwrap());
    let mut held = Some((lock.lock().unwrap(), rwlock.read().unwrap()));
    let child = in_child(|| {
        held.take();
        // The parent's own guards hold both still.
        lock.try_lock().is_err() && rwlock.try_write().is_err()
    });
    assert!(ends_well(child));
    let another = in_child(|| lock.try_lock().is_err() && rwlock.try_write().is_err());
    assert!(ends_well(another));
    drop(held);
    assert!(lock.try_lock().is_ok() && rwlock.try_write().is_ok());
}

/// Two processes would have `&mut` to one value.
fn a_guard_of_the_parents_is_not_used_in_a_copy() {
    let (lock, rwlock, other) = (Mutex::new(1).unwrap(), RwLock::new(1).unwrap(), RwLock::new(1).unwrap());
    let (mut held, mut writing, reading) = (lock.lock().unwrap(), rwlock.write().unwrap(), other.read().unwrap());
    let child = in_child(|| {
        std::panic::set_hook(Box::new(|_| {}));
        let panics = |use_it: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(use_it)).is_err();
        panics(&mut || *held = 2)
            && panics(&mut || *writing = 2)
            && panics(&mut || assert_eq!(*held, 1))
            && panics(&mut || assert_eq!(*reading, 1))
            && !lock.is_poisoned()
    });
    assert!(ends_well(child));
    assert_eq!((*held, *writing, *reading), (1, 1, 1));
}

fn permits_of_a_dead_child_come_back() {
    let (door, there) = (Semaphore::bounded(2).unwrap(), Event::new().unwrap());
    let child = in_child(|| {
        let _permits = (door.acquire(), door.acquire());
        stay(&there)
    });
    assert!(there.wait_timeout(GUARD));
    assert!(door.try_acquire().is_none());
    kill_and_wait(child);
    let permits = [(); 2].map(|()| door.acquire_timeout(GUARD));
    assert!(permits.iter().all(Option::is_some));
    drop(permits);
    assert_eq!(door.available(), 2);
}

fn a_barrier_lets_all_through() {
    let barrier = Barrier::new(3).unwrap();
    let children = [(); 2].map(|()| in_child(|| (0..100).all(|_| barrier.wait_timeout(GUARD).is_ok())));
    assert!((0..100).all(|_| barrier.wait_timeout(GUARD).is_ok()));
    assert!(children.into_iter().all(ends_well));
}

fn signals_do_not_end_a_wait() {
    extern "C" fn nothing(_signal: nix::libc::c_int) {}
    const LONG: Duration = Duration::from_millis(200);
    // Without SA_RESTART, so that the kernel ends every sleep.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let (never, door) = (Event::new().unwrap(), Semaphore::new(0).unwrap());
    let child = in_child(|| {
        let began = Instant::now();
        let waited = !never.wait_timeout(LONG) && began.elapsed() >= LONG;
        waited && door.acquire_timeout(LONG).is_none() && began.elapsed() >= 2 * LONG
    });
    let mut sent = 0;
    let status = loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)).unwrap() {
            WaitStatus::StillAlive => kill(child, Signal::SIGUSR1).unwrap(),
            status => break status,
        }
        sent += 1;
        std::thread::yield_now();
    };
    assert_eq!(status, WaitStatus::Exited(child, 0));
    assert!(sent > 0);
}
