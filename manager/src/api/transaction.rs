//! [`Transaction`]: several calls, to several values, as one.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::codec::{self, Message};
use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::proxy::Proxy;
use crate::client::handle::{Handle, Route};
use crate::client::request::{MethodRef, Request};
use crate::wire::error::{CallError, decoded};
use crate::wire::ids::ObjectId;
use crate::wire::protocol::{self, RequestKind};

/// Calls that are carried out together: in one round trip, in their order, while no other call uses any of their values.
///
/// The first call that fails ends the transaction; those before it have been carried out, and nothing is undone. Where that
/// matters, decide in one function with [`call_both`](Transaction::call_both).
///
/// ```
/// use procession_manager::{Manager, Transaction};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let (names, count) = (manager.list::<String>()?, manager.create(|n: usize| n, 0)?);
/// let mut both = Transaction::new();
/// let length = both.call(names.proxy(), |names, name| { names.push(name); names.len() }, "Ada".to_owned())?;
/// both.call(&count, |count, by| *count += by, 1)?;
/// let mut results = both.commit()?;
/// assert_eq!((results.take(length)?, count.get()?), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "batch")]
#[derive(Debug, Default)]
#[must_use = "nothing happens until it is committed"]
pub struct Transaction {
    steps: Vec<protocol::Step>,
    methods: Vec<Method>,
    /// Keeps the values alive until they are used.
    handles: Vec<Arc<Handle>>,
}

/// Stands for the result of one call of a transaction.
///
/// ```
/// # use procession_manager::{Manager, Step, Transaction};
/// # procession_manager::init(); let manager = Manager::start()?;
/// let number = manager.create(|n: u32| n, 3)?;
/// let mut transaction = Transaction::new();
/// let step: Step<u32> = transaction.call(&number, |n, by| *n * by, 5)?;
/// assert_eq!(transaction.commit()?.take(step)?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Step<R> {
    index: usize,
    result: PhantomData<fn() -> R>,
}

/// The results of a transaction.
///
/// ```
/// # use procession_manager::{Manager, Results, Transaction};
/// # procession_manager::init();
/// let results: Results = Transaction::new().commit()?;
/// # drop(results);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Results(Vec<Option<Message>>);

impl Transaction {
    /// Makes a transaction without calls.
    ///
    /// ```
    /// procession_manager::Transaction::new().commit()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Transaction {
        Transaction::default()
    }

    /// Adds a call.
    ///
    /// # Errors
    ///
    /// The function or its argument cannot be sent, or the value is of another manager than those before.
    ///
    /// ```
    /// # use procession_manager::{Manager, Transaction};
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let mut transaction = Transaction::new();
    /// for by in [1, 2, 3] {
    ///     transaction.call(&number, |n, by| *n += by, by)?;
    /// }
    /// transaction.commit()?;
    /// assert_eq!(number.get()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call<T, A, R>(
        &mut self,
        proxy: &Proxy<T>,
        function: fn(&mut T, A) -> R,
        argument: A,
    ) -> Result<Step<R>, CallError>
    where
        T: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.add(&proxy.handle, None, Method::exclusive(function)?, codec::encode(&argument)?)
    }

    /// Adds a call of a function on two values.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] when the two values are the same; otherwise as [`call`](Transaction::call).
    ///
    /// ```
    /// # use procession_manager::{Manager, Transaction};
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let (a, b) = (manager.create(|n: u32| n, 3)?, manager.create(|n: u32| n, 4)?);
    /// let mut transaction = Transaction::new();
    /// let sum = transaction.call_both(&a, &b, |a, b, ()| { std::mem::swap(a, b); *a + *b }, ())?;
    /// assert_eq!(transaction.commit()?.take(sum)?, 7);
    /// assert_eq!((a.get()?, b.get()?), (4, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_both<T, U, A, R>(
        &mut self,
        first: &Proxy<T>,
        second: &Proxy<U>,
        function: fn(&mut T, &mut U, A) -> R,
        argument: A,
    ) -> Result<Step<R>, CallError>
    where
        T: Any,
        U: Any,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        if first.handle.object == second.handle.object && first.handle.manager() == second.handle.manager() {
            return Err(CallError::Unknown("a call on two values was given the same value twice".to_owned()));
        }
        self.add(&first.handle, Some(&second.handle), Method::both(function)?, codec::encode(&argument)?)
    }

    /// Carries it out.
    ///
    /// # Errors
    ///
    /// The error of the first call that failed: [`CallError::Panicked`], [`CallError::ObjectGone`] and the others of [`CallError`].
    ///
    /// ```
    /// # use procession_manager::{CallError, Manager, Transaction};
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let mut transaction = Transaction::new();
    /// transaction.call(&number, |n, by| *n / by, 0)?;
    /// assert!(matches!(transaction.commit(), Err(CallError::Panicked(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(self) -> Result<Results, CallError> {
        self.commit_until(None)
    }

    /// Calls [`commit`](Transaction::commit), and waits up to `timeout`. If it has not begun by then, nothing of it is done.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`]; otherwise as [`commit`](Transaction::commit).
    ///
    /// ```
    /// use std::time::Duration;
    /// use procession_manager::{Manager, Transaction};
    ///
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let mut transaction = Transaction::new();
    /// let step = transaction.call(&number, |n, by| { *n += by; *n }, 4)?;
    /// assert_eq!(transaction.commit_timeout(Duration::from_secs(60))?.take(step)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit_timeout(self, timeout: Duration) -> Result<Results, CallError> {
        self.commit_until(deadline_after(timeout))
    }

    pub(crate) fn commit_until(self, deadline: Option<Instant>) -> Result<Results, CallError> {
        let Transaction { mut steps, methods, handles } = self;
        let Some(first) = handles.first() else { return Ok(Results(Vec::new())) };
        // A method holds the server while it runs; a transaction would wait for that method.
        let Route::Connected(connection) = &first.route else {
            return Err(CallError::Unknown("a function on a managed value cannot carry out a transaction".to_owned()));
        };
        for (step, method) in steps.iter_mut().zip(methods) {
            step.method = connection.learn(method)?;
        }
        let objects: Vec<ObjectId> = handles.iter().map(|handle| handle.object).collect();
        let request = Request::new(RequestKind::Steps, 0, MethodRef::None, &objects);
        let results = connection.call(&request, codec::encode(&steps)?, deadline)?;
        let results: Vec<Message> = codec::decode(results)?;
        Ok(Results(results.into_iter().map(Some).collect()))
    }

    fn add<R>(
        &mut self,
        first: &Arc<Handle>,
        second: Option<&Arc<Handle>>,
        method: Method,
        argument: Message,
    ) -> Result<Step<R>, CallError> {
        // One manager gives out the turns; two could not give theirs at one moment.
        let manager = self.handles.first().unwrap_or(first).manager();
        let all = std::iter::once(first).chain(second);
        if all.clone().any(|handle| handle.manager() != manager) {
            return Err(CallError::Unknown("the values of a transaction are of two managers".to_owned()));
        }
        // Kept until the reply, so that no object goes before its turn.
        self.handles.extend(all.cloned());
        let objects = (first.object, second.map(|handle| handle.object));
        // The number of the method is filled in by `commit`: a transaction that is dropped introduces no method.
        self.steps.push(protocol::Step { objects, method: 0, argument });
        self.methods.push(method);
        Ok(Step { index: self.steps.len() - 1, result: PhantomData })
    }
}

impl<T: Any> Proxy<T> {
    /// Runs a function on this value and another one of the same manager, while no other call uses either.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] when the values are the same, or of two managers; otherwise as [`call`](Proxy::call).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
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
        let mut transaction = Transaction::new();
        let step = transaction.call_both(self, other, function, argument)?;
        transaction.commit_until(self.deadline())?.take(step)
    }
}

impl Results {
    /// Returns the result of one call.
    ///
    /// # Errors
    ///
    /// [`CallError::Result`] when it cannot be decoded; [`CallError::Unknown`] when the step is of another transaction.
    ///
    /// ```
    /// # use procession_manager::{Manager, Transaction};
    /// # procession_manager::init(); let manager = Manager::start()?;
    /// let text = manager.create(|text: String| text, "ab".to_owned())?;
    /// let mut transaction = Transaction::new();
    /// let length = transaction.call(&text, |text, ()| text.len(), ())?;
    /// assert_eq!(transaction.commit()?.take(length)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a step stands for one result, which can be taken once")]
    pub fn take<R: DeserializeOwned>(&mut self, step: Step<R>) -> Result<R, CallError> {
        let result = self.0.get_mut(step.index).and_then(Option::take);
        let result = result.ok_or_else(|| CallError::Unknown("the step is of another transaction".to_owned()))?;
        decoded(result)
    }
}
