//! [`Condition`]: a lock whose holders can wait for each other's news.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::lock::LockState;
use super::operations::face;
use super::owner::{self, Owner};
use crate::error::CallError;
use crate::proxy::Proxy;
use crate::wire::Kind;

/// A condition variable in a manager, with the lock that belongs to it.
///
/// ```
/// use procession_manager::{Condition, Counter, Manager};
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
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
/// # Ok(())
/// # }
/// ```
///
/// Often [`Proxy::call_when`] is simpler: it waits until a condition on the value itself holds.
///
/// A process that dies while it waits is waited for by nobody, and a notice that was meant for it goes to the next.
pub struct Condition {
    proxy: Proxy<ConditionState>,
}

/// What the manager knows of a [`Condition`]. It has no methods of its own.
///
/// ```
/// # use procession_manager::{ConditionState, Manager, Proxy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// # let manager = Manager::start()?;
/// let proxy: Proxy<ConditionState> = manager.condition()?.proxy().clone();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ConditionState {
    lock: LockState,
    waiting: VecDeque<Owner>,
    /// Those that have been notified and do not have the lock yet.
    notified: Vec<Owner>,
}

/// Keeps the lock of a [`Condition`] locked until it is dropped.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// # let manager = procession_manager::Manager::start()?;
/// let condition = manager.condition()?;
/// condition.acquire()?.notify_one()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct ConditionGuard<'a> {
    condition: &'a Condition,
    /// A guard is released by the thread that acquired it.
    not_send: PhantomData<*const ()>,
}

face!([] Condition, ConditionState, "manager.condition()");

impl Condition {
    /// Acquires the lock, waiting until it is free.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// drop(condition.acquire()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<ConditionGuard<'_>, CallError> {
        let method = Method::conditional(ConditionState::acquire);
        let _inherited: bool = self.proxy.perform(Kind::Conditional, method, &owner::thread(), None)?;
        Ok(ConditionGuard { condition: self, not_send: PhantomData })
    }
}

impl ConditionGuard<'_> {
    /// Releases the lock, waits until it is notified, and acquires the lock again.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. The lock is not held then.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// // Waits until another process has called `notify_one` or `notify_all`.
    /// condition.acquire()?.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self) -> Result<(), CallError> {
        self.begin_waiting()?;
        self.proxy().perform(
            Kind::Conditional,
            Method::conditional(ConditionState::end_waiting),
            &owner::thread(),
            None,
        )
    }

    /// As [`wait`](ConditionGuard::wait), for so long at the most, beside what it takes to acquire the lock again. Answers
    /// whether it was notified.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. The lock is not held then.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let condition = manager.condition()?;
    /// assert!(!condition.acquire()?.wait_timeout(std::time::Duration::from_millis(10))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        self.begin_waiting()?;
        let method = Method::conditional(ConditionState::end_waiting);
        let thread = owner::thread();
        match self.proxy().perform::<_, ()>(Kind::Conditional, method, &thread, deadline_after(timeout)) {
            Ok(()) => Ok(true),
            Err(CallError::Timeout { started: false }) => {
                let method = Method::conditional(ConditionState::give_up);
                self.proxy().perform(Kind::Conditional, method, &thread, None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits as long as `is_to_wait` says so. It is asked with the lock held.
    ///
    /// # Errors
    ///
    /// See [`CallError`], and those of `is_to_wait`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let (condition, count) = (manager.condition()?, manager.counter(1)?);
    /// condition.acquire()?.wait_while(|| Ok(count.get()? == 0))?;
    /// # Ok(())
    /// # }
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
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// manager.condition()?.acquire()?.notify_one()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "notify")]
    pub fn notify_one(&self) -> Result<(), CallError> {
        self.proxy().call(ConditionState::notify, 1)
    }

    /// Notifies all of those that wait.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// manager.condition()?.acquire()?.notify_all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify_all(&self) -> Result<(), CallError> {
        self.proxy().call(ConditionState::notify, usize::MAX)
    }

    fn begin_waiting(&self) -> Result<(), CallError> {
        self.proxy().call(ConditionState::begin_waiting, owner::thread())
    }

    fn proxy(&self) -> &Proxy<ConditionState> {
        &self.condition.proxy
    }
}

impl ConditionState {
    fn acquire(&mut self, thread: u64) -> Option<bool> {
        self.lock.acquire(thread)
    }

    fn release(&mut self, thread: u64) {
        self.lock.release(thread);
    }

    fn begin_waiting(&mut self, thread: u64) {
        if self.lock.is_held_by(thread) {
            self.waiting.push_back(Owner::caller(thread));
            self.lock.release(thread);
        }
    }

    fn end_waiting(&mut self, thread: u64) -> Option<()> {
        let place = self.notified.iter().position(|one| *one == Owner::caller(thread))?;
        self.lock.acquire(thread)?;
        self.notified.remove(place);
        Some(())
    }

    /// Waits only for the lock. Answers whether it was notified after all.
    fn give_up(&mut self, thread: u64) -> Option<bool> {
        self.lock.acquire(thread)?;
        let caller = Owner::caller(thread);
        let before = self.notified.len();
        self.notified.retain(|one| *one != caller);
        self.waiting.retain(|one| *one != caller);
        Some(self.notified.len() < before)
    }

    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        self.notified.extend(self.waiting.drain(..count));
    }

    pub(super) fn depart(&mut self, client: u64) {
        self.lock.depart(client);
        self.waiting.retain(|one| !one.is_of(client));
        let before = self.notified.len();
        self.notified.retain(|one| !one.is_of(client));
        self.notify(before - self.notified.len());
    }
}

impl Drop for ConditionGuard<'_> {
    fn drop(&mut self) {
        self.proxy().tell(Method::exclusive(ConditionState::release), &owner::thread());
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.proxy).finish()
    }
}

impl fmt::Debug for ConditionGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionGuard").finish_non_exhaustive()
    }
}
