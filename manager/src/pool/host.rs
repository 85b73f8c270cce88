//! [`PoolRoute`]: where a pool lies, near or far, and what can be done to it in the same way from both.

use std::time::{Duration, Instant};

use super::apply_on;
use super::hosted::{Hosted, TaskTicket};
use crate::api::proxy::Proxy;
use crate::remote::RemoteProxy;
use crate::wire::error::CallError;

/// The way to a pool.
#[derive(Clone, Debug)]
pub(super) enum PoolRoute {
    /// In a manager of this program.
    Local(Proxy<Hosted>),
    /// In a manager of another program, which knows what is done to a pool by [names].
    Remote(RemoteProxy<Hosted>),
}

/// What is done to a pool, as a registry names it. No task can have such a name without being noticed.
pub(super) mod names {
    pub(in super::super) const OPEN: &str = "(open)";
    pub(in super::super) const CANCEL: &str = "(cancel)";
    pub(in super::super) const WORKERS: &str = "(workers)";
    pub(in super::super) const CLOSE: &str = "(close)";
    pub(in super::super) const TERMINATE: &str = "(terminate)";
    pub(in super::super) const JOIN: &str = "(join)";

    /// What a task is called where it is applied to many items.
    pub(in super::super) fn map(task: &str) -> String {
        format!("(map) {task}")
    }
}

/// Who joins has the pool for itself: not for long, because others may want to terminate it.
const SLICE: Duration = Duration::from_millis(50);

impl PoolRoute {
    pub(super) fn cancel(&self, ticket: TaskTicket) -> Result<bool, CallError> {
        match self {
            PoolRoute::Local(proxy) => proxy.call(Hosted::cancel, ticket),
            PoolRoute::Remote(proxy) => proxy.call(names::CANCEL, ticket),
        }
    }

    pub(super) fn workers(&self) -> Result<usize, CallError> {
        match self {
            PoolRoute::Local(proxy) => proxy.read(apply_on::workers, ()),
            PoolRoute::Remote(proxy) => proxy.call(names::WORKERS, ()),
        }
    }

    pub(super) fn close(&self) -> Result<(), CallError> {
        match self {
            PoolRoute::Local(proxy) => proxy.call(apply_on::close, ()),
            PoolRoute::Remote(proxy) => proxy.call(names::CLOSE, ()),
        }
    }

    pub(super) fn terminate(&self) -> Result<(), CallError> {
        match self {
            PoolRoute::Local(proxy) => proxy.read(apply_on::terminate, ()),
            PoolRoute::Remote(proxy) => proxy.call(names::TERMINATE, ()),
        }
    }

    pub(super) fn join(&self) -> Result<(), CallError> {
        while !self.join_for(SLICE)? {}
        Ok(())
    }

    pub(super) fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            let has_left = self.join_for(left.min(SLICE))?;
            if has_left || left <= SLICE {
                return Ok(has_left);
            }
        }
    }

    fn join_for(&self, slice: Duration) -> Result<bool, CallError> {
        match self {
            PoolRoute::Local(proxy) => proxy.call(apply_on::join_for, slice),
            PoolRoute::Remote(proxy) => proxy.call(names::JOIN, slice),
        }
    }
}
