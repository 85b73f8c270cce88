//! Log records of children, as the parent's logger sees them.

use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use procession_core::os::poll::{Pollable, poll};
use procession_process::{Process, StartMethod, logs};

procession_process::init_at_load!();

/// Keeps what it is given, and can be held up.
struct Kept {
    lines: Mutex<Vec<String>>,
    open: Mutex<bool>,
    opened: Condvar,
}

static KEPT: Kept = Kept { lines: Mutex::new(Vec::new()), open: Mutex::new(true), opened: Condvar::new() };

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        let line = record.line().unwrap_or(0);
        self.lines.lock().unwrap().push(format!(
            "{} {} {} {}",
            record.level(),
            record.target(),
            line > 0,
            record.args()
        ));
    }

    fn flush(&self) {}
}

impl Kept {
    fn set_open(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.opened.notify_all();
    }

    /// What was logged by processes of this name, and by their children.
    fn of(&self, name: &str) -> Vec<String> {
        self.lines.lock().unwrap().iter().filter(|line| line.contains(&format!("[{name} "))).cloned().collect()
    }
}

/// The logger is one for the whole program, so the tests take turns.
fn begin() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _set_by_an_earlier_test = log::set_logger(&KEPT);
    log::set_max_level(LevelFilter::Trace);
    logs::forward(LevelFilter::Info).unwrap();
    turn
}

#[test]
fn records_have_arrived_when_the_child_was_joined() {
    let _turn = begin();
    for method in [StartMethod::Server, StartMethod::Spawn] {
        let builder = Process::builder().name(format!("{method:?}")).start_method(method);
        let child = builder.spawn(
            |n: u32| {
                log::warn!(target: "mill", "{n} sacks");
                log::debug!("not wanted");
            },
            7,
        );
        let child = child.unwrap();
        child.join().unwrap();
        let expected = format!("WARN mill true [{method:?} {}] 7 sacks", child.id());
        assert_eq!(KEPT.of(&format!("{method:?}")), [expected]);
    }
}

#[test]
fn children_of_children_log_to_the_same_place() {
    let _turn = begin();
    let child = Process::builder().name("middle").spawn(
        |()| {
            let grandchild = |()| log::error!(target: "deep", "here");
            Process::builder().name("inner").spawn(grandchild, ()).unwrap().join().unwrap();
        },
        (),
    );
    child.unwrap().join().unwrap();
    let lines = KEPT.of("inner");
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR deep true [inner "), "{lines:?}");
}

#[test]
fn a_child_never_waits_for_a_slow_logger_and_says_what_it_dropped() {
    const RECORDS: u64 = 20_000;
    let _turn = begin();
    let before = logs::dropped();
    KEPT.set_open(false);
    let flood = |n: u64| (0..n).for_each(|i| log::info!(target: "flood", "{i}"));
    let child = Process::builder().name("flood").spawn(flood, RECORDS).unwrap();
    // It ends although nothing is logged.
    assert!(poll(&[Pollable::readable(child.as_fd())], None).unwrap()[0]);
    KEPT.set_open(true);
    child.join().unwrap();
    let numbers: Vec<u64> = KEPT.of("flood").iter().filter_map(|line| line.rsplit("] ").next()?.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let dropped = logs::dropped() - before;
    assert!(dropped > 0, "a closed logger took everything");
    assert_eq!(numbers.len() as u64 + dropped, RECORDS);
}

#[test]
fn children_that_are_killed_while_they_log_break_nothing() {
    let _turn = begin();
    for _ in 0..20 {
        let child = Process::spawn(
            |()| loop {
                log::info!(target: "busy", "{}", "x".repeat(3000))
            },
            (),
        );
        let child: Process<()> = child.unwrap();
        child.kill();
        child.join().unwrap_err();
    }
    let child = Process::builder().name("after").spawn(|()| log::info!("still here"), ()).unwrap();
    child.join().unwrap();
    assert_eq!(KEPT.of("after").len(), 1);
}

#[test]
fn a_copy_of_a_child_that_forwards_logs_to_the_same_place() {
    let _turn = begin();
    let dropped = logs::dropped();
    let child = Process::builder().name("original").spawn(
        |()| {
            log::info!("before");
            let copy = |()| log::warn!(target: "deep", "from a copy");
            let builder = Process::builder().name("copy").start_method(StartMethod::Fork);
            let copy = builder.spawn(copy, ()).unwrap();
            copy.join().unwrap();
            log::info!("after");
            copy.id()
        },
        (),
    );
    let copy = child.unwrap().join().unwrap();
    assert_eq!(KEPT.of("copy"), [format!("WARN deep true [copy {copy}] from a copy")]);
    assert_eq!((KEPT.of("original").len(), logs::dropped()), (2, dropped));
}

#[test]
fn a_second_joiner_does_not_return_before_the_records_are_logged() {
    let _turn = begin();
    KEPT.set_open(false);
    let process = Process::builder().name("twice").spawn(|()| log::info!("the last words"), ()).unwrap();
    let (first, second) = (process.child(), process.child());
    let first = std::thread::spawn(move || first.wait().map(|_| ()).unwrap());
    // Its status has been taken, so that the first joiner is about to log, or to wait for the thread that does.
    let is_there = || std::path::Path::new(&format!("/proc/{}", process.id())).exists();
    while is_there() {
        std::thread::yield_now();
    }
    let (sender, thread) = std::sync::mpsc::channel();
    let second = std::thread::spawn(move || {
        sender.send(nix::unistd::gettid().as_raw()).unwrap();
        second.wait().unwrap();
        KEPT.of("twice").len()
    });
    // It sleeps, because it waits for the closed logger, or it has returned, which it should not have.
    let stat = format!("/proc/self/task/{}/stat", thread.recv().unwrap());
    while !second.is_finished() && !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")) {
        std::thread::yield_now();
    }
    KEPT.set_open(true);
    assert_eq!(second.join().unwrap(), 1);
    first.join().unwrap();
}
