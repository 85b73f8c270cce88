//! Listeners, clients and connections over sockets, in the protocol of Python's `multiprocessing.connection`.
//!
//! What decides is pure: framing ([`wire`]), the handshake ([`authentication`], [`digest`]). What touches the kernel is thin: one read or
//! write ([`stream`]), one handshake ([`handshake`]), all of them at once ([`pending_handshakes`]).

pub(crate) mod address;
mod authentication;
mod bound_socket;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod deadline_mutex;
mod digest;
pub(crate) mod error;
mod handshake;
pub(crate) mod listener;
pub(crate) mod listener_builder;
mod liveness;
mod options;
mod pending_handshakes;
mod receiving;
pub(crate) mod refusals;
pub(crate) mod sending;
pub(crate) mod stream;
mod wait;
mod wire;
