//! [`StalledClients`]: clients that were stopped in the middle of a send, and that are looked at again from time to time.
//!
//! No event shows that such a client goes on, and each look may take milliseconds in which no other client is served. So looks become
//! rarer as long as there are stalled clients.

use crate::wire::tuning::{MAX_STALLED_POLL, MIN_STALLED_POLL};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct StalledClients {
    /// The clients to look at, each once.
    tokens: Vec<u64>,
    /// The time of the next look; `None` without stalled clients.
    deadline: Option<Instant>,
    /// The time between the last look and the next one.
    pause: Duration,
    /// The time of the last look.
    looked: Option<Instant>,
}

impl StalledClients {
    /// Adds a client. The first one sets the time of the next look.
    pub(super) fn add(&mut self, token: u64) {
        if !self.tokens.contains(&token) {
            self.tokens.push(token);
        }
        let now = Instant::now();
        if self.deadline.is_none() {
            // It is the same trouble if it comes again right after a look.
            let is_same = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < MAX_STALLED_POLL);
            self.pause =
                if is_same { (self.pause * 2).clamp(MIN_STALLED_POLL, MAX_STALLED_POLL) } else { MIN_STALLED_POLL };
            self.deadline = Some(now + self.pause);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes all clients out if it is time to look at them, and none otherwise.
    pub(super) fn take_over(&mut self) -> Vec<u64> {
        let now = Instant::now();
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        // `prepare_sleep` adds a client again that still cannot be armed, which sets the next one.
        self.deadline = None;
        self.looked = Some(now);
        std::mem::take(&mut self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_while_the_trouble_lasts() {
        let mut stalled = StalledClients::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            stalled.add(7);
            stalled.add(7);
            pauses.push(stalled.pause);
            stalled.deadline = Some(Instant::now());
            assert_eq!(stalled.take_over(), [7]);
        }
        assert!(stalled.take_over().is_empty());
        assert!(pauses.is_sorted() && pauses[0] == MIN_STALLED_POLL && pauses[11] == MAX_STALLED_POLL, "{pauses:?}");
    }
}
