//! The facade's tests: its examples do what they say, and the parts fit together.

procession::init_at_load!();

mod facade;
mod kills;
mod names;
mod pool_proxy;
mod refused;
mod security;
mod support;
mod trees;
