//! The loop of an agent: it sleeps over its poller, handles what has come, and polls for a while where tasks are short.

use std::thread;
use std::time::Instant;

use procession_core::os::clock;
use procession_core::{LinkError, Ring, TryRecv};

use super::serve::Agent;
use crate::local::poller::Readiness;
use crate::model::tuning::{
    AGENT_SPIN, KERNEL_POLL_INTERVAL, MAX_NOTIFY_DELAY, MAX_QUEUED_RESULT_BYTES, POLLS_PER_YIELD,
    STARTED_REPORT_INTERVAL,
};
use crate::wire::channel::Doorbell;
use crate::wire::host_messages::{HostFrame, HostOrder};

impl Agent {
    /// Serves until the pool says so or is gone, or the lease is over.
    pub(super) fn run(&mut self) -> Result<(), LinkError> {
        let mut deadline = Some(Instant::now());
        while !self.is_over {
            let readiness = self.poller.sleep(deadline).map_err(LinkError::Io)?;
            self.workers.values().for_each(|worker| worker.handle.channel.disarm());
            self.handle_readiness(&readiness)?;
            deadline = if self.spin()? { Some(Instant::now()) } else { self.prepare_sleep() };
        }
        Ok(())
    }

    /// Handles what the kernel has reported, and the passing of time.
    fn handle_readiness(&mut self, readiness: &[Readiness]) -> Result<(), LinkError> {
        self.read_link()?;
        for ready in readiness {
            match ready {
                Readiness::ControlReadable(worker) => self.poll_control(worker.0),
                Readiness::StderrReadable(worker) => self.read_stderr(worker.0),
                Readiness::Exited(_) | Readiness::HostReadable(_) => {}
            }
        }
        self.read_rings();
        // Ends come last, so that all that a worker has written before its end counts.
        for ready in readiness {
            if let Readiness::Exited(worker) = ready {
                self.reap(worker.0);
            }
        }
        self.run_timers();
        self.flush()
    }

    /// Looks at the link and the rings. Returns whether there was anything.
    fn poll_once(&mut self) -> Result<bool, LinkError> {
        let has_read = self.read_link()? | self.read_rings();
        if has_read {
            self.flush()?;
        }
        Ok(has_read)
    }

    /// Polls for a while, as long as there is news of short tasks. Returns whether the kernel is to be polled next, without a sleep.
    fn spin(&mut self) -> Result<bool, LinkError> {
        if !self.may_spin || !self.is_short || !self.workers.values().any(|worker| worker.handle.has_reported) {
            return Ok(false);
        }
        let begin = Instant::now();
        let (mut progress_at, mut now) = (begin, begin);
        while now - progress_at < AGENT_SPIN && !self.is_over {
            if now - begin > KERNEL_POLL_INTERVAL {
                return Ok(true);
            }
            for _ in 0..POLLS_PER_YIELD {
                if self.poll_once()? {
                    progress_at = Instant::now();
                }
                std::hint::spin_loop();
            }
            // Where processes outnumber cores, the others need this one.
            thread::yield_now();
            now = Instant::now();
        }
        Ok(self.is_over)
    }

    /// Asks the workers for notifications. Returns until when to sleep.
    fn prepare_sleep(&mut self) -> Option<Instant> {
        if !self.is_clogged() {
            self.workers.values().for_each(|worker| worker.handle.channel.arm(self.doorbell));
            // Pairs with the fence in `Worker::notify_if_asleep`; see `Doorbell`.
            Ring::full_fence();
            if self.workers.values().any(|worker| worker.handle.channel.has_results()) {
                return Some(Instant::now());
            }
        }
        let is_busy = || self.workers.values().any(|worker| worker.is_busy());
        let delayed = self.notified_at.filter(|_| self.doorbell == Doorbell::Prompt && is_busy());
        let look = self.workers.values().any(|worker| worker.has_unreported()).then_some(self.look_at);
        let now = clock::monotonic();
        let next = delayed.map(|at| at + MAX_NOTIFY_DELAY).into_iter().chain(look).min();
        let next = next.map(|at| at.saturating_sub(now));
        let beat = self.beats.deadline().map(|at| at.saturating_sub(clock::boottime()));
        Instant::now().checked_add(next.into_iter().chain(beat).min()?)
    }

    /// Returns whether too many results wait, so that no more are read.
    pub(super) fn is_clogged(&self) -> bool {
        self.outbox.queued_bytes() > MAX_QUEUED_RESULT_BYTES
    }

    /// Does what is due.
    fn run_timers(&mut self) {
        let (now, boottime) = (clock::monotonic(), clock::boottime());
        self.notified_at = self.notified_at.filter(|at| *at + MAX_NOTIFY_DELAY > now);
        if now >= self.look_at {
            self.look_at = now + STARTED_REPORT_INTERVAL;
            self.report_started(now);
        }
        if self.beats.is_over(boottime) {
            // The pool gives this host up a little later, so it must not run any task from then on.
            self.is_over = true;
        }
        while let Some(number) = self.beats.next(boottime).filter(|_| !self.is_over) {
            self.report_beat(number);
        }
    }

    /// Handles the orders that have come. Returns whether there were any.
    fn read_link(&mut self) -> Result<bool, LinkError> {
        let mut has_read = false;
        loop {
            match self.link.try_recv::<HostFrame<HostOrder>>()? {
                TryRecv::Value(frame) => self.handle_frame(frame)?,
                TryRecv::Empty => return Ok(has_read),
                TryRecv::End => return Err(LinkError::Disconnected),
            }
            has_read = true;
        }
    }

    /// Sends what waits, as far as there is space.
    pub(super) fn flush(&mut self) -> Result<(), LinkError> {
        if self.outbox.is_empty() && !self.is_full {
            return Ok(());
        }
        let is_full = !self.outbox.flush(&mut self.link)?;
        if !is_full {
            self.stderr_sent();
        }
        if is_full != self.is_full {
            self.is_full = is_full;
            self.poller.update_host(0, self.link.pollable());
        }
        Ok(())
    }
}
