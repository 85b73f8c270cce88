//! A pool that lives in a manager, for all who have a proxy.

mod pool_proxy;

mod calls;
mod imap;
mod pending;

mod remote_calls;
mod remote_pool;

mod error;

mod apply_on;
mod host;
mod hosted;
mod pool_constructors;
mod pool_registry;

pub use error::{PoolProxyError, TaskFailure};
pub use hosted::Hosted;
pub use imap::{PoolImap, PoolImapUnordered};
pub use pending::PoolPending;
pub use pool_proxy::PoolProxy;
pub use remote_pool::RemotePool;
