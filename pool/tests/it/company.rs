//! Pools beside, inside and under others: several threads, nested pools, a whole process group, and parents that are killed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgrp, setpgid};
use procession_core::os::signal::{self, Disposition};
use procession_pool::{Pool, PoolError, TaskError};
use procession_process::{Process, ignore_interrupt};
use procession_sync::Shared;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{FOREVER, die_by, eventually, is_alive, pool};

fn expected(thread: u64) -> Vec<u64> {
    (0..500).map(|n| n * thread).collect()
}

fn product((n, factor): (u64, u64)) -> u64 {
    n * factor
}

#[test]
fn one_pool_serves_several_threads() {
    let pool = pool(2);
    thread::scope(|scope| {
        for number in 0..4_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(pool.map(product, (0..500).map(|n| (n, number))).unwrap(), expected(number));
                }
            });
        }
    });
}

#[test]
fn several_threads_have_a_pool_each() {
    thread::scope(|scope| {
        for number in 0..4_u64 {
            scope.spawn(move || {
                let pool = pool(2);
                let results = pool.imap(product, (0..500).map(|n| (n, number)));
                assert_eq!(results.collect::<Result<Vec<_>, _>>().unwrap(), expected(number));
            });
        }
    });
}

#[test]
fn a_task_may_have_a_pool_of_its_own() {
    let outer = pool(2);
    let task = |factor: u64| pool(2).map(product, (0..500).map(|n| (n, factor))).unwrap();
    let results = outer.map(task, 0..4).unwrap();
    assert_eq!(results, (0..4).map(expected).collect::<Vec<_>>());
}

#[test]
fn a_worker_keeps_a_pool_from_task_to_task() {
    use std::cell::OnceCell;
    thread_local!(static INNER: OnceCell<Pool> = const { OnceCell::new() });
    let task = |n: u64| INNER.with(|inner| inner.get_or_init(|| pool(1)).map(product, [(n, 2)]).unwrap()[0]);
    let outer = pool(2);
    assert_eq!(outer.map(task, 0..20).unwrap(), (0..20).map(|n| n * 2).collect::<Vec<_>>());
}

/// Makes this process the first of a process group, as a terminal's foreground job is one.
fn lead_a_group() {
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
}

/// Has the whole group interrupted in the middle of a job, has workers replaced after that, and goes on.
fn survive_an_interrupt(_: ()) -> (usize, usize) {
    lead_a_group();
    // So does a program whose own handler wants to go on.
    ignore_interrupt();
    let pool = pool(2);
    let task = |n: u32| {
        if n == 10 {
            killpg(getpgrp(), Signal::SIGINT).unwrap();
        }
        n
    };
    let finished = pool.imap(task, 0..50).filter(Result::is_ok).count();
    // A replacement needs the server, which must not have been interrupted either.
    let killed = pool.imap(|_: u32| -> u32 { die_by("KILL") }, 0..4).filter(Result::is_err).count();
    assert_eq!(pool.map(|n: u32| n, 0..50).unwrap().len(), 50);
    (finished, killed)
}

#[test]
fn an_interrupt_of_the_whole_group_is_the_parent_s_to_decide_about() {
    assert_eq!(Process::spawn(survive_an_interrupt, ()).unwrap().join().unwrap(), (50, 4));
}

/// The process numbers of a family, which survive it.
type Family = Shared<[AtomicU32]>;

/// So many processes a parent with a pool of 2 and their children are: each worker has a pool of 1 and a child.
const MEMBERS: usize = 6;

fn note(family: &Family) {
    let place = family
        .iter()
        .find(|place| place.compare_exchange(0, std::process::id(), Ordering::SeqCst, Ordering::SeqCst).is_ok());
    place.expect("room for each member");
}

/// Never ends by itself, nor does anything that it starts.
fn stay_with_a_family(family: Family) {
    lead_a_group();
    // A shell's background job has inherited that it ignores interrupts.
    signal::set(signal::SIGINT, Disposition::Default).unwrap();
    let pool = Pool::builder().workers(2).initializer(have_children, family).build().unwrap();
    pool.map(|()| thread::sleep(FOREVER * 100), [(); 2]).unwrap();
}

fn have_children(family: Family) {
    note(&family);
    let stay = |family: Family| {
        note(&family);
        thread::sleep(FOREVER * 100);
    };
    let child = Process::builder().daemon(true).spawn(stay, family.clone()).unwrap();
    let inner = Pool::builder().workers(1).initializer(|family: Family| note(&family), family).build().unwrap();
    // They end only with this process.
    std::mem::forget((child, inner));
}

/// Waits for a whole family, does something to its parent, and waits until nobody of it is left.
fn ends_with_its_parent(end: fn(&Process<()>)) {
    let family = Shared::from_fn(MEMBERS, |_| AtomicU32::new(0)).unwrap();
    let parent = Process::spawn(stay_with_a_family, family.clone()).unwrap();
    let pids = || family.iter().map(|place| place.load(Ordering::SeqCst)).collect::<Vec<u32>>();
    eventually("a whole family", || !pids().contains(&0));
    assert!(pids().into_iter().all(is_alive));
    end(&parent);
    parent.join().unwrap_err();
    eventually("the end of a family", || !pids().into_iter().any(is_alive));
}

#[test]
fn workers_and_their_children_die_with_a_killed_parent() {
    if skips(DESCRIPTORS) {
        return;
    }
    ends_with_its_parent(|parent| parent.kill());
}

#[test]
fn workers_and_their_children_die_with_an_interrupted_parent() {
    if skips(DESCRIPTORS) {
        return;
    }
    ends_with_its_parent(|parent| {
        let group = Pid::from_raw(i32::try_from(parent.id()).unwrap());
        killpg(group, Signal::SIGINT).unwrap();
    });
}

#[test]
fn the_errors_of_a_pool_inside_a_task_come_back_whole() {
    let inner = |text: String| -> Result<Vec<u32>, TaskError> {
        Pool::new(1).expect("a pool").map(|digit: char| digit.to_digit(10).expect("a digit"), text.chars())
    };
    let outer = pool(1);
    assert_eq!(outer.apply(inner, "12".to_owned()).unwrap().unwrap(), [1, 2]);
    let error = outer.apply(inner, "1x2".to_owned()).unwrap().unwrap_err();
    assert_eq!((error.index(), error.attempt(), error.started()), (1, 1, true));
    assert!(error.to_string().starts_with("task 1 panicked"), "{error}");
    assert!(error.panic().unwrap().message().starts_with("a digit"));
    assert!(error.worker().unwrap().starts_with("PoolWorker-"));

    let dies = |()| Pool::new(1).expect("a pool").apply(|()| -> () { die_by("KILL") }, ());
    let error: TaskError = outer.apply(dies, ()).unwrap().unwrap_err();
    assert_eq!(error.exit_status().unwrap().signal(), Some(9));

    let fails =
        |()| Pool::builder().workers(1).initializer(|()| Err::<(), _>("no licence".to_owned()), ()).build().map(drop);
    let error: PoolError = outer.apply(fails, ()).unwrap().unwrap_err();
    assert!(error.is_initializer() && error.to_string().contains("no licence"), "{error}");
}
