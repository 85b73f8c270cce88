//! Waiting in a task of tokio, instead of a thread: `…_async` twins of what waits.
//!
//! A call first tries. Where that would wait, the descriptor is registered with tokio's reactor for as long as the call lasts, so
//! that no thread is used up. All calls are safe to cancel: a future that is dropped has received nothing and lost nothing.

mod periodic_waker;
mod queue;
mod ready;
#[cfg(feature = "net")]
mod sockets;
