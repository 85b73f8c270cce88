//! [`FailurePolicy`]: whether a failed task ends its job.

/// Whether a failed task ends its job. Set by [`Job::on_failure`](crate::Job::on_failure).
///
/// A task has failed when it ended in an error and is not [tried again](crate::Job::retries).
///
/// ```
/// use procession_pool::{FailurePolicy, Pool};
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let halves = pool.job(|n: u32| if n % 2 == 0 { n / 2 } else { panic!("{n} is odd") });
/// let mut halves = halves.on_failure(FailurePolicy::FailFast).imap([6, 7, 8]);
/// assert_eq!(halves.next().unwrap()?, 3);
/// assert_eq!(halves.next().unwrap().unwrap_err().index(), 1);
/// assert!(halves.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The first error ends the job: tasks that have not started are cancelled, and the results of those that run are dropped. The
    /// default of `map` and `map_async`.
    #[doc(alias = "FIRST_EXCEPTION")]
    FailFast,
    /// Every task runs, even after another one has failed. The default of `imap` and `imap_unordered`.
    #[doc(alias = "ALL_COMPLETED")]
    #[doc(alias = "return_exceptions")]
    CollectAll,
}
