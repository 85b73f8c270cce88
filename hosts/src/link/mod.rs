//! How a driver and an agent find each other: the key, the invitation, the addresses, and the strangers at the door.

pub(crate) mod addresses;
pub(crate) mod cancel;
pub(crate) mod connect;
pub(crate) mod door;
pub(crate) mod invitation;
pub(crate) mod key;
pub(crate) mod key_file;
pub(crate) mod line;
