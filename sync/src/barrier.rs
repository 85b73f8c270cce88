//! [`Barrier`]: a meeting point.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::barrier_result::{BarrierWaitResult, BrokenBarrierError};
use crate::error::{CreateError, CreateErrorKind};
use crate::raw::barrier::{Cause, MAX_PARTIES, RawBarrier};
use crate::segment::{Machine, Segment};

/// A meeting point for a fixed number of parties: all wait until the last has arrived, then all go on, round after round.
///
/// It is a handle: clones and copies in other processes are the same barrier. Parties are threads of any processes.
///
/// # When a party dies
///
/// A process that has waited here is a party. When it dies, while it waits or between two rounds, the others could
/// wait for ever. So the barrier breaks, within 50 ms of a wait, and [`BrokenBarrierError`] names the process. If it died after its arrival, and
/// all others arrive before its death is found, that round is complete and the next one breaks. A process that
/// drops its last handle leaves and is no party any more. A process that dies before it ever arrived is not known to
/// the barrier: use [`wait_timeout`](Self::wait_timeout) where that can happen.
///
/// # Differences from Python's `Barrier`
///
/// The number of parties is checked. The action belongs to the call: [`wait_with`](Self::wait_with) takes one, and the party
/// that arrives last runs its own while all others still wait, as in Python. (The party with [`is_leader`](BarrierWaitResult::is_leader) sees
/// that it was last when the others already go on.)
///
/// # Examples
///
/// ```
/// let barrier = procession_sync::Barrier::new(2)?;
/// let theirs = barrier.clone();
/// let other = std::thread::spawn(move || theirs.wait().unwrap().index());
/// let index = barrier.wait()?.index();
/// assert_eq!(index + other.join().unwrap(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Barrier {
    membership: Arc<Membership>,
}

/// The handles of one process, which is a party until the last is dropped.
struct Membership {
    segment: Segment<RawBarrier, ()>,
    /// Whether this process has waited through this handle or a clone of it.
    has_waited: AtomicBool,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawBarrier {
    const KIND: u64 = 7;
    const NAME: &str = "barrier";
}

impl Barrier {
    /// Makes a barrier for `parties` parties, 1 to 480.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory. Otherwise `parties` is 0 or above 480.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Barrier::new(3)?.parties(), 3);
    /// assert!(procession_sync::Barrier::new(0).is_err());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(parties: u32) -> Result<Barrier, CreateError> {
        if !(1..=MAX_PARTIES).contains(&parties) {
            return Err(CreateErrorKind::Parties { asked: parties, max: MAX_PARTIES }.into());
        }
        let segment = Segment::<RawBarrier, ()>::new(())?;
        segment.machine().init(parties);
        Ok(Barrier::from(segment))
    }

    /// Waits until all parties have arrived.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`]: the barrier is broken, or breaks during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let alone = procession_sync::Barrier::new(1)?;
    /// assert!(alone.wait()?.is_leader());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<BarrierWaitResult, BrokenBarrierError> {
        self.meet(|machine, me| machine.wait(me, None))
    }

    /// Waits up to `timeout` until all parties have arrived. After that the barrier breaks for all, because this party is missing.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`]: `timeout` has passed ([`is_timeout`](BrokenBarrierError::is_timeout)), or the barrier is broken, or breaks.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// let error = barrier.wait_timeout(std::time::Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_timeout());
    /// assert!(barrier.is_broken());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, BrokenBarrierError> {
        self.meet(|machine, me| machine.wait(me, deadline_after(timeout)))
    }

    /// Waits until all parties have arrived. The last party runs `action` while all others still wait.
    ///
    /// Each party brings an action; only that of the last party runs. When it panics, the barrier breaks for all.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`]: the barrier is broken, or breaks during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Barrier, Mutex};
    ///
    /// let (barrier, rounds) = (Barrier::new(2)?, Mutex::new(0)?);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..2 {
    ///         scope.spawn(|| {
    ///             barrier.wait_with(|| *rounds.lock().unwrap() += 1).unwrap();
    ///             // No party comes here before the action has returned.
    ///             assert_eq!(*rounds.lock().unwrap(), 1);
    ///         });
    ///     }
    /// });
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "action")]
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<BarrierWaitResult, BrokenBarrierError> {
        self.meet(|machine, me| machine.wait_with(me, None, action))
    }

    /// Does what [`wait_with`](Self::wait_with) does, for up to `timeout`, which does not limit the action itself.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`]: `timeout` has passed ([`is_timeout`](BrokenBarrierError::is_timeout)), or the barrier is broken, or breaks.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// let error = barrier.wait_timeout_with(std::time::Duration::ZERO, || unreachable!("no party arrived last")).unwrap_err();
    /// assert!(error.is_timeout());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn wait_timeout_with(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<BarrierWaitResult, BrokenBarrierError> {
        self.meet(|machine, me| machine.wait_with(me, deadline_after(timeout), action))
    }

    /// Breaks the barrier: all parties that wait, or come later, get an error.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert!(barrier.wait().is_err());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn abort(&self) {
        self.machine().abort();
    }

    /// Ends all waits with an error, and makes the barrier as new for later ones.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(1)?;
    /// barrier.abort();
    /// assert!(barrier.wait().is_err());
    /// barrier.reset();
    /// assert!(barrier.wait()?.is_leader());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self) {
        self.machine().reset(ProcessIdentity::current());
    }

    /// Returns whether the barrier is broken.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::Barrier::new(1)?.is_broken());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "broken")]
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.machine().broken().is_some()
    }

    /// Returns the number of parties.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Barrier::new(3)?.parties(), 3);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.machine().parties()
    }

    /// Returns the number of parties that wait now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Barrier::new(3)?.waiting(), 0);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "n_waiting")]
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.machine().waiting()
    }

    fn meet(
        &self,
        wait: impl FnOnce(&RawBarrier, ProcessIdentity) -> Result<u32, Cause>,
    ) -> Result<BarrierWaitResult, BrokenBarrierError> {
        // Before the wait: a handle that is dropped by a panic in the wait must leave the barrier, too. Relaxed: only the drop reads it.
        self.membership.has_waited.store(true, Ordering::Relaxed);
        match wait(self.machine(), ProcessIdentity::current()) {
            Ok(before) => Ok(BarrierWaitResult::new(before, self.parties())),
            Err(cause) => Err(BrokenBarrierError::new(cause)),
        }
    }

    fn machine(&self) -> &RawBarrier {
        self.membership.segment.machine()
    }
}

impl From<Segment<RawBarrier, ()>> for Barrier {
    fn from(segment: Segment<RawBarrier, ()>) -> Barrier {
        Barrier { membership: Arc::new(Membership { segment, has_waited: AtomicBool::new(false) }) }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // A handle that never waited may be one of a process that takes part through another handle: its row must stay.
        if *self.has_waited.get_mut() {
            self.segment.machine().leave(ProcessIdentity::current());
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Barrier");
        shown.field("parties", &self.parties()).field("waiting", &self.waiting());
        match self.machine().broken() {
            Some(cause) => shown.field("broken", &format_args!("{}", BrokenBarrierError::new(cause))),
            None => shown.field("broken", &false),
        };
        shown.finish()
    }
}

impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.membership.segment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize(deserializer).map(Barrier::from)
    }
}
