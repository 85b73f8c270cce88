//! [`Counter`]: a number that many processes change.

use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;

/// An `i64` in a manager.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let visits = manager.counter(0)?;
/// assert_eq!((visits.add(1)?, visits.add(1)?), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It wraps around at the ends of its range, as atomics do.
pub struct Counter {
    proxy: Proxy<i64>,
}

proxy_type!(debug [] Counter, i64, "manager.counter(5)");

remote_methods! {
    impl[] Counter => i64;

    /// Adds to it, and returns what it is then.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert_eq!(counter.add(-2)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "increment")]
    #[doc(alias = "__iadd__")]
    exclusive fn add[](by: i64) -> i64 = |count, (by,)| {
        // As atomics do: an overflow that panics would poison the counter for all processes.
        *count = count.wrapping_add(by);
        *count
    };

    /// Returns the number.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert_eq!(counter.get()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "value")]
    shared fn get[]() -> i64 = |count, ()| *count;

    /// Sets it, and returns what it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert_eq!((counter.set(7)?, counter.get()?), (5, 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn set[](to: i64) -> i64 = |count, (to,)| std::mem::replace(count, to);

    /// Sets it to `new` if it is `old`. Returns whether it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert!(counter.compare_and_swap(5, 6)?);
    /// assert!(!counter.compare_and_swap(5, 6)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn compare_and_swap[](old: i64, new: i64) -> bool = |count, (old, new)| {
        let is_old = *count == old;
        if is_old {
            *count = new;
        }
        is_old
    };

    /// Waits until it is as large as `min`, and returns what it is.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert_eq!(counter.wait_for(5)?, 5);
    /// assert!(counter.wait_for_timeout(6, std::time::Duration::from_millis(10)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    conditional fn wait_for,
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let counter = manager.counter(5)?;
    /// assert_eq!(counter.wait_for_timeout(5, Duration::from_secs(60))?, 5);
    /// assert!(counter.wait_for_timeout(6, Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    wait_for_timeout(min: i64) -> i64 = |count, (min,)| (*count >= min).then_some(*count);
}
