//! Contexts live as long as their jobs.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use procession_core::codec::Descriptor;
use procession_pool::Pool;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{Block, pool};

fn say(writer: &Descriptor, number: u8) {
    let writer: OwnedFd = writer.try_clone().expect("a descriptor").into();
    File::from(writer).write_all(&[number]).expect("somebody who reads");
}

/// What comes out of a pipe that tasks of a job have as their context, which nobody else has.
fn said(pool: &Pool) -> impl FnOnce() -> Vec<u8> + Send + 'static {
    let (mut reader, writer) = pipe().unwrap();
    pool.map_with(&Descriptor::from(OwnedFd::from(writer)), say, 0..4).unwrap();
    move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe");
        bytes.sort_unstable();
        bytes
    }
}

#[test]
fn a_worker_with_nothing_to_do_has_no_context() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    assert_eq!(said(&pool)(), [0, 1, 2, 3]);
}

#[test]
fn a_worker_that_always_has_something_to_do_lets_go_of_a_context_as_well() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let read = said(&pool);
    let has_read = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let bytes = read();
            has_read.store(true, Ordering::SeqCst);
            bytes
        });
        pool.imap(|n: u64| n, 0..).map(Result::unwrap).take_while(|_| !has_read.load(Ordering::SeqCst)).for_each(drop);
        assert_eq!(reader.join().unwrap(), [0, 1, 2, 3]);
    });
}

#[test]
fn a_context_that_panics_when_it_is_dropped_hurts_no_other_job() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Spiteful(u32);
    impl Drop for Spiteful {
        fn drop(&mut self) {
            assert!(self.0 == std::process::id(), "as expected");
        }
    }
    let pool = pool(1);
    let pid = |_: &Spiteful, (): ()| std::process::id();
    let first = pool.map_with(&Spiteful(std::process::id()), pid, [()]).unwrap();
    assert_eq!(pool.map(|()| std::process::id(), [()]).unwrap(), first);
}

#[test]
fn a_job_that_is_given_up_while_its_tasks_are_on_the_way_keeps_no_worker() {
    let pool = pool(1);
    let weigh = |unit: &u32, block: Block| block.0.len() / *unit as usize;
    for _ in 0..20 {
        let blocks = (0..).map(|_| Block(vec![7; 30 << 10]));
        let mut results = pool.job_with(&1, weigh).chunk_size(64.try_into().unwrap()).imap(blocks);
        assert_eq!(results.next().unwrap().unwrap(), 30 << 10);
        drop(results);
        assert_eq!(pool.apply(|n: u8| n, 7).unwrap(), 7);
    }
}
