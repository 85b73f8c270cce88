//! The side of the processes that use a manager: one [`Connection`](connection::Connection) for each process and manager, its
//! [`ReplyReader`](reply_reader::ReplyReader), and the [`Handle`](handle::Handle)s on objects that go over it.

pub(crate) mod connection;
pub(crate) mod handle;
pub(crate) mod limit;
pub(crate) mod request;
pub(crate) mod withdraw;

mod callbacks;
mod pending_replies;
#[cfg(feature = "remote")]
mod remote;
mod reply_reader;
mod reply_transport;
mod request_sender;
mod send;
