//! [`Item`]: a value from a joinable queue, which is completed when it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread;

use crate::memory::outstanding::Completion;
use crate::memory::shared_memory::Memory;

/// An item of a [joinable](crate::joinable) queue. It is finished when it is dropped, or lost if that is because of a panic.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable(10)?;
/// sender.send("work".to_string())?;
/// let item = receiver.recv()?;
/// assert_eq!(item.len(), 4);
/// drop(item);
/// sender.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Item<T> {
    value: T,
    // Dropped after the value, whose drop is part of the work.
    guard: CompletionGuard,
}

/// Completes an item when it is dropped.
struct CompletionGuard {
    memory: Memory,
    slot: Arc<AtomicU32>,
    is_released: bool,
}

impl<T> Item<T> {
    pub(crate) fn new(value: T, memory: Memory, slot: Arc<AtomicU32>) -> Item<T> {
        Item { value, guard: CompletionGuard { memory, slot, is_released: false } }
    }

    /// Finishes the item, as dropping it does.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send(1)?;
    /// receiver.recv()?.done();
    /// assert_eq!(sender.unfinished(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "task_done")]
    pub fn done(self) {}

    /// Takes the value out. The item is then finished by a call of [`task_done`](crate::JoinableReceiver::task_done).
    ///
    /// This is a function and no method, so that it does not hide one of the value's: call it as `Item::into_inner(item)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::Item;
    ///
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send(1)?;
    /// assert_eq!(Item::into_inner(receiver.recv()?), 1);
    /// assert_eq!(sender.unfinished(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(item: Item<T>) -> T {
        let Item { value, mut guard } = item;
        guard.is_released = true;
        value
    }
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Item<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.value).finish()
    }
}

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        if !self.is_released {
            // A panic of the holder means that the work was not done.
            let completion = if thread::panicking() { Completion::Lost } else { Completion::Finished };
            self.memory.complete_one(&self.slot, completion);
        }
    }
}
