//! [`Event`]: a flag to wait for.

use std::fmt;
use std::time::Duration;

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::error::CreateError;
use crate::raw::event::RawEvent;
use crate::segment::{Machine, Segment};

/// A flag in shared memory that any process can set, clear and wait for.
///
/// It is a handle: clones and copies in other processes are the same flag.
///
/// # When a process dies
///
/// No process holds an event, so that a death delays no other: [`set`](Self::set) never waits for the woken threads.
///
/// # Differences from Python's `Event`
///
/// A wait also ends when the flag is set and cleared again before the waiter has woken up.
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
    /// Makes an event that is not set.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
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

    /// Sets the flag and wakes all waiters, which see what was written before.
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

    /// Clears the flag.
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

    /// Returns whether the flag is set.
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

    /// Waits until the flag is set, or was set since the call began.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = procession_sync::Event::new()?;
    /// event.set();
    /// event.wait(); // returns at once
    /// assert!(event.is_set(), "until it is cleared");
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn wait(&self) {
        self.segment.machine().wait(None);
    }

    /// Does what [`wait`](Self::wait) does, for up to `timeout`. Returns whether the flag was set. A zero timeout only looks.
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
