//! The event_count under a condition variable: a producer and consumers, and nobody sleeps through.

use loom::sync::Arc;
use loom::thread;

use crate::explore::{finds, holds, process};
use crate::raw::event_count::EventCount;
use crate::raw::mutex::RawMutex;
use crate::raw::shim::{AtomicU32, Ordering, Seeded};

struct Queue {
    lock: RawMutex,
    filled: EventCount,
    items: AtomicU32,
}

impl Queue {
    fn put(&self, number: u64) {
        let me = process(number);
        self.lock.lock(me, None);
        self.items.fetch_add(1, Ordering::Relaxed);
        self.lock.unlock(me);
        self.filled.notify(1);
    }

    fn get(&self, number: u64) {
        let me = process(number);
        self.lock.lock(me, None);
        while self.items.load(Ordering::Relaxed) == 0 {
            let ticket = self.filled.prepare_wait();
            self.lock.unlock(me);
            self.filled.wait(ticket, None);
            self.lock.lock(me, None);
        }
        self.items.fetch_sub(1, Ordering::Relaxed);
        self.lock.unlock(me);
    }
}

fn two_consumers() {
    let queue = Arc::new(Queue { lock: RawMutex::fresh(), filled: EventCount::fresh(), items: AtomicU32::new(0) });
    let consumers: Vec<_> = [2, 3]
        .map(|number| {
            let queue = queue.clone();
            thread::spawn(move || queue.get(number))
        })
        .into();
    queue.put(1);
    queue.put(1);
    consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
    assert_eq!(queue.items.load(Ordering::Relaxed), 0);
}

/// The event_count alone, around an atomic condition.
fn bare_bell(notify: fn(&EventCount)) {
    let shared = Arc::new((EventCount::fresh(), AtomicU32::new(0)));
    let theirs = shared.clone();
    let ringer = thread::spawn(move || {
        theirs.1.store(1, Ordering::Relaxed);
        notify(&theirs.0);
    });
    loop {
        let ticket = shared.0.prepare_wait();
        if shared.1.load(Ordering::Relaxed) == 1 {
            break;
        }
        shared.0.wait(ticket, None);
    }
    ringer.join().unwrap();
}

#[test]
fn a_condition_variable_loses_nothing() {
    holds("event_count as condition variable, 2 consumers", 2, two_consumers);
    finds(Seeded::NotifyWithoutWake, 2, two_consumers);
}

#[test]
fn an_atomic_condition_is_never_missed() {
    holds("event_count, notify", 5, || bare_bell(|event_count| event_count.notify(1)));
    holds("event_count, notify all", 5, || bare_bell(EventCount::notify_all));
}
