//! [`Event`]: a flag to wait for.

use std::fmt;
use std::time::Duration;

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::error::CreateError;
use crate::raw::event::RawEvent;
use crate::segment::{Machine, Segment};

/// A flag in shared memory that any process can raise, lower and wait for.
///
/// A handle: clones and copies in other processes are the same flag.
///
/// # When somebody dies
///
/// Nobody holds an event, so nobody's death keeps anybody: [`set`](Self::set) never waits for those it wakes.
///
/// # Differences from Python's `Event`
///
/// A waiter comes through also when the flag is raised and lowered again before it has woken up.
///
/// # Examples
///
/// ```
/// let start = procession_sync::Event::new()?;
/// let theirs = start.clone();
/// let other = std::thread::spawn(move || theirs.wait());
/// start.set();
/// other.join().unwrap();
/// assert!(start.is_set());
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Event {
    segment: Segment<RawEvent, ()>,
}

// SAFETY: a transparent wrapper of one atomic word, fresh when zeroed.
unsafe impl Machine for RawEvent {
    const KIND: u64 = 6;
    const NAME: &str = "event";
}

impl Event {
    /// Makes one that is not set.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::Event::new()?.is_set());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new() -> Result<Event, CreateError> {
        Ok(Event { segment: Segment::new(())? })
    }

    /// Raises the flag and wakes all who wait. What was written before is seen by those who come through.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// assert!(event.is_set());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn set(&self) {
        self.segment.machine().set();
    }

    /// Lowers the flag.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn clear(&self) {
        self.segment.machine().clear();
    }

    /// Whether the flag is up.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::Event::new()?.is_set());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.segment.machine().is_set()
    }

    /// Waits until the flag is up, or was up for a moment since the call began.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// event.wait(); // returns at once
    /// assert!(event.is_set(), "until somebody clears it");
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn wait(&self) {
        self.segment.machine().wait(None);
    }

    /// As [`wait`](Self::wait), but for a limited time; whether the flag was up. A zero timeout only looks, one beyond the
    /// clock is for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// assert!(!event.wait_timeout(std::time::Duration::from_millis(1)));
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.segment.machine().wait(deadline_after(timeout))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish()
    }
}
