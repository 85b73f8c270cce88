//! Refuses options of a [`PoolBuilder`](super::builder::PoolBuilder) that cannot be kept, in place of using others.

use std::ops::RangeInclusive;
use std::thread;

use procession_core::os::priority;

use crate::model::options::PoolLimits;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::remote::launcher::HostSet;
use crate::remote::remote_host::NO_DESCRIPTORS;
use crate::wire::messages::Preparation;

/// The kernel silently clamps other values.
const NICENESSES: RangeInclusive<i32> = -20..=19;

/// Refuses more workers at the least than at the most, and none at all.
pub(super) fn check_workers(min_workers: Option<usize>, max_workers: usize) -> Result<(), PoolError> {
    if max_workers == 0 || min_workers == Some(0) {
        return Err(PoolErrorKind::NoWorkers.into());
    }
    match min_workers.filter(|min| *min > max_workers) {
        Some(min) => {
            invalid(format!("`min_workers` asks for at least {min} workers, and `workers` for at most {max_workers}"))
        }
        None => Ok(()),
    }
}

pub(super) fn check_limits(limits: &PoolLimits) -> Result<(), PoolError> {
    if limits.start_timeout.is_some_and(|limit| limit.is_zero()) {
        return invalid("`start_timeout` is zero, and no worker starts in no time; leave it out for no limit");
    }
    if limits.max_memory == Some(0) {
        return invalid("`max_memory_per_worker` is zero, and every worker takes up more; leave it out for no limit");
    }
    Ok(())
}

pub(super) fn check_placement(preparation: &Preparation, processors: Option<&[usize]>) -> Result<(), PoolError> {
    if let Some(niceness) = preparation.niceness.filter(|niceness| !NICENESSES.contains(niceness)) {
        return invalid(format!("there is no niceness {niceness}: it goes from -20 to 19"));
    }
    match processors {
        Some([]) => invalid("`processors` names none; leave it out to let workers run on all"),
        Some(processors) => processors.iter().try_for_each(|number| check_processor(*number)),
        None => Ok(()),
    }
}

/// Refuses hosts that cannot run this pool.
pub(super) fn check_hosts(hosts: Option<&HostSet>, preparation: &Preparation) -> Result<(), PoolError> {
    let Some(hosts) = hosts else { return Ok(()) };
    if let Some(error) = &hosts.error {
        return invalid(error);
    }
    if hosts.launchers.is_empty() && hosts.local_workers == 0 {
        return invalid(
            "the set of hosts is empty; name at least one, or leave it out to have all workers on this host",
        );
    }
    if !hosts.launchers.is_empty() && preparation.has_descriptors() {
        return invalid(format!(
            "the initializer, the finalizer or the state cannot be sent to a worker: {NO_DESCRIPTORS}"
        ));
    }
    Ok(())
}

/// Refuses a processor that this process may not use. A thread of its own tries it out.
fn check_processor(number: usize) -> Result<(), PoolError> {
    let outcome = thread::scope(|scope| scope.spawn(|| priority::pin_to(number)).join());
    let outcome = outcome.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
    outcome.or_else(|error| {
        invalid(format!("workers cannot run on processor {number}, which `processors` names: {error}"))
    })
}

fn invalid<T>(text: impl Into<String>) -> Result<T, PoolError> {
    Err(PoolErrorKind::Invalid(text.into()).into())
}
