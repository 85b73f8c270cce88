//! Managers of other programs: a [`Registry`] of names that both know, and a connection over a socket.

mod connect;
mod proxy;
mod registry;
mod shape;

pub use connect::{ConnectError, RemoteManager};
pub use proxy::RemoteProxy;
pub use registry::Registry;
