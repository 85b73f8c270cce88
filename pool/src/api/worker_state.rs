//! The options of [`PoolBuilder`] that give each worker a state.

use std::any::Any;
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::builder::PoolBuilder;
use crate::worker::state::{KeepLocal, KeepShared, TryKeepLocal, TryKeepShared, state_factory};

impl PoolBuilder {
    /// Sets a function whose result each worker, replacements included, keeps from before its first task on. Tasks read it with
    /// [`state`](crate::state), on any thread of the worker.
    ///
    /// It runs after the [initializer](PoolBuilder::initializer). A panic is reported as that of an initializer. Where the
    /// function may fail, use [`try_state`](PoolBuilder::try_state). The state is never dropped: it ends with its process.
    ///
    /// ```
    /// # use procession_pool::{Pool, state};
    /// use std::sync::Mutex;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).state(|()| Mutex::new(0_u64), ()).build()?;
    /// let add = |n: u64| {
    ///     let mut sum = state::<Mutex<u64>>().unwrap().lock().unwrap();
    ///     *sum += n;
    ///     *sum
    /// };
    /// assert_eq!(pool.map(add, [1, 2, 3])?, [1, 3, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state<A, S>(self, function: fn(A) -> S, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any + Send + Sync,
    {
        let factory = state_factory::<KeepShared, A, S>(function, &argument);
        self.set_or_fail(factory, |preparation, factory| preparation.state = Some(factory))
    }

    /// Sets a [`state`](PoolBuilder::state) whose function may fail. Its error is reported as that of an initializer: by
    /// [`build`](PoolBuilder::build), when it fails in the first worker.
    ///
    /// ```
    /// # use procession_pool::{Pool, state};
    /// use std::fs::File;
    /// use std::io;
    ///
    /// fn open(path: String) -> io::Result<File> {
    ///     File::open(path)
    /// }
    ///
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).try_state(open, "/dev/null".to_owned()).build()?;
    /// assert_eq!(pool.apply(|()| state::<File>().is_some(), ())?, true);
    /// let broken = Pool::builder().workers(1).try_state(open, "/no/table".to_owned()).build();
    /// assert!(broken.unwrap_err().to_string().contains("it returned an error: No such file"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_state<A, S, E>(self, function: fn(A) -> Result<S, E>, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any + Send + Sync,
        E: Display,
    {
        let factory = state_factory::<TryKeepShared, A, Result<S, E>>(function, &argument);
        self.set_or_fail(factory, |preparation, factory| preparation.state = Some(factory))
    }

    /// Sets a function that makes a state which tasks change: they reach it as a `&mut` with [`with_state`](crate::with_state).
    ///
    /// A worker runs one task at a time, so the state need be neither `Sync` nor `Send`: a connection, a cache, a generator of random
    /// numbers. A worker may have both kinds of state. This one is dropped when the worker leaves, after its
    /// [finalizer](PoolBuilder::finalizer). A worker that is killed does not drop it.
    ///
    /// ```
    /// # use procession_pool::{Pool, with_state};
    /// use std::cell::Cell;
    /// use std::collections::HashMap;
    /// use std::rc::Rc;
    ///
    /// /// Neither `Send` nor `Sync`.
    /// struct Cache(HashMap<String, Rc<Cell<u32>>>);
    ///
    /// fn times(word: String) -> u32 {
    ///     let count = |cache: &mut Cache| {
    ///         let seen = cache.0.entry(word).or_default();
    ///         seen.set(seen.get() + 1);
    ///         seen.get()
    ///     };
    ///     with_state(count).expect("every worker has one")
    /// }
    ///
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).local_state(|()| Cache(HashMap::new()), ()).build()?;
    /// assert_eq!(pool.map(times, ["ave", "vale", "ave"].map(str::to_owned))?, [1, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local_state<A, S>(self, function: fn(A) -> S, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any,
    {
        let factory = state_factory::<KeepLocal, A, S>(function, &argument);
        self.set_or_fail(factory, |preparation, factory| preparation.local_state = Some(factory))
    }

    /// Sets a [`local_state`](PoolBuilder::local_state) whose function may fail, as [`try_state`](PoolBuilder::try_state) does.
    ///
    /// ```
    /// # use procession_pool::{Pool, with_state};
    /// use std::fs::File;
    /// use std::io::{BufRead, BufReader};
    ///
    /// # procession_pool::init();
    /// let open = |path: String| File::open(path).map(BufReader::new);
    /// let line = |()| {
    ///     let mut line = String::new();
    ///     with_state(|file: &mut BufReader<File>| file.read_line(&mut line).unwrap()).unwrap()
    /// };
    /// let pool = Pool::builder().workers(1).try_local_state(open, "/dev/null".to_owned()).build()?;
    /// assert_eq!(pool.apply(line, ())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_local_state<A, S, E>(self, function: fn(A) -> Result<S, E>, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any,
        E: Display,
    {
        let factory = state_factory::<TryKeepLocal, A, Result<S, E>>(function, &argument);
        self.set_or_fail(factory, |preparation, factory| preparation.local_state = Some(factory))
    }
}
