//! [`Event`]: a flag that many processes wait for.

use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;

/// A flag in a manager.
///
/// ```
/// use procession_manager::{Event, Manager};
/// use procession_process::Process;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let event = manager.event()?;
/// let waiter = Process::spawn(|event: Event| event.wait(), event.clone())?;
/// event.set()?;
/// waiter.join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "EventProxy")]
pub struct Event {
    proxy: Proxy<bool>,
}

proxy_type!(debug [] Event, bool, "manager.event()");

remote_methods! {
    impl[] Event => bool;

    /// Sets it. All who wait go on.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// assert!(event.is_set()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn set[]() -> () = |flag, ()| *flag = true;

    /// Clears it.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// event.clear()?;
    /// assert!(!event.is_set()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn clear[]() -> () = |flag, ()| *flag = false;

    /// Returns whether it is set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// assert!(!event.is_set()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn is_set[]() -> bool = |flag, ()| *flag;

    /// Waits until it is set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// event.set()?;
    /// event.wait()?;
    /// assert!(event.wait_timeout(std::time::Duration::from_secs(60)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    conditional fn wait,
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let event = manager.event()?;
    /// assert!(event.wait_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    wait_timeout() -> () = |flag, ()| flag.then_some(());
}
