//! What a worker keeps from before its first task on: made as the pool's builder says, found by the tasks.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::OnceLock;

use procession_core::{ApplyOn, Method, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::pool_error::Kind;
use crate::wire::protocol::Maker;
use crate::{PoolBuilder, PoolError};

/// What any thread of this worker may look at.
static SHARED: OnceLock<Box<dyn Any + Send + Sync>> = OnceLock::new();

thread_local! {
    /// What the thread that runs the tasks may change.
    static LOCAL: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// What this worker was given to keep; see [`PoolBuilder::state`].
///
/// `None` in a process that is no such worker, or if its state is of another type.
///
/// ```
/// use procession_pool::{Pool, state};
///
/// struct Dictionary(Vec<String>);
///
/// fn open(words: String) -> Dictionary {
///     Dictionary(words.split(' ').map(str::to_owned).collect())
/// }
///
/// fn knows(word: String) -> bool {
///     state::<Dictionary>().expect("every worker has one").0.contains(&word)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::builder().workers(1).state(open, "salve vale".to_owned()).build()?;
/// assert_eq!(pool.map(knows, ["vale".to_owned(), "hello".to_owned()])?, [true, false]);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn state<S: Any + Send + Sync>() -> Option<&'static S> {
    SHARED.get()?.downcast_ref()
}

/// Has a function change what this worker keeps for its tasks alone; see [`PoolBuilder::local_state`].
///
/// `None` in a process that is no such worker, on another thread than that which runs the tasks, or if the state is of another
/// type. A panic of the function leaves the state as it is at that moment.
///
/// # Panics
///
/// It is called by such a function in its turn.
///
/// ```
/// use procession_pool::{Pool, with_state};
///
/// fn number(_: String) -> usize {
///     with_state(|next: &mut usize| std::mem::replace(next, *next + 1)).expect("every worker counts")
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::builder().workers(1).local_state(|first: usize| first, 10).build()?;
/// assert_eq!(pool.map(number, ["salve", "vale"].map(str::to_owned))?, [10, 11]);
/// # Ok(())
/// # }
/// ```
pub fn with_state<S: Any, R>(function: impl FnOnce(&mut S) -> R) -> Option<R> {
    LOCAL.with(|local| {
        let mut local = local.try_borrow_mut().expect("`with_state` must not be called within `with_state`");
        local.as_mut()?.downcast_mut().map(function)
    })
}

/// Drops what the worker keeps for its tasks alone, when it leaves.
pub(crate) fn drop_local() {
    drop(LOCAL.with(RefCell::take));
}

impl PoolBuilder {
    /// A function whose result each worker, replacements included, keeps from before its first task on. Tasks find it with
    /// [`state`], on any thread of the worker. It runs after the [initializer](PoolBuilder::initializer); when it panics, that
    /// is told as for an initializer. Where it may fail, use [`try_state`](PoolBuilder::try_state).
    ///
    /// It is never dropped: it goes with its process.
    ///
    /// ```
    /// # use procession_pool::{Pool, state};
    /// use std::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).state(|()| Mutex::new(0_u64), ()).build()?;
    /// let add = |n: u64| {
    ///     let mut sum = state::<Mutex<u64>>().unwrap().lock().unwrap();
    ///     *sum += n;
    ///     *sum
    /// };
    /// assert_eq!(pool.map(add, [1, 2, 3])?, [1, 3, 6]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn state<A, S>(self, function: fn(A) -> S, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any + Send + Sync,
    {
        let maker = maker::<Keep, A, S>(function, &argument);
        self.accept(maker, |preparation, maker| preparation.state = Some(maker))
    }

    /// As [`state`](PoolBuilder::state), of a function that may fail. Its error is told as that of an initializer: by
    /// [`build`](PoolBuilder::build), when it fails in the first worker that comes to it.
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
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).try_state(open, "/dev/null".to_owned()).build()?;
    /// assert_eq!(pool.apply(|()| state::<File>().is_some(), ())?, true);
    /// let broken = Pool::builder().workers(1).try_state(open, "/no/table".to_owned()).build();
    /// assert!(broken.unwrap_err().to_string().contains("it returned an error: No such file"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_state<A, S, E>(self, function: fn(A) -> Result<S, E>, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any + Send + Sync,
        E: Display,
    {
        let maker = maker::<TryKeep, A, Result<S, E>>(function, &argument);
        self.accept(maker, |preparation, maker| preparation.state = Some(maker))
    }

    /// As [`state`](PoolBuilder::state), for what tasks change: they reach it as a `&mut` with [`with_state`]. A worker runs one
    /// task at a time, so it need be neither `Sync` nor `Send`: a connection, a cache, a generator of random numbers.
    ///
    /// A worker may have both kinds of state. This one is dropped when the worker leaves, after its
    /// [finalizer](PoolBuilder::finalizer); a worker that is killed does not get to it.
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
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).local_state(|()| Cache(HashMap::new()), ()).build()?;
    /// assert_eq!(pool.map(times, ["ave", "vale", "ave"].map(str::to_owned))?, [1, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_state<A, S>(self, function: fn(A) -> S, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any,
    {
        let maker = maker::<KeepLocal, A, S>(function, &argument);
        self.accept(maker, |preparation, maker| preparation.local_state = Some(maker))
    }

    /// As [`local_state`](PoolBuilder::local_state), of a function that may fail; see [`try_state`](PoolBuilder::try_state).
    ///
    /// ```
    /// # use procession_pool::{Pool, with_state};
    /// use std::fs::File;
    /// use std::io::{BufRead, BufReader};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let open = |path: String| File::open(path).map(BufReader::new);
    /// let line = |()| {
    ///     let mut line = String::new();
    ///     with_state(|file: &mut BufReader<File>| file.read_line(&mut line).unwrap()).unwrap()
    /// };
    /// let pool = Pool::builder().workers(1).try_local_state(open, "/dev/null".to_owned()).build()?;
    /// assert_eq!(pool.apply(line, ())?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_local_state<A, S, E>(self, function: fn(A) -> Result<S, E>, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any,
        E: Display,
    {
        let maker = maker::<TryKeepLocal, A, Result<S, E>>(function, &argument);
        self.accept(maker, |preparation, maker| preparation.local_state = Some(maker))
    }
}

/// Makes a value, and keeps it for all threads of the worker. The result is the text of an error.
struct Keep;
/// The same, for the thread that runs the tasks.
struct KeepLocal;
/// The same, of functions that may fail.
struct TryKeep;
struct TryKeepLocal;

impl<A: DeserializeOwned, S: Any + Send + Sync> ApplyOn<(), A, S> for Keep {
    type Argument = A;
    type Result = Option<String>;

    fn apply_on((): &(), function: fn(A) -> S, argument: A) -> Option<String> {
        // A worker is prepared once.
        let _kept = SHARED.set(Box::new(function(argument)));
        None
    }
}

impl<A: DeserializeOwned, S: Any + Send + Sync, E: Display> ApplyOn<(), A, Result<S, E>> for TryKeep {
    type Argument = A;
    type Result = Option<String>;

    fn apply_on((): &(), function: fn(A) -> Result<S, E>, argument: A) -> Option<String> {
        let made = function(argument).map(|made| SHARED.set(Box::new(made)));
        made.err().map(|error| error.to_string())
    }
}

impl<A: DeserializeOwned, S: Any> ApplyOn<(), A, S> for KeepLocal {
    type Argument = A;
    type Result = Option<String>;

    fn apply_on((): &(), function: fn(A) -> S, argument: A) -> Option<String> {
        LOCAL.set(Some(Box::new(function(argument))));
        None
    }
}

impl<A: DeserializeOwned, S: Any, E: Display> ApplyOn<(), A, Result<S, E>> for TryKeepLocal {
    type Argument = A;
    type Result = Option<String>;

    fn apply_on((): &(), function: fn(A) -> Result<S, E>, argument: A) -> Option<String> {
        let made = function(argument).map(|made| LOCAL.set(Some(Box::new(made))));
        made.err().map(|error| error.to_string())
    }
}

fn maker<G, A, R>(function: fn(A) -> R, argument: &A) -> Result<Maker, PoolError>
where
    A: Serialize + DeserializeOwned,
    G: ApplyOn<(), A, R, Argument = A, Result = Option<String>>,
{
    let argument = codec::encode(argument).map_err(Kind::InitializerArgument)?;
    let method = Method::apply_on::<G, (), A, R>(function).map_err(Kind::InitializerName)?;
    Ok(Maker { method, argument })
}
