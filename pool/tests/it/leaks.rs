//! Pools leave nothing behind. Counted in a process of its own, because the other tests run beside this one.

use std::fs;

use procession_process::{Process, stop_server};

use crate::support::{eventually, pool};

/// How many descriptors, threads and children this process has.
fn count() -> [usize; 3] {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let threads: Vec<_> = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path()).collect();
    let children = threads.iter().map(|task| fs::read_to_string(task.join("children")).unwrap_or_default());
    [descriptors, threads.len(), children.map(|text| text.split_whitespace().count()).sum()]
}

fn fifty_pools(kills: bool) -> ([usize; 3], [usize; 3]) {
    let use_one = |kills: bool| {
        let pool = pool(2);
        let task = |(n, kills): (u32, bool)| if kills && n == 7 { std::process::abort() } else { n };
        pool.imap(task, (0..20).map(|n| (n, kills))).for_each(drop);
    };
    // The first starts the server, which stays.
    use_one(kills);
    let before = count();
    (0..50).for_each(|_| use_one(kills));
    eventually("the end of all threads", || count()[1] == before[1]);
    let after = count();
    stop_server();
    (before, after)
}

#[test]
fn fifty_pools_leave_nothing_behind() {
    let (before, after) = Process::spawn(fifty_pools, false).unwrap().join().unwrap();
    assert_eq!(before, after);
}

#[test]
fn fifty_pools_with_deaths_leave_nothing_behind() {
    let (before, after) = Process::spawn(fifty_pools, true).unwrap().join().unwrap();
    assert_eq!(before, after);
}
