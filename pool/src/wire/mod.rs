//! What a pool and its workers say to each other, and how.
//!
//! Two [rings](procession_core::Ring) of each worker's own carry the many small things, tasks and results, as plain bytes. The
//! control link carries the few others: functions, descriptors, beginnings and ends; and it wakes whoever sleeps.
//!
//! ```text
//! control   pool ──► worker   Setup, then Learn, Forget, Descriptors, Leave, Bell
//!           worker ──► pool   Ready | InitFailed, then Descriptors, Bell
//! orders    pool ──► worker   chunks: a header, and the arguments of some tasks of one job
//! reports   worker ──► pool   one item for each task, in the order of the orders
//! words     the claim (which tasks the worker may begin, and has begun), who sleeps, since when a task runs
//! ```
//!
//! Each result is published before the next task begins: a worker that dies loses the task that it was running, never one
//! that it had finished. And the [claim] says which tasks it had begun, so that the pool can take back the others at any time.

pub(crate) mod claim;
pub(crate) mod item;
mod line;
pub(crate) mod protocol;

pub(crate) use line::{Bell, KEPT_BACK, Line, Lines};
