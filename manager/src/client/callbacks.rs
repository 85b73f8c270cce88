//! [`Callbacks`]: functions that are called with replies for which no thread waits.
//!
//! Threads of their own listen for such answers, as long as one is to come. There is one more of them than there are callbacks
//! that run, so one that never returns keeps its thread, and nothing else.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_core::codec::Message;
use procession_process::panics;

use crate::wire::error::CallError;
use crate::wire::ids::IdMap;

/// A function that is called with the reply to a call.
pub(crate) type Callback = Box<dyn FnOnce(Result<Message, CallError>) + Send>;

/// The callbacks of a connection.
#[derive(Default)]
pub(super) struct Callbacks {
    /// Callbacks whose replies are to come.
    wanted: IdMap<u64, Callback>,
    /// Callbacks that a listener should call, in the order in which their replies came.
    ready: VecDeque<ReadyCallback>,
    /// The number of threads that listen, or are about to.
    listeners: usize,
}

/// A callback and what it is to be called with.
pub(super) struct ReadyCallback(Callback, Result<Message, CallError>);

/// The next task of a thread that listens.
pub(super) enum Next {
    /// Call it; and start a thread before that if no other one listens.
    Call {
        ready: ReadyCallback,
        is_last: bool,
    },
    Wait,
    /// Nothing is to come.
    Leave,
}

impl Callbacks {
    /// Adds one. Returns whether a thread is to be started, which counts as a listener from now on.
    pub(super) fn add(&mut self, number: u64, callback: Callback) -> bool {
        self.wanted.insert(number, callback);
        // A thread that listens already takes this callback, too.
        let is_last = self.listeners == 0;
        self.listeners += usize::from(is_last);
        is_last
    }

    /// Adds one that is ready. A thread is to be started, because all who listen may be asleep.
    pub(super) fn add_ready(&mut self, callback: Callback, answer: Result<Message, CallError>) {
        self.ready.push_back(ReadyCallback(callback, answer));
        self.listeners += 1;
    }

    /// Returns whether a callback waits for the reply to a call.
    pub(super) fn wants(&self, number: u64) -> bool {
        self.wanted.contains_key(&number)
    }

    /// Takes an answer for which there may be a callback.
    pub(super) fn answer(&mut self, number: u64, answer: Result<Message, CallError>) {
        // Not called here: the thread that reads holds the lock of all replies, and a callback is the user's code.
        if let Some(callback) = self.wanted.remove(&number) {
            self.ready.push_back(ReadyCallback(callback, answer));
        }
    }

    /// No answer will come any more.
    pub(super) fn close(&mut self) {
        self.ready
            // Each callback is called once in any case, with an error where no reply comes.
            .extend(self.wanted.drain().map(|(_, callback)| ReadyCallback(callback, Err(CallError::ManagerGone))));
    }

    /// Returns the next task of a listener, which is counted no longer unless it is to wait.
    pub(super) fn next(&mut self) -> Next {
        if let Some(ready) = self.ready.pop_front() {
            // A callback may take long or never return, so another thread must listen before it is called.
            let is_last = self.listeners == 1 && !(self.wanted.is_empty() && self.ready.is_empty());
            // The thread that is started in place of this one takes over its count.
            self.listeners -= usize::from(!is_last);
            return Next::Call { ready, is_last };
        }
        if !self.wanted.is_empty() {
            return Next::Wait;
        }
        self.listeners -= 1;
        Next::Leave
    }

    /// Counts a thread that listens again.
    pub(super) fn enlist(&mut self) {
        self.listeners += 1;
    }

    /// Counts a thread no longer, because it could not be started.
    pub(super) fn dismiss(&mut self) {
        self.listeners -= 1;
    }
}

impl ReadyCallback {
    /// Calls it. The panic hook has reported a panic by then, and it goes no further.
    pub(super) fn call(self) {
        let ReadyCallback(callback, answer) = self;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(move || callback(answer))) {
            // Its destructor is the user's too, and must not end the thread that calls for others as well.
            panics::discard(payload);
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callbacks { wanted, ready, listeners } = self;
        let mut all = f.debug_struct("Callbacks");
        all.field("wanted", &wanted.len()).field("ready", &ready.len()).field("listeners", listeners).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Callback {
        Box::new(|_| {})
    }

    #[test]
    fn one_listener_is_enough_until_a_callback_runs() {
        let mut all = Callbacks::default();
        assert!(all.add(1, nothing()));
        assert!(!all.add(2, nothing()));
        assert!(matches!(all.next(), Next::Wait));
        all.answer(1, Err(CallError::ObjectGone));
        assert!(matches!(all.next(), Next::Call { is_last: true, .. }), "another one is to come");
        assert!(matches!(all.next(), Next::Wait), "that is for the new thread");
        all.answer(2, Err(CallError::ObjectGone));
        assert!(matches!(all.next(), Next::Call { is_last: false, .. }), "nothing is to come");
        all.enlist();
        assert!(matches!(all.next(), Next::Leave));
        assert_eq!(all.listeners, 0);
    }

    #[test]
    fn the_end_makes_all_due_and_later_ones_bring_their_own_thread() {
        let mut all = Callbacks::default();
        all.add(1, nothing());
        all.close();
        assert!(!all.wants(1));
        assert!(matches!(all.next(), Next::Call { is_last: false, .. }));
        all.add_ready(nothing(), Err(CallError::ManagerGone));
        assert_eq!(all.listeners, 1);
        assert!(matches!(all.next(), Next::Call { is_last: false, .. }));
        assert_eq!(all.listeners, 0);
    }

    #[test]
    fn a_callback_may_panic_with_whatever_payload() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::panic_any(Bomb)
            }
        }
        ReadyCallback(Box::new(|_| std::panic::panic_any(Bomb)), Err(CallError::ManagerGone)).call();
    }
}
