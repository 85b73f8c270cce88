//! A pool that lives in a manager, for all processes that have a proxy.

mod apply_on;
mod error;
mod hosted;
mod imap;
mod managed_job;
mod managed_pool;
mod methods;
mod pending;
mod pool_proxy;
#[cfg(feature = "remote")]
mod remote_pool;

pub use error::{PoolProxyError, TaskFailure};
pub use hosted::Hosted;
pub use imap::{PoolImap, PoolImapUnordered};
pub use managed_job::ManagedJob;
pub use pending::PoolPending;
pub use pool_proxy::PoolProxy;
#[cfg(feature = "remote")]
pub use remote_pool::RemotePool;
