//! [`Turns`]: whose turn it is to use one object. It never blocks: who cannot go on is kept, and let go later.
//!
//! | the object is | a reader comes | a writer comes | the user is done |
//! | --- | --- | --- | --- |
//! | free | reads | writes | – |
//! | read | reads, unless a call waits | waits | free, when it was the last reader |
//! | written | waits | waits | free |
//!
//! Calls that wait are served in the order of arrival. A *conditional* call writes, but may find that its condition does not
//! hold; it is then parked until another call has changed the object, and tries again before those that came later.

use std::collections::VecDeque;

/// The mode in which an object is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Together with other readers.
    Shared,
    /// Alone.
    Exclusive,
}

/// The users of one object: those that use it, those that wait, and those whose condition does not hold.
#[derive(Debug)]
pub(crate) struct Turns<Q> {
    /// How the object is used now.
    use_: Use,
    /// The calls that wait for their turn, in the order of arrival.
    queue: VecDeque<(Mode, Q)>,
    /// Conditional calls that wait for a change. They hold nothing.
    parked: VecDeque<Q>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Free,
    /// The number of calls that read.
    Read(usize),
    Written,
}

impl<Q> Turns<Q> {
    pub(crate) fn new() -> Turns<Q> {
        Turns { use_: Use::Free, queue: VecDeque::new(), parked: VecDeque::new() }
    }

    /// Requests a turn. Returns the call when it may begin at once, and keeps it otherwise.
    pub(crate) fn arrive(&mut self, mode: Mode, user: Q) -> Option<Q> {
        // Readers do not overtake a waiting writer, which would otherwise wait for ever.
        if self.queue.is_empty() && self.enter(mode) {
            return Some(user);
        }
        self.queue.push_back((mode, user));
        None
    }

    /// Returns the next waiting call that may go on now. To be called until nothing is returned.
    pub(crate) fn next(&mut self) -> Option<Q> {
        let (mode, _) = self.queue.front()?;
        let mode = *mode;
        // Only the first in line: a later reader that is let in would overtake a writer.
        if self.enter(mode) { self.queue.pop_front().map(|(_, user)| user) } else { None }
    }

    /// Ends a turn. If the object was changed, the calls whose condition did not hold try again, before all others.
    pub(crate) fn leave(&mut self, has_changed: bool) {
        self.use_ = match self.use_ {
            Use::Read(count) if count > 1 => Use::Read(count - 1),
            Use::Read(_) | Use::Written | Use::Free => Use::Free,
        };
        // A reader changes nothing, so a condition that did not hold before it does not hold after it.
        if has_changed {
            // From the back to the front, so that they keep their order.
            while let Some(user) = self.parked.pop_back() {
                self.queue.push_front((Mode::Exclusive, user));
            }
        }
    }

    /// Keeps a call until the object has been changed.
    pub(crate) fn park(&mut self, user: Q) {
        self.parked.push_back(user);
    }

    /// Takes out those who wait or are parked, and are meant by `is_meant`.
    pub(crate) fn remove(&mut self, mut is_meant: impl FnMut(&Q) -> bool) -> Vec<Q> {
        // Both lists: a conditional call moves between them.
        let mut removed = Vec::new();
        for (mode, user) in std::mem::take(&mut self.queue) {
            if is_meant(&user) { removed.push(user) } else { self.queue.push_back((mode, user)) }
        }
        for user in std::mem::take(&mut self.parked) {
            if is_meant(&user) { removed.push(user) } else { self.parked.push_back(user) }
        }
        removed
    }

    /// Takes out all that are parked.
    pub(crate) fn unpark_all(&mut self) -> VecDeque<Q> {
        std::mem::take(&mut self.parked)
    }

    /// Returns whether no call uses it or waits to.
    pub(crate) fn is_quiet(&self) -> bool {
        // Parked calls do not count: what they wait for can only come from another call.
        self.use_ == Use::Free && self.queue.is_empty()
    }

    /// Begins a turn if the object can be used in this mode now. Returns whether it can.
    fn enter(&mut self, mode: Mode) -> bool {
        self.use_ = match (self.use_, mode) {
            (Use::Free, Mode::Exclusive) => Use::Written,
            (Use::Free, Mode::Shared) => Use::Read(1),
            (Use::Read(count), Mode::Shared) => Use::Read(count + 1),
            (Use::Read(_) | Use::Written, _) => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn readers_share_and_a_writer_waits_for_them() {
        let mut turns = Turns::new();
        assert_eq!(turns.arrive(Mode::Shared, 1), Some(1));
        assert_eq!(turns.arrive(Mode::Shared, 2), Some(2));
        assert_eq!(turns.arrive(Mode::Exclusive, 3), None);
        assert_eq!(turns.arrive(Mode::Shared, 4), None, "who comes after a writer waits for it");
        turns.leave(false);
        assert_eq!(turns.next(), None);
        turns.leave(false);
        assert_eq!(turns.next(), Some(3));
        assert_eq!(turns.next(), None);
        turns.leave(true);
        assert_eq!(turns.next(), Some(4));
    }

    #[test]
    fn the_parked_try_again_in_their_order_after_a_change_only() {
        let mut turns = Turns::new();
        for user in [1, 2] {
            assert!(turns.arrive(Mode::Exclusive, user).is_some());
            turns.park(user);
            turns.leave(false);
        }
        assert_eq!(turns.next(), None);
        assert!(turns.arrive(Mode::Exclusive, 3).is_some());
        assert!(turns.arrive(Mode::Exclusive, 4).is_none());
        turns.leave(true);
        let order: Vec<i32> = std::iter::from_fn(|| turns.next().inspect(|_| turns.leave(false))).collect();
        assert_eq!(order, [1, 2, 4]);
    }

    proptest! {
        /// At any moment: no reader beside a writer, no two writers; and everybody has a turn in the end.
        #[test]
        fn exclusion_and_progress(steps in prop::collection::vec((any::<bool>(), any::<bool>()), 1..200)) {
            let mut turns = Turns::new();
            let (mut running, mut served) = (Vec::new(), 0);
            let mut arrived = 0;
            for (leaves, shared) in steps {
                if leaves && !running.is_empty() {
                    running.remove(0);
                    turns.leave(true);
                    served += 1;
                } else {
                    let mode = if shared { Mode::Shared } else { Mode::Exclusive };
                    running.extend(turns.arrive(mode, mode));
                    arrived += 1;
                }
                running.extend(std::iter::from_fn(|| turns.next()));
                let writers = running.iter().filter(|mode| **mode == Mode::Exclusive).count();
                prop_assert!(writers == 0 || running.len() == 1);
            }
            while running.pop().is_some() {
                turns.leave(true);
                served += 1;
                running.extend(std::iter::from_fn(|| turns.next()));
            }
            prop_assert_eq!(served, arrived);
            prop_assert!(turns.is_quiet());
        }
    }
}
