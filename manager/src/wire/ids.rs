//! The ids of a manager.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

/// An object. Never used twice in the life of a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ObjectId(pub(crate) u64);

/// A connection of a process to a manager. Number 0 is the server process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ClientId(pub(crate) u64);

impl ClientId {
    /// The functions that run in the server, and the values that lie there.
    pub(crate) const SERVER: ClientId = ClientId(0);
}

/// A call, by the connection that it came over and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallId {
    /// The client that has sent it.
    pub(crate) client: ClientId,
    /// Its number among the calls of that client; 0 if it wants no reply.
    pub(crate) number: u64,
}

/// A manager: unique among all managers of all programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ManagerId(pub(crate) u64, pub(crate) u64);

impl ManagerId {
    /// Returns an id that no manager has had before.
    pub(crate) fn fresh() -> ManagerId {
        use std::hash::{BuildHasher, RandomState};
        use std::time::{SystemTime, UNIX_EPOCH};

        static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        // Relaxed: only the uniqueness of the count matters.
        let count = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let slot = (std::process::id(), count, now);
        // The keys of the hasher are random; a copy of a process may share them with it, but not its number.
        ManagerId(RandomState::new().hash_one(slot), RandomState::new().hash_one((now, count)))
    }
}

/// A map by ids that this process has given itself, so that no other process can choose them to collide.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Mixes ids by one multiplication each, where std's hasher takes some 20 ns.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // The golden ratio spreads consecutive ids; the rotation keeps what came before apart from it.
        self.0 = (self.0.rotate_left(5) ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.write_u64(discriminant.unsigned_abs() as u64);
    }

    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits and its tags from the high ones.
        self.0 ^ (self.0 >> 32)
    }
}
