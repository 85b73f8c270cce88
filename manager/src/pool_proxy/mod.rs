//! A pool that lives in a manager, for all who have a proxy.

mod proxy;

mod calls;
mod imap;
mod pending;

mod remote_calls;
mod remote_pool;

mod error;

mod host;
mod hosted;
mod make;
mod registry;
mod verbs;

pub use error::{PoolProxyError, TaskFailure};
pub use hosted::Hosted;
pub use imap::{PoolImap, PoolImapUnordered};
pub use pending::PoolPending;
pub use proxy::PoolProxy;
pub use remote_pool::RemotePool;
