//! Listeners, clients and connections over sockets, in the protocol of Python's `multiprocessing.connection`.
//!
//! What is decided is pure: framing ([`wire`]), the handshake ([`auth`], [`digest`]). What touches the kernel is thin:
//! one read or write ([`stream`]), one handshake ([`handshake`]), all of them at once ([`door`]).

mod address;
mod auth;
mod client;
mod connection;
mod digest;
mod door;
mod error;
mod gate;
mod handshake;
mod listener;
mod listener_builder;
mod liveness;
mod place;
mod receiving;
mod secret;
mod sending;
mod stream;
#[cfg(feature = "tokio")]
mod tasks;
mod wait;
mod wire;

pub use address::{Address, AddressError};
pub use client::{Client, ClientBuilder};
pub use connection::SocketConnection;
pub use error::{AcceptError, BindError, ConnectError, HandshakeError, SocketRecvError, SocketSendError};
pub use listener::{Listener, Refusal};
pub use listener_builder::ListenerBuilder;
