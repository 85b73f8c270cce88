//! Thousands of processes leave nothing behind in the one that started them.

use procession_process::{Process, StartMethod};

use crate::support::{Gate, alone, children, pass};

/// A leak for each process would exceed this many times over; the allocator may map a region or two meanwhile.
const SLACK: usize = 8;

/// What the calling process has: descriptors, children, mappings.
fn possessions() -> (usize, usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    (descriptors, children().len(), std::fs::read_to_string("/proc/self/maps").unwrap().lines().count())
}

fn one_after_the_other(method: StartMethod, count: u32) {
    for n in 0..count {
        let process = Process::builder().start_method(method).spawn(|n: u32| n, n).unwrap();
        assert_eq!(process.join().unwrap(), n);
    }
}

fn compare(before: (usize, usize, usize)) {
    let after = possessions();
    assert_eq!((after.0, after.1), (before.0, before.1), "descriptors and children");
    assert!(after.2 <= before.2 + SLACK, "{} mappings, and {} before", after.2, before.2);
}

#[test]
fn one_after_the_other_leaves_nothing() {
    fn many((): ()) {
        for (method, count) in [(StartMethod::Server, 2000), (StartMethod::Fork, 500), (StartMethod::Spawn, 200)] {
            one_after_the_other(method, 20);
            let before = possessions();
            one_after_the_other(method, count);
            compare(before);
        }
    }
    alone(many, ());
}

#[test]
fn two_hundred_at_once_leave_nothing() {
    fn crowd((): ()) {
        one_after_the_other(StartMethod::Server, 20);
        let before = possessions();
        let gate = Gate::new();
        let all: Vec<_> = (0..200).map(|_| Process::spawn(pass, gate.side()).unwrap()).collect();
        assert!(all.iter().all(Process::is_alive));
        drop(gate);
        all.iter().for_each(|process| process.join().unwrap());
        drop(all);
        compare(before);
    }
    alone(crowd, ());
}

#[test]
fn handles_that_are_dropped_leave_no_zombies() {
    fn forgetful((): ()) {
        one_after_the_other(StartMethod::Server, 20);
        let before = possessions();
        for _ in 0..300 {
            drop(Process::spawn(|()| (), ()).unwrap());
        }
        crate::support::eventually("the end of all", || procession_process::active_children().is_empty());
        compare(before);
    }
    alone(forgetful, ());
}

#[test]
fn starts_that_fail_leave_nothing() {
    fn clumsy((): ()) {
        one_after_the_other(StartMethod::Server, 20);
        let before = possessions();
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            for _ in 0..30 {
                let builder = Process::builder().start_method(method).current_dir("/nowhere/at/all");
                builder.spawn(|()| (), ()).unwrap_err();
            }
        }
        compare(before);
    }
    alone(clumsy, ());
}

#[test]
fn killed_children_leave_nothing() {
    fn cruel((): ()) {
        one_after_the_other(StartMethod::Server, 20);
        let before = possessions();
        let gate = Gate::new();
        for _ in 0..200 {
            let process = Process::builder().daemon(true).spawn(pass, gate.side()).unwrap();
            process.kill();
            process.join().unwrap_err();
        }
        drop(gate);
        let after = possessions();
        // The lifeline of the first daemon stays for the next ones: two descriptors.
        assert_eq!((after.0, after.1), (before.0 + 2, before.1));
    }
    alone(cruel, ());
}
