//! The side of those who use a manager: one [`Connection`] for each process, its [`Inbox`](inbox::Inbox), and the [`Handle`]s on
//! objects that go over it.

mod callbacks;
mod connection;
mod give_up;
mod handle;
mod inbox;
mod lines;
mod mail;
mod outgoing;
mod sending;

pub(crate) use connection::{Connection, Request, Which};
pub(crate) use give_up::FOR_A_TRY;
pub(crate) use handle::{Handle, Link, Posted};
