//! A process that holds a guard is not copied: its copy would have the data as well, also where the guard was leaked.

use std::sync::Mutex as StdMutex;

use procession_process::{Process, SpawnError, StartMethod};
use procession_sync::{Mutex, Parts, ReentrantLock, RwLock};

use crate::helpers::{child, value};

/// Where safe code can put what it has leaked, for the functions of copies to find.
static LEAKED: StdMutex<Option<&'static mut u64>> = StdMutex::new(None);

/// Starts a copy of this process that does nothing. Returns the kind of the lock for which it is refused.
fn refused_for() -> Option<String> {
    match Process::builder().start_method(StartMethod::Fork).spawn(|()| (), ()) {
        Err(error @ SpawnError::LockHeld { .. }) => {
            assert!(error.to_string().contains("drop the guard before the start"), "{error}");
            let SpawnError::LockHeld { lock } = error else { unreachable!("it matched") };
            Some(lock)
        }
        started => {
            started.expect("nothing is held").join().expect("it does nothing");
            None
        }
    }
}

/// Starts a copy while a guard is held, and one after it was dropped.
fn while_held_and_after<G>(guard: G) -> [Option<String>; 2] {
    let held = refused_for();
    drop(guard);
    [held, refused_for()]
}

#[test]
fn a_process_that_holds_a_guard_is_not_copied() {
    // In a child, which has one thread.
    fn each_kind((): ()) -> Vec<[Option<String>; 2]> {
        let (mutex, rwlock) = (Mutex::new(1).unwrap(), RwLock::new(1).unwrap());
        let (reentrant, parts) = (ReentrantLock::new(1).unwrap(), Parts::from_slice(&[1, 2], 2).unwrap());
        vec![
            while_held_and_after(mutex.lock().unwrap()),
            while_held_and_after(rwlock.read().unwrap()),
            while_held_and_after(rwlock.write().unwrap()),
            while_held_and_after([reentrant.lock().unwrap(), reentrant.lock().unwrap()]),
            while_held_and_after(parts.lock(1).unwrap()),
        ]
    }
    let kinds = ["mutex", "reader-writer lock", "reader-writer lock", "reentrant lock", "row in parts"];
    let expected: Vec<_> = kinds.into_iter().map(|kind| [Some(kind.to_owned()), None]).collect();
    assert_eq!(value(&child(each_kind, ())), expected);
}

#[test]
fn a_leaked_guard_is_in_no_copy() {
    fn leak(lock: Mutex<u64>) -> Option<String> {
        let lock = Box::leak(Box::new(lock));
        let guard = Box::leak(Box::new(lock.lock().unwrap()));
        *LEAKED.lock().unwrap() = Some(guard);
        refused_for()
    }
    let lock = Mutex::new(1).unwrap();
    assert_eq!(value(&child(leak, lock.clone())).as_deref(), Some("mutex"));

    fn forget(lock: Mutex<u64>) -> Option<String> {
        std::mem::forget(lock.lock());
        // The handle stays in the process: without one, nothing leads to the data.
        let other = lock.clone();
        drop(lock);
        let refused = refused_for();
        drop(other);
        assert_eq!(refused_for(), None);
        refused
    }
    assert_eq!(value(&child(forget, Mutex::new(1).unwrap())).as_deref(), Some("mutex"));
}

#[test]
fn what_others_hold_and_what_was_dropped_is_no_hindrance() {
    fn copy(lock: Mutex<u64>) -> Option<String> {
        assert!(lock.is_locked());
        refused_for()
    }
    let lock = Mutex::new(1).unwrap();
    let held = lock.lock().unwrap();
    assert_eq!(value(&child(copy, lock.clone())), None);
    drop(held);
}
