//! The flag: all waiters come through, also when it goes down again at once.

use loom::sync::Arc;
use loom::thread;

use crate::explore::holds;
use crate::raw::event::RawEvent;
use crate::raw::shim::{AtomicU32, Ordering};

fn two_waiters() {
    let shared = Arc::new((RawEvent::fresh(), AtomicU32::new(0)));
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || {
                assert!(shared.0.wait(None));
                assert_eq!(shared.1.load(Ordering::Relaxed), 7, "what came before the flag is seen after it");
            })
        })
        .collect();
    shared.1.store(7, Ordering::Relaxed);
    shared.0.set();
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
}

fn up_and_down() {
    let event = Arc::new(RawEvent::fresh());
    let theirs = event.clone();
    let flicker = thread::spawn(move || {
        theirs.set();
        theirs.clear();
        theirs.set();
    });
    assert!(event.wait(None));
    flicker.join().unwrap();
    assert!(event.is_set());
}

#[test]
fn everybody_comes_through() {
    holds("event, 2 waiters", 3, two_waiters);
    holds("event, up and down", 3, up_and_down);
}
