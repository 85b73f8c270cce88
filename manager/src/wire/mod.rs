//! The parts that clients and the server of a manager share: the protocol, the ids, the claims and the errors.

pub(crate) mod claims;
pub(crate) mod error;
pub(crate) mod frame_reader;
pub(crate) mod ids;
pub(crate) mod protocol;
pub(crate) mod tuning;
