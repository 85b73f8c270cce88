//! The protocol between a pool and its workers.
//!
//! Two [rings](procession_core::Ring) for each worker carry the many small items, arguments and results, as plain bytes. The
//! control link carries the few others: functions, descriptors, starts and ends. It also wakes the side that sleeps.
//!
//! ```text
//! control       pool ──► worker   Setup, then Register, Unregister, Descriptors, Revoke, Leave, Notify
//!               worker ──► pool   Ready | InitFailed, then Descriptors, Notify, Finalized | ExitStepFailed
//! task ring     pool ──► worker   chunks: a header, and the arguments of consecutive tasks of one job
//! result ring   worker ──► pool   one item for each task, in the order of the chunks
//! words         the claim (which tasks the worker may start, and has started), who sleeps, since when a task runs
//! ```
//!
//! A worker publishes each result before the next task starts, so a worker that dies loses the task that it was running and no
//! finished one. The [claim] says which tasks it had started, so the pool can take back the others at any time.

pub(crate) mod agent_link;
pub(crate) mod arguments;
pub(crate) mod channel;
pub(crate) mod claim;
pub(crate) mod host_messages;
pub(crate) mod item;
pub mod lease;
pub(crate) mod messages;
pub(crate) mod outbox;
pub(crate) mod results;
