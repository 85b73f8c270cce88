//! What a program says: which hosts, and how they are reached.

pub(crate) mod environment;
pub(crate) mod error;
pub(crate) mod hosts;
pub(crate) mod init;
pub(crate) mod key;
