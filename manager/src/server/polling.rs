//! Where the server looks next: what the kernel reports as ready, active clients, and stalled clients.

use std::time::Instant;

use super::local_client::{LocalClient, PIPE};
use super::state::State;

impl State {
    /// Marks as busy what the kernel reports as ready.
    pub(crate) fn wake(&mut self, tokens: Vec<u64>) {
        for ready in tokens {
            // Both descriptors of a client lead to one entry in the queue: `recv` reads both in any case.
            let token = ready & !PIPE;
            if let Some(client) = self.clients.get_mut(&token) {
                if ready == token {
                    client.mark_control_ready();
                }
                // A client that has just sent something will send more: it is polled before the kernel is asked.
                if !self.awake.contains(&token) {
                    self.awake.push(token);
                }
            }
            if !self.busy.contains(&token) {
                self.busy.push_back(token);
            }
        }
    }

    /// Looks into shared memory. Returns whether a client has sent something.
    pub(crate) fn poll_pipes(&mut self) -> bool {
        for token in &self.awake {
            if self.clients.get(token).is_some_and(LocalClient::has_calls) && !self.busy.contains(token) {
                self.busy.push_back(*token);
            }
        }
        !self.busy.is_empty()
    }

    /// Arms the wake-ups of all clients. Returns whether none has sent something meanwhile.
    pub(crate) fn prepare_sleep(&mut self) -> bool {
        let (clients, busy, stalled) = (&self.clients, &mut self.busy, &mut self.stalled);
        self.awake.retain(|token| match clients.get(token).map(LocalClient::arm) {
            Some(Some(true)) => {
                busy.push_back(*token);
                true
            }
            // It was stopped in the middle of a send and cannot be armed, so the clock decides when it is looked at.
            Some(None) => {
                stalled.add(*token);
                false
            }
            // Armed: from now on the kernel reports it, and `wake` polls it again.
            Some(Some(false)) | None => false,
        });
        self.busy.is_empty()
    }

    /// Returns when to look at the stalled clients again.
    pub(crate) fn next_stalled_poll(&self) -> Option<Instant> {
        self.stalled.deadline()
    }

    /// Looks at the stalled clients again, if it is time for it.
    pub(crate) fn poll_stalled(&mut self) {
        for token in self.stalled.take_over() {
            // As if the kernel had reported it: it becomes active, and `prepare_sleep` adds it again if it still cannot be armed.
            self.wake(vec![token]);
        }
    }
}
