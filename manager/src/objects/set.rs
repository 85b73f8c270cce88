//! [`Set`]: a set that many processes share.

use std::collections::HashSet;
use std::collections::hash_set::IntoIter;
use std::fmt;

use super::collection::Key;
use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A `HashSet` in a manager.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let seen = manager.set::<String>()?;
/// assert!(seen.insert("a".to_owned())?);
/// assert!(!seen.insert("a".to_owned())?, "it was there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Operations with another set take a plain `HashSet`, such as the other's [`snapshot`](Set::snapshot). Two sets are equal when
/// their contents are.
#[doc(alias = "SetProxy")]
pub struct Set<T: Key> {
    pub(super) proxy: Proxy<HashSet<T>>,
}

proxy_type!([T: Key] Set<T>, HashSet<T>, "manager.set::<u8>()");

remote_methods! {
    impl[T: Key] Set<T> => HashSet<T>;

    /// Adds an item. Returns whether it is new.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.insert(3)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "add")]
    exclusive fn insert[](item: T) -> bool = |set, (item,)| set.insert(item);

    /// Removes an item. Returns whether it was there.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(!set.remove(&3)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "discard")]
    exclusive fn remove[item: T as Q]() -> bool = |set, (item,)| set.remove::<T>(&item);

    /// Removes some item, if there is one.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.pop()?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn pop[]() -> Option<T> = |set, ()| {
        // std's set gives an item away only for an equal one.
        let item = set.iter().next()?.clone();
        set.take(&item)
    };

    /// Returns whether the item is in the set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.contains(&1)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__contains__")]
    shared fn contains[item: T as Q]() -> bool = |set, (item,)| set.contains::<T>(&item);

    /// Returns how many items there are.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__len__")]
    shared fn len[]() -> usize = |set, ()| set.len();

    /// Returns whether there are none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(!set.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn is_empty[]() -> bool = |set, ()| set.is_empty();

    /// Removes all items.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// set.clear()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn clear[]() -> () = |set, ()| set.clear();

    /// Adds items.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// set.extend(HashSet::from([2, 3]))?;
    /// assert_eq!(set.len()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "update")]
    #[doc(alias = "__ior__")]
    exclusive fn extend[](items: HashSet<T>) -> () = |set, (items,)| set.extend(items);

}

remote_methods! {
    impl[T: Key] Set<T> => HashSet<T>;

    /// Returns the items of both sets.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.union(&HashSet::from([3]))?.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__or__")]
    shared fn union[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.union(&other).cloned().collect();

    /// Returns the items that are in both sets.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.intersection(&HashSet::from([2, 3]))?, HashSet::from([2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__and__")]
    shared fn intersection[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.intersection(&other).cloned().collect();

    /// Returns the items that are not in the other set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.difference(&HashSet::from([2, 3]))?, HashSet::from([1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__sub__")]
    shared fn difference[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.difference(&other).cloned().collect();

    /// Returns the items that are in one of the sets only.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.symmetric_difference(&HashSet::from([2, 3]))?, HashSet::from([1, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__xor__")]
    shared fn symmetric_difference[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.symmetric_difference(&other).cloned().collect();

    /// Returns whether all its items are in the other set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.is_subset(&HashSet::from([1, 2, 3]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "issubset")]
    #[doc(alias = "__le__")]
    shared fn is_subset[other: HashSet<T>]() -> bool = |set, (other,)| set.is_subset(&other);

    /// Returns whether all items of the other set are in this one.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.is_superset(&HashSet::from([1]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "issuperset")]
    #[doc(alias = "__ge__")]
    shared fn is_superset[other: HashSet<T>]() -> bool = |set, (other,)| set.is_superset(&other);

    /// Returns whether no item is in both sets.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.is_disjoint(&HashSet::from([7]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "isdisjoint")]
    shared fn is_disjoint[other: HashSet<T>]() -> bool = |set, (other,)| set.is_disjoint(&other);

    /// Removes items.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// set.subtract(&HashSet::from([2, 3]))?;
    /// assert_eq!(set.len()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "difference_update")]
    #[doc(alias = "__isub__")]
    exclusive fn subtract[items: HashSet<T>]() -> () = |set, (items,)| set.retain(|one| !items.contains(one));

    /// Removes all items but these.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// set.intersect(&HashSet::from([2, 3]))?;
    /// assert_eq!(set.len()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "intersection_update")]
    #[doc(alias = "__iand__")]
    exclusive fn intersect[items: HashSet<T>]() -> () = |set, (items,)| set.retain(|one| items.contains(one));
}

impl<T: Key> Set<T> {
    /// Returns a copy of the whole set, as it was at one moment.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.snapshot()?, HashSet::from([1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "copy")]
    pub fn snapshot(&self) -> Result<HashSet<T>, CallError> {
        self.proxy.get()
    }

    /// Returns a copy of the items in arbitrary order.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let set = manager.set::<u32>()?;
    /// set.insert(7)?;
    /// assert_eq!(set.to_vec()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<T>, CallError> {
        Ok(self.iter()?.collect())
    }

    /// Iterates over a copy.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.iter()?.sum::<u32>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__iter__")]
    pub fn iter(&self) -> Result<IntoIter<T>, CallError> {
        Ok(self.snapshot()?.into_iter())
    }
}

/// Compares the contents. A set that cannot be reached equals none.
impl<T: Key> PartialEq<HashSet<T>> for Set<T> {
    fn eq(&self, other: &HashSet<T>) -> bool {
        self.snapshot().is_ok_and(|set| set == *other)
    }
}

/// Compares the contents. A set that cannot be reached equals none but itself.
impl<T: Key> PartialEq for Set<T> {
    fn eq(&self, other: &Set<T>) -> bool {
        self.proxy == other.proxy || other.snapshot().is_ok_and(|set| *self == set)
    }
}

impl<T: Key + fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.snapshot() {
            Ok(set) => set.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}
