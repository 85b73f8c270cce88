//! Bytes for another host: encrypted, authenticated and in order, so that a change on the way is an error and never another value.
//!
//! ```text
//! frames (`bytes::frame`) one behind another
//!   └─ cut into records of at most 64 KiB, each encrypted with a number of its own (`cipher`)
//!        └─ a length of two bytes and the ciphertext, over a socket or two pipes (`stream`)
//! ```
//!
//! `key_exchange` is how the two sides come to the keys of one connection: Noise `NNpsk0` with a key that both know.

pub(crate) mod cipher;
pub(crate) mod key_exchange;
pub(crate) mod records;
pub(crate) mod stream;
