//! The ready-made objects: thin layers over [`Proxy`](crate::Proxy), each with the methods of what it stands for.

mod macros;

mod collection;
mod dict;
mod list;
mod ordered_map;
mod set;

mod array;
mod counter;
mod namespace;
mod value;

mod barrier;
mod condition;
mod event;
mod guard;
mod lock;
mod owner;
mod queue;
mod queue_state;
mod semaphore;

mod constructors;

pub use array::Array;
pub use barrier::{Barrier, BarrierState};
pub use collection::{Item, Key};
pub use condition::{Condition, ConditionGuard, ConditionState};
pub use counter::Counter;
pub use dict::Dict;
pub use event::Event;
pub use guard::Guard;
pub use list::List;
pub use lock::{Lock, LockGuard, LockState, RLock, RLockGuard};
pub use namespace::{Names, Namespace};
pub use ordered_map::{Entry, OrderedMap};
pub use queue::Queue;
pub use queue_state::QueueState;
pub use semaphore::{Semaphore, SemaphoreGuard, SemaphoreState};
pub use set::Set;
pub use value::Value;
