//! Calls of a [`Proxy`] that wait for a condition, whose results come later, and that are not waited for.

use std::any::Any;
use std::time::Duration;

use procession_core::os::poll::deadline_after;
use procession_core::{ApplyOn, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::deferred::Deferred;
use crate::api::pending::Pending;
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

impl<T: Any> Proxy<T> {
    /// Runs a function as soon as its condition holds: it answers `None`, and leaves the value as it is, where it does not.
    /// It is tried at once, and again whenever another call may have changed the value. Who waits in this way holds nobody up,
    /// and costs the manager no thread. Those that wait are tried in the order in which they came.
    ///
    /// # Errors
    ///
    /// As [`call`](Proxy::call).
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

    /// As [`call_when`](Proxy::call_when), for so long at the most.
    ///
    /// # Errors
    ///
    /// As [`call_timeout`](Proxy::call_timeout).
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
    /// As [`call`](Proxy::call); [`CallError::Result`] when the promise is broken.
    ///
    /// ```
    /// use std::{thread, time::Duration};
    /// use procession_manager::{Deferred, Manager};
    ///
    /// # procession_manager::init();
    /// # let manager = Manager::start()?;
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

    /// As [`call_deferred`](Proxy::call_deferred), for so long at the most.
    ///
    /// # Errors
    ///
    /// As [`call_deferred`](Proxy::call_deferred), and [`CallError::Timeout`].
    ///
    /// ```
    /// use std::{sync::Mutex, time::Duration};
    /// use procession_manager::{Deferred, Manager, Reply};
    ///
    /// # procession_manager::init();
    /// # let manager = Manager::start()?;
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
    /// As [`post`](Proxy::post).
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
    /// # procession_manager::init();
    /// # let manager = Manager::start()?;
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
    /// The call could not be sent. What happens to it afterwards is told by the [`Pending`].
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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

    /// As [`post`](Proxy::post), for a function that only reads.
    ///
    /// # Errors
    ///
    /// As [`post`](Proxy::post).
    ///
    /// ```
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
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
}
