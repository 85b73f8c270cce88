//! [`Barrier`]: where processes wait for each other.

use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use super::macros::{proxy_type, remote_methods};
use super::owner::{self, Owner};
use crate::api::proxy::Proxy;
use crate::client::limit::at_once;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A barrier in a manager: each party waits until all parties have come.
///
/// ```
/// use procession_manager::{Barrier, Manager};
/// use procession_process::Process;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let barrier = manager.barrier(2)?;
/// let other = Process::spawn(|barrier: Barrier| barrier.wait(), barrier.clone())?;
/// let mine = barrier.wait()?;
/// assert_eq!(mine + other.join()??, 1, "one is the first, the other is the second");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A party that runs out of time, or dies while it waits, breaks the barrier for all.
pub struct Barrier {
    proxy: Proxy<BarrierState>,
}

/// The state of a `Barrier` in the manager.
#[derive(Debug)]
pub struct BarrierState {
    parties: usize,
    waiting: Vec<Owner>,
    /// Counts the times that all have come, or that it was broken or reset.
    round: u64,
    /// The rounds that ended badly, as long as any of their parties does not know that.
    failed: Vec<FailedRound>,
    is_broken: bool,
}

/// A round that was broken, and its parties that do not know it yet.
#[derive(Debug)]
struct FailedRound {
    round: u64,
    parties: Vec<Owner>,
}

/// A place in a round.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RoundEntry {
    /// The number of the arrival.
    number: u64,
    round: u64,
    index: usize,
    is_broken: bool,
}

proxy_type!(debug hidden [] Barrier, BarrierState, "manager.barrier(2)");

remote_methods! {
    impl[] Barrier => BarrierState;

    /// Breaks it: all who wait, and all who come, are reported so.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let barrier = manager.barrier(2)?;
    /// barrier.abort()?;
    /// assert!(matches!(barrier.wait(), Err(procession_manager::CallError::BrokenBarrier)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn abort[]() -> () = |barrier, ()| barrier.break_up(true);

    /// Makes it whole again. Those who wait are reported that it is broken.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let barrier = manager.barrier(1)?;
    /// barrier.abort()?;
    /// barrier.reset()?;
    /// assert_eq!(barrier.wait()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn reset[]() -> () = |barrier, ()| barrier.break_up(false);

    /// Returns whether it is broken.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.barrier(2)?.is_broken()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "broken")]
    shared fn is_broken[]() -> bool = |barrier, ()| barrier.is_broken;

    /// Returns how many have to come.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.barrier(2)?.parties()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn parties[]() -> usize = |barrier, ()| barrier.parties;

    /// Returns how many are waiting.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.barrier(2)?.waiting()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "n_waiting")]
    shared fn waiting[]() -> usize = |barrier, ()| barrier.waiting.len();
}

impl Barrier {
    /// Waits until all have come. Returns how many had come before.
    ///
    /// # Errors
    ///
    /// [`CallError::BrokenBarrier`]; [`CallError::Timeout`] when the manager did not hear of it in time, and then it is as if
    /// the caller had not come; [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.barrier(1)?.wait()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<usize, CallError> {
        self.wait_until(self.proxy.deadline())
    }

    /// Waits up to `timeout` until all have come. A party that runs out of time breaks the barrier.
    ///
    /// # Errors
    ///
    /// [`CallError::BrokenBarrier`] when the time is over or the barrier is broken; otherwise as [`wait`](Barrier::wait).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let barrier = manager.barrier(2)?;
    /// assert!(barrier.wait_timeout(std::time::Duration::from_millis(10)).is_err());
    /// assert!(barrier.is_broken()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, CallError> {
        self.wait_until(deadline_after(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<usize, CallError> {
        let number = owner::unique();
        // Two calls, to come and to wait. The number lets `leave` undo the first one if its outcome is unknown.
        let (arrive, leave) = (Method::exclusive(BarrierState::arrive), || self.leave(number));
        let entry: RoundEntry = self.proxy.acquire(RequestKind::Exclusive, arrive, &number, deadline, leave)?;
        let pass = Method::conditional(BarrierState::pass);
        let passed = match self.proxy.perform(RequestKind::Conditional, pass, &entry, deadline) {
            Err(CallError::Timeout { .. }) => self.give_up(entry)?,
            passed => passed?,
        };
        if passed {
            return Ok(entry.index);
        }
        // Only now, because a party that did not hear of it in time asks once more, by `give_up`.
        self.leave(entry.number);
        Err(CallError::BrokenBarrier)
    }

    /// Breaks the barrier, unless all have come. Returns whether they have.
    fn give_up(&self, entry: RoundEntry) -> Result<bool, CallError> {
        let give_up = Method::exclusive(BarrierState::give_up);
        let given_up = self.proxy.perform(RequestKind::Exclusive, give_up, &entry, Some(at_once()));
        if matches!(given_up, Err(CallError::Timeout { .. })) {
            // The others will be reported, when the manager hears of it.
            self.leave(entry.number);
        }
        given_up
    }

    fn leave(&self, number: u64) {
        self.proxy.notify(Method::exclusive(BarrierState::leave), &number);
    }
}

impl BarrierState {
    pub(super) fn new(parties: usize) -> BarrierState {
        BarrierState { parties, waiting: Vec::new(), round: 0, failed: Vec::new(), is_broken: false }
    }

    fn arrive(&mut self, number: u64) -> RoundEntry {
        let entry = RoundEntry { number, round: self.round, index: self.waiting.len(), is_broken: self.is_broken };
        if !self.is_broken {
            self.waiting.push(Owner::caller(number));
            // The last to come ends the round for all; the new number shows that it is over.
            if self.waiting.len() == self.parties {
                self.waiting.clear();
                self.round += 1;
            }
        }
        entry
    }

    /// Returns whether all have come, once that is known.
    fn pass(&mut self, entry: RoundEntry) -> Option<bool> {
        // This party was not counted when it came, so a later `reset` does not help it.
        if entry.is_broken {
            return Some(false);
        }
        (entry.round < self.round).then(|| !self.has_failed(entry.round))
    }

    /// Breaks the barrier if not all have come yet. Returns whether they had.
    fn give_up(&mut self, entry: RoundEntry) -> bool {
        // If the round is over, the last party has come meanwhile, or another one has broken it already.
        if entry.round == self.round && !entry.is_broken {
            self.break_up(true);
        }
        !entry.is_broken && !self.has_failed(entry.round)
    }

    fn has_failed(&self, round: u64) -> bool {
        self.failed.iter().any(|failed| failed.round == round)
    }

    fn break_up(&mut self, for_good: bool) {
        if !self.waiting.is_empty() {
            // Those who wait find their round here when they are tried again.
            self.failed.push(FailedRound { round: self.round, parties: std::mem::take(&mut self.waiting) });
            self.round += 1;
        }
        self.is_broken = for_good;
    }

    /// Breaks the barrier if the caller, which has come, still waits. From now on the caller will not ask about its round.
    fn leave(&mut self, number: u64) {
        let caller = Owner::caller(number);
        if self.waiting.contains(&caller) {
            self.break_up(true);
        }
        self.forget(|party| party == caller);
    }

    /// Forgets parties of rounds that failed, and the rounds that have no other.
    fn forget(&mut self, is_one: impl Fn(Owner) -> bool) {
        self.failed.retain_mut(|failed| {
            failed.parties.retain(|party| !is_one(*party));
            !failed.parties.is_empty()
        });
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        // The others would count on a party that will never go on.
        if self.waiting.iter().any(|one| one.is_of(client)) {
            self.break_up(true);
        }
        self.forget(|party| party.is_of(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::ClientId;

    #[test]
    fn a_round_that_failed_is_forgotten_when_all_its_parties_know() {
        let mut barrier = BarrierState::new(3);
        for number in 0..100 {
            let [first, second] = [2 * number, 2 * number + 1].map(|number| barrier.arrive(number));
            barrier.break_up(false);
            assert_eq!((barrier.pass(first), barrier.pass(second)), (Some(false), Some(false)));
            barrier.leave(first.number);
            // The other may have missed the answer, and asks once more.
            assert!(!barrier.give_up(second));
            barrier.leave(second.number);
            assert!(barrier.failed.is_empty(), "{barrier:?}");
        }
        let _gone = barrier.arrive(1000);
        barrier.on_client_exit(ClientId::SERVER.0);
        assert!(barrier.is_broken && barrier.failed.is_empty(), "{barrier:?}");
    }
}
