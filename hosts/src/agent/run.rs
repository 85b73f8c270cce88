//! The life of an agent, from its mark to its end.

use std::process;

use crate::agent::invited::{self, Streams};
use crate::agent::joining;
use crate::agent::mark::Mark;

/// Goes on as an agent if this process was started as one, and never returns then.
pub(crate) fn run_if_agent() {
    let mark = match Mark::take() {
        Ok(None) => return,
        Ok(Some(mark)) => Ok(mark),
        Err(error) => Err(format!("this process was started as an agent, but cannot be one: {error}")),
    };
    // Never back into `main`: there an agent would do its driver's work once more.
    match mark.and_then(run) {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("procession: {error}");
            process::exit(1)
        }
    }
}

fn run(mark: Mark) -> Result<(), String> {
    let link = match mark {
        Mark::Invited => {
            let streams =
                Streams::take().map_err(|error| format!("an agent cannot take its standard streams: {error}"))?;
            invited::link(streams)?
        }
        Mark::Joining { address, key_file } => joining::link(&address, &key_file)?,
    };
    procession_pool::hosts::serve(link).map_err(|error| format!("this agent cannot go on: {error}"))
}
