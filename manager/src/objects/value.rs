//! [`Value`]: one value that many processes get and set.

use super::collection::Item;
use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A value in a manager that is got and set as a whole.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let title = manager.value("draft".to_owned())?;
/// assert_eq!(title.replace("final".to_owned())?, "draft");
/// assert_eq!(title.get()?, "final");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ValueProxy")]
pub struct Value<T: Item> {
    proxy: Proxy<T>,
}

proxy_type!(debug [T: Item] Value<T>, T, "manager.value(7)");

remote_methods! {
    impl[T: Item] Value<T> => T;

    /// Sets it.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let value = manager.value("a".to_owned())?;
    /// value.set("b".to_owned())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn set[](new: T) -> () = |value, (new,)| *value = new;

    /// Sets it, and returns what it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let value = manager.value("a".to_owned())?;
    /// assert_eq!(value.replace("b".to_owned())?, "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn replace[](new: T) -> T = |value, (new,)| std::mem::replace(value, new);
}

remote_methods! {
    impl[T: Item + PartialEq] Value<T> => T;

    /// Sets it to `new` if it is `old`. Returns whether it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let value = manager.value("a".to_owned())?;
    /// assert!(value.compare_and_swap("a".to_owned(), "b".to_owned())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn compare_and_swap[](old: T, new: T) -> bool = |value, (old, new)| {
        let is_old = *value == old;
        if is_old {
            *value = new;
        }
        is_old
    };
}

impl<T: Item> Value<T> {
    /// Returns a copy of the value.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let value = manager.value("a".to_owned())?;
    /// assert_eq!(value.get()?, "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "value")]
    pub fn get(&self) -> Result<T, CallError> {
        self.proxy.get()
    }
}
