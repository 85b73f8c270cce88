//! [`Hosted`]: what lies in the manager: a pool, and what is known of the tasks that can be cancelled.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use procession_pool::{AsyncResult, Pool, PoolBuilder};
use serde::{Deserialize, Serialize};

use crate::server::context;
use crate::wire::ids::ClientId;
use procession_core::os::mutex::lock;

/// The object in the manager: a pool, once it could be made.
///
/// ```
/// use procession_manager::{Hosted, Manager};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let workers = pool.proxy().read(|hosted: &Hosted, ()| hosted.get().map(|pool| pool.workers()), ())?;
/// assert_eq!(workers, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Hosted {
    /// Empty until the pool was made.
    pool: OnceLock<Pool>,
    /// Shared with the callbacks of the tasks, which remove them.
    tasks: Arc<Tasks>,
}

/// The tasks that have not ended, by who has sent them and their tickets.
#[derive(Default)]
struct Tasks(Mutex<HashMap<Key, Cancel>>);

/// A task, among those of all processes.
type Key = (ClientId, TaskTicket);

/// Cancels a task, and returns whether there was something to cancel.
type Cancel = Box<dyn Fn() -> bool + Send>;

/// The id of a task in the process that has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TaskTicket(u64);

impl TaskTicket {
    /// Returns an id that this process has not had.
    pub(super) fn next() -> TaskTicket {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only the uniqueness of the number matters.
        TaskTicket(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Hosted {
    /// Returns the pool; `None` if it could not be made.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// pool.apply(|n: u8| n + 1, 1)?;
    /// assert_eq!(pool.proxy().read(|hosted, ()| hosted.get().map(|pool| pool.stats().done), ())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self) -> Option<&Pool> {
        self.pool.get()
    }

    /// Returns the pool, for what has to have it alone; `None` if it could not be made.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// pool.proxy().call(|hosted, ()| hosted.get_mut().map(|pool| pool.join()), ())?;
    /// assert!(pool.apply(|n: u8| n + 1, 1).is_err(), "it is closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut Pool> {
        self.pool.get_mut()
    }

    /// Makes the pool, unless there is one. The error says why it could not be made.
    pub(super) fn make(&self, describe: impl FnOnce() -> PoolBuilder) -> Result<(), String> {
        if self.pool.get().is_none() {
            let pool = describe().build().map_err(|error| error.to_string())?;
            // It is still empty: calls that are given a function have the object alone.
            drop(self.pool.set(pool));
        }
        Ok(())
    }

    /// Keeps a task of the caller until it has ended, to be cancelled. Then `end` is called with what it brought.
    pub(super) fn keep<R: 'static>(
        &self,
        ticket: TaskTicket,
        task: &AsyncResult<R>,
        end: impl FnOnce(Result<R, procession_pool::TaskError>) + Send + 'static,
    ) {
        let (key, tasks) = ((context::caller(), ticket), Arc::clone(&self.tasks));
        // The promise owns the task; this handle is for `cancel` alone.
        let same = task.clone();
        // Registered before the callback, which may run at once and removes it.
        tasks.lock().insert(key, Box::new(move || same.cancel()));
        task.on_done(move |result| {
            // Before the reply goes out: a client that has its result finds nothing to cancel.
            tasks.lock().remove(&key);
            end(result);
        });
    }

    /// Cancels a task of the caller. Returns whether there was something to cancel. It has the pool for itself, so it comes after
    /// the call that brought the task.
    pub(super) fn cancel(&mut self, ticket: TaskTicket) -> bool {
        self.tasks.lock().get(&(context::caller(), ticket)).is_some_and(|cancel| cancel())
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Cancel>> {
        lock(&self.0)
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted").field("pool", &self.pool.get()).finish_non_exhaustive()
    }
}
