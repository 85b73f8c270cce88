//! [`Deferred`]: a result that comes later than its function returns.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use procession_core::codec;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use crate::server::context;
use crate::server::object_cell::Outcome;
use crate::server::promise::Promise;
use crate::wire::protocol::Failure;

/// The return value of a function on a managed value whose result comes later: see [`Proxy::call_deferred`](crate::Proxy::call_deferred).
///
/// A function that has to wait for something outside the manager makes a pair, gives the [`Reply`] to the thread that will know the result
/// (a thread, a callback), and returns the other half at once. Neither the value nor a thread of the manager is occupied while the
/// caller waits.
///
/// ```
/// use std::thread;
/// use procession_manager::{Deferred, Manager};
///
/// fn measure(names: &Vec<String>, place: usize) -> Deferred<Option<usize>> {
///     let (reply, deferred) = Deferred::pair();
///     let name = names.get(place).cloned();
///     thread::spawn(move || reply.send(&name.map(|name| name.len())));
///     deferred
/// }
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let names = manager.create(|names: Vec<String>| names, vec!["Ada".to_owned()])?;
/// assert_eq!(names.call_deferred(measure, 0)?, Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it has to be returned from the function on the managed value"]
pub struct Deferred<R> {
    promise: Arc<Promise>,
    result: PhantomData<fn(R)>,
}

/// The half of a [`Deferred`] that brings the result. If it is dropped without having sent one, the call fails.
///
/// ```
/// use procession_manager::{CallError, Deferred, Manager, Reply};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let number = manager.create(|n: u32| n, 7)?;
/// let forgotten = number.call_deferred(|_, ()| {
///     let (reply, deferred): (Reply<u32>, _) = Deferred::pair();
///     drop(reply);
///     deferred
/// }, ());
/// assert!(matches!(forgotten, Err(CallError::Result(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it makes the call fail"]
pub struct Reply<R> {
    promise: Arc<Promise>,
    result: PhantomData<fn(R)>,
}

impl<R: Serialize> Deferred<R> {
    /// Makes the two halves.
    ///
    /// ```
    /// use procession_manager::Deferred;
    ///
    /// let (reply, deferred) = Deferred::<u32>::pair();
    /// # drop((reply, deferred));
    /// ```
    pub fn pair() -> (Reply<R>, Deferred<R>) {
        let promise = Promise::new();
        let reply = Reply { promise: Arc::clone(&promise), result: PhantomData };
        (reply, Deferred { promise, result: PhantomData })
    }
}

impl<R: Serialize> Reply<R> {
    /// Sends the result to the caller. A caller that is gone, or has waited long enough, does not hear it.
    ///
    /// ```
    /// use procession_manager::{Deferred, Manager};
    ///
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?;
    /// let double = number.call_deferred(|number, ()| {
    ///     let (reply, deferred) = Deferred::pair();
    ///     reply.send(&(number * 2));
    ///     deferred
    /// }, ())?;
    /// assert_eq!(double, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(self, result: &R) {
        let encoded = codec::encode(result).map_err(|error| Failure::BadResult(error.to_string()));
        self.promise.fulfill(encoded.map_or_else(Outcome::Failed, Outcome::Returned));
    }
}

/// Nothing of it is sent: the result takes its place.
impl<R> Serialize for Deferred<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Encoding the result is the only moment at which the call is known on this thread.
        if !context::defer(&self.promise) {
            return Err(S::Error::custom("a deferred result can only be returned from a function on a managed value"));
        }
        serializer.serialize_unit()
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        let text = "the `Reply` that should have brought it was dropped".to_owned();
        self.promise.fulfill(Outcome::Failed(Failure::BadResult(text)));
    }
}

impl<R> fmt::Debug for Deferred<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deferred<{}>", std::any::type_name::<R>())
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply<{}>", std::any::type_name::<R>())
    }
}
