//! The two untyped ends of a chain, which all handles share: waiting, waking, descriptors, and values in and out.

pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod error;
pub(crate) mod packets;
pub(crate) mod raw_receiver;
pub(crate) mod raw_sender;
pub(crate) mod spill;
pub(crate) mod transfer;
pub(crate) mod values;
