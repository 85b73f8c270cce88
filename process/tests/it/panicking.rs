//! Every way in which a panic can end a child, each told with message, place and status.

use std::fs::File;
use std::panic;
use std::process::{abort, exit};

use nix::sys::resource::{Resource, setrlimit};
use procession_process::{JoinError, Process, StartMethod, Stdio};

use crate::support::{METHODS, alone, quietly};

/// What is told of a panic.
struct Case {
    what: &'static str,
    function: fn(()),
    message: &'static str,
    has_place: bool,
    code: i32,
}

const fn case(what: &'static str, function: fn(()), message: &'static str, has_place: bool, code: i32) -> Case {
    Case { what, function, message, has_place, code }
}

const CASES: [Case; 15] = [
    case("a panic", |()| panic!("why"), "why", true, 101),
    case("a payload that is no text", |()| panic::panic_any(7), "Box<dyn Any>", true, 101),
    case("a payload that panics when dropped", |()| panic::panic_any(Bomb), "Box<dyn Any>", true, 101),
    case("the panic of a thread, resumed", resumed, "why", false, 101),
    case("a panic after one that was caught", |()| stale_then(|| panic!("why")), "why", true, 101),
    case("a resumed one after one that was caught", |()| stale_then(|| resumed(())), "why", false, 101),
    case("a hook that panics", |()| hooked(|| panic!("in the hook")), "why", true, -6),
    case("a hook that exits", |()| hooked(|| exit(7)), "why", true, 7),
    case("a hook that exits with a large code", |()| hooked(|| exit(700)), "why", true, 700),
    case("a hook that aborts", |()| hooked(|| abort()), "why", true, -6),
    case("a hook that tells nobody, and exits", silent_exit, "known only to the panic hook", false, 7),
    case("a destructor that exits", |()| with_guard(Exits), "why", true, 8),
    case("a panic that may not unwind", |()| foreign(), "why", true, -6),
    case("a panic in a panic", |()| with_guard(Bomb), "why; and while it unwound", true, -6),
    case("a panic under a limit of memory", limited, "why", true, 101),
];

/// Panics when it is dropped, again and again.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic::panic_any(Bomb)
    }
}

struct Exits;

impl Drop for Exits {
    fn drop(&mut self) {
        exit(8)
    }
}

fn resumed((): ()) {
    std::thread::spawn(|| panic!("why")).join().unwrap_or_else(|payload| panic::resume_unwind(payload));
}

fn stale_then(next: fn()) {
    assert!(panic::catch_unwind(|| panic!("harmless, and dealt with")).is_err());
    next();
}

fn hooked(then: fn()) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        then();
    }));
    panic!("why");
}

fn silent_exit((): ()) {
    panic::set_hook(Box::new(|_| exit(7)));
    panic!("why");
}

fn with_guard<T>(guard: T) {
    let _guard = guard;
    panic!("why");
}

extern "C" fn foreign() {
    panic!("why");
}

fn limited((): ()) {
    // Less than the process has already: nothing more can be mapped.
    setrlimit(Resource::RLIMIT_AS, 16 << 20, 16 << 20).unwrap();
    panic!("why");
}

fn check(case: &Case, method: StartMethod, error: &JoinError) {
    let about = format!("{}, {method:?}: {error}", case.what);
    let panic = error.panic().unwrap_or_else(|| panic!("no panic: {about}"));
    assert!(panic.message().starts_with(case.message) || panic.message().contains(case.message), "{about}");
    assert!(!panic.message().contains("harmless"), "{about}");
    let place = panic.location().unwrap_or_default();
    assert_eq!(place.contains("panicking.rs:"), case.has_place, "{about}");
    assert_eq!(error.exit_status().unwrap().exit_code(), case.code, "{about}");
    assert_eq!(error.to_string().contains("it ended with"), case.code != 101, "{about}");
}

/// In a process with a single thread, which can be forked.
fn all_forked((): ()) -> Vec<JoinError> {
    CASES.iter().map(|case| quietly(StartMethod::Fork, case.function, ()).join().unwrap_err()).collect()
}

#[test]
fn every_panic_is_told_as_what_it_was() {
    for case in &CASES {
        for method in METHODS {
            check(case, method, &quietly(method, case.function, ()).join().unwrap_err());
        }
    }
    let errors = alone(all_forked, ());
    CASES.iter().zip(&errors).for_each(|(case, error)| check(case, StartMethod::Fork, error));
}

#[test]
fn a_plain_abort_is_no_panic_whatever_was_caught_before() {
    for method in METHODS {
        let error = quietly(method, |()| stale_then(|| abort()), ()).join().unwrap_err();
        assert!(error.panic().is_none(), "{error}");
        assert_eq!(error.exit_status().unwrap().signal(), Some(6));
    }
}

#[test]
fn a_panic_is_told_when_stderr_takes_nothing() {
    let full = || Stdio::Descriptor(File::options().write(true).open("/dev/full").unwrap().into());
    let broken = || Stdio::Descriptor(std::io::pipe().unwrap().1.into());
    let fail: fn(()) = |()| panic!("why");
    let closes: fn(()) = |()| {
        nix::unistd::close(2).unwrap();
        panic!("why");
    };
    for method in METHODS {
        for (stderr, function) in [(full(), fail), (broken(), fail), (Stdio::Null, closes)] {
            let process = Process::builder().start_method(method).stderr(stderr).spawn(function, ()).unwrap();
            let error = process.join().unwrap_err();
            assert_eq!(error.panic().map(procession_process::Panic::message), Some("why"), "{error}");
            assert_eq!(error.exit_status().unwrap().code(), Some(101), "{error}");
        }
    }
}

/// The backtrace of a panic in a child with this in its environment, and what `Debug` shows of it.
fn traced(variable: &str, value: &str) -> (String, String) {
    let fail: fn(()) = |()| panic!("why");
    let builder = Process::builder().stderr(Stdio::Null).env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    let error = builder.env(variable, value).spawn(fail, ()).unwrap().join().unwrap_err();
    (error.panic().unwrap().backtrace().to_owned(), format!("{error:?}"))
}

#[test]
fn the_environment_says_whether_backtraces_are_taken_and_shown() {
    for variable in ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"] {
        assert_eq!(traced(variable, "0").0, "", "{variable}");
        assert!(traced(variable, "1").0.contains("panicking"), "{variable}");
        let outcome = alone(traced_as, (variable.to_owned(), "1".to_owned()));
        assert!(outcome.1.contains(outcome.0.trim_end()), "{outcome:?}");
    }
    assert!(traced("UNRELATED", "0").0.contains("panicking"), "it is there without being asked for");
    let (backtrace, shown) = alone(traced_as, ("RUST_BACKTRACE".to_owned(), "0".to_owned()));
    assert!(!backtrace.is_empty() && shown.lines().count() == 1, "{shown}");
}

/// In a process whose own environment is that: the one that shows, where the one that panics has none.
fn traced_as((variable, value): (String, String)) -> (String, String) {
    let show = |()| traced("UNRELATED", "");
    let builder = Process::builder().env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    builder.env(variable, value).spawn(show, ()).unwrap().join().unwrap()
}
