//! [`Proxy`]: a value that lives in a manager, from outside.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec;
use procession_core::os::poll::deadline_after;
use procession_core::{FunctionError, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::pending::Pending;
use crate::client::connection::MethodRef;
use crate::client::handle::Handle;
use crate::wire::error::{CallError, decoded};
use crate::wire::protocol::RequestKind;

/// A value of type `T` that lives in a manager.
///
/// Functions are sent to the value, and not the value to them: each call runs in the manager, on the value itself, while
/// nobody else uses it. A function is a plain `fn`: a method path, or a closure that captures nothing; what it needs is its
/// argument, a tuple if there are several.
///
/// ```
/// use procession_manager::Manager;
///
/// struct Employee { name: String, pay: u64 }
///
/// impl Employee {
///     fn hire(name: String) -> Employee { Employee { name, pay: 0 } }
///     fn increase(&mut self, by: u64) { self.pay += by }
///     fn describe(&self, (): ()) -> String { format!("{} earns {}", self.name, self.pay) }
/// }
///
/// procession_manager::init();
/// let manager = Manager::start()?;
/// let tom = manager.create(Employee::hire, "Tom".to_owned())?;
/// tom.call(Employee::increase, 100)?;
/// assert_eq!(tom.read(Employee::describe, ())?, "Tom earns 100");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A proxy can be cloned, used by any thread, and sent in any message to any process of the same program; it can lie inside
/// other managed values. The value lives as long as there is a proxy for it anywhere, on its way in a message included. A
/// process that dies gives back what it had.
///
/// Two proxies are equal when they stand for the same value.
///
/// # Differences from Python's `BaseProxy`
///
/// No registration and no list of exposed methods. A call carries out whole functions, so `entry += 1` is one round trip, and
/// atomic. A panic comes back with its backtrace.
#[doc(alias = "BaseProxy")]
#[doc(alias = "AutoProxy")]
pub struct Proxy<T> {
    pub(crate) handle: Arc<Handle>,
    /// How long a call may take for which nothing else is said.
    timeout: Option<Duration>,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Any> Proxy<T> {
    pub(crate) fn new(handle: Arc<Handle>) -> Proxy<T> {
        Proxy { handle, timeout: None, value: PhantomData }
    }

    /// Runs a function on the value and waits for its result. Nobody else uses the value meanwhile.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let text = manager.create(|text: String| text, "a".to_owned())?;
    /// let length = text.call(|text, more: String| { text.push_str(&more); text.len() }, "bc".to_owned())?;
    /// assert_eq!((length, text.get()?.as_str()), (3, "abc"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "_callmethod")]
    pub fn call<A, R>(&self, function: fn(&mut T, A) -> R, argument: A) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Exclusive, Method::exclusive(function), &argument, None)
    }

    /// Runs a function on the value, and waits for its result for so long at the most. A function that has not begun by then
    /// never will.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], which says whether the function has begun; otherwise as [`call`](Proxy::call).
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?;
    /// let late = number.call_timeout(|_, n| thread::sleep(Duration::from_millis(n)), 5000, Duration::from_millis(20));
    /// assert!(late.unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_timeout<A, R>(
        &self,
        function: fn(&mut T, A) -> R,
        argument: A,
        timeout: Duration,
    ) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Exclusive, Method::exclusive(function), &argument, deadline_after(timeout))
    }

    /// Runs a function that only reads the value. Several of them run at the same time.
    ///
    /// # Errors
    ///
    /// As [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.create(|list: Vec<u32>| list, vec![3, 4])?;
    /// assert_eq!(list.read(|list, at: usize| list.get(at).copied(), 1)?, Some(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read<A, R>(&self, function: fn(&T, A) -> R, argument: A) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Shared, Method::shared(function), &argument, None)
    }

    /// As [`read`](Proxy::read), and as [`call_timeout`](Proxy::call_timeout).
    ///
    /// # Errors
    ///
    /// As [`call_timeout`](Proxy::call_timeout).
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let text = manager.create(|text: String| text, "abc".to_owned())?;
    /// assert_eq!(text.read_timeout(|text, ()| text.len(), (), std::time::Duration::from_secs(60))?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout<A, R>(&self, function: fn(&T, A) -> R, argument: A, timeout: Duration) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Shared, Method::shared(function), &argument, deadline_after(timeout))
    }

    /// Runs a function on this value and another one of the same manager, while nobody else uses either.
    ///
    /// # Errors
    ///
    /// As [`call`](Proxy::call); [`CallError::Unknown`] when they are the same, or of two managers.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let (mine, yours) = (manager.create(|n: u32| n, 100)?, manager.create(|n: u32| n, 0)?);
    /// let is_paid = mine.call_both(&yours, |mine, yours, amount| {
    ///     let is_enough = *mine >= amount;
    ///     if is_enough {
    ///         *mine -= amount;
    ///         *yours += amount;
    ///     }
    ///     is_enough
    /// }, 30)?;
    /// assert_eq!((is_paid, mine.get()?, yours.get()?), (true, 70, 30));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "transaction")]
    pub fn call_both<U, A, R>(
        &self,
        other: &Proxy<U>,
        function: fn(&mut T, &mut U, A) -> R,
        argument: A,
    ) -> Result<R, CallError>
    where
        U: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let mut transaction = crate::Transaction::new();
        let step = transaction.call_both(self, other, function, argument)?;
        transaction.commit_until(self.deadline())?.take(step)
    }

    /// A copy of the value.
    ///
    /// # Errors
    ///
    /// As [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let pair = manager.create(|pair: (u8, String)| pair, (7, "seven".to_owned()))?;
    /// assert_eq!(pair.get()?, (7, "seven".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "_getvalue")]
    #[doc(alias = "deepcopy")]
    pub fn get(&self) -> Result<T, CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Shared, Method::snapshot::<T>(), &(), None)
    }

    /// Declares the value sound after a panic: calls are carried out again.
    ///
    /// # Errors
    ///
    /// The manager or the value is gone.
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?;
    /// assert!(number.call(|_, ()| -> () { panic!("on purpose") }, ()).is_err());
    /// assert!(number.get().is_err());
    /// number.clear_poison()?;
    /// assert_eq!(number.get()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) -> Result<(), CallError> {
        self.handle.clear_poison(self.deadline())
    }

    /// A proxy for the same value whose calls take so long at the most, unless they say otherwise. In a message this is not
    /// passed on.
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?.with_timeout(Duration::from_millis(20));
    /// let late = number.call(|_, ()| thread::sleep(Duration::from_secs(5)), ());
    /// assert!(late.unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Proxy<T> {
        Proxy { timeout: Some(timeout), ..self.clone() }
    }

    /// Sends a call and waits for its result.
    pub(crate) fn perform<A: Serialize, R: DeserializeOwned>(
        &self,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        argument: &A,
        deadline: Option<Instant>,
    ) -> Result<R, CallError> {
        let deadline = deadline.or_else(|| self.deadline());
        let result = self.handle.call(kind, MethodRef::Named(method?), codec::encode(argument)?, deadline)?;
        decoded(result)
    }

    /// As `perform`, for a call that gives its caller something. If it should come to do so after it was given up, `undo` gives it
    /// back; what it sends arrives after the call. So a time that is over always means that nothing was done.
    pub(crate) fn acquire<A: Serialize, R: DeserializeOwned>(
        &self,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        argument: &A,
        deadline: Option<Instant>,
        undo: impl FnOnce(),
    ) -> Result<R, CallError> {
        match self.perform(kind, method, argument, deadline) {
            Err(CallError::Timeout { .. }) => {
                undo();
                Err(CallError::Timeout { started: false })
            }
            Err(error @ (CallError::Result(_) | CallError::Connection(_))) => {
                undo();
                Err(error)
            }
            performed => performed,
        }
    }

    /// When a call that starts now is to be over, if its caller sets no other time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(deadline_after)
    }

    /// Sends a call whose result nobody wants: for guards, whose drop can neither wait nor fail.
    pub(crate) fn notify<A: Serialize>(&self, method: Result<Method, FunctionError>, argument: &A) {
        if let (Ok(method), Ok(argument)) = (method, codec::encode(argument)) {
            self.handle.notify(RequestKind::Exclusive, MethodRef::Named(method), argument);
        }
    }

    /// As `notify`, where nobody waits for what it does: the manager is not woken for it.
    pub(crate) fn notify_lazily<A: Serialize>(&self, method: Result<Method, FunctionError>, argument: &A) {
        if let (Ok(method), Ok(argument)) = (method, codec::encode(argument)) {
            self.handle.notify_lazily(RequestKind::Exclusive, MethodRef::Named(method), argument);
        }
    }

    /// Sends a call.
    pub(crate) fn launch<A: Serialize, R>(
        &self,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        argument: &A,
    ) -> Result<Pending<R>, CallError> {
        let posted = self.handle.post(kind, MethodRef::Named(method?), codec::encode(argument)?)?;
        Ok(Pending::new(Arc::clone(&self.handle), posted))
    }
}

impl<T> Clone for Proxy<T> {
    fn clone(&self) -> Proxy<T> {
        Proxy { handle: Arc::clone(&self.handle), timeout: self.timeout, value: PhantomData }
    }
}

impl<T> PartialEq for Proxy<T> {
    fn eq(&self, other: &Proxy<T>) -> bool {
        (self.handle.manager(), self.handle.object) == (other.handle.manager(), other.handle.object)
    }
}

impl<T> Eq for Proxy<T> {}

impl<T> fmt::Debug for Proxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy<{}>(object {})", std::any::type_name::<T>(), self.handle.object.0)
    }
}

impl<T> Serialize for Proxy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Proxy<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Proxy<T>, D::Error> {
        Handle::deserialize(deserializer).map(|handle| Proxy {
            handle: Arc::new(handle),
            timeout: None,
            value: PhantomData,
        })
    }
}
