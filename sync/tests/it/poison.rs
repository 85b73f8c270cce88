//! Poison as std has it: a panic of the holder is the next one's error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_sync::{Mutex, ReentrantLock, RwLock};

use crate::helpers::{GUARD, child};

#[test]
fn a_panic_in_another_process_poisons() {
    let lock = Mutex::new(0).unwrap();
    let fail = |lock: Mutex<i32>| {
        *lock.lock().unwrap() = 1;
        let _guard = lock.lock().unwrap();
        panic!("in the middle of it");
    };
    let failing = child::<_, ()>(fail, lock.clone());
    failing.join_timeout(GUARD).expect_err("it panicked");
    let error = lock.lock().unwrap_err();
    assert_eq!(**error.get_ref(), 1);
    drop(error);
    let culprit = lock.poisoned_by().unwrap();
    assert_eq!((culprit.pid(), culprit.panicked()), (failing.id(), true));
    lock.clear_poison();
    assert!(lock.lock().is_ok());
}

#[test]
fn reading_does_not_poison_and_writing_does() {
    let lock = RwLock::new(0).unwrap();
    let panics = |action: &dyn Fn()| catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    panics(&|| {
        let _guard = lock.read().unwrap();
        panic!("while reading");
    });
    assert!(!lock.is_poisoned());
    panics(&|| {
        let _guard = lock.write().unwrap();
        panic!("while writing");
    });
    assert!(lock.is_poisoned() && lock.read().is_err() && lock.try_write().is_err());

    let lock = ReentrantLock::new(()).unwrap();
    panics(&|| {
        let _guard = lock.lock().unwrap();
        panic!("while holding");
    });
    assert!(lock.lock().is_err());
}

#[test]
fn a_guard_taken_while_panicking_does_not_poison() {
    struct LocksInDrop<'a>(&'a Mutex<u32>);
    impl Drop for LocksInDrop<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let lock = Mutex::new(0).unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _cleans_up = LocksInDrop(&lock);
        panic!("something else");
    }));
    assert!(result.is_err());
    assert_eq!(*lock.lock().unwrap(), 1);
}

#[test]
fn debug_prints_as_std_does() {
    let lock = Mutex::new(5).unwrap();
    assert_eq!(format!("{lock:?}"), "Mutex { data: 5, poisoned: false, .. }");
    let held = lock.lock().unwrap();
    let pid = std::process::id();
    assert_eq!(format!("{lock:?}"), format!("Mutex {{ data: <locked by process {pid}>, poisoned: false, .. }}"));
    assert_eq!((format!("{held:?}"), format!("{held}")), ("5".to_owned(), "5".to_owned()));
    drop(held);
    assert_eq!(format!("{:?}", RwLock::new(5).unwrap()), "RwLock { data: 5, poisoned: false, .. }");
    let reentrant = ReentrantLock::new(5).unwrap();
    assert_eq!(format!("{reentrant:?}"), "ReentrantLock { data: 5, poisoned: false, .. }");
    let _outer = reentrant.lock().unwrap();
    assert_eq!(format!("{reentrant:?}"), "ReentrantLock { data: 5, depth: 1, poisoned: false, .. }");
}
