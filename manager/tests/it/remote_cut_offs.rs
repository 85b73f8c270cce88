//! Calls to a manager of another program that are given up at random moments: each has happened, and its effect is kept, or has not.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use procession_channels::Address;
use procession_manager::{CallError, Manager, Registry, RemoteManager, RemoteProxy};
use proptest::prelude::*;

use crate::support::{LONG, cases, spin};

fn registry() -> Registry {
    Registry::new()
        .object("items", |items: Vec<u64>| items)
        .method("items", "add", |items: &mut Vec<u64>, item: u64| items.push(item))
        .reader("items", "all", |items: &Vec<u64>, _: ()| items.clone())
        .waiter("items", "take", |items: &mut Vec<u64>, _: ()| (!items.is_empty()).then(|| items.remove(0)))
        .object("count", |start: u64| start)
        .method("count", "slowly", |count: &mut u64, micros: u64| {
            spin(micros);
            *count += 1;
        })
        .reader("count", "get", |count: &u64, _: ()| *count)
}

fn served() -> (Manager, RemoteManager) {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>().unwrap(), b"key").unwrap();
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    (manager, remote)
}

/// The outcomes of calls that were given up.
#[derive(Debug, Default)]
struct GivenUp {
    never: usize,
    open: usize,
}

impl GivenUp {
    /// Takes the outcome of a call. A failure that is no timeout is none of a call that was given up.
    fn sort<R>(&mut self, outcome: Result<R, CallError>) -> Result<Option<R>, TestCaseError> {
        match outcome {
            Ok(result) => return Ok(Some(result)),
            Err(CallError::Timeout { started: false }) => self.never += 1,
            Err(CallError::Timeout { started: true }) => self.open += 1,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        Ok(None)
    }
}

fn all(items: &RemoteProxy<Vec<u64>>) -> Vec<u64> {
    items.call::<(), Vec<u64>>("all", ()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(6)))]

    #[test]
    fn an_item_is_taken_and_delivered_or_is_still_there(
        pauses in prop::collection::vec(0..500_u64, 20..60),
        limits in prop::collection::vec(0..700_u64, 20..120),
    ) {
        let (_manager, remote) = served();
        let items = remote.create::<Vec<u64>, Vec<u64>>("items", Vec::new()).unwrap();
        let count = pauses.len() as u64;
        let sender = thread::spawn({
            let items = items.clone();
            move || {
                for (n, pause) in (0..).zip(pauses) {
                    spin(pause);
                    items.call::<u64, ()>("add", n).unwrap();
                }
            }
        });
        let (mut taken, mut given_up) = (Vec::new(), GivenUp::default());
        for limit in limits {
            let outcome = items.call_timeout::<(), u64>("take", (), Duration::from_micros(limit));
            taken.extend(given_up.sort(outcome)?);
        }
        sender.join().unwrap();
        prop_assert!(taken.is_sorted(), "items come in their order: {taken:?}");
        let left = all(&items);
        let seen: BTreeSet<u64> = taken.iter().chain(&left).copied().collect();
        prop_assert_eq!(seen.len(), taken.len() + left.len(), "no item comes twice");
        let lost = usize::try_from(count).unwrap() - seen.len();
        prop_assert!(lost <= given_up.open, "{lost} items lost with {given_up:?}");
    }

    #[test]
    fn a_call_that_was_taken_back_never_runs(
        calls in prop::collection::vec((0..300_u64, 0..900_u64), 20..80),
    ) {
        let (_manager, remote) = served();
        let count = remote.create::<u64, u64>("count", 0).unwrap();
        // Another thread keeps the object busy, so that calls wait for their turn.
        let other = thread::spawn({
            let count = count.clone();
            move || (0..40).for_each(|_| count.call::<u64, ()>("slowly", 200).unwrap())
        });
        let (mut done, mut given_up) = (0, GivenUp::default());
        for (micros, limit) in calls {
            let outcome = count.call_timeout::<u64, ()>("slowly", micros, Duration::from_micros(limit));
            done += usize::from(given_up.sort(outcome)?.is_some());
        }
        other.join().unwrap();
        // What goes on ends before this call has its turn.
        let ran = usize::try_from(count.call_timeout::<(), u64>("get", (), LONG).unwrap()).unwrap() - 40;
        prop_assert!((done..=done + given_up.open).contains(&ran), "{ran} ran: {done} done, {given_up:?}");
    }

    #[test]
    fn what_was_posted_and_given_up_keeps_its_place(limits in prop::collection::vec(0..400_u64, 10..60)) {
        let (_manager, remote) = served();
        let items = remote.create::<Vec<u64>, Vec<u64>>("items", Vec::new()).unwrap();
        let posted: Vec<_> = (0..limits.len() as u64).map(|n| items.post::<u64, ()>("add", n).unwrap()).collect();
        let (mut certain, mut given_up) = (BTreeSet::new(), GivenUp::default());
        for ((n, call), limit) in (0_u64..).zip(posted).zip(limits) {
            if given_up.sort(call.wait_timeout(Duration::from_micros(limit)))?.is_some() {
                certain.insert(n);
            }
        }
        let added = all(&items);
        prop_assert!(added.is_sorted() && certain.iter().all(|n| added.contains(n)), "{added:?}");
        prop_assert!(added.len() <= certain.len() + given_up.open, "{} added, {} known, {given_up:?}", added.len(), certain.len());
    }
}
