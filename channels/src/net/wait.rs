//! Sockets among several things that are waited for at once.

use std::os::fd::AsFd;

use procession_core::Waitable;
use procession_core::os::poll::Pollable;

use super::connection::SocketConnection;
use super::listener::Listener;

impl Waitable for SocketConnection {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }

    /// A message that was received in part counts, as it does for [`poll`](SocketConnection::poll).
    fn arm(&self) -> Option<bool> {
        self.has_part().then_some(true)
    }
}

impl Waitable for Listener {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }
}
