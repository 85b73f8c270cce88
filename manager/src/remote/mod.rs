//! Managers of other programs: a [`Registry`] of names that both know, and a connection over a socket.

mod fnv;
pub(crate) mod registry;
pub(crate) mod remote_manager;
pub(crate) mod remote_proxy;
mod type_shape;

pub use registry::Registry;
pub use remote_manager::{ConnectError, RemoteManager};
pub use remote_proxy::RemoteProxy;
