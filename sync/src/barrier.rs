//! [`Barrier`]: a meeting point.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::barrier_end::{BarrierWaitResult, BrokenBarrierError};
use crate::error::{CreateError, Fault};
use crate::raw::barrier::{Cause, MOST, RawBarrier};
use crate::segment::{Machine, Segment};

/// A meeting point for a fixed number of parties: all wait until the last has come, then all go on, round after round.
///
/// A handle: clones and copies in other processes are the same barrier. Parties are threads of any processes.
///
/// # When a party dies
///
/// A process that has waited here is a party. When it dies, while it waits or between two rounds, the others could
/// wait for ever: so the barrier breaks, within 50 ms of a wait, and [`BrokenBarrierError`] says who it was. If it died after it had arrived, and
/// all others arrive before its death is found, that round is complete and the next one breaks. A process that
/// drops its last handle leaves in peace and is not missed. One that dies before it ever came is not known to
/// the barrier: use [`wait_timeout`](Self::wait_timeout) where that can happen.
///
/// # Differences from Python's `Barrier`
///
/// The number of parties is checked. The action is not the barrier's but the call's: [`wait_with`](Self::wait_with) takes one, and the party
/// that comes last runs its own while all others still wait, as in Python. (The party with [`is_leader`](BarrierWaitResult::is_leader) finds out
/// that it was last when the others go on already.)
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
    seat: Arc<Seat>,
}

/// The barrier as one process has it.
struct Seat {
    segment: Segment<RawBarrier, ()>,
    /// Whether this process has waited through this handle or a clone of it.
    came: AtomicBool,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawBarrier {
    const KIND: u64 = 7;
    const NAME: &str = "barrier";
}

impl Barrier {
    /// Makes one for so many parties, 1 to 480.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory, or the number makes no sense.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Barrier::new(3)?.parties(), 3);
    /// assert!(procession_sync::Barrier::new(0).is_err());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(parties: u32) -> Result<Barrier, CreateError> {
        if !(1..=MOST).contains(&parties) {
            return Err(Fault::Parties { asked: parties, most: MOST }.into());
        }
        let segment = Segment::<RawBarrier, ()>::new(())?;
        segment.machine().set_up(parties);
        Ok(Barrier::from(segment))
    }

    /// Waits until all parties have come.
    ///
    /// # Errors
    ///
    /// The barrier is broken, or breaks meanwhile.
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

    /// As [`wait`](Self::wait), but for a limited time. When it is over, the barrier breaks for all: they would miss this party.
    ///
    /// # Errors
    ///
    /// The time is over, the barrier is broken, or breaks meanwhile.
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

    /// As [`wait`](Self::wait); the party that comes last runs `action` while all others still wait.
    ///
    /// Each party brings the action; only one of them runs, in the process that came last. When it panics, the barrier breaks for all.
    ///
    /// # Errors
    ///
    /// The barrier is broken, or breaks meanwhile.
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
    ///             // Nobody comes here before the action has returned.
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

    /// As [`wait_with`](Self::wait_with), but for a limited time, as [`wait_timeout`](Self::wait_timeout). The action itself is not limited.
    ///
    /// # Errors
    ///
    /// The time is over, the barrier is broken, or breaks meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// let error = barrier.wait_timeout_with(std::time::Duration::ZERO, || unreachable!("nobody came last")).unwrap_err();
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

    /// Breaks the barrier: all who wait, and all who come later, get an error.
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

    /// Sends those who wait away with an error, and makes the barrier new for those who come after.
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

    /// Whether the barrier is broken.
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

    /// How many parties must come.
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

    /// How many wait at this moment.
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
        self.seat.came.store(true, Ordering::Relaxed);
        match wait(self.machine(), ProcessIdentity::current()) {
            Ok(before) => Ok(BarrierWaitResult::new(before, self.parties())),
            Err(cause) => Err(BrokenBarrierError::new(cause)),
        }
    }

    fn machine(&self) -> &RawBarrier {
        self.seat.segment.machine()
    }
}

impl From<Segment<RawBarrier, ()>> for Barrier {
    fn from(segment: Segment<RawBarrier, ()>) -> Barrier {
        Barrier { seat: Arc::new(Seat { segment, came: AtomicBool::new(false) }) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if *self.came.get_mut() {
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
        self.seat.segment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize(deserializer).map(Barrier::from)
    }
}
