//! What remains when a process is killed in the middle of it (P-04, P-05, S04, S11, S14).

use std::sync::TryLockError;
use std::time::Duration;

use procession_process::Process;
use procession_sync::{Barrier, Condvar, Event, Mutex, MutexGuard, ReentrantLock, RwLock, Semaphore};

use crate::helpers::{GUARD, child, kill_at, stay, value};

fn hold_mutex((lock, there): (Mutex<[u64; 2]>, Event)) {
    let mut guard = lock.lock().unwrap();
    guard[0] += 1;
    stay(&there);
}

#[test]
fn the_next_holder_learns_who_died_and_repairs() {
    let lock = Mutex::new([0_u64; 2]).unwrap();
    let pid = kill_at(hold_mutex, lock.clone());
    let poisoned = lock.lock().expect_err("the holder died");
    let culprit = MutexGuard::poisoned_by(poisoned.get_ref()).unwrap();
    assert_eq!((culprit.pid(), culprit.panicked()), (pid, false));
    assert_eq!(culprit.to_string(), format!("process {pid} died while it held the lock"));
    let mut guard = poisoned.into_inner();
    assert_eq!(*guard, [1, 0], "half changed, as the dead one left it");
    guard[1] = guard[0];
    lock.clear_poison();
    drop(guard);
    assert_eq!(*lock.lock().unwrap(), [1, 1]);
}

#[test]
fn a_try_and_a_timeout_notice_too() {
    let lock = Mutex::new([0_u64; 2]).unwrap();
    kill_at(hold_mutex, lock.clone());
    assert!(matches!(lock.try_lock(), Err(TryLockError::Poisoned(_))));
    lock.clear_poison();
    kill_at(hold_mutex, lock.clone());
    assert!(matches!(lock.lock_timeout(Duration::ZERO), Err(TryLockError::Poisoned(_))));
}

#[test]
fn one_who_waits_already_gets_the_lock_of_the_dead() {
    let lock = Mutex::new([0_u64; 2]).unwrap();
    let there = Event::new().unwrap();
    let victim = child(hold_mutex, (lock.clone(), there.clone()));
    assert!(there.wait_timeout(GUARD));
    let wait = |lock: Mutex<[u64; 2]>| lock.lock().is_err_and(|error| error.get_ref()[0] == 1);
    let waiters: Vec<Process<bool>> = (0..4).map(|_| child(wait, lock.clone())).collect();
    victim.kill();
    assert!(waiters.iter().all(value), "each finds the poison that nobody cleared");
}

#[test]
fn a_reentrant_lock_comes_back_from_any_depth() {
    fn hold((lock, there): (ReentrantLock<()>, Event)) {
        let _outer = lock.lock().unwrap();
        let _inner = lock.lock().unwrap();
        stay(&there);
    }
    let lock = ReentrantLock::new(()).unwrap();
    let pid = kill_at(hold, lock.clone());
    assert!(lock.lock().is_err());
    assert_eq!(lock.poisoned_by().map(|culprit| culprit.pid()), Some(pid));
    lock.clear_poison();
    // The depth of the dead one is forgotten: one guard is one guard.
    drop(lock.lock().unwrap());
    value(&child(|lock: ReentrantLock<()>| drop(lock.try_lock().unwrap()), lock.clone()));
}

#[test]
fn a_dead_writer_poisons_and_a_dead_reader_does_not() {
    fn write((lock, there): (RwLock<u64>, Event)) {
        let mut guard = lock.write().unwrap();
        *guard = 1;
        stay(&there);
    }
    fn read((lock, there): (RwLock<u64>, Event)) {
        let _guard = lock.read().unwrap();
        stay(&there);
    }
    let lock = RwLock::new(0_u64).unwrap();
    kill_at(read, lock.clone());
    *lock.write().unwrap() = 5;
    kill_at(read, lock.clone());
    *lock.try_write().unwrap() = 6;

    let pid = kill_at(write, lock.clone());
    assert_eq!(**lock.read().unwrap_err().get_ref(), 1);
    assert_eq!(lock.poisoned_by().map(|culprit| culprit.pid()), Some(pid));
    lock.clear_poison();
    kill_at(write, lock.clone());
    assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
    lock.clear_poison();
    assert_eq!(*lock.write().unwrap(), 1);
}

#[test]
fn permits_of_the_dead_come_back_but_forgotten_ones_do_not() {
    fn take((door, there): (Semaphore, Event)) {
        let _one = door.acquire();
        let _another = door.acquire();
        door.acquire().forget();
        stay(&there);
    }
    let door = Semaphore::new(3).unwrap();
    kill_at(take, door.clone());
    let one = door.acquire_timeout(GUARD).expect("a permit comes back");
    let another = door.try_acquire().expect("and one more");
    assert!(door.try_acquire().is_none(), "the third was forgotten");
    drop((one, another));
    door.release(1).unwrap();
    assert_eq!(door.available(), 3);
}

#[test]
fn waiters_that_die_hurt_nobody() {
    fn wait_for_permit((door, there): (Semaphore, Event)) {
        there.set();
        let _never = door.acquire();
    }
    fn wait_for_flag((event, there): (Event, Event)) {
        there.set();
        event.wait();
    }
    fn wait_for_change(((lock, changed), there): ((Mutex<u32>, Condvar), Event)) {
        let guard = lock.lock().unwrap();
        there.set();
        let _never = changed.wait_while(guard, |_| true);
    }
    let door = Semaphore::new(1).unwrap();
    let held = door.acquire();
    kill_at(wait_for_permit, door.clone());
    drop(held);
    assert_eq!(door.available(), 1);

    let event = Event::new().unwrap();
    kill_at(wait_for_flag, event.clone());
    event.set();
    assert!(event.is_set());

    let (lock, changed) = (Mutex::new(0).unwrap(), Condvar::new().unwrap());
    kill_at(wait_for_change, (lock.clone(), changed.clone()));
    changed.notify_one();
    changed.notify_all();
    // It may have died with the lock in its hand, between the event and its sleep.
    let ours = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert_eq!(*ours, 0);
}

#[test]
fn a_dead_party_breaks_the_barrier_and_is_named() {
    fn wait_for_ever((barrier, there): (Barrier, Event)) {
        there.set();
        let _broken = barrier.wait();
    }
    fn meet_once((barrier, there): (Barrier, Event)) {
        barrier.wait().unwrap();
        stay(&there);
    }
    // It dies while it waits, or just before: then it was never a party, and the time runs out.
    let barrier = Barrier::new(2).unwrap();
    let there = Event::new().unwrap();
    let victim = child(wait_for_ever, (barrier.clone(), there.clone()));
    assert!(there.wait_timeout(GUARD));
    while barrier.waiting() == 0 {
        std::thread::yield_now();
    }
    victim.kill();
    victim.join().expect_err("it was killed");
    // The dead one's arrival counts in this round: it completes, as if it had died just after. The next one misses it.
    barrier.wait_timeout(GUARD).unwrap();
    assert_eq!(barrier.wait_timeout(GUARD).unwrap_err().dead_party(), Some(victim.id()));

    // It dies between two rounds.
    let barrier = Barrier::new(2).unwrap();
    let there = Event::new().unwrap();
    let victim = child(meet_once, (barrier.clone(), there.clone()));
    barrier.wait_timeout(GUARD).unwrap();
    assert!(there.wait_timeout(GUARD));
    victim.kill();
    let error = barrier.wait_timeout(GUARD).unwrap_err();
    assert_eq!(error.dead_party(), Some(victim.id()));
    barrier.reset();
    assert!(!barrier.is_broken());
}
