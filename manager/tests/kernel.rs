//! Copies of processes as C libraries make them, answers that the kernel does not carry, and limits under which a manager cannot start.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession_channels::Address;
use procession_core::codec::Descriptor;
use procession_core::os::exit::leave;
use procession_manager::{CallError, Manager, Registry};
use procession_process::Process;

procession_process::init_at_load!();

/// A test that waits so long hangs.
const GUARD: Duration = Duration::from_secs(60);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < GUARD, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a copy of this process, made here and now, does this without a panic. It ends with it.
fn in_a_copy(what: impl FnOnce()) -> bool {
    // SAFETY: nothing here needs the other threads of the original, and what the copy calls is the very claim of these tests: that
    // it takes no lock which one of those may have held. Allocators and std's output are made whole by the C library, or not used.
    let copy = match unsafe { fork() }.expect("a fork") {
        ForkResult::Child => leave(i32::from(catch_unwind(AssertUnwindSafe(what)).is_err())),
        ForkResult::Parent { child } => child,
    };
    let begin = Instant::now();
    loop {
        match waitpid(copy, Some(WaitPidFlag::WNOHANG)).expect("a copy") {
            WaitStatus::StillAlive if begin.elapsed() > GUARD => {
                kill(copy, Signal::SIGKILL).expect("a copy");
                panic!("the copy hangs");
            }
            WaitStatus::StillAlive => std::thread::yield_now(),
            status => return status == WaitStatus::Exited(copy, 0),
        }
    }
}

/// One test at a time: what another thread was just doing with this library would stay half done in a copy.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn registry() -> Registry {
    Registry::new().object("count", |start: u64| start).method("count", "add", |count: &mut u64, by: u64| {
        *count += by;
        *count
    })
}

#[test]
fn a_copy_touches_nothing_of_its_originals_manager() {
    let _alone = alone();
    let manager = RefCell::new(Some(Manager::start().unwrap()));
    let with = |what: &dyn Fn(&Manager)| what(manager.borrow().as_ref().unwrap());
    let (list, queue) = {
        let manager = manager.borrow();
        let manager = manager.as_ref().unwrap();
        (manager.list::<u32>().unwrap(), manager.queue::<u32>(9).unwrap())
    };
    let lock = manager.borrow().as_ref().unwrap().lock().unwrap();
    let (number, address) = {
        let manager = manager.borrow();
        let manager = manager.as_ref().unwrap();
        let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>().unwrap(), b"key").unwrap();
        (manager.create(|n: u64| n, 1).unwrap(), address)
    };
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    let count = remote.create::<u64, u64>("count", 5).unwrap();
    queue.send(7).unwrap();
    let guard = RefCell::new(Some(lock.acquire().unwrap()));
    let pending = RefCell::new(Some(number.post(|n, ()| *n, ()).unwrap()));
    let second = RefCell::new(Some(number.post(|n, ()| *n + 1, ()).unwrap()));
    let called_back = || {
        let (tell, told) = std::sync::mpsc::channel();
        pending.borrow_mut().take().unwrap().on_done(move |result| tell.send(result).unwrap());
        assert_eq!(told.recv().unwrap(), Err(CallError::Forked));
    };
    let acts: [&dyn Fn(); 14] = [
        &|| assert_eq!(list.push(1), Err(CallError::Forked)),
        &|| assert_eq!(queue.recv(), Err(CallError::Forked)),
        &|| assert_eq!(queue.recv_timeout(Duration::ZERO), Err(CallError::Forked)),
        &|| assert_eq!(lock.try_acquire().unwrap_err(), CallError::Forked),
        &|| drop(guard.borrow_mut().take()),
        &|| drop(pending.borrow_mut().take()),
        &|| assert_eq!(second.borrow_mut().take().unwrap().wait(), Err(CallError::Forked)),
        &|| assert!(second.borrow().as_ref().unwrap().is_ready()),
        &called_back,
        &|| assert_eq!(count.call::<u64, u64>("add", 1), Err(CallError::Forked)),
        &|| assert!(!remote.is_connected()),
        &|| with(&|manager| assert!(!manager.is_alive() && manager.shutdown().is_err())),
        &|| with(&|manager| assert_eq!(manager.stats().unwrap_err(), CallError::Forked)),
        &|| drop(manager.borrow_mut().take()),
    ];
    for (which, act) in acts.iter().enumerate() {
        assert!(in_a_copy(act), "act {which}");
        with(&|manager| assert!(manager.is_alive(), "after act {which}"));
        list.push(2).unwrap();
    }
    assert!(lock.try_acquire().unwrap().is_none(), "the original still holds it");
    drop(guard.borrow_mut().take());
    assert!(lock.try_acquire().unwrap().is_some());
    assert_eq!(queue.recv(), Ok(7));
    assert_eq!(pending.borrow_mut().take().unwrap().wait(), Ok(1));
    assert_eq!(second.borrow_mut().take().unwrap().wait(), Ok(2));
    assert_eq!(count.call::<u64, u64>("add", 1), Ok(6));
    assert_eq!(list.len().unwrap(), acts.len());
}

#[test]
fn a_copy_that_a_method_makes_and_returns_into_ends() {
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    for round in 1..=3 {
        let twice = |number: &mut u64, (): ()| {
            *number += 1;
            // SAFETY: the copy goes on with what this thread alone does, and is ended there.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => 0,
                ForkResult::Parent { child } => child.as_raw(),
            }
        };
        let copy: i32 = number.call(twice, ()).unwrap();
        until("the copy ends", || {
            let stat = std::fs::read_to_string(format!("/proc/{copy}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_none_or(|(_, state)| state.trim_start().starts_with('Z'))
        });
        assert_eq!(number.get().unwrap(), round);
    }
}

#[test]
fn the_exit_code_of_a_copy_says_whether_it_panicked() {
    /// Makes a copy, and has the process wait for its exit code.
    fn copied(panics: bool) -> Option<i32> {
        // SAFETY: the copy goes on with what this thread alone does, and is ended there.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child if panics => panic!("in a copy"),
            ForkResult::Child => None,
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, code) => Some(code),
                other => panic!("{other:?}"),
            },
        }
    }
    /// Makes a copy when it is dropped.
    struct Divided(bool, procession_manager::Queue<Option<i32>>);
    impl Drop for Divided {
        fn drop(&mut self) {
            if let code @ Some(_) = copied(self.0) {
                self.1.send(code).unwrap();
            }
        }
    }
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let codes = manager.queue::<Option<i32>>(9).unwrap();
    for (panics, code) in [(false, 0), (true, 101)] {
        assert_eq!(number.call(|_, panics| copied(panics), panics), Ok(Some(code)));
        drop(manager.create(|(panics, codes)| Divided(panics, codes), (panics, codes.clone())).unwrap());
        assert_eq!(codes.recv_timeout(GUARD), Ok(Some(code)));
    }
}

#[test]
fn a_manager_that_could_start_no_thread_for_a_time_has_one_again() {
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let (first, second) = (manager.create(|n: u64| n, 0).unwrap(), manager.create(|n: u64| n, 0).unwrap());
    /// Lasts until the pipe has an end.
    fn last(end: Descriptor) {
        std::io::Read::read_to_end(&mut File::from(OwnedFd::from(end)), &mut Vec::new()).unwrap();
    }
    /// Does so without memory for a thread.
    fn last_alone(_: &mut u64, end: Descriptor) {
        let used = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
        setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), hard).unwrap();
        last(end);
        setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
    }
    for is_limited in [true, true, true, false] {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = Descriptor::from(OwnedFd::from(reader));
        let long = if is_limited {
            first.post(last_alone, reader).unwrap()
        } else {
            first.post(|_, end| last(end), reader).unwrap()
        };
        // Another thread leads by the time this returns, and would be followed by a third one.
        assert!(second.call_timeout(|n, ()| *n += 1, (), GUARD).is_ok(), "a long call holds up the others");
        drop(writer);
        long.wait().unwrap();
    }
}

#[test]
fn a_manager_that_runs_another_program_is_none_any_more() {
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let call = number.call(|_, ()| Command::new("sleep").arg("600").exec().to_string(), ());
    assert_eq!(call, Err(CallError::ManagerGone));
    assert!(!manager.is_alive());
    assert_eq!(number.get(), Err(CallError::ManagerGone));
    manager.shutdown().unwrap();
    assert!(manager.join_timeout(GUARD).unwrap());
}

fn null() -> Option<Descriptor> {
    File::open("/dev/null").ok().map(|file| Descriptor::from(OwnedFd::from(file)))
}

/// A descriptor that the kernel does not let travel, where it has such.
fn io_uring() -> Option<Descriptor> {
    let mut room = [0_u8; 256];
    // SAFETY: the kernel writes 120 bytes there, and the room is larger.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1_u32, room.as_mut_ptr()) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the kernel has just made it, and nobody else owns it.
    Some(Descriptor::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

#[test]
fn an_answer_that_cannot_leave_is_an_error_of_its_call_alone() {
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    for _ in 0..3 {
        let before = number.post(|n, ()| *n, ()).unwrap();
        let many = number.post(|_, ()| (0..3_000).filter_map(|_| null()).collect::<Vec<Descriptor>>(), ()).unwrap();
        let ring = number.post(|_, ()| io_uring(), ()).unwrap();
        let good = number.post(|_, ()| null(), ()).unwrap();
        let after = number
            .post(
                |n, ()| {
                    *n += 1;
                    *n
                },
                (),
            )
            .unwrap();
        assert!(before.wait().is_ok());
        match many.wait() {
            Err(CallError::Result(_)) => {}
            other => assert!(other.as_ref().is_ok_and(|files| files.len() <= 3_000), "{:?}", other.err()),
        }
        match ring.wait() {
            Err(CallError::Result(_)) | Ok(None) => {}
            other => panic!("{other:?}"),
        }
        assert!(good.wait().unwrap().is_some());
        assert!(after.wait().unwrap() > 0);
    }
}

#[test]
fn a_manager_without_memory_for_an_answer_says_so() {
    let _alone = alone();
    for megabytes in [1, 8, 64, 512] {
        let manager = Manager::start().unwrap();
        let number = manager.create(|n: u64| n, 0).unwrap();
        let limit = |_: &mut u64, room: u64| {
            let used = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
            let (_, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
            setrlimit(Resource::RLIMIT_AS, pages * 4096 + (room << 20), hard).unwrap();
        };
        number.call(limit, megabytes).unwrap();
        for size in [1 << 10, 100 << 10, 20 << 20] {
            let bytes = number.call_timeout(
                |_, size: usize| {
                    let mut bytes: Vec<u8> = Vec::new();
                    if bytes.try_reserve_exact(size).is_ok() {
                        bytes.resize(size, 1);
                    }
                    bytes
                },
                size,
                GUARD,
            );
            assert!(!bytes.as_ref().is_err_and(CallError::is_timeout), "{megabytes} MiB, {size} bytes");
        }
    }
}

#[test]
fn a_manager_that_cannot_start_its_parts_says_why() {
    let _alone = alone();
    let start = |limit: u64| -> Result<bool, String> {
        setrlimit(Resource::RLIMIT_NOFILE, limit, limit).map_err(|error| error.to_string())?;
        match Manager::start() {
            // What there is, is enough for it.
            Ok(manager) => Ok(!manager.list::<u8>().is_err_and(|error| error.is_manager_gone())),
            Err(error) if error.to_string().contains("the manager is gone") => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    };
    for limit in 10..40 {
        if let Ok(process) = Process::spawn(start, limit)
            && let Ok(started) = process.join()
        {
            assert_ne!(started, Ok(false), "with {limit} descriptors");
        }
    }
}

#[test]
fn a_client_that_is_stopped_in_the_midst_of_a_call_holds_up_nobody_else() {
    let _alone = alone();
    let manager = Manager::start().unwrap();
    let (number, theirs) = (manager.create(|n: u64| n, 0).unwrap(), manager.counter(0).unwrap());
    let busy = |theirs: procession_manager::Counter| -> () {
        loop {
            theirs.add(1).unwrap();
        }
    };
    let victim = Process::spawn(busy, theirs.clone()).unwrap();
    let id = nix::unistd::Pid::from_raw(i32::try_from(victim.id()).unwrap());
    theirs.wait_for(1).unwrap();
    for round in 0..150_u64 {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(round * 7) {
            std::hint::spin_loop();
        }
        kill(id, Signal::SIGSTOP).unwrap();
        let stopped = Instant::now();
        // Every other time for longer than the server waits until it looks at such a client again.
        while round % 2 == 1 && stopped.elapsed() < Duration::from_millis(5) {
            number.call_timeout(|_, ()| (), (), GUARD).unwrap();
        }
        for _ in 0..5 {
            number.call_timeout(|n, ()| *n += 1, (), GUARD).unwrap();
        }
        let before = theirs.get().unwrap();
        kill(id, Signal::SIGCONT).unwrap();
        theirs.wait_for_timeout(before + 2, GUARD).expect("it goes on");
    }
    victim.kill();
    assert_eq!(number.get(), Ok(750));
}
