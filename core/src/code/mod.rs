//! Functions by name: how they are named, called and sent, and what runs before `main`.

pub mod constructors;
pub mod last_words;
pub mod start;

pub(crate) mod call_batch;
pub(crate) mod call_error;
pub(crate) mod control;
pub(crate) mod control_listener;
pub(crate) mod end_copy;
pub(crate) mod function;
pub(crate) mod image;
pub(crate) mod method;
pub(crate) mod name;
pub(crate) mod pending_drop;
#[cfg(feature = "sealed")]
pub(crate) mod sealed;
