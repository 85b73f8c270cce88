//! What a [`Registry`] says of pools: how they are made, and what their workers can do.

use procession_core::Method;
use procession_pool::PoolBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::{self, Apply, Many, Map, One, Open, Outcome};
use super::host::names;
use super::hosted::Hosted;
use crate::remote::Registry;

impl Registry {
    /// Adds a kind of pool, by the function that describes one, for [`RemoteManager::pool`](crate::RemoteManager::pool) and
    /// [`RemoteManager::open_pool`](crate::RemoteManager::open_pool).
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// let registry = procession_manager::Registry::new().pool("numbers", |(): ()| Pool::builder().workers(4));
    /// # drop(registry);
    /// ```
    pub fn pool<A>(self, pool: &str, describe: fn(A) -> PoolBuilder) -> Registry
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        self.object(pool, |_: A| Hosted::default())
            .given::<Hosted, A, Result<(), String>>(
                pool,
                names::OPEN,
                Method::apply_on::<Open<A>, Hosted, _, _>(describe),
            )
            .method(pool, names::CANCEL, Hosted::cancel)
            .reader(pool, names::WORKERS, apply_on::workers)
            .method(pool, names::CLOSE, apply_on::close)
            .reader(pool, names::TERMINATE, apply_on::terminate)
            .method(pool, names::JOIN, apply_on::join_for)
    }

    /// Adds a function that the workers of a pool can apply.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// let registry = procession_manager::Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "square", |n: u64| n * n);
    /// # drop(registry);
    /// ```
    pub fn task<A, R>(self, pool: &str, name: &str, function: fn(A) -> R) -> Registry
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        let (one, many) =
            (Method::apply_on::<Apply, Hosted, _, _>(function), Method::apply_on::<Map, Hosted, _, _>(function));
        self.given::<Hosted, One<A>, Outcome<R>>(pool, name, one).given::<Hosted, Many<A>, Outcome<Vec<R>>>(
            pool,
            &names::map(name),
            many,
        )
    }
}
