//! What a [`List`] does with several of its elements, and what needs elements that can be compared.

use super::collection::Item;
use super::list::List;
use super::macros::remote_methods;

remote_methods! {
    impl[T: Item] List<T> => Vec<T>;

    /// A copy of the elements from `start` up to but not including `end`, as far as there are any.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2, 3])?;
    /// assert_eq!(list.slice(1, 9)?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getslice__")]
    shared fn slice[](start: usize, end: usize) -> Vec<T> = |list, (start, end)| {
        list.iter().take(end).skip(start).cloned().collect()
    };

    /// Puts `items` in the place of the elements from `start` up to but not including `end`, and answers those.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![1, 2])?;
    /// list.reverse()?;
    /// assert_eq!(list.to_vec()?, [2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn reverse[]() -> () = |list, ()| list.reverse();

    /// Has the elements `count` times, one time after the other.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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

    /// Whether the item is in the list.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert!(!list.contains(&7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__contains__")]
    shared fn contains[item: T]() -> bool = |list, (item,)| list.contains(&item);

    /// Where the item is for the first time.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.push(7)?;
    /// assert_eq!(list.index_of(&7)?, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "index")]
    shared fn index_of[item: T]() -> Option<usize> = |list, (item,)| list.iter().position(|one| *one == item);

    /// How many times the item is in the list.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// assert_eq!(list.count(&7)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn count[item: T]() -> usize = |list, (item,)| list.iter().filter(|one| **one == item).count();

    /// Removes the item where it is for the first time. Answers whether it was there.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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

    /// Replaces the element at `index` by `new` if it is `old`. Answers whether it was.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u32>()?;
    /// list.extend(vec![2, 1])?;
    /// list.sort()?;
    /// assert_eq!(list.to_vec()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn sort[]() -> () = |list, ()| list.sort();
}
