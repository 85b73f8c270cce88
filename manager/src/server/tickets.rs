//! Proxies on their way in messages: the server listens for each, and keeps the object alive until the ticket is gone.

use std::io;

use procession_core::{ControlListener, TryRecv};

use super::state::State;
use crate::table::Holder;
use crate::wire::ids::ObjectId;

impl State {
    /// Adds a listener for a proxy that is on its way, and the reference that goes with it.
    pub(crate) fn add_ticket_listener(&mut self, listener: ControlListener, object: ObjectId) -> io::Result<()> {
        let token = self.token();
        self.epoll.add(listener.pollable(), token)?;
        // A ticket for an object that is gone leads nowhere; its receiver gets `ObjectGone`.
        if self.table.hold(object, Holder::Ticket) {
            self.ticket_listeners.insert(token, (listener, object));
        }
        Ok(())
    }

    /// Lets a process in that has received a ticket, or gives the reference back when the ticket is gone.
    pub(super) fn poll_ticket_listener(&mut self, token: u64) -> bool {
        let Some((listener, _)) = self.ticket_listeners.get_mut(&token) else { return false };
        if let Ok(heard) = listener.try_accept() {
            match heard {
                TryRecv::Value(requests) => {
                    // Without room for its descriptor it is not let in, and sees the end of its link.
                    let _refused = self.add_client(requests);
                    return true;
                }
                TryRecv::Empty => return false,
                TryRecv::End => {}
            }
        }
        if let Some((listener, object)) = self.ticket_listeners.remove(&token) {
            // The descriptor may live on in a copy of the process, and would wake the server for ever.
            let _known = self.epoll.remove(listener.pollable());
            let released = self.table.release(object, Holder::Ticket);
            self.finish_release(released);
        }
        false
    }
}
