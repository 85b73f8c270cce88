//! Bytes and the descriptors beside them: values encoded, framed and sent.

pub mod codec;
pub mod frame;
pub mod packet;

pub(crate) mod arrivals;
pub(crate) mod blob;
pub(crate) mod failure;
pub(crate) mod link;
pub(crate) mod link_error;
pub(crate) mod outgoing;
#[cfg(feature = "sealed")]
pub(crate) mod sealed;
