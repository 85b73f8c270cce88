//! A pool that lives in a manager, for all who have a proxy.

mod calls;
mod error;
mod imap;
mod make;
mod proxy;
mod verbs;

pub use calls::PoolPending;
pub use error::{PoolProxyError, TaskFailure};
pub use imap::{PoolImap, PoolImapUnordered};
pub use make::Hosted;
pub use proxy::PoolProxy;
