//! The state that a worker keeps from before its first task on: made by functions of the pool's builder, found by the tasks.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::OnceLock;

use procession_core::{ApplyOn, Method, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::wire::messages::StateFactory;

/// The state that all threads of this worker share.
static SHARED: OnceLock<Box<dyn Any + Send + Sync>> = OnceLock::new();

thread_local! {
    /// The state of the thread that runs the tasks.
    static LOCAL: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Returns this worker's state; see [`PoolBuilder::state`](crate::PoolBuilder::state).
///
/// `None` in a process that is not a worker of such a pool, or if the state is of another type.
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
/// # procession_pool::init();
/// let pool = Pool::builder().workers(1).state(open, "salve vale".to_owned()).build()?;
/// assert_eq!(pool.map(knows, ["vale".to_owned(), "hello".to_owned()])?, [true, false]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn state<S: Any + Send + Sync>() -> Option<&'static S> {
    SHARED.get()?.downcast_ref()
}

/// Calls a function with the state that this worker's tasks change; see
/// [`PoolBuilder::local_state`](crate::PoolBuilder::local_state).
///
/// `None` in a process that is not a worker of such a pool, on a thread that does not run tasks, or if the state is of another
/// type. A panic of the function leaves the state as it is at that moment.
///
/// # Panics
///
/// The function calls `with_state` itself.
///
/// ```
/// use procession_pool::{Pool, with_state};
///
/// fn number(_: String) -> usize {
///     with_state(|next: &mut usize| std::mem::replace(next, *next + 1)).expect("every worker counts")
/// }
///
/// # procession_pool::init();
/// let pool = Pool::builder().workers(1).local_state(|first: usize| first, 10).build()?;
/// assert_eq!(pool.map(number, ["salve", "vale"].map(str::to_owned))?, [10, 11]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn with_state<S: Any, R>(function: impl FnOnce(&mut S) -> R) -> Option<R> {
    LOCAL.with(|local| {
        let mut local = local.try_borrow_mut().expect("`with_state` must not be called within `with_state`");
        local.as_mut()?.downcast_mut().map(function)
    })
}

/// Drops the local state when the worker leaves.
pub(super) fn drop_local() {
    drop(LOCAL.with(RefCell::take));
}

/// Makes a value and keeps it for all threads of the worker. Returns the text of an error, as the others do.
pub(crate) struct KeepShared;
/// Makes a value and keeps it for the thread that runs the tasks.
pub(crate) struct KeepLocal;
/// As [`KeepShared`], with a function that may fail.
pub(crate) struct TryKeepShared;
/// As [`KeepLocal`], with a function that may fail.
pub(crate) struct TryKeepLocal;

impl<A: DeserializeOwned, S: Any + Send + Sync> ApplyOn<(), A, S> for KeepShared {
    type Argument = A;
    type Result = Option<String>;

    fn apply_on((): &(), function: fn(A) -> S, argument: A) -> Option<String> {
        // Cannot be set yet: a worker is prepared once.
        let _kept = SHARED.set(Box::new(function(argument)));
        None
    }
}

impl<A: DeserializeOwned, S: Any + Send + Sync, E: Display> ApplyOn<(), A, Result<S, E>> for TryKeepShared {
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

/// Returns the call by which a worker makes its state, which `K` keeps.
pub(crate) fn state_factory<K, A, R>(function: fn(A) -> R, argument: &A) -> Result<StateFactory, PoolError>
where
    A: Serialize + DeserializeOwned,
    K: ApplyOn<(), A, R, Argument = A, Result = Option<String>>,
{
    let argument = codec::encode(argument).map_err(PoolErrorKind::InitializerArgument)?;
    let method = Method::apply_on::<K, (), A, R>(function).map_err(PoolErrorKind::InitializerName)?;
    Ok(StateFactory { method, argument })
}
