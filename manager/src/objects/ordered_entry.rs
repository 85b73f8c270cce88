//! [`Entry`] of an [`OrderedMap`], and what the map has in common with other collections.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ordered_map::OrderedMap;

/// The place of a key in an [`OrderedMap`]: see [`OrderedMap::entry`].
///
/// ```
/// use procession_manager::{Entry, OrderedMap};
///
/// let mut words = OrderedMap::from([("tea", 1)]);
/// let entry: Entry<'_, _, u32> = words.entry("tea");
/// assert_eq!(*entry.or_default(), 1);
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until it is asked for its value"]
pub struct Entry<'a, K, V> {
    map: &'a mut OrderedMap<K, V>,
    key: K,
}

impl<'a, K: Eq + Hash + Clone, V> Entry<'a, K, V> {
    pub(super) fn new(map: &'a mut OrderedMap<K, V>, key: K) -> Entry<'a, K, V> {
        Entry { map, key }
    }

    /// Its value, which is set to `default` if there was none.
    ///
    /// ```
    /// let mut stock = procession_manager::OrderedMap::new();
    /// *stock.entry("tea").or_insert(3) -= 1;
    /// assert_eq!(stock.get(&"tea"), Some(&2));
    /// ```
    pub fn or_insert(self, default: V) -> &'a mut V {
        self.or_insert_with(|| default)
    }

    /// Its value, which is made if there was none.
    ///
    /// ```
    /// let mut lists = procession_manager::OrderedMap::new();
    /// lists.entry("first").or_insert_with(Vec::new).push(1);
    /// assert_eq!(lists.get(&"first"), Some(&vec![1]));
    /// ```
    pub fn or_insert_with(self, default: impl FnOnce() -> V) -> &'a mut V {
        let Entry { map, key } = self;
        if !map.contains_key(&key) {
            map.push(key.clone(), default());
        }
        match map.get_mut(&key) {
            Some(value) => value,
            None => unreachable!("the key is there, or was added just now"),
        }
    }

    /// Its value, which is the default of its type if there was none.
    ///
    /// ```
    /// let mut words = procession_manager::OrderedMap::<_, u32>::new();
    /// *words.entry("so").or_default() += 1;
    /// assert_eq!(words.get(&"so"), Some(&1));
    /// ```
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes its value, if there is one.
    ///
    /// ```
    /// let mut stock = procession_manager::OrderedMap::from([("tea", 3)]);
    /// stock.entry("tea").and_modify(|count| *count += 1).or_insert(0);
    /// assert_eq!(stock.get(&"tea"), Some(&4));
    /// ```
    pub fn and_modify(self, change: impl FnOnce(&mut V)) -> Entry<'a, K, V> {
        if let Some(value) = self.map.get_mut(&self.key) {
            change(value);
        }
        self
    }
}

impl<K: Eq + Hash + Clone, V> Extend<(K, V)> for OrderedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<K: Eq + Hash + Clone, V> FromIterator<(K, V)> for OrderedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> OrderedMap<K, V> {
        let mut map = OrderedMap::new();
        map.extend(entries);
        map
    }
}

impl<K: Eq + Hash + Clone, V, const N: usize> From<[(K, V); N]> for OrderedMap<K, V> {
    fn from(entries: [(K, V); N]) -> OrderedMap<K, V> {
        OrderedMap::from_iter(entries)
    }
}

/// In the order of the other map, which is none.
impl<K: Eq + Hash + Clone, V> From<HashMap<K, V>> for OrderedMap<K, V> {
    fn from(entries: HashMap<K, V>) -> OrderedMap<K, V> {
        OrderedMap::from_iter(entries)
    }
}

impl<K: Eq + Hash, V> From<OrderedMap<K, V>> for HashMap<K, V> {
    fn from(map: OrderedMap<K, V>) -> HashMap<K, V> {
        map.into_iter().collect()
    }
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_entries().into_iter()
    }
}

/// # Panics
///
/// There is no such key.
impl<K: Eq + Hash + Clone, V> Index<&K> for OrderedMap<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the map should have this key")
    }
}

/// The order does not count, as in Python.
impl<K: Eq + Hash + Clone, V: PartialEq> PartialEq for OrderedMap<K, V> {
    fn eq(&self, other: &OrderedMap<K, V>) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Eq + Hash + Clone, V: Eq> Eq for OrderedMap<K, V> {}

impl<K: Eq + Hash + Clone, V: PartialEq> PartialEq<HashMap<K, V>> for OrderedMap<K, V> {
    fn eq(&self, other: &HashMap<K, V>) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Serialize, V: Serialize> Serialize for OrderedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(self.len()))?;
        self.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl<'de, K, V> Deserialize<'de> for OrderedMap<K, V>
where
    K: Deserialize<'de> + Eq + Hash + Clone,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrderedMap<K, V>, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads entries.
struct Entries<K, V>(PhantomData<fn() -> (K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Eq + Hash + Clone,
    V: Deserialize<'de>,
{
    type Value = OrderedMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<OrderedMap<K, V>, M::Error> {
        // What is said of the length is not believed: memory follows the entries.
        let mut map = OrderedMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}
