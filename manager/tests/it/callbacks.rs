//! Callbacks for calls that were sent and not waited for.

use std::sync::mpsc;
use std::time::Duration;

use procession_manager::{CallError, Manager, Pending, Proxy};
use procession_process::Process;

use crate::support::{Gate, LONG, until};

#[test]
fn each_result_goes_to_its_callback_while_others_wait_for_theirs() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let (told, tell) = mpsc::channel();
    for n in 0..500 {
        let told = told.clone();
        let add = number.post(|sum, by| (*sum += by, by).1, n).unwrap();
        add.on_done(move |by| told.send((n, by.unwrap())).unwrap());
        assert!(number.call(|sum, ()| *sum, ()).unwrap() >= n);
    }
    drop(told);
    let mut all: Vec<(u64, u64)> = tell.iter().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq((0..500).map(|n| (n, n))));
    assert_eq!(number.get().unwrap(), (0..500).sum::<u64>());
}

#[test]
fn one_that_hangs_and_one_that_panics_keep_nobody() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let (hold, held) = mpsc::channel::<()>();
    let (told, tell) = mpsc::channel();
    let begun = told.clone();
    number.post(|_, ()| (), ()).unwrap().on_done(move |_| {
        begun.send(0).unwrap();
        held.recv().unwrap_or_default();
    });
    assert_eq!(tell.recv_timeout(LONG), Ok(0), "the first one runs, and will for long");
    number.post(|_, ()| (), ()).unwrap().on_done(|_| panic!("as expected"));
    for n in 1..=100 {
        let told = told.clone();
        number.post(|_, n: u32| n, n).unwrap().on_done(move |n| told.send(n.unwrap()).unwrap());
    }
    let mut all: Vec<u32> = (0..100).map(|_| tell.recv_timeout(LONG).unwrap()).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(1..=100));
    drop(hold);
}

#[test]
fn a_result_that_is_there_and_one_that_never_comes_are_told() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 7).unwrap();
    let (told, tell) = mpsc::channel();
    let there = number.post(|n, ()| *n, ()).unwrap();
    assert!(there.is_ready_timeout(LONG));
    let second = told.clone();
    there.on_done(move |result| told.send(result).unwrap());
    assert_eq!(tell.recv_timeout(LONG).unwrap(), Ok(7));
    let never: Pending<u64> = number.post_for_ever();
    assert!(!never.is_ready_timeout(Duration::from_millis(1)));
    never.on_done(move |result| second.send(result).unwrap());
    manager.shutdown().unwrap();
    assert_eq!(tell.recv_timeout(LONG).unwrap(), Err(CallError::ManagerGone));
}

/// A call that ends when the manager does.
trait Never {
    fn post_for_ever(&self) -> Pending<u64>;
}

impl Never for Proxy<u64> {
    fn post_for_ever(&self) -> Pending<u64> {
        self.post(
            |_, ()| loop {
                std::thread::park()
            },
            (),
        )
        .unwrap()
    }
}

#[test]
fn an_object_stays_until_its_callback_was_called() {
    let manager = Manager::start().unwrap();
    let gate = Gate::new("callback");
    let waits = manager.create(|gate: std::path::PathBuf| gate, gate.path()).unwrap();
    let (told, tell) = mpsc::channel();
    let opened = waits.post(|gate, ()| (0..).find(|_| gate.exists()).is_some(), ()).unwrap();
    opened.on_done(move |result| told.send(result.unwrap()).unwrap());
    drop(waits);
    gate.open();
    assert_eq!(tell.recv_timeout(LONG), Ok(true));
    until("the object is gone", || manager.stats().unwrap().objects == 0);
}

#[test]
fn functions_in_the_manager_have_callbacks_too() {
    let manager = Manager::start().unwrap();
    let (one, two) = (manager.create(|n: u64| n, 1).unwrap(), manager.create(|n: u64| n, 2).unwrap());
    let both = |one: &mut u64, two: Proxy<u64>| {
        let (told, tell) = mpsc::channel();
        two.post(|n, ()| *n, ()).unwrap().on_done(move |n| told.send(n.unwrap()).unwrap());
        *one + tell.recv_timeout(LONG).unwrap()
    };
    assert_eq!(one.call(both, two).unwrap(), 3);
}

#[test]
fn a_process_that_ends_does_not_wait_for_its_callbacks() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let leave = |number: Proxy<u64>| number.post_for_ever().on_done(|_| ());
    Process::spawn(leave, number).unwrap().join().unwrap();
}
