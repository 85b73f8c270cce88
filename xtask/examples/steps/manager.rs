//! Operations of a manager's clients.

use std::time::Duration;

use procession_manager::{Manager, Proxy};

use crate::stepper::{HANG, Operation};

/// The limit of a call that may have to wait for the stopped process.
const SHORT: Duration = Duration::from_millis(2);

/// A manager that lives as long as this process.
fn kept() -> &'static Manager {
    Box::leak(Box::new(Manager::start().expect("a manager")))
}

pub(crate) struct Call;

impl Operation for Call {
    type Ends = Proxy<u64>;

    fn make() -> Proxy<u64> {
        kept().create(|n: u64| n, 0).expect("an object")
    }

    fn run(number: &Proxy<u64>) {
        number.call(|n, ()| *n += 1, ()).expect("the manager lives");
    }

    fn look(number: &Proxy<u64>) {
        for _ in 0..3 {
            number.call_timeout(|n, ()| *n += 1, (), HANG).expect("no other client is held up");
        }
        number.read_timeout(|n, ()| *n, (), HANG).expect("no other client is held up");
    }

    fn after(number: &Proxy<u64>) {
        number.call_timeout(|n, ()| *n += 1, (), HANG).expect("the manager lives");
    }
}

/// Sends calls whose results come later, more of them than there is room for.
pub(crate) struct Post;

impl Operation for Post {
    type Ends = Proxy<u64>;

    fn make() -> Proxy<u64> {
        Call::make()
    }

    fn run(number: &Proxy<u64>) {
        let posted: Vec<_> = (0..3).map(|_| number.post(|_, ()| "a".repeat(100_000), ()).expect("it lives")).collect();
        for one in posted {
            assert_eq!(one.wait().expect("the manager lives").len(), 100_000);
        }
    }

    fn look(number: &Proxy<u64>) {
        Call::look(number);
    }

    fn after(number: &Proxy<u64>) {
        Call::after(number);
    }
}

pub(crate) struct Lock;

impl Operation for Lock {
    type Ends = procession_manager::Lock;

    fn make() -> Self::Ends {
        kept().lock().expect("a lock")
    }

    fn run(lock: &Self::Ends) {
        drop(lock.acquire().expect("the manager lives"));
    }

    fn look(lock: &Self::Ends) {
        drop(lock.try_acquire().expect("the manager lives"));
        drop(lock.acquire_timeout(SHORT).expect("the manager lives"));
        lock.is_locked().expect("the manager lives");
    }

    fn after(lock: &Self::Ends) {
        drop(lock.acquire_timeout(HANG).expect("the manager lives").expect("it is free"));
    }
}
