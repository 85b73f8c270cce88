//! The methods of [`Manager`] that make ready-made objects.

use std::collections::HashSet;

use procession_core::Method;

use super::barrier::BarrierState;
use super::condition::ConditionState;
use super::lock::LockState;
use super::namespace::Names;
use super::queue_state::QueueState;
use super::semaphore::SemaphoreState;
use super::{
    Array, Barrier, Condition, Counter, Dict, Event, Item, Key, List, Lock, Namespace, OrderedMap, Queue, RLock,
    Semaphore, Set, Value,
};
use crate::api::manager::Manager;
use crate::wire::error::CallError;

impl Manager {
    /// Makes an empty [`Dict`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<String, f64>()?;
    /// assert_eq!(dict.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dict<K: Key, V: Item>(&self) -> Result<Dict<K, V>, CallError> {
        self.make(Method::maker(|(): ()| OrderedMap::<K, V>::new()), None, &()).map(Dict::from)
    }

    /// Makes an empty [`List`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<String>()?;
    /// assert_eq!(list.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn list<T: Item>(&self) -> Result<List<T>, CallError> {
        self.make(Method::maker(|(): ()| Vec::<T>::new()), None, &()).map(List::from)
    }

    /// Makes an empty [`Set`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let set = manager.set::<String>()?;
    /// assert_eq!(set.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set<T: Key>(&self) -> Result<Set<T>, CallError> {
        self.make(Method::maker(|(): ()| HashSet::<T>::new()), None, &()).map(Set::from)
    }

    /// Makes an empty [`Namespace`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// assert!(namespace.names()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn namespace(&self) -> Result<Namespace, CallError> {
        self.make(Method::maker(|(): ()| Names::default()), None, &()).map(Namespace::from)
    }

    /// Makes a [`Value`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.value(7)?.get()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value<T: Item>(&self, value: T) -> Result<Value<T>, CallError> {
        self.make(Method::maker(|value: T| value), None, &value).map(Value::from)
    }

    /// Makes an [`Array`] of these items.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.array(vec![1, 2])?.len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn array<T: Item>(&self, items: Vec<T>) -> Result<Array<T>, CallError> {
        self.make(Method::maker(|items: Vec<T>| items.into_boxed_slice()), None, &items).map(Array::from)
    }

    /// Makes a [`Counter`].
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.counter(7)?.get()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn counter(&self, start: i64) -> Result<Counter, CallError> {
        self.make(Method::maker(|start: i64| start), None, &start).map(Counter::from)
    }

    /// Makes an empty [`Queue`] with room for `capacity` items.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] without room for one item; [`CallError::ManagerGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(10)?;
    /// assert!(queue.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "Queue")]
    pub fn queue<T: Item>(&self, capacity: usize) -> Result<Queue<T>, CallError> {
        // With no room each `send` would wait for ever. Python's `Queue(0)` has no limit, and is `unbounded` here.
        if capacity == 0 {
            let text = "a queue needs room for at least one item: use `unbounded` for one without a limit";
            return Err(CallError::Unknown(text.to_owned()));
        }
        self.make_queue(Some(capacity))
    }

    /// Makes an empty [`Queue`] without a limit, as Python's `Queue(0)` is: sending never waits.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.unbounded::<u8>()?;
    /// assert!(!queue.is_full()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SimpleQueue")]
    pub fn unbounded<T: Item>(&self) -> Result<Queue<T>, CallError> {
        self.make_queue(None)
    }

    fn make_queue<T: Item>(&self, capacity: Option<usize>) -> Result<Queue<T>, CallError> {
        let exit_hook = Some(Method::exclusive(QueueState::<T>::on_client_exit));
        self.make(Method::maker(QueueState::<T>::new), exit_hook, &capacity).map(Queue::from)
    }

    /// Makes an [`Event`] that is not set.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.event()?.is_set()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn event(&self) -> Result<Event, CallError> {
        self.make(Method::maker(|(): ()| false), None, &()).map(Event::from)
    }

    /// Makes a [`Lock`] that is free.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.lock()?.is_locked()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> Result<Lock, CallError> {
        self.make(Method::maker(|(): ()| LockState::default()), Some(Method::exclusive(LockState::on_client_exit)), &())
            .map(Lock::from)
    }

    /// Makes an [`RLock`] that is free.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.rlock()?.is_locked()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rlock(&self) -> Result<RLock, CallError> {
        self.make(Method::maker(|(): ()| LockState::default()), Some(Method::exclusive(LockState::on_client_exit)), &())
            .map(RLock::from)
    }

    /// Makes a [`Semaphore`] with `permits` permits.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.semaphore(2)?.available()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn semaphore(&self, permits: u64) -> Result<Semaphore, CallError> {
        self.make(
            Method::maker(SemaphoreState::new),
            Some(Method::exclusive(SemaphoreState::on_client_exit)),
            &(permits, false),
        )
        .map(Semaphore::from)
    }

    /// Makes a [`Semaphore`] with `permits` permits, which will never have more.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.bounded_semaphore(2)?.release(1)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded_semaphore(&self, permits: u64) -> Result<Semaphore, CallError> {
        self.make(
            Method::maker(SemaphoreState::new),
            Some(Method::exclusive(SemaphoreState::on_client_exit)),
            &(permits, true),
        )
        .map(Semaphore::from)
    }

    /// Makes a [`Condition`] whose lock is free.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`]; [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// drop(manager.condition()?.acquire()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn condition(&self) -> Result<Condition, CallError> {
        self.make(
            Method::maker(|(): ()| ConditionState::default()),
            Some(Method::exclusive(ConditionState::on_client_exit)),
            &(),
        )
        .map(Condition::from)
    }

    /// Makes a [`Barrier`] for `parties` parties.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] without parties; [`CallError::ManagerGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.barrier(2)?.parties()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn barrier(&self, parties: usize) -> Result<Barrier, CallError> {
        // None of the parties could be the last to come.
        if parties == 0 {
            return Err(CallError::Unknown("a barrier needs at least one party".to_owned()));
        }
        self.make(Method::maker(BarrierState::new), Some(Method::exclusive(BarrierState::on_client_exit)), &parties)
            .map(Barrier::from)
    }
}
