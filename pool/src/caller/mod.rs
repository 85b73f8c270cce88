//! One call on the caller's side: its input on the way in, its results on the way out.

pub(crate) mod callbacks;
pub(crate) mod completions;
pub(crate) mod detached;
pub(crate) mod feed;
mod input_speed;
pub(crate) mod job_handle;
pub(crate) mod job_spec;
pub(crate) mod pending;
mod refill;
pub(crate) mod waker_list;
mod window;
