//! [`Event`]: a flag that many processes wait for.

use std::fmt;

use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;

/// A flag in a manager.
///
/// ```
/// use procession_manager::{Event, Manager};
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let event = manager.event()?;
/// let waiter = Process::spawn(|event: Event| event.wait(), event.clone())?;
/// event.set()?;
/// waiter.join()??;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EventProxy")]
pub struct Event {
    proxy: Proxy<bool>,
}

proxy_type!([] Event, bool, "manager.event()");

remote_methods! {
    impl[] Event => bool;

    /// Sets it. All who wait go on.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// assert!(event.is_set()?);
    /// # Ok(())
    /// # }
    /// ```
    exclusive fn set[]() -> () = |flag, ()| *flag = true;

    /// Clears it.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// event.clear()?;
    /// assert!(!event.is_set()?);
    /// # Ok(())
    /// # }
    /// ```
    exclusive fn clear[]() -> () = |flag, ()| *flag = false;

    /// Whether it is set.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// assert!(!event.is_set()?);
    /// # Ok(())
    /// # }
    /// ```
    shared fn is_set[]() -> bool = |flag, ()| *flag;

    /// Waits until it is set.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// event.wait()?;
    /// assert!(event.wait_timeout(std::time::Duration::from_secs(60)).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    conditional fn wait,
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// assert!(event.wait_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    wait_timeout() -> () = |flag, ()| flag.then_some(());
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.proxy).finish()
    }
}
