//! [`Dict`]: a map that many processes share.

use std::collections::HashMap;
use std::fmt;
use std::vec::IntoIter;

use procession_core::Method;

use super::collection::{Item, Key};
use super::macros::{proxy_type, remote_methods};
use super::ordered_map::OrderedMap;
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A map in a manager, an [`OrderedMap`]: its entries stay in the order in which they came.
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let ages = manager.dict::<String, u32>()?;
/// ages.insert("Ada".to_owned(), 36)?;
/// ages.proxy().call(|ages, (name, by)| *ages.entry(name).or_insert(0) += by, ("Ada".to_owned(), 1))?;
/// assert_eq!(ages.get(&"Ada".to_owned())?, Some(37));
/// for (name, age) in ages.iter()? {
///     println!("{name} is {age}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Differences from maps and Python's `DictProxy`
///
/// Values are copied out. What is to be changed in place is changed by a function on the map, as above, or lies there as a
/// proxy of its own. [`iter`](Dict::iter) iterates over a copy, so changes of the map do not disturb it. Two
/// dicts are equal when their contents are, in whatever order.
#[doc(alias = "DictProxy")]
pub struct Dict<K: Key, V: Item> {
    pub(super) proxy: Proxy<OrderedMap<K, V>>,
}

proxy_type!([K: Key, V: Item] Dict<K, V>, OrderedMap<K, V>, "manager.dict::<u8, u8>()");

remote_methods! {
    impl[K: Key, V: Item] Dict<K, V> => OrderedMap<K, V>;

    /// Returns a copy of the value of a key, which may be given in any borrowed form that is written as the key is, such as `str` for
    /// `String`.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<String, u8>()?;
    /// dict.insert("one".to_owned(), 1)?;
    /// assert_eq!(dict.get("one")?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getitem__")]
    shared fn get[key: K as Q]() -> Option<V> = |map, (key,)| map.get(&key).cloned();

    /// Sets the value of a key, and returns what it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, String>()?;
    /// assert_eq!(dict.insert(1, "one".to_owned())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__setitem__")]
    exclusive fn insert[](key: K, value: V) -> Option<V> = |map, (key, value)| map.insert(key, value);

    /// Removes a key, and returns its value.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.insert(1, 2)?;
    /// assert_eq!((dict.remove(&1)?, dict.remove(&1)?), (Some(2), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "pop")]
    #[doc(alias = "__delitem__")]
    exclusive fn remove[key: K as Q]() -> Option<V> = |map, (key,)| map.remove(&key);

    /// Removes the last entry, if there is one.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(1, 2), (0, 3)])?;
    /// assert_eq!((dict.pop_item()?, dict.pop_item()?, dict.pop_item()?), (Some((0, 3)), Some((1, 2)), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "popitem")]
    exclusive fn pop_item[]() -> Option<(K, V)> = |map, ()| map.pop();

    /// Returns whether there is such a key.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.dict::<u8, u8>()?.contains_key(&1)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__contains__")]
    shared fn contains_key[key: K as Q]() -> bool = |map, (key,)| map.contains_key(&key);

    /// Returns how many entries there are.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.dict::<u8, u8>()?.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__len__")]
    shared fn len[]() -> usize = |map, ()| map.len();

    /// Returns whether there are none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(manager.dict::<u8, u8>()?.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn is_empty[]() -> bool = |map, ()| map.is_empty();

    /// Removes all entries.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// manager.dict::<u8, u8>()?.clear()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn clear[]() -> () = |map, ()| map.clear();

    /// Returns the value of a key, which is set to `default` if there was none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// assert_eq!((dict.get_or_insert(1, 2)?, dict.get_or_insert(1, 3)?), (2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "setdefault")]
    exclusive fn get_or_insert[](key: K, default: V) -> V = |map, (key, default)| map.entry(key).or_insert(default).clone();

    /// Returns a copy of all keys, in order.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(3, 4), (1, 2)])?;
    /// assert_eq!((dict.keys()?, dict.values()?), (vec![3, 1], vec![4, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn keys[]() -> Vec<K> = |map, ()| map.keys().cloned().collect();

    /// Returns a copy of all values, in the order of their keys.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(manager.dict::<u8, u8>()?.values()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn values[]() -> Vec<V> = |map, ()| map.values().cloned().collect();
}

impl<K: Key, V: Item> Dict<K, V> {
    /// Adds entries, in their order, over those with the same keys, which keep their places.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(1, 2), (3, 4)])?;
    /// dict.extend(std::collections::HashMap::from([(1, 5)]))?;
    /// assert_eq!(dict.iter()?.collect::<Vec<_>>(), [(1, 5), (3, 4)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "update")]
    #[doc(alias = "fromkeys")]
    #[doc(alias = "__ior__")]
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), CallError> {
        let entries: Vec<(K, V)> = entries.into_iter().collect();
        let method = Method::exclusive(|map: &mut OrderedMap<K, V>, entries: Vec<(K, V)>| map.extend(entries));
        self.proxy.perform(RequestKind::Exclusive, method, &entries, None)
    }

    /// Returns a copy of the whole map, as it was at one moment, in its order.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(3, 4), (1, 2)])?;
    /// let copy = dict.snapshot()?;
    /// assert_eq!(copy, std::collections::HashMap::from([(1, 2), (3, 4)]));
    /// assert_eq!(copy.keys().copied().collect::<Vec<_>>(), [3, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "copy")]
    pub fn snapshot(&self) -> Result<OrderedMap<K, V>, CallError> {
        self.proxy.get()
    }

    /// Returns a copy of all entries, in order.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(3, 4), (1, 2)])?;
    /// assert_eq!(dict.to_vec()?, [(3, 4), (1, 2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<(K, V)>, CallError> {
        Ok(self.snapshot()?.into_entries())
    }

    /// Iterates over a copy, in order.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// dict.extend([(3, 4), (1, 2)])?;
    /// assert_eq!((dict.iter()?.next(), dict.iter()?.next_back()), (Some((3, 4)), Some((1, 2))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "items")]
    #[doc(alias = "__iter__")]
    #[doc(alias = "__reversed__")]
    pub fn iter(&self) -> Result<IntoIter<(K, V)>, CallError> {
        Ok(self.snapshot()?.into_iter())
    }
}

impl<K: Key, V: Item> Dict<K, V> {
    /// Sets the value of a key to `new` if it is `old`, where `None` stands for no value. Returns `Ok` if it was, and else the
    /// value that it is.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u8>()?;
    /// assert_eq!(dict.compare_and_swap(&1, None, Some(2))?, Ok(()));
    /// assert_eq!(dict.compare_and_swap(&1, Some(7), None)?, Err(Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_and_swap(&self, key: &K, old: Option<V>, new: Option<V>) -> Result<Result<(), Option<V>>, CallError>
    where
        V: PartialEq,
    {
        // References encode like what they refer to.
        let method = Method::exclusive(swap::<K, V>);
        self.proxy.perform(RequestKind::Exclusive, method, &(key, old, new), None)
    }

    /// Changes the value of a key by a function that runs here and may capture: from what it is to what it answers, where
    /// `None` stands for no value. It is run again if another call has changed the value meanwhile. Returns the new value.
    ///
    /// Where nothing needs to be captured, [`Proxy::call`](crate::Proxy::call) on the [`proxy`](Dict::proxy) changes the entry in place, in one
    /// round trip.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let dict = manager.dict::<u8, u32>()?;
    /// let by = 5;
    /// assert_eq!(dict.update(&1, |old| Some(old.unwrap_or(0) + by))?, Some(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "entry")]
    pub fn update(&self, key: &K, change: impl Fn(Option<V>) -> Option<V>) -> Result<Option<V>, CallError>
    where
        V: PartialEq,
    {
        // The function runs outside the manager, where nothing is held, so the value is compared again when the new one is set.
        let mut old = self.get(key)?;
        loop {
            let new = change(old.clone());
            match self.compare_and_swap(key, old, new.clone())? {
                Ok(()) => return Ok(new),
                Err(current) => old = current,
            }
        }
    }
}

fn swap<K: Key, V: Item + PartialEq>(
    map: &mut OrderedMap<K, V>,
    (key, old, new): (K, Option<V>, Option<V>),
) -> Result<(), Option<V>> {
    let current = map.get(&key);
    if current != old.as_ref() {
        return Err(current.cloned());
    }
    match new {
        Some(new) => drop(map.insert(key, new)),
        None => drop(map.remove(&key)),
    }
    Ok(())
}

/// Compares the contents. A map that cannot be reached equals none.
impl<K: Key, V: Item + PartialEq> PartialEq<HashMap<K, V>> for Dict<K, V> {
    fn eq(&self, other: &HashMap<K, V>) -> bool {
        self.snapshot().is_ok_and(|map| map == *other)
    }
}

/// Compares the contents, in whatever order. A map that cannot be reached equals none.
impl<K: Key, V: Item + PartialEq> PartialEq<OrderedMap<K, V>> for Dict<K, V> {
    fn eq(&self, other: &OrderedMap<K, V>) -> bool {
        self.snapshot().is_ok_and(|map| map == *other)
    }
}

/// Compares the contents. A map that cannot be reached equals none but itself.
impl<K: Key, V: Item + PartialEq> PartialEq for Dict<K, V> {
    fn eq(&self, other: &Dict<K, V>) -> bool {
        // The same object equals itself, without a copy of it.
        self.proxy == other.proxy || other.snapshot().is_ok_and(|map| *self == map)
    }
}

impl<K: Key + fmt::Debug, V: Item + fmt::Debug> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.snapshot() {
            Ok(map) => map.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}
