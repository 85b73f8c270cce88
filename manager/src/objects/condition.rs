//! [`Condition`]: a lock whose holders can wait for each other's news.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::guard::{Acquire, AcquireState, Guard, acquire_methods};
use super::lock::LockState;
use super::macros::proxy_type;
use super::owner::Owner;
use crate::api::proxy::Proxy;
use crate::client::limit::at_once;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;
use crate::wire::tuning::TRY_TIMEOUT;

/// A condition variable in a manager, with the lock that belongs to it.
///
/// ```
/// use procession_manager::{Condition, Counter, Manager};
/// use procession_process::Process;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let (condition, count) = (manager.condition()?, manager.counter(0)?);
/// let other = Process::spawn(|(condition, count): (Condition, Counter)| {
///     let guard = condition.acquire().unwrap();
///     count.add(1).unwrap();
///     guard.notify_all().unwrap();
/// }, (condition.clone(), count.clone()))?;
/// let guard = condition.acquire()?;
/// guard.wait_while(|| Ok(count.get()? == 0))?;
/// # drop(guard);
/// # other.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Often [`Proxy::call_when`] is simpler: it waits until a condition on the value itself holds.
///
/// A process that dies while it waits is forgotten, and a notification that was meant for it goes to the next waiter.
pub struct Condition {
    proxy: Proxy<ConditionState>,
}

/// The guard of a [`Condition`], which holds its lock.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let condition = manager.condition()?;
/// let guard: procession_manager::ConditionGuard<'_> = condition.acquire()?;
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type ConditionGuard<'a> = Guard<'a, Condition>;

/// The state of a [`Condition`] in the manager.
#[derive(Debug, Default)]
pub struct ConditionState {
    lock: LockState,
    waiting: VecDeque<Owner>,
    /// Waiters that were notified and do not hold the lock yet.
    notified: Vec<Owner>,
}

proxy_type!(debug hidden [] Condition, ConditionState, "manager.condition()");
acquire_methods!(Condition, ConditionGuard, "the lock", "manager.condition()");

impl Acquire for Condition {
    type State = ConditionState;
    type Marker = *const ();
    const GUARD: &'static str = "ConditionGuard";

    fn state(&self) -> &Proxy<ConditionState> {
        &self.proxy
    }
}

impl Guard<'_, Condition> {
    /// Releases the lock, waits until it is notified, and acquires the lock again.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`]. Do not touch what the lock protects then: another guard may hold it.
    ///
    /// ```no_run
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// // Waits until another process has called `notify_one` or `notify_all`.
    /// condition.acquire()?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<(), CallError> {
        match self.wait_until(self.proxy().deadline())? {
            true => Ok(()),
            false => Err(CallError::Timeout { started: false }),
        }
    }

    /// Waits up to `timeout`, beside the time that it takes to acquire the lock again. Returns
    /// whether it was notified.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`]. Do not touch what the lock protects then: another guard may hold it.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// assert!(!condition.acquire()?.wait_timeout(std::time::Duration::from_millis(10))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        self.wait_until(deadline_after(timeout))
    }

    /// Waits as long as `is_to_wait` says so. It is asked with the lock held.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`], and the errors of `is_to_wait`.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let (condition, count) = (manager.condition()?, manager.counter(1)?);
    /// condition.acquire()?.wait_while(|| Ok(count.get()? == 0))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "wait_for")]
    pub fn wait_while(&self, mut is_to_wait: impl FnMut() -> Result<bool, CallError>) -> Result<(), CallError> {
        while is_to_wait()? {
            self.wait()?;
        }
        Ok(())
    }

    /// Notifies one of those that wait, the first that came.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// manager.condition()?.acquire()?.notify_one()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "notify")]
    pub fn notify_one(&self) -> Result<(), CallError> {
        self.proxy().call(ConditionState::notify, 1)
    }

    /// Notifies all of those that wait.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// manager.condition()?.acquire()?.notify_all()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify_all(&self) -> Result<(), CallError> {
        self.proxy().call(ConditionState::notify, usize::MAX)
    }

    /// Returns whether the caller was notified.
    fn wait_until(&self, deadline: Option<Instant>) -> Result<bool, CallError> {
        let begin = Method::exclusive(ConditionState::begin_waiting);
        match self.proxy().perform::<_, ()>(RequestKind::Exclusive, begin, &self.number, deadline) {
            Ok(()) => {}
            // The lock was not released.
            Err(CallError::Timeout { started: false }) => return Ok(false),
            Err(error) => return Err(error),
        }
        // A call of its own: the first has to end, and release the lock, before another caller can notify.
        let end = Method::conditional(ConditionState::end_waiting);
        match self.proxy().perform::<_, ()>(RequestKind::Conditional, end, &self.number, deadline) {
            Ok(()) => Ok(true),
            Err(CallError::Timeout { .. }) => self.come_back(),
            Err(error) => Err(error),
        }
    }

    /// Acquires the lock again after the time is over, which takes as long as it takes others to release it. A manager that does
    /// not respond is not waited for.
    fn come_back(&self) -> Result<bool, CallError> {
        let look = |kind, method, deadline| self.proxy().perform(kind, method, &self.number, deadline);
        loop {
            let method = Method::exclusive(ConditionState::give_up);
            if let Some(notified) = look(RequestKind::Exclusive, method, Some(at_once()))? {
                return Ok(notified);
            }
            // In slices of `TRY_TIMEOUT`, after each of which the try above notices a manager that has been stopped.
            let method = Method::conditional(ConditionState::await_lock);
            match self.proxy().perform::<_, ()>(RequestKind::Conditional, method, &(), deadline_after(TRY_TIMEOUT)) {
                Ok(()) | Err(CallError::Timeout { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn proxy(&self) -> &Proxy<ConditionState> {
        &self.object.proxy
    }
}

impl AcquireState for ConditionState {
    fn acquire(&mut self, caller: (u64, u64)) -> Option<bool> {
        self.lock.acquire(caller)
    }

    /// Ends the waiting of a caller, too, whose call was given up.
    fn release(&mut self, number: u64) {
        self.lock.release(number);
        // A notification that was given to this caller, and that it has not used, goes to the next.
        if self.forget(number) {
            self.notify(1);
        }
    }
}

impl ConditionState {
    fn begin_waiting(&mut self, number: u64) {
        if self.lock.is_held_by(number) {
            // Releasing and waiting are one call, so no notification is lost in between.
            self.waiting.push_back(Owner::caller(number));
            self.lock.release(number);
        }
    }

    fn end_waiting(&mut self, number: u64) -> Option<()> {
        // Both at once, the notification and the lock: a caller that gives up in between would have to give one of them back.
        let place = self.notified.iter().position(|one| *one == Owner::caller(number))?;
        self.lock.acquire((number, number))?;
        self.notified.remove(place);
        Some(())
    }

    /// Takes the lock for a caller that waits no longer, and returns whether it was notified. `None` if the lock is held.
    fn give_up(&mut self, number: u64) -> Option<bool> {
        if self.lock.is_held_by(number) {
            return Some(true);
        }
        self.lock.acquire((number, number))?;
        Some(self.forget(number))
    }

    /// Waits until the lock is free.
    fn await_lock(&mut self, (): ()) -> Option<()> {
        self.lock.is_free().then_some(())
    }

    /// Forgets one who waits. Returns whether it was notified.
    fn forget(&mut self, number: u64) -> bool {
        let caller = Owner::caller(number);
        let before = self.notified.len();
        self.notified.retain(|one| *one != caller);
        self.waiting.retain(|one| *one != caller);
        self.notified.len() < before
    }

    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        self.notified.extend(self.waiting.drain(..count));
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        self.lock.on_client_exit(client);
        self.waiting.retain(|one| !one.is_of(client));
        let before = self.notified.len();
        self.notified.retain(|one| !one.is_of(client));
        // Notifications that the dead have not used go to others, or a waiter would sleep for ever.
        self.notify(before - self.notified.len());
    }
}
