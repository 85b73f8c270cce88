//! What cannot be asked of a pool: an error of its builder, and never something else in its place.

use std::ops::RangeInclusive;
use std::thread;

use procession_core::os::priority;

use crate::PoolError;
use crate::pool_error::Kind;
use crate::terms::Staffing;
use crate::wire::protocol::Preparation;

/// The kernel cuts what lies outside of it.
const NICENESSES: RangeInclusive<i32> = -20..=19;

/// How many workers stay at the least, if that was said.
pub(crate) fn checked(least: Option<usize>, most: usize) -> Result<Option<usize>, PoolError> {
    match least {
        Some(0) => Err(Kind::NoWorkers.into()),
        Some(least) if least > most => Err(Kind::Unfit(format!(
            "`min_workers` asks for at least {least} workers, and `workers` for at most {most}"
        ))
        .into()),
        least => Ok(least),
    }
}

/// Finds what there is not, or what nobody can have meant.
pub(crate) fn check(
    staffing: &Staffing,
    preparation: &Preparation,
    processors: Option<&[usize]>,
) -> Result<(), PoolError> {
    let unfit = |text: &str| Err(Kind::Unfit(text.to_owned()).into());
    if staffing.start_timeout.is_some_and(|limit| limit.is_zero()) {
        return unfit("`start_timeout` is zero, and no worker starts in no time; leave it out for no limit");
    }
    if staffing.max_memory == Some(0) {
        return unfit("`max_memory_per_worker` is zero, and every worker takes up more; leave it out for no limit");
    }
    if let Some(niceness) = preparation.niceness.filter(|niceness| !NICENESSES.contains(niceness)) {
        return unfit(&format!("there is no niceness {niceness}: it goes from -20 to 19"));
    }
    match processors {
        Some([]) => unfit("`processors` names none; leave it out to let workers run on all"),
        Some(processors) => processors.iter().try_for_each(|number| try_out(*number)),
        None => Ok(()),
    }
}

/// Whether this process may run on a processor. A thread that has nothing else to do tries it out.
fn try_out(number: usize) -> Result<(), PoolError> {
    let outcome = thread::scope(|scope| scope.spawn(|| priority::pin_to(number)).join());
    let outcome = outcome.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
    let text = |error| format!("workers cannot run on processor {number}, which `processors` names: {error}");
    outcome.map_err(|error| Kind::Unfit(text(error)).into())
}
