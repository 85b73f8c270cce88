//! Which types may go to another thread, and which may not (the latter in doc tests that do not compile).

use std::cell::Cell;

use procession_sync::{
    Barrier, BrokenBarrierError, Condvar, CreateError, Event, Mutex, MutexGuard, NameError, Plain, PoisonCause,
    ReentrantLock, ReleaseError, RwLock, RwLockReadGuard, Semaphore, SemaphoreGuard, Shared, SharedMemory,
};

/// What may be sent but not shared.
struct SendOnly(Cell<u32>);

// SAFETY: a number in a cell: any bytes are valid, no address, nothing to drop, no thread of its own.
unsafe impl Plain for SendOnly {}

const fn is_a_handle<T: Clone + Send + Sync + 'static>() {}
const fn is_sync<T: Sync>() {}
const fn is_send<T: Send>() {}
const fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

const _: () = {
    is_a_handle::<Mutex<SendOnly>>();
    is_a_handle::<Mutex<[SendOnly]>>();
    is_a_handle::<ReentrantLock<SendOnly>>();
    is_a_handle::<RwLock<u32>>();
    is_a_handle::<Condvar>();
    is_a_handle::<Semaphore>();
    is_a_handle::<Event>();
    is_a_handle::<Barrier>();
    is_a_handle::<Shared<[u32]>>();
    is_a_handle::<SharedMemory>();
    is_a_handle::<PoisonCause>();
    is_sync::<MutexGuard<'_, u32>>();
    is_sync::<RwLockReadGuard<'_, u32>>();
    is_send::<SemaphoreGuard<'_>>();
    is_an_error::<CreateError>();
    is_an_error::<BrokenBarrierError>();
    is_an_error::<ReleaseError>();
    is_an_error::<NameError>();
};

#[test]
fn a_cell_under_a_mutex_works() {
    let lock = Mutex::new(SendOnly(Cell::new(1))).unwrap();
    lock.lock().unwrap().0.set(2);
    assert_eq!(lock.clone().lock().unwrap().0.get(), 2);
}
