//! [`Dispatcher`]: talks to the workers. It sends the [scheduler](crate::scheduler) events and executes its actions; it decides
//! nothing itself.
//!
//! The thread that holds its lock works with it. [`pump`](Dispatcher::pump) reads the rings without a system call;
//! [`handle_readiness`](Dispatcher::handle_readiness) handles what the kernel has reported as well.

mod driver;
mod execute;
mod exits;
pub(crate) mod handoff;
mod hosts;
mod ingest;
mod job_buffers;
mod jobs;
mod lock;
pub(crate) mod mailbox;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod stderr_forwarder;
mod workers;

use std::sync::Arc;
use std::time::Instant;

use procession_core::os::clock;

use self::driver::Driver;
use self::jobs::Jobs;
use self::mailbox::{Listener, Mailbox};
use self::status::Status;
use self::workers::Workers;
use crate::local::functions::TaskFn;
use crate::local::poller::{Poller, Readiness};
use crate::local::worker_handle::WorkerFactory;
use crate::model::ids::{JobId, TaskRange};
use crate::model::options::{JobOptions, PoolLimits};
use crate::model::pool_error::PoolError;
use crate::remote::launcher::HostSet;
use crate::scheduler::event::Event;
use crate::wire::arguments::ArgumentBatch;
use crate::wire::channel::Doorbell;

/// The pool's workers and jobs, and the scheduler that decides about them.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    driver: Driver,
    workers: Workers,
    jobs: Jobs,
    status: Arc<Status>,
}

impl Dispatcher {
    /// Returns a dispatcher whose workers are starting.
    fn new(
        status: Arc<Status>,
        poller: Arc<Poller>,
        factory: WorkerFactory,
        hosts: Option<HostSet>,
        limits: PoolLimits,
    ) -> Result<Dispatcher, PoolError> {
        let (driver, workers) = (Driver::new(limits), Workers::new(poller, factory, hosts, &limits));
        let mut new = Dispatcher { driver, workers, jobs: Jobs::default(), status };
        new.driver.emit(Event::Tick);
        while let Some(action) = new.driver.next_action() {
            new.execute(action);
            // The caller can act on this one, so it is not tried again. The drop of `new` kills the workers that have started.
            if let Some(failure) = new.workers.failure.take() {
                return Err(failure);
            }
        }
        Ok(new)
    }

    /// Begins a job.
    pub(crate) fn open(&mut self, job: JobId, function: TaskFn, options: JobOptions, mailbox: Arc<Mailbox>) {
        let avg_duration = self.jobs.open(job, function, &options, mailbox);
        self.driver.emit(Event::Open { job, options: JobOptions { avg_duration, ..options } });
        // What earlier jobs have taught of the function counts from the first task on.
        self.jobs.set_prefetch_depth(job, self.driver.scheduler.prefetch_depth(job));
    }

    /// Adds tasks to a job.
    pub(crate) fn submit(&mut self, job: JobId, batches: impl IntoIterator<Item = ArgumentBatch>) {
        self.driver.update_clock();
        for batch in batches {
            let (first, count, weight) = (batch.first, batch.len() as u64, batch.max_weight());
            if !self.jobs.push_arguments(job, batch) {
                return;
            }
            self.driver.emit(Event::Submit { tasks: TaskRange { job, first, count }, weight });
        }
        // At once, so that an idle worker has its task before the caller reads the next item.
        self.decide();
        self.deliver();
    }

    /// Adds a task for each active worker. Where there are more workers than tasks, it does nothing and returns their number.
    pub(crate) fn submit_to_each(&mut self, job: JobId, batch: ArgumentBatch) -> Result<(), usize> {
        let (count, active) = (batch.len(), self.driver.scheduler.active_workers());
        if active > count {
            return Err(active);
        }
        self.jobs.push_arguments(job, batch);
        self.command(Event::Pin { tasks: TaskRange { job, first: 0, count: count as u64 } });
        Ok(())
    }

    /// Ends a job that no caller waits for any more. What runs is stopped if `stop`.
    pub(crate) fn release(&mut self, job: JobId, stop: bool) {
        if !self.jobs.contains(job) {
            return;
        }
        self.driver.update_clock();
        if stop {
            // Before the event, so that its outcome says of each task whether it had started.
            self.revoke_unstarted(self.driver.scheduler.holders(job));
            self.driver.emit(Event::Cancel { job });
        } else {
            self.close_job(job);
        }
        self.decide();
        self.deliver();
    }

    /// Drops the results of a job from now on, and closes it when all its tasks have ended.
    pub(crate) fn detach(&mut self, job: JobId) {
        if self.jobs.detach(job) {
            self.release(job, false);
        }
    }

    /// Removes a job, and has workers forget a function that no other job can apply. Nothing more is delivered to it.
    fn close_job(&mut self, job: JobId) {
        let Some(unregistered) = self.jobs.close(job) else { return };
        unregistered.into_iter().for_each(|function| self.workers.unregister(function));
        self.driver.emit(Event::Release { job });
    }

    /// Handles an event of the pool's owner. Results that workers have published before it count.
    pub(crate) fn command(&mut self, event: Event) {
        self.workers.read_all();
        self.driver.update_clock();
        self.ingest_all();
        if matches!(event, Event::Terminate | Event::Drop) {
            // As for a cancelled job: what was not revoked had started.
            self.revoke_unstarted(self.workers.ids());
        }
        self.driver.emit(event);
        self.decide();
        self.deliver();
    }

    /// Handles what is in the workers' rings. Returns whether there was anything.
    pub(crate) fn pump(&mut self) -> bool {
        let has_read = self.workers.read_all();
        if has_read {
            self.driver.update_clock();
            self.ingest_all();
            self.decide();
            self.deliver();
        }
        has_read
    }

    /// Handles what the kernel has reported, and the passing of time. Returns whether the pool goes on.
    pub(crate) fn handle_readiness(&mut self, readiness: &[Readiness]) -> bool {
        self.driver.update_clock();
        for ready in readiness {
            match ready {
                Readiness::ControlReadable(worker) => self.poll_control(*worker),
                // A stream that has ended is closed, and leaves the poller by that.
                Readiness::StderrReadable(worker) => {
                    self.workers.with(*worker, |handle| handle.stderr_tail.read(stderr_forwarder::forward));
                }
                Readiness::Exited(_) | Readiness::HostReadable(_) => {}
            }
        }
        // What a notification was held back for lies in the rings, which are read next.
        self.workers.forget_notification(self.driver.now);
        self.workers.read_all();
        self.ingest_all();
        // Ends come last, so that all that a worker has written before its end counts.
        for ready in readiness {
            if let Readiness::Exited(worker) = ready {
                self.reap(*worker);
            }
        }
        self.decide();
        self.deliver();
        !self.driver.has_ended
    }

    /// Asks the workers to notify this side of their next results. Returns whether there are some already.
    pub(crate) fn arm(&mut self) -> bool {
        // A doorbell is that of a worker and not of a job: a single caller that may wait for one result makes all of them prompt.
        self.workers.arm(if self.jobs.is_streaming() { Doorbell::Prompt } else { Doorbell::Lazy })
    }

    /// Asks the workers not to notify this side of their results, because a thread polls the rings.
    pub(crate) fn disarm(&mut self) {
        self.workers.disarm();
    }

    /// Returns whether a worker has tasks.
    pub(crate) fn is_busy(&self) -> bool {
        self.driver.scheduler.load() > 0
    }

    /// Returns when the dispatcher has to run even if nothing is reported.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A caller may wait for a single result whose worker delays its notification.
        let delayed = self.workers.delayed_notification().filter(|_| self.jobs.is_streaming() && self.is_busy());
        let hosts = self.workers.remote.deadline();
        let at = self.driver.scheduler.deadline().into_iter().chain(delayed).chain(hosts).min()?;
        Instant::now().checked_add(at.saturating_sub(clock::monotonic()))
    }

    /// Sends what has happened to the scheduler and executes its actions, until they cause no more events.
    fn decide(&mut self) {
        loop {
            // An action may fail or revoke tasks, which is an event that needs another decision.
            self.driver.must_decide_again = false;
            self.report_running_since();
            self.driver.emit(Event::Tick);
            self.execute_all();
            if !self.driver.must_decide_again {
                break;
            }
        }
        // Not before all actions were executed: the error of a task names the end of its worker.
        self.workers.forget_exited();
        // All that this turn has for an agent leaves in one write.
        if !self.workers.remote.is_empty() {
            self.workers.remote.flush();
        }
    }

    /// Executes actions until there are none, those included that an action has caused.
    fn execute_all(&mut self) {
        while let Some(action) = self.driver.next_action() {
            self.execute(action);
        }
    }

    /// Delivers results to their mailboxes, and closes jobs that have ended by that.
    #[inline]
    fn deliver(&mut self) {
        let mut has_closed = false;
        loop {
            let Some(job) = self.jobs.next_ready() else {
                if !std::mem::take(&mut has_closed) {
                    return;
                }
                // The end of a job may let others go on, or the pool end.
                self.decide();
                continue;
            };
            let scheduler = &self.driver.scheduler;
            if self.jobs.deliver(job, scheduler.avg_duration(job), scheduler.prefetch_depth(job)) {
                self.close_job(job);
                has_closed = true;
            }
        }
    }

    /// Takes the listeners to be called when the lock has been released.
    #[inline]
    pub(crate) fn take_listeners(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.jobs.listeners)
    }
}

/// No end leaves a worker running or a caller waiting, not even the panic of a defect.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        if !self.driver.has_ended || !self.workers.is_empty() {
            self.end();
        }
        // No thread holds the lock any more.
        self.take_listeners().iter().for_each(Listener::call);
    }
}
