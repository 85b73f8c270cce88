//! What becomes of the rest of a job when one of its tasks fails: for each form of call, and each policy.

use std::cell::Cell;
use std::num::NonZeroUsize;

use procession_pool::FailurePolicy::{CollectAll, FailFast};
use procession_pool::{FailurePolicy, Job, Pool, TaskError};
use procession_sync::Event;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{die_by, pool};

/// Fails for every number that ends in 7, in two ways.
fn no_sevens(n: u32) -> u32 {
    match n % 20 {
        7 => panic!("not {n}"),
        17 => die_by("KILL"),
        _ => n,
    }
}

fn job(pool: &Pool, policy: FailurePolicy) -> Job<'_, u32, u32> {
    pool.job(no_sevens).on_failure(policy)
}

fn failures<T>(results: &[Result<T, TaskError>]) -> Vec<u64> {
    results.iter().filter_map(|result| result.as_ref().err()).map(TaskError::index).collect()
}

/// How many tasks have ended well, and badly.
fn ends(pool: &Pool) -> (u64, u64) {
    let stats = pool.stats();
    (stats.done, stats.failed)
}

#[test]
fn map_that_collects_runs_everything_and_brings_the_first_item_s_error() {
    let pool = pool(2);
    let error = job(&pool, CollectAll).map(0..50).unwrap_err();
    assert_eq!((error.index(), error.is_panic()), (7, true), "{error}");
    assert_eq!(ends(&pool), (45, 5));
    assert_eq!(job(&pool, CollectAll).map(0..7).unwrap(), (0..7).collect::<Vec<_>>());
}

#[test]
fn map_that_fails_fast_ends_even_over_an_endless_input() {
    let pool = pool(2);
    let error = job(&pool, FailFast).map(0..).unwrap_err();
    assert_eq!(error.index() % 10, 7);
    assert_eq!(pool.job(no_sevens).map(0..).unwrap_err().index() % 10, 7);
}

#[test]
fn map_async_that_collects_waits_for_all_and_is_no_success() {
    let pool = pool(2);
    let result = job(&pool, CollectAll).map_async(0..50);
    assert_eq!(result.get().unwrap_err().index(), 7);
    assert!(result.is_ready() && !result.is_successful());
    assert_eq!(ends(&pool), (45, 5));
    assert_eq!(job(&pool, CollectAll).map_async(0..7).get().unwrap().len(), 7);
}

#[test]
fn map_async_that_collects_has_no_end_before_the_last_task_s() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    let gate = Event::new().unwrap();
    let task = |(n, gate): (u32, Event)| if n == 0 { panic!("early") } else { gate.wait() };
    let one_by_one = pool.job(task).chunk_size(NonZeroUsize::MIN);
    let result = one_by_one.on_failure(CollectAll).map_async((0..3).map(|n| (n, gate.clone())));
    // The panic of the first has come when the second and the third have a worker each.
    while pool.stats().failed == 0 {
        std::thread::yield_now();
    }
    assert!(!result.is_ready());
    gate.set();
    assert_eq!(result.get().unwrap_err().panic().unwrap().message(), "early");
    assert_eq!(ends(&pool), (2, 1));
}

#[test]
fn map_async_that_fails_fast_cancels_the_rest() {
    let pool = pool(1);
    let (gate, ran) = (Event::new().unwrap(), Event::new().unwrap());
    let task = |(n, gate, ran): (u32, Event, Event)| match n {
        0 => panic!("at once"),
        1 => gate.wait(),
        _ => ran.set(),
    };
    let one_by_one = pool.job(task).chunk_size(NonZeroUsize::MIN);
    let result = one_by_one.map_async((0..3).map(|n| (n, gate.clone(), ran.clone())));
    assert_eq!(result.get().unwrap_err().index(), 0);
    gate.set();
    assert_eq!(pool.apply(|n: u32| n, 1).unwrap(), 1);
    assert!(!ran.is_set());
}

#[test]
fn imap_that_fails_fast_gives_what_comes_before_the_first_error_and_that() {
    let pool = pool(2);
    let read = Cell::new(0);
    let mut results = job(&pool, FailFast).imap((0..).inspect(|n| read.set(*n)));
    let given: Vec<_> = results.by_ref().collect();
    assert_eq!((given.len(), failures(&given)), (8, vec![7]));
    assert!(given[..7].iter().zip(0..).all(|(result, n)| *result.as_ref().unwrap() == n));
    let read_by_then = read.get();
    assert!(results.next().is_none() && results.next().is_none());
    assert_eq!((results.size_hint(), read.get()), ((0, Some(0)), read_by_then));
    assert_eq!(job(&pool, FailFast).imap(0..5).len(), 5);
}

#[test]
fn imap_unordered_that_fails_fast_ends_after_an_error() {
    let pool = pool(2);
    let mut results = job(&pool, FailFast).imap_unordered(0..);
    let given: Vec<_> = results.by_ref().collect();
    assert_eq!(failures(&given).len(), 1);
    assert!(given.last().unwrap().is_err() && results.next().is_none());
    assert_eq!(results.size_hint(), (0, Some(0)));
}

#[test]
fn imap_that_collects_is_as_imap() {
    let pool = pool(2);
    for results in [
        job(&pool, CollectAll).imap(0..50).collect::<Vec<_>>(),
        pool.imap(no_sevens, 0..50).collect(),
        // It says what it does.
        job(&pool, FailFast).collect_all(0..50),
    ] {
        assert_eq!((results.len(), failures(&results)), (50, vec![7, 17, 27, 37, 47]));
    }
    let mut results: Vec<_> = job(&pool, CollectAll).imap_unordered(0..50).collect();
    results.sort_by_key(|result| result.as_ref().map_or_else(|error| error.index() as u32, |n| *n));
    assert_eq!(failures(&results), [7, 17, 27, 37, 47]);
}

#[test]
fn a_task_that_is_tried_again_has_not_failed_yet() {
    let pool = pool(2);
    let marker = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let dies_at_first = |marker: std::path::PathBuf| {
        if std::fs::remove_file(marker).is_ok() {
            die_by("KILL");
        }
    };
    for policy in [FailFast, CollectAll] {
        std::fs::write(&marker, "").unwrap();
        let job = pool.job(dies_at_first).retries(1).on_failure(policy);
        assert_eq!(job.map(vec![marker.to_path_buf(); 20]).unwrap().len(), 20);
    }
    assert_eq!(pool.stats().retried, 2);
}

#[test]
fn what_cannot_be_sent_is_a_failure_like_others() {
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    let odd = || PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    let pool = pool(1);
    let items = || [PathBuf::new(), odd(), PathBuf::new()];
    let job = |policy| pool.job(|path: PathBuf| path.exists()).on_failure(policy);
    assert_eq!(job(CollectAll).map(items()).unwrap_err().index(), 1);
    assert_eq!(job(FailFast).imap(items()).count(), 2);
    assert_eq!(job(CollectAll).imap(items()).count(), 3);
}
