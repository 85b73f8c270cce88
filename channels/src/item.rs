//! [`Item`]: something to be done, from a joinable queue.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread;

use crate::inlet::Inlet;
use crate::tally::Ending;

/// An item of a [joinable](crate::joinable) queue. It is finished when this is dropped, or lost if that is because of a panic.
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
    // Dropped after the value: what its drop does is part of the work.
    hold: Hold,
}

/// Ends an item when it is dropped.
struct Hold {
    inlet: Arc<Inlet>,
    row: Arc<AtomicU32>,
    let_go: bool,
}

impl<T> Item<T> {
    pub(crate) fn new(value: T, inlet: Arc<Inlet>, row: Arc<AtomicU32>) -> Item<T> {
        Item { value, hold: Hold { inlet, row, let_go: false } }
    }

    /// Says that the item is finished, as dropping it does.
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

    /// Takes the value out. It is not finished then, until somebody calls [`task_done`](crate::JoinableReceiver::task_done) for it.
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
        let Item { value, mut hold } = item;
        hold.let_go = true;
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

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.let_go {
            let ending = if thread::panicking() { Ending::Lost } else { Ending::Finished };
            self.inlet.memory().end_one(&self.row, ending);
        }
    }
}
