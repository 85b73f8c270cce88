//! The gallery: every example does what its classic does.
//!
//! Each test runs the built program and reads what it prints.

mod echo;
#[cfg(feature = "hosts")]
mod hosts;
mod locks;
mod managers;
mod picture;
mod pools;
mod processes;
mod support;
mod talk;
