//! What sockets offer those who wait for several things at once.

use std::os::fd::AsFd;

use procession_core::Waitable;
use procession_core::os::poll::Pollable;

use super::{Listener, SocketConnection};

impl Waitable for SocketConnection {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }

    /// A part of a message that was received counts, as it does for [`poll`](SocketConnection::poll).
    fn arm(&self) -> Option<bool> {
        self.has_part().then_some(true)
    }
}

impl Waitable for Listener {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }
}
