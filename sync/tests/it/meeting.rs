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
