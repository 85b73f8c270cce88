//! The results of a wait at a barrier: [`BarrierWaitResult`] and [`BrokenBarrierError`].

use std::fmt;

use procession_core::os::identity::ProcessIdentity;
use serde::{Deserialize, Serialize};

use crate::raw::barrier::Cause;

/// The result of a completed round.
///
/// # Examples
///
/// ```
/// let result = procession_sync::Barrier::new(1)?.wait()?;
/// assert!(result.is_leader());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarrierWaitResult {
    index: u32,
    leader: bool,
}

impl BarrierWaitResult {
    /// Makes the result of the party after `before` others.
    pub(crate) fn new(before: u32, parties: u32) -> BarrierWaitResult {
        BarrierWaitResult { index: before, leader: before.saturating_add(1) >= parties }
    }

    /// Returns the number of parties that arrived before this one in the round. It differs for each party, from 0 on.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Barrier::new(1)?.wait()?.index(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns whether this party arrived last, which is true for exactly one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(procession_sync::Barrier::new(1)?.wait()?.is_leader());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

/// A barrier is broken: a party is missing, and the others would wait for ever.
///
/// # Examples
///
/// ```
/// let barrier = procession_sync::Barrier::new(2)?;
/// barrier.abort();
/// let error = barrier.wait().unwrap_err();
/// assert_eq!(error.to_string(), "the barrier was broken by a party that gave up, reset it to use it again");
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SerializedError", from = "SerializedError")]
pub struct BrokenBarrierError {
    cause: Cause,
}

/// The form of the error in a message.
#[derive(Serialize, Deserialize)]
enum SerializedError {
    Aborted,
    TimedOut,
    Died(Option<u64>),
}

impl BrokenBarrierError {
    pub(crate) fn new(cause: Cause) -> BrokenBarrierError {
        BrokenBarrierError { cause }
    }

    /// Returns whether a wait reached its timeout, this one or another party's.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert!(!barrier.wait().unwrap_err().is_timeout());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.cause == Cause::TimedOut
    }

    /// Returns the number of the process that died, if that was the cause.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = procession_sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert_eq!(barrier.wait().unwrap_err().dead_party(), None);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn dead_party(&self) -> Option<u32> {
        match self.cause {
            Cause::Died(who) => who.map(ProcessIdentity::pid),
            Cause::Aborted | Cause::TimedOut => None,
        }
    }
}

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier was broken by ")?;
        match self.cause {
            Cause::Aborted => f.write_str("a party that gave up")?,
            Cause::TimedOut => f.write_str("a wait that ran out of time")?,
            Cause::Died(Some(who)) => write!(f, "the death of process {}", who.pid())?,
            Cause::Died(None) => f.write_str("the death of a party")?,
        }
        f.write_str(", reset it to use it again")
    }
}

impl std::error::Error for BrokenBarrierError {}

impl From<BrokenBarrierError> for SerializedError {
    fn from(error: BrokenBarrierError) -> SerializedError {
        match error.cause {
            Cause::Aborted => SerializedError::Aborted,
            Cause::TimedOut => SerializedError::TimedOut,
            Cause::Died(who) => SerializedError::Died(who.map(ProcessIdentity::to_bits)),
        }
    }
}

impl From<SerializedError> for BrokenBarrierError {
    fn from(error: SerializedError) -> BrokenBarrierError {
        let cause = match error {
            SerializedError::Aborted => Cause::Aborted,
            SerializedError::TimedOut => Cause::TimedOut,
            // A number that no process can have names no process.
            SerializedError::Died(who) => Cause::Died(who.and_then(ProcessIdentity::from_bits)),
        };
        BrokenBarrierError { cause }
    }
}
