//! Calls that are given up at random moments: whatever they were to take is taken and delivered, or is still there.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use procession_channels::{Sender, unbounded};
use procession_manager::{Barrier, CallError, Condition, Counter, Event, Lock, Manager, Queue, RLock, Semaphore};
use procession_process::Process;
use proptest::prelude::*;

use crate::support::{LONG, cases, spin, until};

/// What two processes do with one set of objects, with such limits.
type Play = (Lock, RLock, Semaphore, Condition, Vec<u64>);

#[test]
fn a_limit_of_nothing_tries() {
    let manager = Manager::start().unwrap();
    let (lock, rlock, semaphore) = (manager.lock().unwrap(), manager.rlock().unwrap(), manager.semaphore(1).unwrap());
    for _ in 0..200 {
        drop(lock.acquire_timeout(Duration::ZERO).unwrap().expect("nobody holds it"));
        drop(rlock.acquire_timeout(Duration::ZERO).unwrap().expect("nobody holds it"));
        drop(semaphore.acquire_timeout(Duration::ZERO).unwrap().expect("there is a permit"));
    }
    let (queue, event) = (manager.queue::<u64>(1).unwrap(), manager.event().unwrap());
    event.set().unwrap();
    for n in 0..200 {
        queue.send_timeout(n, Duration::ZERO).unwrap();
        assert!(queue.send_timeout(n, Duration::ZERO).unwrap_err().is_timeout());
        assert_eq!(queue.recv_timeout(Duration::ZERO), Ok(n));
        assert_eq!(queue.recv_timeout(Duration::ZERO), Err(CallError::Timeout { started: false }));
        event.wait_timeout(Duration::ZERO).unwrap();
    }
    assert_eq!(manager.barrier(1).unwrap().wait_timeout(Duration::ZERO), Ok(0));
    let number = manager.create(|n: u64| n, 3).unwrap();
    assert_eq!(number.call_timeout(|n, ()| *n, (), Duration::ZERO), Ok(3));
}

/// Acquires everything again and again, with such limits, in microseconds.
fn acquire_and_release((lock, rlock, semaphore, condition, limits): Play) -> u64 {
    let mut acquired = 0;
    for limit in limits {
        let limit = Duration::from_micros(limit);
        acquired += u64::from(lock.acquire_timeout(limit).unwrap().is_some());
        if let Some(_outer) = rlock.acquire_timeout(limit).unwrap() {
            acquired += u64::from(rlock.acquire_timeout(limit).unwrap().is_some());
        }
        acquired += u64::from(semaphore.acquire_timeout(limit).unwrap().is_some());
        if let Some(guard) = condition.acquire_timeout(limit).unwrap() {
            let _notified = guard.wait_timeout(limit).unwrap();
            guard.notify_one().unwrap();
        }
    }
    acquired
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(6)))]

    #[test]
    fn locks_and_permits_are_all_there_after_any_limits(
        limits in prop::collection::vec(prop::collection::vec(0..600_u64, 20..60), 2..4),
    ) {
        let manager = Manager::start().unwrap();
        let (lock, rlock) = (manager.lock().unwrap(), manager.rlock().unwrap());
        let (semaphore, condition) = (manager.bounded_semaphore(1).unwrap(), manager.condition().unwrap());
        let players: Vec<Process<u64>> = limits
            .into_iter()
            .map(|limits| {
                let play = (lock.clone(), rlock.clone(), semaphore.clone(), condition.clone(), limits);
                Process::spawn(acquire_and_release, play).unwrap()
            })
            .collect();
        for player in players {
            player.join().unwrap();
        }
        prop_assert!(lock.try_acquire().unwrap().is_some());
        prop_assert!(rlock.try_acquire().unwrap().is_some());
        prop_assert!(condition.try_acquire().unwrap().is_some());
        prop_assert_eq!(semaphore.available().unwrap(), 1);
    }

    #[test]
    fn items_come_once_each_and_in_their_order_with_any_limits(
        pauses in prop::collection::vec(0..500_u64, 40..120),
        limits in prop::collection::vec(0..500_u64, 1..50),
    ) {
        let manager = Manager::start().unwrap();
        let queue = manager.queue::<u64>(4).unwrap();
        let count = pauses.len() as u64;
        let sender = Process::spawn(
            |(queue, pauses): (Queue<u64>, Vec<u64>)| {
                for (n, pause) in (0..).zip(pauses) {
                    spin(pause);
                    // An item that was not sent is sent again, for somebody must send it.
                    while let Err(error) = queue.send_timeout(n, Duration::from_micros(pause)) {
                        assert_eq!(error, CallError::Timeout { started: false });
                    }
                }
            },
            (queue.clone(), pauses),
        )
        .unwrap();
        let mut limits = limits.into_iter().cycle();
        let mut received = Vec::new();
        while (received.len() as u64) < count {
            let limit = Duration::from_micros(limits.next().unwrap());
            match queue.recv_timeout(limit) {
                Ok(item) => received.push(item),
                Err(error) => prop_assert_eq!(error, CallError::Timeout { started: false }),
            }
        }
        sender.join().unwrap();
        prop_assert_eq!(queue.try_recv().unwrap(), None);
        prop_assert!(received.into_iter().eq(0..count));
    }

    #[test]
    fn a_receiver_that_is_killed_loses_at_most_what_it_held(moments in prop::collection::vec(0..3_000_u64, 4..8)) {
        let manager = Manager::start().unwrap();
        let queue = manager.unbounded::<u64>().unwrap();
        let (seen, see) = unbounded::<u64>().unwrap();
        let (kills, mut sent) = (moments.len(), 0);
        for moment in moments {
            for _ in 0..50 {
                queue.send(sent).unwrap();
                sent += 1;
            }
            let victim = Process::spawn(pass_on, (queue.clone(), seen.clone())).unwrap();
            spin(moment);
            victim.kill();
            drop(victim.join());
        }
        drop(seen);
        until("the manager hears of their deaths", || manager.stats().unwrap().references == 1);
        let mut all: Vec<u64> = see.iter().map(Result::unwrap).collect();
        all.extend(std::iter::from_fn(|| queue.try_recv().unwrap()));
        let unique: BTreeSet<u64> = all.iter().copied().collect();
        prop_assert_eq!(unique.len(), all.len(), "no item comes twice");
        prop_assert!(unique.len() + kills >= usize::try_from(sent).unwrap(), "{} of {}", unique.len(), sent);
    }

    #[test]
    fn events_barriers_and_joins_end_as_they_say(limits in prop::collection::vec(0..2_000_u64, 3..10)) {
        let manager = Manager::start().unwrap();
        let (event, barrier, rounds) =
            (manager.event().unwrap(), manager.barrier(2).unwrap(), manager.counter(0).unwrap());
        for limit in limits {
            let limit = Duration::from_micros(limit);
            let partner = thread::spawn({
                let (barrier, event) = (barrier.clone(), event.clone());
                move || (barrier.wait_timeout(limit), event.wait_timeout(limit))
            });
            let mine = barrier.wait_timeout(limit);
            event.set().unwrap();
            let (theirs, _) = partner.join().unwrap();
            prop_assert_eq!(mine.is_ok(), theirs.is_ok(), "a round is passed by both or by nobody");
            event.wait_timeout(Duration::ZERO).unwrap();
            event.clear().unwrap();
            barrier.reset().unwrap();
            prop_assert_eq!(barrier.waiting().unwrap(), 0);
            rounds.add(1).unwrap();
        }
    }
}

/// Tells of every item that it receives.
fn pass_on((queue, seen): (Queue<u64>, Sender<u64>)) {
    loop {
        let item = queue.recv().unwrap();
        seen.send(item).unwrap();
    }
}

#[test]
fn an_item_that_goes_to_the_dead_comes_back() {
    let manager = Manager::start().unwrap();
    let (queue, ready) = (manager.queue::<u64>(9).unwrap(), manager.counter(0).unwrap());
    for round in 0..20 {
        let receive = |(queue, ready): (Queue<u64>, Counter)| {
            ready.add(1).unwrap();
            queue.recv().unwrap();
        };
        let victim = Process::spawn(receive, (queue.clone(), ready.clone())).unwrap();
        ready.wait_for(round + 1).unwrap();
        // It has been killed, and the manager need not know that yet.
        victim.kill();
        drop(victim.join());
        queue.send(7).unwrap();
        queue.send(8).unwrap();
        // The manager may notice the death after it has handed out the second item.
        let mut items = [queue.recv_timeout(LONG).unwrap(), queue.recv_timeout(LONG).unwrap()];
        items.sort_unstable();
        assert_eq!(items, [7, 8]);
    }
}

#[test]
fn what_was_lost_with_a_worker_is_told_to_each_process_once() {
    let manager = Manager::start().unwrap();
    let (queue, ready) = (manager.queue::<u64>(9).unwrap(), manager.counter(0).unwrap());
    (0..3).for_each(|n| queue.send(n).unwrap());
    let work = |(queue, ready): (Queue<u64>, Counter)| {
        queue.recv().unwrap();
        queue.task_done().unwrap();
        queue.recv().unwrap();
        ready.add(1).unwrap();
        thread::sleep(LONG);
    };
    let worker = Process::spawn(work, (queue.clone(), ready.clone())).unwrap();
    ready.wait_for(1).unwrap();
    assert!(queue.join_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    worker.kill();
    drop(worker.join());
    assert_eq!(queue.recv(), Ok(2));
    assert!(queue.task_done().unwrap());
    assert_eq!(queue.join(), Err(CallError::Lost { count: 1 }));
    assert_eq!(queue.join(), Ok(()));
    let told = Process::spawn(|queue: Queue<u64>| queue.join_timeout(LONG), queue).unwrap();
    assert_eq!(told.join().unwrap(), Err(CallError::Lost { count: 1 }));
}

#[test]
fn an_item_that_has_arrived_is_not_handed_out_again_although_its_receiver_says_nothing_more() {
    let manager = Manager::start().unwrap();
    let queue = manager.queue::<u64>(9).unwrap();
    let (seen, arrivals) = unbounded::<u64>().unwrap();
    let receive = |(queue, seen): (Queue<u64>, Sender<u64>)| {
        seen.send(queue.recv().unwrap()).unwrap();
        thread::sleep(LONG);
    };
    for n in 0..20 {
        queue.send(n).unwrap();
        let victim = Process::spawn(receive, (queue.clone(), seen.clone())).unwrap();
        assert_eq!(arrivals.recv().unwrap(), n);
        victim.kill();
        drop(victim.join());
        assert_eq!(queue.join_timeout(LONG), Err(CallError::Lost { count: 1 }));
        assert!(queue.is_empty().unwrap());
    }
}

#[test]
fn room_for_nothing_and_a_party_of_nobody_are_refused() {
    let manager = Manager::start().unwrap();
    assert!(manager.queue::<u8>(0).unwrap_err().to_string().contains("unbounded"));
    assert!(manager.barrier(0).unwrap_err().to_string().contains("at least one"));
    let queue = manager.unbounded::<u32>().unwrap();
    (0..5_000).for_each(|n| queue.send(n).unwrap());
    assert_eq!((queue.len().unwrap(), queue.is_full().unwrap()), (5_000, false));
}

#[test]
fn a_guard_frees_only_what_it_has_acquired() {
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    let guard = lock.acquire().unwrap();
    for _ in 0..50 {
        // It is this very thread that holds the lock.
        assert!(lock.acquire_timeout(Duration::ZERO).unwrap().is_none());
        assert!(lock.acquire_timeout(Duration::from_micros(300)).unwrap().is_none());
        assert!(lock.is_locked().unwrap());
    }
    drop(guard);
    assert!(!lock.is_locked().unwrap());
    let (event, barrier): (Event, Barrier) = (manager.event().unwrap(), manager.barrier(2).unwrap());
    assert!(event.wait_timeout(Duration::ZERO).unwrap_err().is_timeout());
    assert_eq!(barrier.wait_timeout(Duration::ZERO), Err(CallError::BrokenBarrier));
}
