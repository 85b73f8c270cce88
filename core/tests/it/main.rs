//! The integration tests of the ground floor, in one binary.

mod blob;
mod codec;
mod described;
mod descriptors;
mod frame;
mod halves;
mod hostile;
mod link;
mod mapping;
mod memory;
#[cfg(feature = "sealed")]
mod sealed;
mod zoo;
