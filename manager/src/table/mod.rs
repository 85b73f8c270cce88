//! [`Table`]: the objects of a manager, who refers to them, whose turn it is to use them. *No I/O, no clock, no threads*, and it
//! does not know what a value or a call is.
//!
//! # References
//!
//! An object lives as long as there is a reference to it:
//!
//! - a *client*, a connected process, has one for each proxy that it has received or made, copies inside it not counted;
//! - a *ticket*, a proxy on its way inside a message, which may never be read, has one;
//! - the *server*, where a proxy lies inside a value.
//!
//! A client that is gone gives back all that it had. A call that waits for its turn is served even when the last reference
//! goes meanwhile, because it was sent before.

mod turns;

use std::collections::{BTreeSet, VecDeque};

pub(crate) use turns::Mode;
use turns::Turns;

use crate::wire::ids::{ClientId, IdMap, ObjectId};

/// The holder of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Client(ClientId),
    Ticket,
}

/// All objects. `V` is what is known of one, `Q` a call that waits.
#[derive(Debug)]
pub(crate) struct Table<V, Q> {
    entries: IdMap<ObjectId, Entry<V, Q>>,
    next: u64,
    /// The objects with an exit hook.
    with_exit_hooks: BTreeSet<ObjectId>,
}

#[derive(Debug)]
struct Entry<V, Q> {
    /// What is known of the object. The table hands out copies of it, and does not look at it.
    value: V,
    /// The references by their holders. None has 0.
    holders: IdMap<Holder, u32>,
    /// The calls that use the object or wait for it.
    turns: Turns<Q>,
    /// The panic that may have left the object half changed.
    poison: Option<String>,
}

/// The outcome of a request for a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival<Q> {
    /// The turn has come.
    Enters(Q),
    /// The call is kept until its turn comes.
    Waits,
    /// There is no such object.
    Gone(Q),
}

/// The values and calls that are left without an object when references were given back.
#[derive(Debug)]
pub(crate) struct Released<V, Q> {
    /// Values without references.
    pub(crate) values: Vec<V>,
    /// Calls that can never be served.
    pub(crate) calls: Vec<Q>,
}

impl<V, Q> Released<V, Q> {
    fn nothing() -> Released<V, Q> {
        Released { values: Vec::new(), calls: Vec::new() }
    }
}

impl<V: Clone, Q> Table<V, Q> {
    pub(crate) fn new() -> Table<V, Q> {
        Table { entries: IdMap::default(), next: 1, with_exit_hooks: BTreeSet::new() }
    }

    /// Adds an object, with one reference.
    pub(crate) fn insert(&mut self, value: V, holder: Holder, has_exit_hook: bool) -> ObjectId {
        let id = ObjectId(self.next);
        self.next += 1;
        if has_exit_hook {
            self.with_exit_hooks.insert(id);
        }
        // It begins with a reference: without one, the next `tidy` would remove it before its maker has the id.
        let entry = Entry { value, holders: IdMap::from_iter([(holder, 1)]), turns: Turns::new(), poison: None };
        self.entries.insert(id, entry);
        id
    }

    /// Adds a reference. Returns whether there is such an object.
    pub(crate) fn hold(&mut self, id: ObjectId, holder: Holder) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        *entry.holders.entry(holder).or_insert(0) += 1;
        true
    }

    /// Gives a reference back. One that the holder never had is ignored.
    pub(crate) fn release(&mut self, id: ObjectId, holder: Holder) -> Released<V, Q> {
        let Some(entry) = self.entries.get_mut(&id) else { return Released::nothing() };
        if let Some(count) = entry.holders.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                entry.holders.remove(&holder);
            }
        }
        self.tidy(id)
    }

    /// Gives back all that a client had, and takes out its calls that have not begun. Those who may go on now are added to
    /// `ready`.
    pub(crate) fn remove_client(
        &mut self,
        client: ClientId,
        is_its: impl Fn(&Q) -> bool,
        ready: &mut VecDeque<Q>,
    ) -> Released<V, Q> {
        let mut released = Released::nothing();
        // Objects go while the table is walked through. Exits are rare, so a list of all ids may be made.
        let ids: Vec<ObjectId> = self.entries.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            released.calls.extend(entry.turns.remove(&is_its));
            // A call that was taken out may have been the first in line, so those behind it are let in before the entry is
            // tidied.
            ready.extend(std::iter::from_fn(|| entry.turns.next()));
            if entry.holders.remove(&Holder::Client(client)).is_some() {
                let more = self.tidy(id);
                released.values.extend(more.values);
                released.calls.extend(more.calls);
            }
        }
        released
    }

    /// Returns whether the holder has a reference to an object.
    #[cfg(feature = "remote")]
    pub(crate) fn is_held(&self, id: ObjectId, holder: Holder) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.holders.contains_key(&holder))
    }

    /// Returns the objects that want to know that a client is gone.
    pub(crate) fn with_exit_hooks(&self) -> Vec<ObjectId> {
        self.with_exit_hooks.iter().copied().collect()
    }

    /// Returns what is known of an object.
    pub(crate) fn value(&self, id: ObjectId) -> Option<V> {
        self.entries.get(&id).map(|entry| entry.value.clone())
    }

    /// Returns whether an object is not in use, and no call waits for it.
    pub(crate) fn is_free(&self, id: ObjectId) -> bool {
        // An object that is gone counts as free: `arrive` says so at once, and there is nothing to wait for.
        self.entries.get(&id).is_none_or(|entry| entry.turns.is_quiet())
    }

    /// Requests a turn with an object.
    pub(crate) fn arrive(&mut self, id: ObjectId, mode: Mode, call: Q) -> Arrival<Q> {
        let Some(entry) = self.entries.get_mut(&id) else { return Arrival::Gone(call) };
        entry.turns.arrive(mode, call).map_or(Arrival::Waits, Arrival::Enters)
    }

    /// Ends a turn with an object. The calls whose turn has come are added to `ready`.
    pub(crate) fn leave(&mut self, id: ObjectId, has_changed: bool, ready: &mut VecDeque<Q>) -> Released<V, Q> {
        let Some(entry) = self.entries.get_mut(&id) else { return Released::nothing() };
        entry.turns.leave(has_changed);
        ready.extend(std::iter::from_fn(|| entry.turns.next()));
        // The last reference may have gone during the call, for which the object was kept.
        if entry.holders.is_empty() { self.tidy(id) } else { Released::nothing() }
    }

    /// Lets those go on who may since others were taken out.
    pub(crate) fn resume(&mut self, id: ObjectId, ready: &mut VecDeque<Q>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            ready.extend(std::iter::from_fn(|| entry.turns.next()));
        }
    }

    /// Keeps a call, which uses the object, until the object has been changed, and then lets it try again.
    pub(crate) fn park(&mut self, id: ObjectId, call: Q) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.turns.park(call);
        }
    }

    /// Takes out the calls on one object that have not begun and are meant.
    pub(crate) fn remove(&mut self, id: ObjectId, is_meant: impl FnMut(&Q) -> bool) -> Vec<Q> {
        self.entries.get_mut(&id).map_or_else(Vec::new, |entry| entry.turns.remove(is_meant))
    }

    /// Why an object should not be used, if a panic has left it half changed.
    pub(crate) fn poison(&self, id: ObjectId) -> Option<&str> {
        self.entries.get(&id).and_then(|entry| entry.poison.as_deref())
    }

    /// Poisons an object, or declares it sound. Returns whether there is such an object.
    pub(crate) fn set_poison(&mut self, id: ObjectId, poison: Option<String>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.poison = poison;
        true
    }

    /// Returns how many objects there are, and how many references to them.
    pub(crate) fn count(&self) -> (usize, u64) {
        let references = self.entries.values().flat_map(|entry| entry.holders.values());
        (self.entries.len(), references.map(|count| u64::from(*count)).sum())
    }

    /// Returns how many references there are to one object.
    pub(crate) fn references(&self, id: ObjectId) -> u64 {
        let holders = self.entries.get(&id).map(|entry| &entry.holders);
        holders.map_or(0, |holders| holders.values().map(|count| u64::from(*count)).sum())
    }

    /// Removes an object without references, once no call uses it. Calls that are parked there would wait for ever.
    fn tidy(&mut self, id: ObjectId) -> Released<V, Q> {
        let Some(entry) = self.entries.get_mut(&id) else { return Released::nothing() };
        // Calls that were sent before the last reference was given back are still served.
        if !entry.holders.is_empty() || !entry.turns.is_quiet() {
            return Released::nothing();
        }
        // Their condition can never hold now, because no other call can change the object.
        let calls = entry.turns.unpark_all().into();
        self.with_exit_hooks.remove(&id);
        Released { values: self.entries.remove(&id).map(|entry| entry.value).into_iter().collect(), calls }
    }
}

#[cfg(test)]
mod tests;
