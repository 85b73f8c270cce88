//! What parent and child say to each other over the child's control link.
//!
//! ```text
//! parent                                child
//!   Job ─────────────────────────────►    sets itself up as the job says
//!      ◄───────────────────── Started     from here on the function may have run
//!      ◄──────────────────── Unlogged     only where log records were dropped
//!      ◄── Returned | Panicked | Failed   the function is over
//!      ◄────────────────────── Exited     only where the kernel would cut the exit code
//! ```
//!
//! The job is written before the child exists. A child that ends without `Started` has run nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use procession_core::codec::{self, Descriptor, EncodeError, Message};
use procession_core::{Control, Function, Image, SPILL};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::panics::Panic;
use crate::spawn_error::SpawnError;
use crate::stdio::Stream;

/// Encodes an argument. A large one is put into a memory file at once, because it would be copied with each message that
/// it is part of.
pub(crate) fn encode<A: Serialize>(argument: &A) -> Result<Message, SpawnError> {
    let message = codec::encode(argument).map_err(unsendable)?;
    if message.bytes().len() <= SPILL {
        return Ok(message);
    }
    let (payload, descriptors) = message.into_parts();
    let blob = payload.into_blob().map_err(|error| SpawnError::Limit(error.to_string()))?;
    Ok(Message::from_blob(blob, descriptors))
}

fn unsendable(error: EncodeError) -> SpawnError {
    if error.is_limit() { SpawnError::Limit(error.message().to_owned()) } else { SpawnError::Argument(error) }
}

/// Everything that a child needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The program that named the function. Checked by children that were executed; a copy of a checked one needs none.
    pub(crate) image: Option<Image>,
    pub(crate) identity: Identity,
    pub(crate) surroundings: Surroundings,
    /// The end of the parent's lifeline, for a daemon.
    pub(crate) lifeline: Option<Descriptor>,
    pub(crate) function: Function,
    pub(crate) argument: Message,
    /// Where its log records go.
    #[cfg(feature = "log")]
    pub(crate) logs: Option<crate::logs::Forwarding>,
    /// A second link, for a function that talks to its parent.
    pub(crate) control: Option<Control>,
}

/// What a child finds around itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    /// Whether its name was chosen, so that `ps` should show it instead of the program's.
    pub(crate) named: bool,
    /// Its three standard streams.
    pub(crate) standard: [Stream; 3],
    /// The whole environment, where it is not the one that the child has anyway.
    pub(crate) environment: Option<Vec<(OsString, OsString)>>,
    /// What is set (or removed) on top of it.
    pub(crate) changes: Vec<(OsString, Option<OsString>)>,
    /// The parent's working directory, where it is not the one that the child has anyway.
    pub(crate) place: Option<Descriptor>,
    /// Its own, which may be told as seen from the parent's.
    pub(crate) directory: Option<PathBuf>,
}

/// What a child tells.
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
    /// So many of its log records were dropped, and none of those that came after has said so.
    Unlogged(u64),
    /// It exits with this code.
    Exited(i32),
}
