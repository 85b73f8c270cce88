//! What a [`Set`] does together with another set.

use std::collections::HashSet;

use super::collection::Key;
use super::macros::remote_methods;
use super::set::Set;

remote_methods! {
    impl[T: Key] Set<T> => HashSet<T>;

    /// The items of both sets.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.union(&HashSet::from([3]))?.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__or__")]
    shared fn union[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.union(&other).cloned().collect();

    /// The items that are in both sets.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.intersection(&HashSet::from([2, 3]))?, HashSet::from([2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__and__")]
    shared fn intersection[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.intersection(&other).cloned().collect();

    /// The items that are not in the other set.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.difference(&HashSet::from([2, 3]))?, HashSet::from([1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__sub__")]
    shared fn difference[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.difference(&other).cloned().collect();

    /// The items that are in one of the sets only.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert_eq!(set.symmetric_difference(&HashSet::from([2, 3]))?, HashSet::from([1, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__xor__")]
    shared fn symmetric_difference[other: HashSet<T>]() -> HashSet<T> = |set, (other,)| set.symmetric_difference(&other).cloned().collect();

    /// Whether all its items are in the other set.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.is_subset(&HashSet::from([1, 2, 3]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "issubset")]
    #[doc(alias = "__le__")]
    shared fn is_subset[other: HashSet<T>]() -> bool = |set, (other,)| set.is_subset(&other);

    /// Whether all items of the other set are in this one.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// use std::collections::HashSet;
    /// let set = manager.set::<u32>()?;
    /// set.extend(HashSet::from([1, 2]))?;
    /// assert!(set.is_superset(&HashSet::from([1]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "issuperset")]
    #[doc(alias = "__ge__")]
    shared fn is_superset[other: HashSet<T>]() -> bool = |set, (other,)| set.is_superset(&other);

    /// Whether no item is in both sets.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
