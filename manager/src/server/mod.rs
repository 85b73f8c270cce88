//! The server of a manager: a process that holds the objects and runs methods on them.
//!
//! One thread waits for all clients and runs their calls; [`leader`] says what happens when one takes long. The
//! [table](crate::table) decides what may run, and does no I/O. All threads share the [`State`](state::State). What a client may send
//! is in [`protocol`](crate::wire::protocol).

pub(crate) mod context;
pub(crate) mod in_process;
pub(crate) mod instance;
pub(crate) mod object_cell;
pub(crate) mod promise;
pub(crate) mod run;

mod client_exit;
mod job;
mod leader;
mod leader_followers;
mod local_client;
mod origin;
mod polling;
#[cfg(feature = "remote")]
mod remote_client;
#[cfg(feature = "remote")]
mod remote_requests;
mod replies;
mod reply_queue;
mod requests;
mod stalled_clients;
mod state;
mod tickets;
