//! [`FailurePolicy`]: what becomes of the rest of a job when one of its tasks fails.

/// What becomes of the rest of a job when one of its tasks fails. Asked for by [`Job::on_failure`](crate::Job::on_failure).
///
/// A task has failed when it has brought an error and is not [tried again](crate::Job::retries).
///
/// ```
/// use procession_pool::{FailurePolicy, Pool};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let halves = pool.job(|n: u32| if n % 2 == 0 { n / 2 } else { panic!("{n} is odd") });
/// let mut halves = halves.on_failure(FailurePolicy::FailFast).imap([6, 7, 8]);
/// assert_eq!(halves.next().unwrap()?, 3);
/// assert_eq!(halves.next().unwrap().unwrap_err().index(), 1);
/// assert!(halves.next().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The first error is the end: what has not begun is cancelled, and what runs runs for nobody. `map` and `map_async` do so
    /// unless they are told otherwise.
    #[doc(alias = "FIRST_EXCEPTION")]
    FailFast,
    /// Every task runs, whatever becomes of the others. `imap` and `imap_unordered` do so unless they are told otherwise.
    #[doc(alias = "ALL_COMPLETED")]
    #[doc(alias = "return_exceptions")]
    CollectAll,
}
