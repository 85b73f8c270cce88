//! [`Proxy`]: a value that lives in a manager, from outside.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec;
use procession_core::os::poll::deadline_after;
use procession_core::{ApplyOn, FunctionError, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::deferred::Deferred;
use super::pending::Pending;
use crate::client::handle::Handle;
use crate::client::request::MethodRef;
use crate::wire::error::{CallError, decoded};
use crate::wire::protocol::RequestKind;

/// A value of type `T` that lives in a manager.
///
/// Functions are sent to the value, and not the value to them: each call runs in the manager, on the value itself, while
/// no other call uses it. A function is a plain `fn`: a method path, or a closure that captures nothing; what it needs is its
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
    /// The limit of calls that have none of their own.
    timeout: Option<Duration>,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Any> Proxy<T> {
    pub(crate) fn new(handle: Arc<Handle>) -> Proxy<T> {
        Proxy { handle, timeout: None, value: PhantomData }
    }

    /// Runs a function on the value and waits for its result. No other call uses the value meanwhile.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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

    /// Runs a function on the value, and waits for its result up to `timeout`. A function that has not begun by then
    /// never will.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], which says whether the function has begun; otherwise as [`call`](Proxy::call).
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], [`CallError::Panicked`] and the others of [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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

    /// Calls [`read`](Proxy::read), and waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], and the others of [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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

    /// Returns a copy of the value.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], [`CallError::Panicked`] and the others of [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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

    /// Returns a proxy for the same value whose calls take at most `timeout`, unless they have one of their own. In a message this is not
    /// passed on.
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?.with_timeout(Duration::from_millis(20));
    /// let late = number.call(|_, ()| thread::sleep(Duration::from_secs(5)), ());
    /// assert!(late.unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Proxy<T> {
        Proxy { timeout: Some(timeout), ..self.clone() }
    }

    /// Runs a function as soon as its condition holds: it answers `None`, and leaves the value as it is, where it does not.
    /// It is tried at once, and again whenever another call may have changed the value. A call that waits in this way holds no other call up,
    /// and costs the manager no thread. Those that wait are tried in the order in which they came.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], [`CallError::Panicked`] and the others of [`call`](Proxy::call).
    ///
    /// ```
    /// use procession_manager::{Manager, Proxy};
    /// use procession_process::Process;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let tasks = manager.create(|(): ()| Vec::<String>::new(), ())?;
    /// let worker = Process::spawn(|tasks: Proxy<Vec<String>>| tasks.call_when(|tasks, ()| tasks.pop(), ()), tasks.clone())?;
    /// tasks.call(|tasks, task: String| tasks.push(task), "sweep".to_owned())?;
    /// assert_eq!(worker.join()??, "sweep");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_when<A, R>(&self, function: fn(&mut T, A) -> Option<R>, argument: A) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Conditional, Method::conditional(function), &argument, None)
    }

    /// Calls [`call_when`](Proxy::call_when), and waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], and the others of [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let empty = manager.create(|list: Vec<u32>| list, vec![])?;
    /// let waited = empty.call_when_timeout(|list, ()| list.pop(), (), std::time::Duration::from_millis(20));
    /// assert!(waited.unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_when_timeout<A, R>(
        &self,
        function: fn(&mut T, A) -> Option<R>,
        argument: A,
        timeout: Duration,
    ) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Conditional, Method::conditional(function), &argument, deadline_after(timeout))
    }

    /// Runs a function that reads the value and promises a result, and waits for that. The value is free as soon as the function
    /// has returned. See [`Deferred`].
    ///
    /// # Errors
    ///
    /// [`CallError::Result`] when the promise is broken; otherwise as [`call`](Proxy::call).
    ///
    /// ```
    /// use std::{thread, time::Duration};
    /// use procession_manager::{Deferred, Manager};
    ///
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?;
    /// let slowly = number.call_deferred(|number, by| {
    ///     let (reply, deferred) = Deferred::pair();
    ///     let number = *number;
    ///     thread::spawn(move || reply.send(&(number * by)));
    ///     deferred
    /// }, 3)?;
    /// assert_eq!(slowly, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_deferred<A, R>(&self, function: fn(&T, A) -> Deferred<R>, argument: A) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Shared, Method::shared(function), &argument, None)
    }

    /// Calls [`call_deferred`](Proxy::call_deferred), and waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`]; otherwise as [`call_deferred`](Proxy::call_deferred).
    ///
    /// ```
    /// use std::{sync::Mutex, time::Duration};
    /// use procession_manager::{Deferred, Manager, Reply};
    ///
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let waiting = manager.create(|(): ()| Mutex::new(Vec::<Reply<u32>>::new()), ())?;
    /// let late = waiting.call_deferred_timeout(|waiting, ()| {
    ///     let (reply, deferred) = Deferred::pair();
    ///     waiting.lock().unwrap().push(reply);
    ///     deferred
    /// }, (), Duration::from_millis(20));
    /// assert!(late.unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_deferred_timeout<A, R>(
        &self,
        function: fn(&T, A) -> Deferred<R>,
        argument: A,
        timeout: Duration,
    ) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.perform(RequestKind::Shared, Method::shared(function), &argument, deadline_after(timeout))
    }

    /// Gives the value a function, which is not called on it but handed to it: what then happens is up to `G`, which promises a
    /// result. So a value can apply functions elsewhere, as a pool does. It is not waited for.
    ///
    /// # Errors
    ///
    /// [`CallError::Unsendable`] or [`CallError::ManagerGone`], as for [`post`](Proxy::post).
    ///
    /// ```
    /// use procession_manager::{Deferred, ApplyOn, Manager};
    ///
    /// /// Applies the function in a thread.
    /// struct InAThread;
    ///
    /// impl<R: serde::Serialize + Send + 'static> ApplyOn<u32, u32, R> for InAThread {
    ///     type Argument = u32;
    ///     type Result = Deferred<R>;
    ///
    ///     fn apply_on(number: &u32, function: fn(u32) -> R, by: u32) -> Deferred<R> {
    ///         let (reply, deferred) = Deferred::pair();
    ///         let number = number * by;
    ///         std::thread::spawn(move || reply.send(&function(number)));
    ///         deferred
    ///     }
    /// }
    ///
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 7)?;
    /// let text = number.post_given::<InAThread, u32, String, String>(|n| n.to_string(), &6)?;
    /// assert_eq!(text.wait()?, "42");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post_given<G, A, R, X>(&self, function: fn(A) -> R, argument: &G::Argument) -> Result<Pending<X>, CallError>
    where
        G: ApplyOn<T, A, R, Result = Deferred<X>>,
        G::Argument: Serialize,
    {
        self.launch(RequestKind::Sequential, Method::apply_on::<G, T, A, R>(function), argument)
    }

    /// Sends a call without waiting for it, so that many can be on their way at once. Calls of one process to one value run
    /// in the order in which they were sent. Dropping the answer does not take the call back.
    ///
    /// # Errors
    ///
    /// [`CallError::Unsendable`] or [`CallError::ManagerGone`] when the call could not be sent. The [`Pending`] brings later errors.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u64| n, 0)?;
    /// let answers: Vec<_> = (0..100).map(|_| number.post(|n, by| { *n += by; *n }, 1)).collect::<Result<_, _>>()?;
    /// for (index, answer) in (1..).zip(answers) {
    ///     assert_eq!(answer.wait()?, index);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "pipeline")]
    pub fn post<A, R>(&self, function: fn(&mut T, A) -> R, argument: A) -> Result<Pending<R>, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.launch(RequestKind::Exclusive, Method::exclusive(function), &argument)
    }

    /// Sends a call of a function that only reads, without waiting for it.
    ///
    /// # Errors
    ///
    /// [`CallError::Unsendable`] or [`CallError::ManagerGone`], as for [`post`](Proxy::post).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let text = manager.create(|text: String| text, "abc".to_owned())?;
    /// let length = text.post_read(|text, ()| text.len(), ())?;
    /// assert_eq!(length.wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post_read<A, R>(&self, function: fn(&T, A) -> R, argument: A) -> Result<Pending<R>, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.launch(RequestKind::Shared, Method::shared(function), &argument)
    }

    /// Sends a call and waits for its result.
    pub(crate) fn perform<A: Serialize, R: DeserializeOwned>(
        &self,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        argument: &A,
        deadline: Option<Instant>,
    ) -> Result<R, CallError> {
        // A limit of the call itself goes before that of the proxy.
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
                // The call may have happened. Once it is undone it has not, so `started` is false.
                undo();
                Err(CallError::Timeout { started: false })
            }
            // The manager may have acquired it, although the reply has not come through.
            Err(error @ (CallError::Result(_) | CallError::Connection(_))) => {
                undo();
                Err(error)
            }
            performed => performed,
        }
    }

    /// Returns the deadline of a call that starts now, if its caller sets no other.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(deadline_after)
    }

    /// Sends a call without a reply: for guards, whose drop can neither wait nor fail.
    pub(crate) fn notify<A: Serialize>(&self, method: Result<Method, FunctionError>, argument: &A) {
        if let (Ok(method), Ok(argument)) = (method, codec::encode(argument)) {
            self.handle.notify(RequestKind::Exclusive, MethodRef::Named(method), argument);
        }
    }

    /// Sends a call without a reply that may wait until the manager is awake: it is not woken for it.
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
        // The limit is its process's own choice, and does not travel.
        Handle::deserialize(deserializer).map(|handle| Proxy {
            handle: Arc::new(handle),
            timeout: None,
            value: PhantomData,
        })
    }
}
