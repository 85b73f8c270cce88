//! [`QueueState`]: what lies behind a managed queue. An item is in the queue, on its way to one who takes it, or with that one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::owner::Owner;
use crate::server::context;
use crate::wire::ids::ClientId;

/// The state of a `Queue` in the manager.
#[derive(Debug)]
pub struct QueueState<T> {
    pub(super) items: VecDeque<Arc<T>>,
    /// The largest number of items, if that is limited.
    capacity: Option<usize>,
    /// Items on their way to those who take them, the oldest first.
    in_flight: VecDeque<(Owner, Arc<T>)>,
    /// The number of items that a client has received and not marked as done.
    held: HashMap<ClientId, u64>,
    /// The number of items that were sent and are not done.
    unfinished: u64,
    /// The number of items that were lost with their receivers, and the number of them that each client knows of.
    lost: u64,
    reported: HashMap<ClientId, u64>,
}

/// An item that lies in the queue still, while it is sent.
#[derive(Debug)]
pub(super) struct InFlight<T>(Arc<T>);

impl<T> QueueState<T> {
    pub(super) fn new(capacity: Option<usize>) -> QueueState<T> {
        QueueState {
            items: VecDeque::new(),
            capacity,
            in_flight: VecDeque::new(),
            held: HashMap::new(),
            unfinished: 0,
            lost: 0,
            reported: HashMap::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        // Items on their way do not count. One that comes back may exceed the capacity, because it must not be lost.
        self.capacity.is_none_or(|capacity| self.items.len() < capacity)
    }

    /// `None` if there is no room.
    pub(super) fn push(&mut self, item: T) -> Option<()> {
        self.has_room().then(|| {
            self.items.push_back(Arc::new(item));
            self.unfinished += 1;
        })
    }

    /// Hands the first item to the caller. Until the caller reports its arrival, the item can come back.
    pub(super) fn hand_out(&mut self, number: u64) -> Option<InFlight<T>> {
        let item = self.items.pop_front()?;
        // The item is kept until the receiver has it, and is lost only with a process that held it.
        self.in_flight.push_back((Owner::caller(number), Arc::clone(&item)));
        Some(InFlight(item))
    }

    /// An item is its receiver's.
    pub(super) fn arrived(&mut self, number: u64) {
        if self.take_in_flight(number).is_some() {
            *self.held.entry(context::caller()).or_insert(0) += 1;
        }
    }

    /// An item is not wanted any more where it goes.
    pub(super) fn put_back(&mut self, number: u64) {
        if let Some(item) = self.take_in_flight(number) {
            self.items.push_front(item);
        }
    }

    fn take_in_flight(&mut self, number: u64) -> Option<Arc<T>> {
        let caller = Owner::caller(number);
        let place = self.in_flight.iter().position(|(owner, _)| *owner == caller)?;
        self.in_flight.remove(place).map(|(_, item)| item)
    }

    /// Ends one item, which another process may have received. Returns whether there was one.
    pub(super) fn end_one(&mut self) -> bool {
        if let Some(held) = self.held.get_mut(&context::caller()) {
            // A process may end an item that another one has received, and its own count stays at 0.
            *held = held.saturating_sub(1);
        }
        let left = self.unfinished.checked_sub(1);
        self.unfinished = left.unwrap_or(0);
        left.is_some()
    }

    /// Returns how many items were lost that the caller does not know of, and how many in all; when all have ended.
    pub(super) fn joined(&mut self, (): ()) -> Option<(u64, u64)> {
        let reported = self.reported.get(&context::caller()).copied().unwrap_or(0);
        (self.unfinished == 0).then_some((self.lost - reported, self.lost))
    }

    pub(super) fn mark_reported(&mut self, lost: u64) {
        self.reported.insert(context::caller(), lost.min(self.lost));
    }

    /// Takes back the items on their way to a client that is gone, and counts those that it held as lost.
    pub(super) fn on_client_exit(&mut self, client: u64) {
        let (back, stay): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.in_flight).into_iter().partition(|(owner, _)| owner.is_of(client));
        self.in_flight = stay;
        // The oldest comes first again.
        for (_, item) in back.into_iter().rev() {
            self.items.push_front(item);
        }
        self.reported.remove(&ClientId(client));
        // Other processes may have ended some of them.
        let lost = self.held.remove(&ClientId(client)).unwrap_or(0).min(self.unfinished);
        self.unfinished -= lost;
        self.lost += lost;
    }
}

impl<T: Clone> InFlight<T> {
    pub(super) fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.0)
    }
}

impl<T: Serialize> Serialize for InFlight<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InFlight<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InFlight<T>, D::Error> {
        T::deserialize(deserializer).map(|item| InFlight(Arc::new(item)))
    }
}
