//! [`Connection`]: the link to the agent of a host, with what was read from it and what waits to be sent.

use std::any::Any;
use std::collections::VecDeque;
use std::time::Instant;

use procession_core::os::poll::poll;
use procession_core::{LinkError, TryRecv};

use super::launcher::LaunchedAgent;
use crate::local::poller::Poller;
use crate::model::tuning::MAX_FRAMES_PER_READ;
use crate::wire::agent_link::AgentLink;
use crate::wire::channel::Doorbell;
use crate::wire::host_messages::{HostFrame, HostOrder, HostReport, HostSetup};
use crate::wire::messages::Preparation;
use crate::wire::outbox::Outbox;

/// A link that works, or did.
#[derive(Debug)]
pub(super) struct Connection {
    host: usize,
    /// Before `keep`, because what that holds may wait for the end of the agent.
    link: AgentLink,
    pub(super) outbox: Outbox<HostOrder>,
    frames: VecDeque<HostFrame<HostReport>>,
    /// Whether frames were left behind by the last read.
    has_more: bool,
    /// Whether the pool's own thread is to be woken for reports.
    is_armed: bool,
    /// Whether the link is in the poller.
    is_watched: bool,
    /// Whether the link has no space for what waits.
    is_full: bool,
    doorbell: Doorbell,
    /// Why the link is of no use any more.
    error: Option<String>,
    _keep: Box<dyn Any + Send>,
}

impl Connection {
    /// Returns the connection to an agent, which is sent its setup.
    pub(super) fn new(host: usize, launched: LaunchedAgent, setup: &HostSetup<&Preparation>) -> Connection {
        let LaunchedAgent { link, keep } = launched;
        let mut new = Connection {
            host,
            link,
            outbox: Outbox::default(),
            frames: VecDeque::new(),
            has_more: false,
            is_armed: false,
            is_watched: false,
            is_full: false,
            doorbell: Doorbell::Prompt,
            error: None,
            _keep: keep,
        };
        if let Err(error) = new.link.post(setup) {
            new.fail(&error);
        }
        new
    }

    /// Reads what the agent has sent. Returns whether there was anything, the end of the link included.
    pub(super) fn read(&mut self) -> bool {
        if self.error.is_some() {
            // Until the dispatcher has taken it: a failed write is news as well, and no further read would bring any.
            return true;
        }
        let before = self.frames.len();
        for _ in 0..MAX_FRAMES_PER_READ {
            match self.link.try_recv() {
                Ok(TryRecv::Value(frame)) => self.frames.push_back(frame),
                Ok(TryRecv::Empty) => {
                    self.has_more = false;
                    return self.frames.len() > before;
                }
                Ok(TryRecv::End) => {
                    self.fail(&LinkError::Disconnected);
                    return true;
                }
                Err(error) => {
                    self.fail(&error);
                    return true;
                }
            }
        }
        self.has_more = true;
        true
    }

    /// Returns the next frame that was read.
    pub(super) fn next_frame(&mut self) -> Option<HostFrame<HostReport>> {
        self.frames.pop_front()
    }

    /// Returns why the link is of no use any more, once all that was read from it was taken.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| self.frames.is_empty())
    }

    /// Sends as much as there is space for.
    pub(super) fn flush(&mut self, poller: &Poller) {
        if self.error.is_some() || self.outbox.is_empty() && !self.is_full {
            return;
        }
        match self.outbox.flush(&mut self.link) {
            Ok(is_out) => {
                if self.is_full == is_out {
                    self.is_full = !is_out;
                    self.watch(poller);
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Has reports wake the pool's own thread. Returns whether there are some already.
    pub(super) fn arm(&mut self, doorbell: Doorbell, poller: &Poller) -> bool {
        if self.doorbell != doorbell {
            self.doorbell = doorbell;
            self.outbox.push(HostOrder::Doorbell { is_prompt: doorbell == Doorbell::Prompt });
            self.flush(poller);
        }
        if !self.is_armed {
            self.is_armed = true;
            self.watch(poller);
        }
        // What lies in the socket shows in the poller as well, so no report is lost between a read and this.
        self.has_more || self.error.is_some() || !self.frames.is_empty()
    }

    /// Has reports wake no thread, because one reads the link.
    pub(super) fn disarm(&mut self, poller: &Poller) {
        if self.is_armed {
            self.is_armed = false;
            self.watch(poller);
        }
    }

    /// Waits until the agent has closed the link, or until the deadline. What it sends meanwhile is dropped.
    pub(super) fn wait_end(&mut self, deadline: Instant) {
        while self.error.is_none() && Instant::now() < deadline {
            if self.outbox.flush(&mut self.link).is_err() {
                return;
            }
            // An error or the deadline is found by the read.
            let _ready = poll(&[self.link.pollable()], Some(deadline));
            self.read();
            self.frames.clear();
        }
    }

    /// Gives up the link.
    pub(super) fn fail(&mut self, error: &LinkError) {
        let text = || match error {
            LinkError::Disconnected => "its agent has ended, or the connection to it".to_owned(),
            error => error.to_string(),
        };
        self.error.get_or_insert_with(text);
    }

    /// Takes the link out of the poller, before it is closed.
    pub(super) fn unwatch(&mut self, poller: &Poller) {
        (self.is_armed, self.is_full) = (false, false);
        self.watch(poller);
    }

    /// Updates whether the poller has the link.
    fn watch(&mut self, poller: &Poller) {
        let (is_wanted, link) = (self.is_armed || self.is_full, self.link.pollable());
        if self.is_watched && is_wanted {
            poller.update_host(self.host, link);
        } else if is_wanted {
            // Without memory for it the link is read when another event comes.
            self.is_watched = poller.add_host(self.host, link).is_ok();
        } else if self.is_watched {
            poller.remove_host(link);
            self.is_watched = false;
        }
    }
}
