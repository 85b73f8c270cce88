//! What workers write to their standard error: kept, passed on, and never waited for.

use std::io::Read;

use procession_process::{Process, Stdio};
use procession_sync::Event;

use crate::support::{FOREVER, die_by, pool};

/// More than a pipe and the pool's own store hold together.
const TOO_MUCH: usize = 1 << 20;

fn write_much(n: u32) -> u32 {
    (0..TOO_MUCH / 10 / 64).for_each(|_| eprintln!("{n:062}:"));
    n
}

fn speak_and_die(_: u32) -> u32 {
    eprintln!("I have seen it coming");
    die_by("KILL")
}

/// A parent whose standard error nobody reads, until it has done its work.
fn speak_to_nobody((worked, was_read): (Event, Event)) {
    let pool = pool(2);
    assert_eq!(pool.map(write_much, 0..10).unwrap(), (0..10).collect::<Vec<_>>());
    let error = pool.map(speak_and_die, [1]).unwrap_err();
    assert!(error.stderr().ends_with("I have seen it coming\n"), "{}", error.stderr());
    worked.set();
    assert!(was_read.wait_timeout(FOREVER));
}

#[test]
fn a_full_standard_error_that_nobody_reads_stops_nobody_and_what_is_dropped_is_counted() {
    let (worked, was_read) = (Event::new().unwrap(), Event::new().unwrap());
    let parent = Process::builder().stderr(Stdio::Piped);
    let parent = parent.spawn(speak_to_nobody, (worked.clone(), was_read.clone())).unwrap();
    let mut pipe = parent.take_stderr().unwrap();
    assert!(worked.wait_timeout(FOREVER), "the pool waits for whoever reads its parent's standard error");
    let mut text = String::new();
    let (mut piece, mut dropped) = (vec![0; 4096], None);
    while dropped.is_none() {
        let count = pipe.read(&mut piece).unwrap();
        assert!(count > 0, "it was not said that something was dropped: {} bytes", text.len());
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        dropped = text.split_once("[procession: ").filter(|(_, note)| note.contains('\n'));
    }
    let (before, note) = dropped.unwrap();
    let count: usize = note.split(' ').next().unwrap().parse().unwrap();
    assert!(before.len() > 4096 && count > 0 && before.len() + count <= TOO_MUCH + 64, "{} {note}", before.len());
    was_read.set();
    parent.join().unwrap();
}

/// A parent that ends as soon as its pool has.
fn speak(_: ()) {
    let task = |n: u32| {
        eprintln!("the words of task {n}");
        n
    };
    // A single worker, for lines come in pieces, and those of several may mix.
    assert_eq!(pool(1).map(task, 0..20).unwrap().len(), 20);
}

#[test]
fn all_that_was_written_is_passed_on_before_a_pool_has_ended() {
    let parent = Process::builder().stderr(Stdio::Piped).spawn(speak, ()).unwrap();
    let mut text = String::new();
    parent.take_stderr().unwrap().read_to_string(&mut text).unwrap();
    parent.join().unwrap();
    assert!((0..20).all(|n| text.contains(&format!("the words of task {n}\n"))), "{text}");
}

#[test]
fn a_death_comes_with_the_worker_s_last_words() {
    let error = pool(1).map(speak_and_die, [1]).unwrap_err();
    assert_eq!(error.stderr(), "I have seen it coming\n");
}
