//! Endless inputs in constant memory. Each is measured in a process of its own, because the other tests run beside this one.

use std::fs;

use procession_process::{Process, stop_server};

use crate::support::{Block, pool};

/// The resident memory of this process in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The memory after so many results, and the most that there was after more of them.
fn memory_over<T>(results: impl Iterator<Item = T>, warm_up: usize, more: usize) -> (usize, usize) {
    let (mut before, mut most) = (0, 0);
    for (place, _result) in results.take(warm_up + more).enumerate() {
        if place + 1 == warm_up {
            before = resident();
        } else if place > warm_up && place % (more / 50) == 0 {
            most = most.max(resident());
        }
    }
    (before, most)
}

fn small_ones(in_order: bool) -> (usize, usize) {
    let pool = pool(2);
    let (warm_up, more) = (30_000, 100_000);
    let memory = if in_order {
        memory_over(pool.imap(|n: u64| n, 0..).map(Result::unwrap), warm_up, more)
    } else {
        memory_over(pool.imap_unordered(|n: u64| n, 0..).map(Result::unwrap), warm_up, more)
    };
    drop(pool);
    stop_server();
    memory
}

fn large_ones(_: ()) -> (usize, usize) {
    let pool = pool(2);
    // Together they are 400 MiB each way.
    let results = pool.imap(|block: Block| block, (0..).map(|n: u64| Block(vec![n as u8; 1 << 20])));
    let memory = memory_over(results.map(Result::unwrap), 150, 400);
    drop(pool);
    stop_server();
    memory
}

#[test]
fn memory_stays_constant_over_many_small_items() {
    for in_order in [true, false] {
        let (before, most) = Process::spawn(small_ones, in_order).unwrap().join().unwrap();
        assert!(most < before + (16 << 10), "memory has grown from {before} to {most} KiB");
    }
}

#[test]
fn memory_stays_constant_over_many_large_items() {
    let (before, most) = Process::spawn(large_ones, ()).unwrap().join().unwrap();
    // What is in flight may swing by its bound, and the allocator keeps some of it.
    assert!(most < before + (160 << 10), "memory has grown from {before} to {most} KiB");
}

#[test]
fn endless_items_that_fail_do_not_pile_up_either() {
    let pool = pool(2);
    let results = pool.imap(|n: u64| assert!(n.is_multiple_of(2), "odd"), 0..);
    assert_eq!(results.take(5000).filter(Result::is_err).count(), 2500);
}
