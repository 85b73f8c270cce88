//! Semaphores between processes (S06, S07): never one too many inside.

use std::sync::atomic::{AtomicU32, Ordering};

use procession_sync::{Semaphore, Shared};

use crate::helpers::{GUARD, child, value};

#[test]
fn a_sixth_never_gets_in() {
    fn visit((door, inside): (Semaphore, Shared<AtomicU32>)) -> u32 {
        let mut most = 0;
        for _ in 0..200 {
            let _permit = door.acquire();
            most = most.max(inside.fetch_add(1, Ordering::SeqCst) + 1);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
        }
        most
    }
    let (door, inside) = (Semaphore::bounded(5).unwrap(), Shared::new(AtomicU32::new(0)).unwrap());
    let children: Vec<_> = (0..20).map(|_| child(visit, (door.clone(), inside.clone()))).collect();
    let most = children.iter().map(value).max().unwrap();
    assert!(most <= 5, "{most} were inside");
    assert_eq!(door.available(), 5);
}

#[test]
fn one_process_acquires_and_another_releases() {
    let door = Semaphore::new(0).unwrap();
    let helper = child(|door: Semaphore| door.release(3).unwrap(), door.clone());
    for _ in 0..3 {
        door.acquire_timeout(GUARD).expect("the child releases").forget();
    }
    value(&helper);
    assert_eq!(door.available(), 0);
}

#[test]
fn a_bound_holds_and_an_overflow_is_refused() {
    let bounded = Semaphore::bounded(2).unwrap();
    assert!(bounded.release(1).is_err());
    bounded.acquire().forget();
    bounded.release(1).unwrap();
    assert_eq!(bounded.available(), 2);

    let plain = Semaphore::new(1).unwrap();
    assert!(plain.release(u32::MAX).is_err(), "a sum beyond all numbers");
    assert!(plain.release(i32::MAX as u32).is_err(), "one above the most");
    plain.release(i32::MAX as u32 - 1).unwrap();
    assert_eq!(plain.available(), i32::MAX as u32);
    assert!(Semaphore::new(1 << 31).is_err());
}

#[test]
fn a_guard_may_be_dropped_by_another_thread() {
    let door = Semaphore::new(1).unwrap();
    let permit = door.acquire();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(permit));
    });
    assert_eq!(door.available(), 1);
}
