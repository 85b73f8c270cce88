//! The executable on a host: where it lies, and how it gets there.

pub(crate) mod executable;
pub(crate) mod script;
