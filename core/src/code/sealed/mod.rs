//! Control links to other hosts: the second and last place where names of functions are believed.
//!
//! They are believed after three checks. The other side knows the key, so that it may run code here anyway. Every byte is sealed, so that
//! no other sender can add or change one. Both sides run equal executables, so that a name means the same function.

pub(crate) mod content_hash;
pub(crate) mod control;
pub(crate) mod error;
pub(crate) mod handshake;
