//! What users see of channels inside one machine: the typed ends, iterators, errors.

pub(crate) mod channel_error;
pub(crate) mod error;
pub(crate) mod in_place;
pub(crate) mod item;
pub(crate) mod iter;
pub(crate) mod join_error;
pub(crate) mod joinable;
pub(crate) mod pipe;
pub(crate) mod queue;
pub(crate) mod receiver;
pub(crate) mod receiver_bytes;
pub(crate) mod sender;
pub(crate) mod sender_bytes;
pub(crate) mod wait;
