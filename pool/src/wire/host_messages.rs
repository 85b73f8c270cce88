//! The messages between a pool and the agent of a host: the scheduler's actions on their way out, and what became of them on
//! their way back.
//!
//! All messages of one turn travel in one [`HostFrame`], with the bytes that they announce behind them. Bytes belong to streams,
//! which share the link piece by piece: one for each worker, with what would go through its rings, and one for contexts.
//!
//! ```text
//! pool ──► agent   HostSetup, then Start, Register, Tasks…, Revoke, Leave, Terminate, Kill, Acknowledge, End
//! agent ──► pool   Welcome, then Spawned | StartFailed, Ready | InitFailed, Started, results…, Revoked, Exited, Beat
//! ```

use std::time::Duration;

use procession_core::{Function, Method};
use serde::{Deserialize, Serialize};

use crate::model::failure_info::ExitInfo;
use crate::model::init_failure::InitFailure;
use crate::model::pool_error::PoolError;

/// The stream of contexts. Workers' numbers begin at 1.
pub(crate) const CONTEXTS: u64 = 0;

/// The number of beats that only measure the round trip. Those of a lease begin at 1.
pub(crate) const PROBE: u64 = 0;

/// The pool's first message. Written from `HostSetup<&Preparation>`, read as `HostSetup<Preparation>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostSetup<P> {
    pub(crate) preparation: P,
    /// Whether workers are started by executing the program, and not as copies of a server.
    pub(crate) spawns: bool,
    pub(crate) captures_stderr: bool,
    /// The processors that the workers are spread over. Empty: all.
    pub(crate) processors: Vec<usize>,
    /// How long the agent lives on without an acknowledgement. `None`: until its link ends.
    pub(crate) lease: Option<Duration>,
}

/// Messages of one turn, and the bytes that they announce, in their order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostFrame<M> {
    pub(crate) messages: Vec<M>,
    #[serde(with = "procession_core::codec::bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// The pool's messages.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum HostOrder {
    /// Start a worker, the `number`th of the pool.
    Start {
        worker: u64,
        number: u64,
        name: String,
    },
    Register {
        id: u32,
        function: Function,
    },
    /// The next `len` bytes of the stream of contexts are the context.
    RegisterWith {
        id: u32,
        make: Method,
        method: Method,
        len: u64,
    },
    Unregister {
        id: u32,
    },
    /// The next `len` bytes of the frame belong to this stream: contexts, or chunks for a worker as they lie in its ring.
    Bytes {
        stream: u64,
        len: u64,
    },
    /// Revoke up to `count` of the last tasks that the worker was sent and has not started.
    Revoke {
        worker: u64,
        count: u64,
    },
    Leave {
        worker: u64,
    },
    Terminate {
        worker: u64,
    },
    Kill {
        worker: u64,
    },
    /// A caller may wait for each result, or none looks before all are there.
    Doorbell {
        is_prompt: bool,
    },
    /// The beat with this number has arrived.
    Acknowledge {
        beat: u64,
    },
    /// Kill the workers, and end.
    End,
}

/// The agent's messages.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HostReport {
    /// The first one.
    Welcome {
        processors: u64,
    },
    Spawned {
        worker: u64,
        pid: u32,
    },
    StartFailed {
        worker: u64,
        error: PoolError,
    },
    Ready {
        worker: u64,
    },
    InitFailed {
        worker: u64,
        failure: InitFailure,
    },
    Finalized {
        worker: u64,
    },
    ExitStepFailed {
        worker: u64,
        failure: InitFailure,
    },
    /// The next `len` bytes of the frame are results of this worker, as they lie in its ring.
    Bytes {
        stream: u64,
        len: u64,
    },
    /// The worker has started this many tasks of those that it was ever sent, less the revoked ones, and the last of them this long ago.
    Started {
        worker: u64,
        started: u64,
        running_for: Duration,
    },
    /// This many of the last tasks were revoked, as requested.
    Revoked {
        worker: u64,
        count: u64,
    },
    /// The worker has ended, after it had started this many tasks.
    Exited {
        worker: u64,
        started: u64,
        exit: Box<ExitInfo>,
    },
    Stderr {
        worker: u64,
        #[serde(with = "procession_core::codec::bytes")]
        bytes: Vec<u8>,
    },
    /// The agent is alive. `round_trip` is the time that the acknowledgement of an earlier beat took.
    Beat {
        number: u64,
        round_trip: Option<Duration>,
        memory: Vec<(u64, u64)>,
    },
}

/// A message that can announce bytes of a stream.
pub(crate) trait Announce {
    fn bytes(stream: u64, len: u64) -> Self;
}

impl Announce for HostOrder {
    fn bytes(stream: u64, len: u64) -> HostOrder {
        HostOrder::Bytes { stream, len }
    }
}

impl Announce for HostReport {
    fn bytes(stream: u64, len: u64) -> HostReport {
        HostReport::Bytes { stream, len }
    }
}

/// Removes the next `len` bytes from the front of a frame's bytes. `None` if the frame has fewer, and so is none of ours.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}
