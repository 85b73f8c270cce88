//! [`OrderedMap`]: a map that keeps the order of insertion, as Python's `dict` does.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::mem;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::tuning::MIN_SLOTS_TO_COMPACT;

/// A map whose entries stay in the order in which their keys came. It is what lies behind a [`Dict`](crate::Dict).
///
/// A key that is set again keeps its place; one that is removed and set again comes last.
///
/// ```
/// use procession_manager::OrderedMap;
///
/// let mut ages = OrderedMap::from([("Grace", 85), ("Ada", 36)]);
/// ages.insert("Alan", 41);
/// *ages.entry("Grace").or_insert(0) += 1;
/// assert_eq!(ages.keys().copied().collect::<Vec<_>>(), ["Grace", "Ada", "Alan"]);
/// assert_eq!(ages.pop(), Some(("Alan", 41)));
/// ```
///
/// # What it costs
///
/// Every operation on one entry takes constant time: a removed entry leaves a gap, and the gaps are closed when they are more than
/// the entries. Each key is kept twice. Where order does not matter, `create` a `HashMap`.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    /// The entries and the gaps, of which none is at the end.
    slots: Vec<Option<(K, V)>>,
    /// The slot of each key.
    places: HashMap<K, usize>,
}

impl<K, V> OrderedMap<K, V> {
    /// Makes an empty map.
    ///
    /// ```
    /// assert!(procession_manager::OrderedMap::<u8, u8>::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> OrderedMap<K, V> {
        OrderedMap { slots: Vec::new(), places: HashMap::new() }
    }

    /// Returns how many entries there are.
    ///
    /// ```
    /// assert_eq!(procession_manager::OrderedMap::from([(1, 2), (1, 3)]).len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether there are none.
    ///
    /// ```
    /// assert!(!procession_manager::OrderedMap::from([(1, 2)]).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Removes all entries.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([(1, 2)]);
    /// map.clear();
    /// assert!(map.is_empty());
    /// ```
    pub fn clear(&mut self) {
        self.slots.clear();
        self.places.clear();
    }

    /// Returns the entries, in order.
    ///
    /// ```
    /// let map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// assert_eq!(map.iter().next_back(), Some((&1, &'a')));
    /// ```
    #[doc(alias = "items")]
    #[doc(alias = "__reversed__")]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.slots.iter().flatten().map(|(key, value)| (key, value))
    }

    /// Returns the entries, in order, with values that can be changed.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// map.iter_mut().for_each(|(_, letter)| letter.make_ascii_uppercase());
    /// assert_eq!(map.values().collect::<String>(), "BA");
    /// ```
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.slots.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// Returns all entries, in order.
    pub(super) fn into_entries(self) -> Vec<(K, V)> {
        self.slots.into_iter().flatten().collect()
    }

    /// Returns the keys, in order.
    ///
    /// ```
    /// let map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// assert_eq!(map.keys().copied().collect::<Vec<_>>(), [2, 1]);
    /// ```
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns the values, in the order of their keys.
    ///
    /// ```
    /// let map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// assert_eq!(map.values().collect::<String>(), "ba");
    /// ```
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Eq + Hash + Clone, V> OrderedMap<K, V> {
    /// Returns the value of a key.
    ///
    /// ```
    /// assert_eq!(procession_manager::OrderedMap::from([(1, 'a')]).get(&1), Some(&'a'));
    /// ```
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        self.slots.get(place)?.as_ref().map(|(_, value)| value)
    }

    /// Returns the value of a key, to be changed.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([("tea", 1)]);
    /// *map.get_mut(&"tea").unwrap() += 1;
    /// assert_eq!(map.get(&"tea"), Some(&2));
    /// ```
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.slots.get_mut(place)?.as_mut().map(|(_, value)| value)
    }

    /// Returns whether there is such a key.
    ///
    /// ```
    /// assert!(!procession_manager::OrderedMap::from([(1, 'a')]).contains_key(&2));
    /// ```
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// Sets the value of a key, and returns what it was. A new key comes last.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// assert_eq!(map.insert(2, 'B'), Some('b'));
    /// assert_eq!(map.values().collect::<String>(), "Ba");
    /// ```
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(present) = self.get_mut(&key) {
            return Some(mem::replace(present, value));
        }
        self.push(key, value);
        None
    }

    /// Removes a key, and returns its value. The others keep their order.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a'), (3, 'c')]);
    /// assert_eq!(map.remove(&1), Some('a'));
    /// assert_eq!(map.values().collect::<String>(), "bc");
    /// ```
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        let (_, value) = self.slots.get_mut(place)?.take()?;
        self.tidy();
        Some(value)
    }

    /// Removes the last entry.
    ///
    /// ```
    /// let mut map = procession_manager::OrderedMap::from([(2, 'b'), (1, 'a')]);
    /// assert_eq!((map.pop(), map.pop(), map.pop()), (Some((1, 'a')), Some((2, 'b')), None));
    /// ```
    #[doc(alias = "popitem")]
    pub fn pop(&mut self) -> Option<(K, V)> {
        // `tidy` leaves no gap at the end, so the last slot is an entry, or there is none.
        let (key, value) = self.slots.pop()??;
        self.places.remove(&key);
        self.tidy();
        Some((key, value))
    }

    /// Keeps only the entries for which a function answers `true`.
    ///
    /// ```
    /// let mut map: procession_manager::OrderedMap<u32, ()> = (0..6).map(|n| (n, ())).collect();
    /// map.retain(|n, ()| n % 2 == 0);
    /// assert_eq!(map.keys().copied().collect::<Vec<_>>(), [0, 2, 4]);
    /// ```
    pub fn retain(&mut self, mut is_kept: impl FnMut(&K, &mut V) -> bool) {
        self.slots.retain_mut(|slot| slot.as_mut().is_some_and(|(key, value)| is_kept(key, value)));
        // `number` finds more keys than slots if any entry has gone, and then builds the index anew.
        self.number();
    }

    /// Returns the entry of a key, with or without a value.
    ///
    /// ```
    /// let mut words = procession_manager::OrderedMap::new();
    /// for word in ["so", "it", "so"] {
    ///     *words.entry(word).or_insert(0) += 1;
    /// }
    /// assert_eq!(words.get(&"so"), Some(&2));
    /// ```
    #[doc(alias = "setdefault")]
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry::new(self, key)
    }

    /// Adds a key that is not there.
    pub(super) fn push(&mut self, key: K, value: V) {
        self.places.insert(key.clone(), self.slots.len());
        self.slots.push(Some((key, value)));
        self.tidy();
    }

    /// Closes the gaps at the end, and all of them when they are too many.
    fn tidy(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
        // Half of the slots are gaps: closing them costs one move for each removal before.
        if self.slots.len() > MIN_SLOTS_TO_COMPACT && self.slots.len() > 2 * self.places.len() {
            self.slots.retain(Option::is_some);
            self.number();
        }
    }

    /// Rebuilds the index after removals.
    fn number(&mut self) {
        if self.places.len() > self.slots.len() {
            self.places.clear();
        }
        for (place, (key, _)) in self.slots.iter().flatten().enumerate() {
            match self.places.get_mut(key) {
                Some(known) => *known = place,
                None => drop(self.places.insert(key.clone(), place)),
            }
        }
    }
}

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

    /// Returns its value, which is set to `default` if there was none.
    ///
    /// ```
    /// let mut stock = procession_manager::OrderedMap::new();
    /// *stock.entry("tea").or_insert(3) -= 1;
    /// assert_eq!(stock.get(&"tea"), Some(&2));
    /// ```
    pub fn or_insert(self, default: V) -> &'a mut V {
        self.or_insert_with(|| default)
    }

    /// Returns its value, which is made if there was none.
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

    /// Returns its value, which is the default of its type if there was none.
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

/// In the arbitrary order of the other map.
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

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> OrderedMap<K, V> {
        OrderedMap::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The map behaves as a list of pairs in which each key is looked for.
        #[test]
        fn it_is_a_list_of_pairs(steps in prop::collection::vec((0..5_u8, 0..60_u8, any::<u8>()), 0..400)) {
            let (mut map, mut list) = (OrderedMap::new(), Vec::<(u8, u8)>::new());
            for (step, key, value) in steps {
                let at = list.iter().position(|(one, _)| *one == key);
                match step {
                    0 | 1 => {
                        prop_assert_eq!(map.insert(key, value), at.map(|at| list[at].1));
                        match at {
                            Some(at) => list[at].1 = value,
                            None => list.push((key, value)),
                        }
                    }
                    2 => prop_assert_eq!(map.remove(&key), at.map(|at| list.remove(at).1)),
                    3 => prop_assert_eq!(map.pop(), list.pop()),
                    _ if value < 16 => {
                        map.retain(|one, _| one % 3 != key % 3);
                        list.retain(|(one, _)| one % 3 != key % 3);
                    }
                    _ => prop_assert_eq!(map.get(&key).copied(), at.map(|at| list[at].1)),
                }
                prop_assert_eq!(map.len(), list.len());
                prop_assert!(map.iter().eq(list.iter().map(|(key, value)| (key, value))));
                prop_assert!(list.iter().all(|(key, value)| map.get(key) == Some(value)));
                prop_assert!(map.slots.len() <= MIN_SLOTS_TO_COMPACT.max(2 * map.len()), "gaps are closed");
            }
        }
    }

    #[test]
    fn gaps_that_were_too_few_to_be_closed_are_closed_when_a_key_comes() {
        let mut map: OrderedMap<_, _> = (0..32_u8).map(|key| (key, ())).collect();
        assert!((0..30).all(|key| map.remove(&key).is_some()));
        map.insert(100, ());
        assert!(map.keys().eq(&[30, 31, 100]));
        assert_eq!(map.slots.len(), 3);
    }

    #[test]
    fn a_queue_of_keys_stays_small() {
        let mut map = OrderedMap::new();
        for n in 0..100_000_u32 {
            map.insert(n, n);
            if n >= 10 {
                assert_eq!(map.remove(&(n - 10)), Some(n - 10));
            }
        }
        assert!(map.keys().copied().eq(99_990..100_000));
        assert!(map.slots.capacity() < 1000);
    }
}
