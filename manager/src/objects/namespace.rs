//! [`Namespace`]: values of any types, by name.

use std::any::type_name;
use std::collections::BTreeMap;

use procession_core::codec::{self, Message};

use super::collection::Item;
use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;
use crate::wire::error::{CallError, decoded};

/// Values of any types in a manager, each with a name.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let settings = manager.namespace()?;
/// settings.set("depth", 7_u32)?;
/// settings.set("title", "draft".to_owned())?;
/// assert_eq!(settings.get::<u32>("depth")?, Some(7));
/// assert!(settings.get::<String>("depth").is_err(), "it is a number");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A struct of your own, behind a [`Proxy`], does the same with fewer errors.
#[doc(alias = "NamespaceProxy")]
pub struct Namespace {
    proxy: Proxy<Names>,
}

/// The state of a [`Namespace`] in the manager: each value encoded, with the name of its type.
///
/// ```
/// # use procession_manager::{Manager, Names, Proxy};
/// # procession_manager::init(); let manager = Manager::start()?;
/// let proxy: Proxy<Names> = manager.namespace()?.proxy().clone();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Names {
    values: BTreeMap<String, (String, Vec<u8>)>,
}

proxy_type!(debug [] Namespace, Names, "manager.namespace()");

remote_methods! {
    impl[] Namespace => Names;

    /// Returns all names, sorted.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// namespace.set("x", 1)?;
    /// assert_eq!(namespace.names()?, ["x"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__dir__")]
    shared fn names[]() -> Vec<String> = |names, ()| names.values.keys().cloned().collect();
}

impl Namespace {
    /// Sets the value of a name, which may be of any type.
    ///
    /// Values with descriptors or proxies cannot lie in a namespace: use a struct, a [`Dict`](crate::Dict) or a
    /// [`Value`](crate::Value).
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// namespace.set("x", 1.5)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__setattr__")]
    pub fn set<T: Item>(&self, name: &str, value: T) -> Result<(), CallError> {
        let message = codec::encode(&value)?;
        // Bytes can be handed out to each reader; a descriptor would be gone after the first.
        if !message.descriptors().is_empty() {
            return Err(CallError::Unsendable(
                "a value with descriptors or proxies cannot lie in a namespace".to_owned(),
            ));
        }
        let (bytes, _) = message.into_parts();
        let entry = (name.to_owned(), type_name::<T>().to_owned(), bytes.into_vec());
        self.proxy.call(|names, (name, kind, bytes)| drop(names.values.insert(name, (kind, bytes))), entry)
    }

    /// Returns a copy of the value of a name. It must be asked for as the type that it was set as.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// assert_eq!(namespace.get::<u8>("x")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getattr__")]
    pub fn get<T: Item>(&self, name: &str) -> Result<Option<T>, CallError> {
        let found = self.proxy.read(|names, name: String| names.values.get(&name).cloned(), name.to_owned())?;
        let Some((kind, bytes)) = found else { return Ok(None) };
        // The bytes would decode as another value if only their length fitted.
        if kind != type_name::<T>() {
            return Err(CallError::WrongType(kind));
        }
        decoded(Message::new(bytes, Vec::new())).map(Some)
    }

    /// Removes a name. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let namespace = manager.namespace()?;
    /// assert!(!namespace.remove("x")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__delattr__")]
    pub fn remove(&self, name: &str) -> Result<bool, CallError> {
        self.proxy.call(|names, name: String| names.values.remove(&name).is_some(), name.to_owned())
    }
}
