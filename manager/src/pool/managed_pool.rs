//! [`ManagedPool`]: the way to a pool in a manager of this program or of another one, and what is done to the pool as a whole.

use std::time::{Duration, Instant};

use super::apply_on;
use super::hosted::{Hosted, TaskTicket};
use crate::api::proxy::Proxy;
#[cfg(feature = "remote")]
use crate::remote::remote_proxy::RemoteProxy;
use crate::wire::error::CallError;
use crate::wire::tuning::JOIN_SLICE;

/// The way to a pool.
#[derive(Clone, Debug)]
pub(super) enum ManagedPool {
    /// In a manager of this program.
    Local(Proxy<Hosted>),
    /// In a manager of another program, which knows what is done to a pool by [`names`].
    #[cfg(feature = "remote")]
    Remote(RemoteProxy<Hosted>),
}

/// The names of what is done to a pool in a registry. A task with such a name is a second entry, which is refused.
#[cfg(feature = "remote")]
pub(super) mod names {
    pub(crate) const OPEN: &str = "(open)";
    pub(crate) const CANCEL: &str = "(cancel)";
    pub(crate) const WORKERS: &str = "(workers)";
    pub(crate) const CLOSE: &str = "(close)";
    pub(crate) const TERMINATE: &str = "(terminate)";
    pub(crate) const JOIN: &str = "(join)";

    /// Returns the name of a task where it is applied to many items.
    pub(crate) fn map(task: &str) -> String {
        format!("(map) {task}")
    }
}

impl ManagedPool {
    /// Cancels a task of this process. Returns whether it had not ended.
    pub(super) fn cancel(&self, ticket: TaskTicket) -> Result<bool, CallError> {
        match self {
            ManagedPool::Local(proxy) => proxy.call(Hosted::cancel, ticket),
            #[cfg(feature = "remote")]
            ManagedPool::Remote(proxy) => proxy.call(names::CANCEL, ticket),
        }
    }

    /// Returns the number of workers.
    pub(super) fn workers(&self) -> Result<usize, CallError> {
        match self {
            ManagedPool::Local(proxy) => proxy.read(apply_on::workers, ()),
            #[cfg(feature = "remote")]
            ManagedPool::Remote(proxy) => proxy.call(names::WORKERS, ()),
        }
    }

    /// Takes no more tasks. Those that this process has sent before are still run.
    pub(super) fn close(&self) -> Result<(), CallError> {
        match self {
            ManagedPool::Local(proxy) => proxy.call(apply_on::close, ()),
            #[cfg(feature = "remote")]
            ManagedPool::Remote(proxy) => proxy.call(names::CLOSE, ()),
        }
    }

    /// Stops all workers. Their tasks end with errors.
    pub(super) fn terminate(&self) -> Result<(), CallError> {
        match self {
            ManagedPool::Local(proxy) => proxy.read(apply_on::terminate, ()),
            #[cfg(feature = "remote")]
            ManagedPool::Remote(proxy) => proxy.call(names::TERMINATE, ()),
        }
    }

    /// Waits until all workers have left, however long that takes.
    pub(super) fn join(&self) -> Result<(), CallError> {
        // In slices as below: one call without an end would keep `terminate` out for ever.
        while !self.join_for(JOIN_SLICE)? {}
        Ok(())
    }

    /// Each call holds the pool exclusively, so it waits in slices, and lets `terminate` of other clients through.
    pub(super) fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        let start = Instant::now();
        loop {
            // Each slice is a call of its own, so that `terminate` finds the pool free in between.
            let left = timeout.saturating_sub(start.elapsed());
            let has_left = self.join_for(left.min(JOIN_SLICE))?;
            if has_left || left <= JOIN_SLICE {
                return Ok(has_left);
            }
        }
    }

    /// Waits for one slice. Returns whether all workers have left.
    fn join_for(&self, slice: Duration) -> Result<bool, CallError> {
        match self {
            ManagedPool::Local(proxy) => proxy.call(apply_on::join_for, slice),
            #[cfg(feature = "remote")]
            ManagedPool::Remote(proxy) => proxy.call(names::JOIN, slice),
        }
    }
}
