//! The side of those who use a manager: one [`Connection`] for each process, its [`Inbox`](inbox::Inbox), and the [`Handle`]s on
//! objects that go over it.

mod callbacks;
mod connection;
mod handle;
mod inbox;
mod lines;
mod mail;
mod outgoing;

pub(crate) use connection::{Connection, Request, Which};
pub(crate) use handle::{Handle, Link, Posted};
