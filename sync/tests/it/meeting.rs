//! Events, barriers and condition variables between processes (S08 to S15).

use std::sync::atomic::{AtomicU32, Ordering};

use procession_sync::{Barrier, Condvar, Event, Mutex, Shared};

use crate::helpers::{GUARD, child, value};

#[test]
fn an_event_wakes_all_of_fifty() {
    fn wait((event, ready): (Event, Shared<AtomicU32>)) -> bool {
        ready.fetch_add(1, Ordering::SeqCst);
        event.wait_timeout(GUARD)
    }
    let (event, ready) = (Event::new().unwrap(), Shared::new(AtomicU32::new(0)).unwrap());
    let children: Vec<_> = (0..50).map(|_| child(wait, (event.clone(), ready.clone()))).collect();
    while ready.load(Ordering::SeqCst) < 50 {
        std::thread::yield_now();
    }
    event.set();
    assert!(children.iter().all(value));
}

/// gh-95826: in Python a waiter can sleep through it.
#[test]
fn an_event_that_goes_down_at_once_is_seen_all_the_same() {
    let event = Event::new().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| event.wait_timeout(GUARD));
        // Until the waiter has begun to wait, a short flash may come too early for it.
        while !waiter.is_finished() {
            event.set();
            event.clear();
        }
        assert!(waiter.join().unwrap());
    });
    assert!(!event.is_set());
}

#[test]
fn sixteen_meet_a_thousand_times() {
    const PARTIES: u32 = 16;
    const ROUNDS: usize = 1000;
    fn meet((barrier, seen): (Barrier, Shared<[AtomicU32]>)) -> usize {
        let mut led = 0;
        for round in seen.iter() {
            let met = barrier.wait_timeout(GUARD).unwrap();
            round.fetch_or(1 << met.index(), Ordering::Relaxed);
            led += usize::from(met.is_leader());
        }
        led
    }
    let barrier = Barrier::new(PARTIES).unwrap();
    let seen = Shared::<[AtomicU32]>::from_fn(ROUNDS, |_| AtomicU32::new(0)).unwrap();
    let children: Vec<_> = (0..PARTIES).map(|_| child(meet, (barrier.clone(), seen.clone()))).collect();
    let leaders: usize = children.iter().map(value).sum();
    assert_eq!(leaders, ROUNDS, "one leader a round");
    assert!(
        seen.iter().all(|indices| indices.load(Ordering::Relaxed) == (1 << PARTIES) - 1),
        "each index once a round"
    );
    assert!(!barrier.is_broken(), "those who left in peace are not missed");
}

#[test]
fn a_barrier_breaks_for_all_and_can_be_reset() {
    let barrier = Barrier::new(3).unwrap();
    std::thread::scope(|scope| {
        let waiters = [(); 2].map(|()| scope.spawn(|| barrier.wait_timeout(GUARD)));
        while barrier.waiting() < 2 {
            std::thread::yield_now();
        }
        barrier.abort();
        for waiter in waiters {
            let error = waiter.join().unwrap().unwrap_err();
            assert!(!error.is_timeout());
        }
    });
    assert!(barrier.is_broken());
    barrier.reset();
    assert_eq!(barrier.waiting(), 0);
    std::thread::scope(|scope| {
        let meet = || barrier.wait_timeout(GUARD).unwrap().index();
        let mut indices: Vec<_> =
            [(); 3].map(|()| scope.spawn(meet)).into_iter().map(|one| one.join().unwrap()).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2]);
    });
}

#[test]
fn a_reset_sends_away_those_who_wait() {
    let barrier = Barrier::new(2).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| barrier.wait_timeout(GUARD));
        while barrier.waiting() < 1 {
            std::thread::yield_now();
        }
        barrier.reset();
        assert!(waiter.join().unwrap().is_err());
    });
    assert!(!barrier.is_broken());
}

/// What producers and consumers share.
type Stock = (Mutex<[u64; 3]>, Condvar);
/// Where things are in the array: how many are there, their sum so far, how many producers are at work.
const THERE: usize = 0;
const TAKEN: usize = 1;
const PRODUCERS: usize = 2;

#[test]
fn producers_and_consumers_lose_nothing() {
    const EACH: u64 = 3000;
    fn produce((stock, changed): Stock) -> u64 {
        for _ in 0..EACH {
            stock.lock().unwrap()[THERE] += 1;
            changed.notify_one();
        }
        stock.lock().unwrap()[PRODUCERS] -= 1;
        changed.notify_all();
        0
    }
    fn consume((stock, changed): Stock) -> u64 {
        let mut mine = 0;
        loop {
            let nothing = |stock: &mut [u64; 3]| stock[THERE] == 0 && stock[PRODUCERS] > 0;
            let mut stock = changed.wait_while(stock.lock().unwrap(), nothing).unwrap();
            if stock[THERE] == 0 {
                return mine;
            }
            stock[THERE] -= 1;
            stock[TAKEN] += 1;
            mine += 1;
        }
    }
    let stock: Stock = (Mutex::new([0, 0, 2]).unwrap(), Condvar::new().unwrap());
    let children: Vec<_> =
        [produce, produce, consume, consume, consume].map(|function| child(function, stock.clone())).into();
    let taken: u64 = children.iter().map(value).sum();
    assert_eq!(taken, 2 * EACH);
    assert_eq!(*stock.0.lock().unwrap(), [0, 2 * EACH, 0]);
}

#[test]
fn the_last_one_acts_before_anybody_goes_on() {
    const PARTIES: u32 = 4;
    const ROUNDS: u32 = 200;
    fn meet((barrier, acted): (Barrier, Shared<AtomicU32>)) -> bool {
        (1..=ROUNDS).all(|round| {
            let count = || {
                acted.fetch_add(1, Ordering::SeqCst);
            };
            barrier.wait_timeout_with(GUARD, count).is_ok() && acted.load(Ordering::SeqCst) == round && {
                // The next round's action may not run before all have looked.
                barrier.wait_timeout(GUARD).is_ok()
            }
        })
    }
    let barrier = Barrier::new(PARTIES).unwrap();
    let acted = Shared::new(AtomicU32::new(0)).unwrap();
    let children: Vec<_> = (0..PARTIES).map(|_| child(meet, (barrier.clone(), acted.clone()))).collect();
    assert!(children.iter().all(value));
    assert_eq!(acted.load(Ordering::SeqCst), ROUNDS, "one action a round");
}

#[test]
fn one_party_too_many_waits_for_the_next_round_while_the_last_one_acts() {
    let (barrier, acting, goes_on) = (Barrier::new(1).unwrap(), Event::new().unwrap(), Event::new().unwrap());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            barrier.wait_with(|| {
                acting.set();
                assert!(goes_on.wait_timeout(GUARD));
            })
        });
        assert!(acting.wait_timeout(GUARD));
        let second = scope.spawn(|| barrier.wait_timeout(GUARD));
        assert_eq!(barrier.waiting(), 1);
        goes_on.set();
        assert_eq!(first.join().unwrap().unwrap().index(), 0);
        assert_eq!(second.join().unwrap().unwrap().index(), 0, "the first of its own round");
    });
}

#[test]
fn an_action_that_fails_breaks_the_barrier() {
    let barrier = Barrier::new(2).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| barrier.wait_timeout_with(GUARD, || {}));
        while barrier.waiting() == 0 {
            std::thread::yield_now();
        }
        let acts = scope.spawn(|| barrier.wait_timeout_with(GUARD, || panic!("the action fails")));
        assert!(acts.join().is_err(), "the panic goes on");
        assert!(!waits.join().unwrap().unwrap_err().is_timeout());
    });
    assert!(barrier.is_broken());
}

#[test]
fn who_dies_in_its_action_is_named() {
    fn act((barrier, there): (Barrier, Event)) {
        let _never = barrier.wait_with(|| crate::helpers::stay(&there));
    }
    let barrier = Barrier::new(2).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| barrier.wait_timeout_with(GUARD, || {}));
        while barrier.waiting() == 0 {
            std::thread::yield_now();
        }
        let pid = crate::helpers::kill_at(act, barrier.clone());
        assert_eq!(waits.join().unwrap().unwrap_err().dead_party(), Some(pid));
    });
}

#[test]
fn debug_shows_what_one_looks_for_when_something_hangs() {
    let (event, seats) = (Event::new().unwrap(), procession_sync::Semaphore::bounded(3).unwrap());
    event.set();
    let _seat = seats.acquire();
    let pid = std::process::id();
    let barrier = Barrier::new(2).unwrap();
    barrier.abort();
    let shown = format!("{event:?} {seats:?} {barrier:?}");
    let expected = format!(
        "Event {{ is_set: true }} Semaphore {{ available: 2, holders: {{{pid}: 1}}, bound: 3 }} Barrier {{ parties: 2, waiting: 0, \
         broken: the barrier was broken by a party that gave up, reset it to use it again }}"
    );
    assert_eq!(shown, expected);
}
