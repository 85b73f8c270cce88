//! P09, P13 to P15: every end of a process is told as what it was, and none as a value.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::{abort, exit};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use procession_core::codec;
use procession_core::os::signal::{self, Disposition};
use procession_process::{JoinError, Process, ScopeError, SpawnError, StartMethod};
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{Gate, METHODS, alone, pass, quietly};

/// How a function can fail to return.
const ENDS: [(fn(()), i32); 9] = [
    (|()| exit(0), 0),
    (|()| exit(3), 3),
    (|()| exit(256), 256),
    (|()| exit(-1), -1),
    (|()| abort(), -6),
    (|()| raise(Signal::SIGKILL).unwrap(), -9),
    (|()| raise(Signal::SIGTERM).unwrap(), -15),
    (segfault, -11),
    (exhaust_memory, -6),
];

/// The runtime's own handler lets the first one pass after it has taken itself away.
fn segfault((): ()) {
    loop {
        raise(Signal::SIGSEGV).unwrap();
    }
}

/// The allocator's failure aborts.
fn exhaust_memory((): ()) {
    setrlimit(Resource::RLIMIT_AS, 256 << 20, 256 << 20).unwrap();
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 8 << 20]);
    }
}

fn overflow((): ()) {
    setrlimit(Resource::RLIMIT_STACK, 1 << 20, 1 << 20).unwrap();
    assert_ne!(descend(1), 0);
}

fn descend(depth: u64) -> u64 {
    let ballast = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { descend(depth + 1) + ballast[7] }
}

fn explode(text: String) {
    panic!("it is {text}");
}

fn failure<A, R>(method: StartMethod, function: fn(A) -> R, argument: A) -> JoinError
where
    A: serde::Serialize + serde::de::DeserializeOwned,
    R: serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    quietly(method, function, argument).join().unwrap_err()
}

#[test]
fn p09_every_end_is_told_as_what_it_was() {
    for (function, code) in ENDS {
        for method in METHODS {
            let process = quietly(method, function, ());
            let error = process.join().unwrap_err();
            let status = process.exit_status().unwrap();
            assert_eq!((status.exit_code(), process.exit_code()), (code, Some(code)), "{method:?}: {error}");
            assert_eq!(status.signal(), (code < 0 && code != -1).then_some(-code), "{method:?}: {error}");
            assert_eq!(error.exit_status(), Some(status));
            assert!(error.panic().is_none());
            assert!(error.to_string().ends_with("before its function returned"), "{error}");
            assert!(!status.is_lost());
        }
    }
}

#[test]
fn a_large_exit_code_is_no_success() {
    let leave: fn(()) = |()| exit(256);
    let process = quietly(StartMethod::Server, leave, ());
    let error = process.join().unwrap_err();
    let status = process.exit_status().unwrap();
    assert!(!status.success() && status.code() == Some(256), "{error}");
    assert!(error.to_string().contains("exit code 256"), "{error}");
}

#[test]
fn an_overflow_of_the_stack_is_a_signal() {
    for method in METHODS {
        let error = failure(method, overflow, ());
        // Where the runtime has set its guard it aborts with a message, else the kernel's signal comes through.
        let signal = error.exit_status().unwrap().signal();
        assert!(signal == Some(6) || signal == Some(11), "{method:?}: {error}");
    }
}

#[test]
fn a_panic_comes_with_message_location_and_backtrace() {
    for method in METHODS {
        let error = failure(method, explode, "over".to_owned());
        let panic = error.panic().expect("a panic");
        assert_eq!(panic.message(), "it is over");
        assert!(panic.location().unwrap().contains("endings.rs:"), "{panic}");
        assert!(panic.backtrace().contains("explode"), "{}", panic.backtrace());
        assert_eq!(error.exit_status().unwrap().code(), Some(101));
        assert!(error.to_string().contains("it is over"), "{error}");
    }
}

#[test]
fn panics_without_text_of_their_own_are_panics_as_well() {
    let odd: fn(()) = |()| std::panic::panic_any(7);
    assert_eq!(failure(StartMethod::Server, odd, ()).panic().unwrap().message(), "Box<dyn Any>");
    let overflow: fn(u8) -> u8 = |n| std::hint::black_box([1, 2])[usize::from(n)];
    assert!(failure(StartMethod::Server, overflow, 5).panic().unwrap().message().contains("out of bounds"));
}

#[test]
fn a_panic_that_the_function_catches_is_its_own_business() {
    let process = quietly(StartMethod::Server, |()| std::panic::catch_unwind(|| explode("over".into())).is_err(), ());
    assert!(process.join().unwrap());
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_panic_of_another_thread_does_not_end_the_function() {
    let process = quietly(StartMethod::Server, |()| std::thread::spawn(|| explode("there".into())).join().is_err(), ());
    assert!(process.join().unwrap());
}

#[test]
fn a_thread_of_the_child_may_exit_it() {
    fn leave((): ()) {
        std::thread::spawn(|| exit(5));
        loop {
            std::thread::park();
        }
    }
    assert_eq!(failure(StartMethod::Server, leave, ()).exit_status().unwrap().code(), Some(5));
}

#[test]
fn p13_p14_p15_signals_from_the_parent() {
    fn torment((): ()) -> [Option<i32>; 3] {
        // Whoever runs the tests in the background may have had the interrupt ignored.
        signal::set(signal::SIGINT, Disposition::Default).unwrap();
        let gate = Gate::new();
        let sleepers = [(); 3].map(|()| Process::spawn(pass, gate.side()).unwrap());
        sleepers[0].terminate();
        sleepers[1].kill();
        sleepers[2].interrupt();
        let codes = sleepers.each_ref().map(|one| {
            assert!(one.join().is_err());
            one.exit_code()
        });
        // To one that has ended they do nothing.
        for one in &sleepers {
            one.terminate();
            one.kill();
            one.interrupt();
        }
        assert_eq!(sleepers.each_ref().map(Process::exit_code), codes);
        codes
    }
    assert_eq!(alone(torment, ()), [Some(-15), Some(-9), Some(-2)]);
}

/// What goes wrong with the children of a child.
fn misfortunes((): ()) -> (JoinError, ScopeError, Vec<SpawnError>) {
    let fail: fn(u8) = |n| assert_eq!(n, 1, "no bread");
    let join = Process::builder().name("baker").spawn(fail, 2).unwrap().join().unwrap_err();
    let scope = procession_process::scope(|s| drop(s.spawn(fail, 2).unwrap())).unwrap_err();
    std::thread::spawn(std::thread::park);
    let spawn = [
        Process::builder().start_method(StartMethod::Fork).spawn(fail, 2).unwrap_err(),
        Process::builder().current_dir("/nowhere/at/all").spawn(fail, 2).unwrap_err(),
        Process::spawn(|_: Never| (), Never).unwrap_err(),
    ];
    (join, scope, spawn.into())
}

/// Cannot be sent.
#[derive(Deserialize)]
struct Never;

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn a_child_can_return_the_errors_that_it_has_met() {
    for method in METHODS {
        let (join, scope, spawn) = quietly(method, misfortunes, ()).join().unwrap();
        assert_eq!(join.name(), "baker");
        assert!(join.panic().unwrap().message().contains("no bread"), "{join}");
        assert_eq!(join.exit_status().and_then(|status| status.code()), Some(101));
        assert!(scope.failures()[0].panic().unwrap().message().contains("no bread"), "{scope}");
        assert!(matches!(spawn[0], SpawnError::Threads));
        assert!(matches!(&spawn[1], SpawnError::Refused(reason) if reason.contains("/nowhere/at/all")), "{}", spawn[1]);
        assert!(spawn[2].to_string().contains("not today"), "{}", spawn[2]);
    }
}

#[test]
fn a_scope_that_failed_without_a_failure_is_not_believed() {
    let nothing = codec::encode(&Vec::<JoinError>::new()).unwrap();
    let refused = codec::decode::<ScopeError>(nothing).unwrap_err();
    assert!(refused.to_string().contains("at least one failure"), "{refused}");
}

/// Writes a file when it is dropped, which the C library does with those of the main thread at exit.
struct WrittenAtExit(PathBuf);

impl Drop for WrittenAtExit {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

thread_local! {
    static AT_EXIT: RefCell<Option<WrittenAtExit>> = const { RefCell::new(None) };
}

#[test]
fn copies_run_the_exit_hooks_of_the_c_library_where_that_is_asked_for() {
    fn check(folder: PathBuf) {
        for (method, value, is_run) in [
            (StartMethod::Server, "", false),
            (StartMethod::Server, "0", false),
            (StartMethod::Server, "1", true),
            (StartMethod::Fork, "", false),
            (StartMethod::Fork, "1", true),
            (StartMethod::Spawn, "", true),
        ] {
            let file = folder.join(format!("{method:?}{value}"));
            let builder = Process::builder().start_method(method).env("PROCESSION_EXIT_HOOKS", value);
            let hook = |path| AT_EXIT.set(Some(WrittenAtExit(path)));
            builder.spawn(hook, file.clone()).unwrap().join().unwrap();
            assert_eq!(file.exists(), is_run, "{method:?} {value}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    alone(check, folder.path().to_owned());
}
