//! [`Registry`]: what two programs agree on: objects and their methods, by name.

use std::any::{Any, type_name};
use std::collections::BTreeMap;

use procession_core::{FunctionError, Method, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fnv::Fnv;
use super::type_shape::shape;
use crate::wire::protocol::RequestKind;

/// The objects that a manager makes for other programs, and their methods, by name.
///
/// Over a network nothing is called by its address. Both programs link the crate that fills the registry, and compare a
/// fingerprint of it when they connect: all names, the names of all types, and the shapes of arguments and results, down to the
/// names and types of their fields, as serde reads them.
///
/// ```
/// use procession_manager::Registry;
///
/// struct Employee { name: String, pay: u64 }
///
/// impl Employee {
///     fn hire(name: String) -> Employee { Employee { name, pay: 0 } }
///     fn increase(&mut self, by: u64) { self.pay += by }
///     fn pay(&self, (): ()) -> u64 { self.pay }
/// }
///
/// fn registry() -> Registry {
///     Registry::new()
///         .object("employee", Employee::hire)
///         .method("employee", "increase", Employee::increase)
///         .reader("employee", "pay", Employee::pay)
/// }
/// # drop(registry());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a registry is given to `Manager::serve` and `Manager::connect`"]
pub struct Registry {
    entries: BTreeMap<(String, String), Entry>,
    trouble: Option<String>,
}

/// One constructor or method.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    pub(crate) value: &'static str,
    pub(crate) argument: &'static str,
    pub(crate) result: &'static str,
    /// The shapes of argument and result.
    shapes: [u64; 2],
}

/// The name of an object's constructor among its methods.
const MAKER: &str = "";

impl Registry {
    /// Makes an empty registry.
    ///
    /// ```
    /// let registry = procession_manager::Registry::new();
    /// # drop(registry);
    /// ```
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Adds a kind of object, by the function that makes one.
    ///
    /// ```
    /// let registry = procession_manager::Registry::new().object("count", |start: u64| start);
    /// # drop(registry);
    /// ```
    #[doc(alias = "register")]
    pub fn object<A, T>(self, object: &str, make: fn(A) -> T) -> Registry
    where
        A: Serialize + DeserializeOwned,
        T: Any + Send + Sync,
    {
        // The object itself never travels, so its name counts, and its shape does not.
        let types = ([type_name::<T>(), type_name::<A>(), ""], [shape::<A>(), 0]);
        self.add(object, MAKER, RequestKind::Make, Method::maker(make), types)
    }

    /// Adds a method that may change the object.
    ///
    /// ```
    /// let registry = procession_manager::Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .method("count", "add", |count: &mut u64, by: u64| *count += by);
    /// # drop(registry);
    /// ```
    pub fn method<T, A, R>(self, object: &str, name: &str, method: fn(&mut T, A) -> R) -> Registry
    where
        T: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.add(object, name, RequestKind::Exclusive, Method::exclusive(method), types::<T, A, R>())
    }

    /// Adds a method that only reads the object.
    ///
    /// ```
    /// let registry = procession_manager::Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .reader("count", "get", |count: &u64, (): ()| *count);
    /// # drop(registry);
    /// ```
    pub fn reader<T, A, R>(self, object: &str, name: &str, method: fn(&T, A) -> R) -> Registry
    where
        T: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.add(object, name, RequestKind::Shared, Method::shared(method), types::<T, A, R>())
    }

    /// Adds a method that waits until its condition holds: it answers `None`, and leaves the object as it is, where it does
    /// not. See [`Proxy::call_when`](crate::Proxy::call_when).
    ///
    /// ```
    /// let registry = procession_manager::Registry::new()
    ///     .object("tasks", |tasks: Vec<String>| tasks)
    ///     .waiter("tasks", "take", |tasks: &mut Vec<String>, (): ()| tasks.pop());
    /// # drop(registry);
    /// ```
    pub fn waiter<T, A, R>(self, object: &str, name: &str, method: fn(&mut T, A) -> Option<R>) -> Registry
    where
        T: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.add(object, name, RequestKind::Conditional, Method::conditional(method), types::<T, A, R>())
    }

    /// Adds a method that is given a function, together with that function.
    #[cfg(feature = "pool")]
    pub(crate) fn given<T, A, R>(self, object: &str, name: &str, method: Result<Method, FunctionError>) -> Registry
    where
        A: DeserializeOwned,
        R: DeserializeOwned,
    {
        // `Sequential`: the tasks of a client begin in the order in which they were sent.
        self.add(object, name, RequestKind::Sequential, method, types::<T, A, R>())
    }

    fn add(
        mut self,
        object: &str,
        name: &str,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        ([value, argument, result], shapes): ([&'static str; 3], [u64; 2]),
    ) -> Registry {
        match method {
            Ok(method) => {
                let entry = Entry { kind, method, value, argument, result, shapes };
                // A fault is kept until `serve` or `connect` reports it, so that a registry can be filled in one chain of calls.
                if self.entries.insert((object.to_owned(), name.to_owned()), entry).is_some() {
                    self.trouble = Some(format!("the registry has two entries for `{object}` `{name}`"));
                }
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
        self
    }

    /// Returns what was wrong when it was filled.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Equal for equal registries, in all programs.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::new();
        // A build that compares kinds writes more.
        hash.add(&[u8::from(codec::IS_CHECKED)]);
        for ((object, name), entry) in &self.entries {
            // The address of the method is left out, because it differs between programs.
            let Entry { kind, method: _, value, argument, result, shapes } = entry;
            for text in [object.as_str(), name, value, argument, result] {
                hash.add(text.as_bytes());
            }
            hash.add(&[*kind as u8]);
            shapes.iter().for_each(|shape| hash.add(&shape.to_le_bytes()));
        }
        hash.0
    }

    /// Returns the methods, in the order of their numbers.
    pub(crate) fn methods(&self) -> Vec<(u8, Method)> {
        // The map walks in the order of names, by which `find` counts.
        self.entries.values().map(|entry| (entry.kind as u8, entry.method)).collect()
    }

    /// Returns the number of a constructor (without a name) or a method, and what is known of it.
    pub(crate) fn find(&self, object: &str, name: Option<&str>) -> Option<(u32, &Entry)> {
        let key = (object.to_owned(), name.unwrap_or(MAKER).to_owned());
        // Numbers follow the order of names, so that both programs agree without sending them.
        let number = self.entries.range(..&key).count();
        Some((u32::try_from(number).ok()?, self.entries.get(&key)?))
    }
}

fn types<T, A: DeserializeOwned, R: DeserializeOwned>() -> ([&'static str; 3], [u64; 2]) {
    ([type_name::<T>(), type_name::<A>(), type_name::<R>()], [shape::<A>(), shape::<R>()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count() -> Registry {
        Registry::new().object("count", |start: u64| start)
    }

    #[test]
    fn the_order_of_filling_does_not_matter_but_names_and_types_do() {
        let add =
            |registry: Registry, name: &str| registry.method("count", name, |count: &mut u64, by: u64| *count += by);
        let both = add(add(count(), "a"), "b");
        assert_eq!(both.fingerprint(), add(add(count(), "b"), "a").fingerprint());
        assert_ne!(both.fingerprint(), add(add(count(), "a"), "c").fingerprint());
        let other = count().method("count", "a", |count: &mut u64, by: u32| *count += u64::from(by));
        assert_ne!(add(count(), "a").fingerprint(), other.fingerprint());
    }

    #[test]
    fn numbers_follow_the_names() {
        let registry = count().reader("count", "get", |count: &u64, (): ()| *count);
        assert_eq!(registry.find("count", None).unwrap().0, 0);
        assert_eq!(registry.find("count", Some("get")).unwrap().0, 1);
        assert!(registry.find("count", Some("put")).is_none());
    }

    #[test]
    fn two_entries_of_one_name_are_noticed() {
        assert!(count().trouble().is_none());
        assert!(count().object("count", |start: u8| start).trouble().unwrap().contains("two entries"));
    }
}
