//! The messages between parent and child over the control link of the child.
//!
//! ```text
//! parent                                child
//!   Job ─────────────────────────────►    sets itself up as the job says
//!      ◄───────────────────── Started     from here on the function may have run
//!      ◄──────────────────── Unlogged     only where log records were dropped
//!      ◄── Returned | Panicked | Failed   the function is over
//!      ◄────────────────────── Exited     in place of an outcome, where the kernel would cut the exit code
//! ```
//!
//! The job is written before the child exists. A child that ends without `Started` has run nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use procession_core::codec::{self, Descriptor, EncodeError, Message};
use procession_core::{Control, Function, Image, SPILL};
use serde::{Deserialize, Serialize};

use crate::panics::Panic;
use crate::process_info::ProcessInfo;
use crate::spawn_error::SpawnError;
use crate::stdio::Stream;

/// Encodes an argument. A large one is put into a memory file at once, because it would be copied with each message that
/// it is part of.
pub(crate) fn encode<A: Serialize>(argument: &A) -> Result<Message, SpawnError> {
    let message = codec::encode(argument).map_err(unsendable)?;
    // Small enough for the socket itself.
    if message.bytes().len() <= SPILL {
        return Ok(message);
    }
    let (payload, descriptors) = message.into_parts();
    let blob = payload.into_blob().map_err(|error| SpawnError::Limit(error.to_string()))?;
    Ok(Message::from_blob(blob, descriptors))
}

/// Returns the error of an argument: a limit that was reached, or a type that cannot be encoded.
fn unsendable(error: EncodeError) -> SpawnError {
    if error.is_limit() { SpawnError::Limit(error.message().to_owned()) } else { SpawnError::Argument(error) }
}

/// All that a child needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The program that named the function. Checked by children that were executed; a copy of a checked one needs none.
    pub(crate) image: Option<Image>,
    /// What the child will know of itself: its name, its parent, whether it is a daemon.
    pub(crate) info: ProcessInfo,
    /// What it does to its surroundings before it reports that it has started.
    pub(crate) setup: Setup,
    /// The end of the parent's lifeline, for a daemon.
    pub(crate) lifeline: Option<Descriptor>,
    /// The function, as its distance from the start of the image.
    pub(crate) function: Function,
    /// The argument, encoded by the caller. It is decoded only in the call, whose errors and panics are reported.
    pub(crate) argument: Message,
    /// The receiver of its log records.
    #[cfg(feature = "log")]
    pub(crate) logs: Option<crate::logs::Forwarding>,
    /// A second link, for a function that talks to its parent.
    pub(crate) control: Option<Control>,
}

/// The surroundings that a child sets up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Whether its name was chosen, so that `ps` should show it instead of the program's.
    pub(crate) named: bool,
    /// Its three standard streams.
    pub(crate) standard: [Stream; 3],
    /// The whole environment, where it is not the one that the child has anyway.
    pub(crate) environment: Option<Vec<(OsString, OsString)>>,
    /// What is set (or removed) on top of it.
    pub(crate) changes: Vec<(OsString, Option<OsString>)>,
    /// The parent's working directory, where it is not the one that the child has anyway.
    pub(crate) parent_directory: Option<Descriptor>,
    /// Its own working directory, which may be relative to that of the parent.
    pub(crate) directory: Option<PathBuf>,
}

/// A report of a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It is set up and about to call the function.
    Started {
        pid: u32,
    },
    /// It could not set itself up, for this reason. The function has not run.
    Refused(String),
    Returned(Message),
    Panicked(Panic),
    /// The function was not called, or its result could not be sent.
    Failed(String),
    /// The number of log records that were dropped since the last report of that.
    Unlogged(u64),
    /// It exits with this code.
    Exited(i32),
}
