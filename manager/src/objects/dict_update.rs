//! How an entry of a [`Dict`] is changed from what it is.

use procession_core::Method;

use super::collection::{Item, Key};
use super::dict::Dict;
use super::ordered_map::OrderedMap;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

impl<K: Key, V: Item> Dict<K, V> {
    /// Sets the value of a key to `new` if it is `old`, where `None` stands for no value. Answers `Ok` if it was, and else the
    /// value that it is.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// `None` stands for no value. It is run again if somebody else has changed the value meanwhile. Answers the new value.
    ///
    /// Where nothing needs to be captured, [`Proxy::call`](crate::Proxy::call) on the [`proxy`](Dict::proxy) changes the entry in place, in one
    /// round trip.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
