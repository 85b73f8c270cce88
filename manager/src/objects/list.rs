//! [`List`]: a list that many processes share.

use std::fmt;

use super::collection::Item;
use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A `Vec` in a manager.
///
/// ```
/// use procession_manager::{List, Manager};
/// use procession_process::Process;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let list = manager.list::<u32>()?;
/// list.extend(vec![1, 2])?;
/// Process::spawn(|list: List<u32>| list.push(3), list.clone())?.join()??;
/// assert_eq!(list, vec![1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Differences from `Vec` and Python's `ListProxy`
///
/// Elements are copied out; a function on the [`proxy`](List::proxy) changes them in place. [`iter`](List::iter) iterates over a
/// copy. An index out of range is `None` or `false`, and neither a panic nor an error. Two lists are equal when their contents
/// are.
#[doc(alias = "ListProxy")]
pub struct List<T: Item> {
    pub(super) proxy: Proxy<Vec<T>>,
}

proxy_type!([T: Item] List<T>, Vec<T>, "manager.list::<u8>()");

remote_methods! {
    impl[T: Item] List<T> => Vec<T>;

    /// Adds an element at the end.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert_eq!(list.to_vec()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "append")]
    exclusive fn push[](item: T) -> () = |list, (item,)| list.push(item);

    /// Adds several elements at the end.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2])?;
    /// assert_eq!(list.len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__iadd__")]
    exclusive fn extend[](items: Vec<T>) -> () = |list, (items,)| list.extend(items);

    /// Puts an element before the one at `index`. Returns whether the list is that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert!(list.insert(0, 7)?);
    /// assert!(!list.insert(9, 7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn insert[](index: usize, item: T) -> bool = |list, (index, item)| {
        let fits = index <= list.len();
        if fits {
            list.insert(index, item);
        }
        fits
    };

    /// Removes the last element.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert_eq!(list.pop()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn pop[]() -> Option<T> = |list, ()| list.pop();

    /// Removes the element at `index`, if the list is that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2])?;
    /// assert_eq!((list.remove(0)?, list.remove(5)?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__delitem__")]
    exclusive fn remove[](index: usize) -> Option<T> = |list, (index,)| (index < list.len()).then(|| list.remove(index));

    /// Returns a copy of the element at `index`, if the list is that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert_eq!(list.get(3)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getitem__")]
    shared fn get[](index: usize) -> Option<T> = |list, (index,)| list.get(index).cloned();

    /// Replaces the element at `index`, and returns what it was; `None` if the list is not that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(1)?;
    /// assert_eq!((list.set(0, 2)?, list.set(5, 2)?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__setitem__")]
    exclusive fn set[](index: usize, item: T) -> Option<T> = |list, (index, item)| {
        list.get_mut(index).map(|place| std::mem::replace(place, item))
    };

    /// Returns how many elements there are.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert_eq!(list.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__len__")]
    shared fn len[]() -> usize = |list, ()| list.len();

    /// Returns whether there are none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert!(list.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn is_empty[]() -> bool = |list, ()| list.is_empty();

    /// Removes all elements.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.clear()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn clear[]() -> () = |list, ()| list.clear();

}

remote_methods! {
    impl[T: Item] List<T> => Vec<T>;

    /// Returns a copy of the elements from `start` up to but not including `end`, as far as there are any.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2, 3])?;
    /// assert_eq!(list.slice(1, 9)?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getslice__")]
    shared fn slice[](start: usize, end: usize) -> Vec<T> = |list, (start, end)| {
        list.iter().take(end).skip(start).cloned().collect()
    };

    /// Puts `items` in the place of the elements from `start` up to but not including `end`, and returns those.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2, 3])?;
    /// assert_eq!(list.splice(0, 2, vec![9])?, [1, 2]);
    /// assert_eq!(list.to_vec()?, [9, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__setslice__")]
    exclusive fn splice[](start: usize, end: usize, items: Vec<T>) -> Vec<T> = |list, (start, end, items)| {
        let end = end.min(list.len());
        list.splice(start.min(end)..end, items).collect()
    };

    /// Keeps the first `len` elements.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2, 3])?;
    /// list.truncate(1)?;
    /// assert_eq!(list.to_vec()?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn truncate[](len: usize) -> () = |list, (len,)| list.truncate(len);

    /// Reverses the order.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2])?;
    /// list.reverse()?;
    /// assert_eq!(list.to_vec()?, [2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn reverse[]() -> () = |list, ()| list.reverse();

    /// Repeats the elements, so that the list has them `count` times in a row.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2])?;
    /// list.repeat(2)?;
    /// assert_eq!(list.to_vec()?, [1, 2, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__imul__")]
    exclusive fn repeat[](count: usize) -> () = |list, (count,)| {
        let once = std::mem::take(list);
        list.extend((0..count).flat_map(|_| once.iter().cloned()));
    };
}

remote_methods! {
    impl[T: Item + PartialEq] List<T> => Vec<T>;

    /// Returns whether the item is in the list.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert!(!list.contains(&7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__contains__")]
    shared fn contains[item: T]() -> bool = |list, (item,)| list.contains(&item);

    /// Returns the index of the first element that equals the item.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert_eq!(list.index_of(&7)?, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "index")]
    shared fn index_of[item: T]() -> Option<usize> = |list, (item,)| list.iter().position(|one| *one == item);

    /// Returns how many times the item is in the list.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert_eq!(list.count(&7)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn count[item: T]() -> usize = |list, (item,)| list.iter().filter(|one| **one == item).count();

    /// Removes the item where it is for the first time. Returns whether it was there.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert!(list.remove_item(&7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "remove")]
    exclusive fn remove_item[item: T]() -> bool = |list, (item,)| {
        let place = list.iter().position(|one| *one == item);
        place.map(|place| list.remove(place)).is_some()
    };

    /// Replaces the element at `index` by `new` if it is `old`. Returns whether it was.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert!(list.compare_and_swap(0, 7, 8)?);
    /// assert!(!list.compare_and_swap(0, 7, 9)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn compare_and_swap[](index: usize, old: T, new: T) -> bool = |list, (index, old, new)| {
        let place = list.get_mut(index).filter(|place| **place == old);
        place.map(|place| *place = new).is_some()
    };
}

remote_methods! {
    impl[T: Item + Ord] List<T> => Vec<T>;

    /// Sorts the elements. Equal ones keep their order.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![2, 1])?;
    /// list.sort()?;
    /// assert_eq!(list.to_vec()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn sort[]() -> () = |list, ()| list.sort();
}

impl<T: Item> List<T> {
    /// Returns a copy of the whole list, as it was at one moment.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert!(list.to_vec()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "copy")]
    pub fn to_vec(&self) -> Result<Vec<T>, CallError> {
        self.proxy.get()
    }

    /// Iterates over a copy.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert_eq!(list.iter()?.sum::<u32>(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__iter__")]
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>, CallError> {
        Ok(self.to_vec()?.into_iter())
    }
}

/// Compares the contents. A list that cannot be reached equals none.
impl<T: Item + PartialEq> PartialEq<Vec<T>> for List<T> {
    fn eq(&self, other: &Vec<T>) -> bool {
        self.to_vec().is_ok_and(|list| list == *other)
    }
}

/// Compares the contents. A list that cannot be reached equals none but itself.
impl<T: Item + PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &List<T>) -> bool {
        self.proxy == other.proxy || other.to_vec().is_ok_and(|list| *self == list)
    }
}

impl<T: Item + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_vec() {
            Ok(list) => list.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}
