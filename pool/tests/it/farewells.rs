//! Finalizers: who waits for them, what limits them, and who is told.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use procession_pool::Pool;
use procession_sync::{Event, Shared};

use crate::agents::{DESCRIPTORS, skips};
use crate::support::FOREVER;

/// What a finalizer is given: it says that it has begun, waits until it may go on, and counts.
type Part = (Event, Event, Shared<AtomicU32>);

fn part() -> Part {
    (Event::new().unwrap(), Event::new().unwrap(), Shared::new(AtomicU32::new(0)).unwrap())
}

fn play((begun, gate, count): Part) {
    begun.set();
    gate.wait();
    count.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_join_waits_for_finalizers_and_a_limited_one_does_not() {
    if skips(DESCRIPTORS) {
        return;
    }
    let (begun, gate, count) = part();
    let pool =
        Pool::builder().workers(2).finalizer(play, (begun.clone(), gate.clone(), count.clone())).build().unwrap();
    assert_eq!(pool.map(|n: u32| n, 0..10).unwrap().len(), 10);
    assert!(!pool.join_timeout(Duration::from_millis(1)));
    assert!(begun.wait_timeout(FOREVER) && !pool.join_timeout(Duration::from_millis(1)));
    gate.set();
    pool.join();
    assert!(count.load(Ordering::SeqCst) > 0 && pool.finalizer_errors().is_empty());
}

#[test]
fn a_finalizer_that_is_cut_off_is_told_of() {
    if skips(DESCRIPTORS) {
        return;
    }
    let (begun, gate, count) = part();
    let pool = Pool::builder().workers(1).finalizer(play, (begun.clone(), gate, count.clone())).build().unwrap();
    assert_eq!(pool.apply(|n: u32| n, 1).unwrap(), 1);
    assert!(!pool.join_timeout(Duration::ZERO));
    assert!(begun.wait_timeout(FOREVER));
    pool.terminate();
    pool.join();
    let errors = pool.finalizer_errors();
    assert_eq!((errors.len(), count.load(Ordering::SeqCst)), (1, 0));
    let text = errors[0].to_string();
    assert!(text.starts_with("the finalizer failed in worker `PoolWorker-") && text.contains("signal 9"), "{text}");
}

#[test]
fn a_finalizer_that_panics_is_told_of() {
    let pool = Pool::builder().workers(1).finalizer(|text: String| panic!("{text}"), "farewell".to_owned()).build();
    let pool = pool.unwrap();
    assert_eq!(pool.apply(|n: u32| n, 1).unwrap(), 1);
    pool.join();
    let errors = pool.finalizer_errors();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].panic().unwrap().message(), "farewell");
}

/// Panics, or ends the worker, when it is dropped.
struct Parting(bool);

impl Drop for Parting {
    fn drop(&mut self) {
        if self.0 {
            std::process::abort();
        }
        panic!("no farewell");
    }
}

#[test]
fn a_state_whose_end_goes_wrong_is_told_of_and_no_finalizer_is_blamed() {
    for (aborts, right) in [(false, "no farewell"), (true, "signal 6")] {
        let builder = Pool::builder().workers(1).local_state(Parting, aborts).finalizer(|_: u8| (), 1);
        let pool = builder.build().unwrap();
        assert_eq!(pool.apply(|n: u32| n, 1).unwrap(), 1);
        pool.join();
        let errors: Vec<String> = pool.finalizer_errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("the state could not be dropped in worker `PoolWorker-"), "{errors:?}");
        assert!(errors[0].contains(right), "{errors:?}");
    }
}
