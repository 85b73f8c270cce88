//! Where the server looks next: what the kernel says is ready, who has spoken lately, and who is held up.

use std::time::Instant;

use super::client::{Client, PIPE};
use super::state::State;

impl State {
    /// Notes what the kernel says is ready.
    pub(crate) fn wake(&mut self, tokens: Vec<u64>) {
        for ready in tokens {
            let token = ready & !PIPE;
            if let Some(client) = self.clients.get_mut(&token) {
                if ready == token {
                    client.ring();
                }
                if !self.awake.contains(&token) {
                    self.awake.push(token);
                }
            }
            if !self.busy.contains(&token) {
                self.busy.push_back(token);
            }
        }
    }

    /// Looks into shared memory. Answers whether somebody has said something.
    pub(crate) fn look(&mut self) -> bool {
        for token in &self.awake {
            if self.clients.get(token).is_some_and(Client::has_calls) {
                self.busy.push_back(*token);
            }
        }
        !self.busy.is_empty()
    }

    /// Leaves it to the kernel to tell who says something. Answers whether nobody has done so meanwhile.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        let (clients, busy, held_up) = (&self.clients, &mut self.busy, &mut self.held_up);
        self.awake.retain(|token| match clients.get(token).map(Client::arm) {
            Some(Some(true)) => {
                busy.push_back(*token);
                true
            }
            Some(None) => {
                held_up.add(*token);
                false
            }
            Some(Some(false)) | None => false,
        });
        self.busy.is_empty()
    }

    /// Looks at a client again before long, although nothing may tell that there is something.
    pub(super) fn look_again(&mut self, token: u64) {
        self.held_up.add(token);
    }

    /// When it is time to look again at those who are held up.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.held_up.due()
    }

    /// Looks again at those who are held up, if it is time for it.
    pub(crate) fn look_at_held_up(&mut self) {
        for token in self.held_up.take_due() {
            self.wake(vec![token]);
        }
    }
}
