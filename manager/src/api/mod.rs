//! The first things that a program uses: the [`Manager`](manager::Manager), the [`Proxy`](proxy::Proxy), and the calls of both.

pub(crate) mod deferred;
pub(crate) mod manager;
pub(crate) mod pending;
pub(crate) mod proxy;
pub(crate) mod transaction;
