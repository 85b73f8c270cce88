//! Servers that are killed, signals that are ignored, limits that are reached.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use procession_core::codec::Descriptor;
use procession_core::os::pidfd::PidFd;
use procession_core::os::signal::{self, Disposition, SIGKILL};
use procession_process::{Process, SpawnError, StartMethod, stop_server};

use crate::support::{Gate, alone, children, pass, waiting};

const STARTS: u32 = 300;

fn note((path, n): (PathBuf, u32)) -> u32 {
    // One write of a line to the end of a file is one piece.
    std::fs::File::options().append(true).open(path).unwrap().write_all(format!("{n}\n").as_bytes()).unwrap();
    n
}

/// The server of the calling process, which has no other child.
fn server() -> PidFd {
    let all = children();
    assert_eq!(all.len(), 1, "one server and nothing else");
    PidFd::open(all[0]).unwrap()
}

/// Kills the server after a while that differs from call to call, and meanwhile starts a process.
fn start_under_fire(path: PathBuf, n: u32) {
    let (victim, go) = (server(), AtomicBool::new(false));
    let process = thread::scope(|scope| {
        scope.spawn(|| {
            while !go.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            // From before the order arrives to after the child has started.
            (0..n % 60 * 400).for_each(|_| std::hint::spin_loop());
            victim.signal(SIGKILL).unwrap();
        });
        go.store(true, Ordering::Release);
        Process::spawn(note, (path, n)).unwrap()
    });
    assert_eq!(process.join().unwrap(), n);
}

#[test]
fn m16_killing_the_server_between_and_during_starts_loses_and_doubles_nothing() {
    fn torment(path: PathBuf) {
        for n in 0..STARTS {
            if n % 3 == 0 {
                // In peace: it brings a server for the next one to lose.
                assert_eq!(alone(note, (path.clone(), n)), n);
            } else if children().len() == 1 {
                start_under_fire(path.clone(), n);
            } else {
                assert_eq!(alone(note, (path.clone(), n)), n);
            }
        }
        stop_server();
        assert!(children().is_empty(), "a zombie stayed");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    alone(torment, file.path().to_owned());
    let text = std::fs::read_to_string(file.path()).unwrap();
    let mut seen: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..STARTS).collect::<Vec<_>>());
}

#[test]
fn m16_children_outlive_their_server() {
    fn outlive((): ()) {
        alone(|()| (), ());
        let victim = server();
        let gate = Gate::new();
        let process = waiting(&gate);
        victim.signal(SIGKILL).unwrap();
        assert!(crate::support::becomes_readable(&victim));
        assert!(process.is_alive());
        drop(gate);
        process.join().unwrap();
        assert_eq!(process.exit_code(), Some(0));
    }
    alone(outlive, ());
}

#[test]
fn a_server_that_is_stopped_keeps_nobody_waiting() {
    fn frozen((): ()) {
        for late in [false, true] {
            alone(|()| (), ());
            let victim = server();
            victim.signal(Signal::SIGSTOP as i32).unwrap();
            let begin = std::time::Instant::now();
            let results: Vec<_> = thread::scope(|scope| {
                let starts = [(); 3].map(|()| scope.spawn(|| alone(|n: u8| n, 7)));
                starts.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(results, [7, 7, 7]);
            // A guard against waiting for the server as long as for a program that never reaches `init`.
            assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{late}: {:?}", begin.elapsed());
            assert!(victim.has_ended().unwrap());
            stop_server();
            assert!(children().is_empty(), "a process is left");
        }
    }
    alone(frozen, ());
}

#[test]
fn a_server_that_is_stopped_ends_with_its_owner() {
    fn owner((): ()) -> Descriptor {
        alone(|()| (), ());
        let stopped = server();
        stopped.signal(Signal::SIGSTOP as i32).unwrap();
        Descriptor::from(stopped.as_fd().try_clone_to_owned().unwrap())
    }
    let stopped = OwnedFd::from(alone(owner, ()));
    assert!(crate::support::becomes_readable(&stopped), "the server lives");
}

#[test]
fn a_child_that_is_slow_to_start_keeps_no_other_waiting() {
    fn crowd((): ()) {
        alone(|()| (), ());
        let known = children();
        let mut caught = false;
        while !caught {
            let (told, started) = std::sync::mpsc::channel();
            thread::scope(|scope| {
                let first = scope.spawn(move || {
                    let process = Process::spawn(|()| (), ()).unwrap();
                    told.send(()).unwrap();
                    process.join().unwrap();
                });
                // Stopped before it has said a word, if we are quick enough.
                let stopped = loop {
                    match children().into_iter().find(|pid| !known.contains(pid)).map(PidFd::open) {
                        Some(Ok(child)) => {
                            break child.signal(Signal::SIGSTOP as i32).is_ok_and(|sent| sent).then_some(child);
                        }
                        _not_yet if first.is_finished() => break None,
                        _not_yet => {}
                    }
                };
                if let Some(child) = stopped {
                    caught = started.recv_timeout(std::time::Duration::from_millis(300)).is_err()
                        && !child.has_ended().unwrap();
                    if caught {
                        assert_eq!(alone(|n: u8| n, 7), 7);
                    }
                    child.signal(Signal::SIGCONT as i32).unwrap();
                }
                first.join().unwrap();
            });
        }
        assert_eq!(children(), known, "the server is still good");
    }
    alone(crowd, ());
}

#[test]
fn a_start_that_is_given_up_runs_nothing_and_leaves_nothing() {
    fn impatient(path: PathBuf) {
        alone(|()| (), ());
        let victim = server();
        victim.signal(Signal::SIGSTOP as i32).unwrap();
        let timeout = std::time::Duration::from_millis(1);
        // More than once: the later starts have no time to learn what became of the first.
        for _ in 0..3 {
            let error = Process::builder().spawn_timeout(note, (path.clone(), 1), timeout).unwrap_err();
            assert!(matches!(error, SpawnError::TimedOut { .. }) && error.to_string().contains("1ms"), "{error}");
        }
        // It makes the child now, which finds that nobody listens.
        victim.signal(Signal::SIGCONT as i32).unwrap();
        assert_eq!(alone(note, (path, 2)), 2);
        assert!(!victim.has_ended().unwrap(), "the server is still good");
        stop_server();
        assert!(children().is_empty(), "a process is left");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    alone(impatient, file.path().to_owned());
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "2\n");
}

#[test]
fn a_start_is_given_up_by_every_method() {
    fn impatient(path: PathBuf) {
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            let builder = || Process::builder().start_method(method);
            let none = std::time::Duration::ZERO;
            let error = builder().spawn_timeout(note, (path.clone(), 1), none).unwrap_err();
            assert!(matches!(error, SpawnError::TimedOut { .. }), "{method:?}: {error}");
            let short = std::time::Duration::from_micros(50);
            for _ in 0..20 {
                // Either way: what did not start in time has not run and is gone.
                if let Ok(process) = builder().spawn_timeout(|n: u8| n, 3, short) {
                    assert_eq!(process.join().unwrap(), 3);
                }
            }
            assert_eq!(builder().spawn_timeout(|n: u8| n, 3, std::time::Duration::MAX).unwrap().join().unwrap(), 3);
        }
        stop_server();
        assert!(children().is_empty(), "a process is left");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    alone(impatient, file.path().to_owned());
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "");
}

#[test]
fn a_stopped_server_is_replaced() {
    fn stop((): ()) {
        stop_server();
        for n in 0..3 {
            assert_eq!(alone(|n: u8| n, n), n);
            stop_server();
            stop_server();
            assert!(children().is_empty());
        }
    }
    alone(stop, ());
}

#[test]
fn a_parent_that_ignores_sigchld_has_its_values_all_the_same() {
    fn ignorant((): ()) {
        signal::set(Signal::SIGCHLD as i32, Disposition::Ignore).unwrap();
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            let process = Process::builder().start_method(method).spawn(|n: u8| n + 1, 1).unwrap();
            assert_eq!(process.join().unwrap(), 2, "{method:?}");
            let status = process.exit_status().unwrap();
            assert!(status.is_lost() || status.success(), "{method:?}: {status}");
            // One that is named while it runs is known to the end, where the kernel tells (Linux 6.15).
            let gate = Gate::new();
            let killed = Process::builder().start_method(method).spawn(pass, gate.side()).unwrap();
            killed.kill();
            let error = killed.join().unwrap_err().to_string();
            assert!(error.contains("SIGCHLD") || error.contains("SIGKILL"), "{method:?}: {error}");
        }
    }
    alone(ignorant, ());
}

/// Starts processes until there is no room for another.
fn until_full(method: StartMethod) -> SpawnError {
    let gate = Gate::new();
    let mut held = Vec::new();
    let error = loop {
        let Ok(side) = std::panic::catch_unwind(|| gate.side()) else {
            // The last descriptor went to the gate.
            break Process::builder().start_method(method).spawn(|()| (), ()).unwrap_err();
        };
        match Process::builder().start_method(method).spawn(pass, side) {
            Ok(process) => held.push(process),
            Err(error) => break error,
        }
    };
    assert!(!held.is_empty(), "{error}");
    drop(gate);
    for process in held {
        process.join().unwrap();
    }
    error
}

#[test]
fn the_limit_on_descriptors_is_named_with_its_value_and_passes() {
    fn crowd((): ()) {
        setrlimit(Resource::RLIMIT_NOFILE, 40, 40).unwrap();
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            let error = until_full(method);
            let text = error.to_string();
            assert!(matches!(error, SpawnError::Limit(_)), "{method:?}: {error:?}");
            assert!(text.contains("RLIMIT_NOFILE = 40"), "{method:?}: {text}");
            // With room again, it works again.
            let next = Process::builder().start_method(method).spawn(|()| 5, ()).unwrap();
            assert_eq!(next.join().unwrap(), 5);
        }
    }
    let process = Process::builder().stderr(procession_process::Stdio::Null).spawn(crowd, ()).unwrap();
    process.join().unwrap();
}
