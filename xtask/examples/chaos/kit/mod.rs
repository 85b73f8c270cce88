//! What the programs have in common: when a run ends, its random choices, its victims, its faults, and what it must give back.

mod belongings;
mod course;
mod dice;
mod faults;
mod victim;

pub(crate) use self::belongings::{Belongings, children};
pub(crate) use self::course::Course;
pub(crate) use self::dice::Dice;
pub(crate) use self::faults::Faults;
pub(crate) use self::victim::{await_end, kill, start};

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// What did not hold, or could not be done.
pub(crate) type Failure = Box<dyn Error>;

/// Nothing takes so long unless it hangs, on the slowest machine.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// Waits for something that must come.
pub(crate) fn wait_for(what: &str, mut has_come: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let start = Instant::now();
    while !has_come()? {
        if start.elapsed() > HANG {
            return Err(format!("waited in vain for {what}").into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
