//! The bounds of elements and keys.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An element of a managed collection: any owned value that can be cloned and serialized. There is nothing to implement.
///
/// ```
/// fn is_item<T: procession_manager::Item>() {}
/// is_item::<(String, Vec<u8>)>();
/// is_item::<procession_manager::List<u8>>();
/// ```
pub trait Item: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Item for T {}

/// A key, or an element of a set: an [`Item`] that can be hashed. There is nothing to implement.
///
/// ```
/// fn is_key<T: procession_manager::Key>() {}
/// is_key::<(String, u8)>();
/// ```
pub trait Key: Item + Eq + Hash {}

impl<T: Item + Eq + Hash> Key for T {}
