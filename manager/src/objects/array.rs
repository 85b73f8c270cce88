//! [`Array`]: a fixed number of values that many processes share.

use super::collection::Item;
use super::macros::{proxy_type, remote_methods};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A boxed slice in a manager: its length does not change.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let board = manager.array(vec!['.'; 9])?;
/// board.set(4, 'x')?;
/// assert_eq!(board.to_vec()?.iter().collect::<String>(), "....x....");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For numbers, an array in shared memory (`procession_sync::Shared`) is far faster.
#[doc(alias = "ArrayProxy")]
pub struct Array<T: Item> {
    proxy: Proxy<Box<[T]>>,
}

proxy_type!(debug [T: Item] Array<T>, Box<[T]>, "manager.array(vec![1, 2])");

remote_methods! {
    impl[T: Item] Array<T> => Box<[T]>;

    /// Returns a copy of the element at `index`, if the array is that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// assert_eq!((array.get(0)?, array.get(3)?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__getitem__")]
    shared fn get[](index: usize) -> Option<T> = |array, (index,)| array.get(index).cloned();

    /// Replaces the element at `index`, and returns what it was; `None` if the array is not that long.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// assert_eq!((array.set(0, 7)?, array.set(3, 7)?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__setitem__")]
    exclusive fn set[](index: usize, item: T) -> Option<T> = |array, (index, item)| {
        array.get_mut(index).map(|place| std::mem::replace(place, item))
    };

    /// Returns how many elements there are.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// assert_eq!(array.len()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "__len__")]
    shared fn len[]() -> usize = |array, ()| array.len();

    /// Returns whether there are none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// assert!(!array.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    shared fn is_empty[]() -> bool = |array, ()| array.is_empty();

    /// Sets all elements to `item`.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// array.fill(7)?;
    /// assert_eq!(array.to_vec()?, [7, 7, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn fill[](item: T) -> () = |array, (item,)| array.fill(item);
}

impl<T: Item> Array<T> {
    /// Returns a copy of all elements, as they were at one moment.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let array = manager.array(vec![1, 2, 3])?;
    /// assert_eq!(array.to_vec()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<T>, CallError> {
        Ok(self.proxy.get()?.into_vec())
    }
}
