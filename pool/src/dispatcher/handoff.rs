//! [`Shared`]: what the threads that use a pool and the pool's own thread share, and which of them drives the dispatch.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Instant;

use procession_core::os::backoff::has_other_cores;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;

use super::Dispatcher;
use super::lock::{LockGuard, Locked};
use super::mailbox::Wait;
use super::status::Status;
use crate::local::poller::Poller;
use crate::local::worker_handle::WorkerFactory;
use crate::model::ids::JobId;
use crate::model::options::PoolLimits;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::model::stats::Stats;
use crate::model::tuning::{CALLER_SPIN, KERNEL_POLL_INTERVAL, POLLS_PER_YIELD, SHORT_TASK};
use crate::remote::launcher::HostSet;
use crate::scheduler::event::Event;

/// One pool's dispatcher and its lock.
///
/// The thread that holds the lock works with the dispatcher. The threads are leader and followers: a caller that waits for results
/// polls the rings itself for a while, and asks the workers for no notifications (it *drives*). A caller that goes to sleep asks them
/// for notifications; then the pool's own thread, which sleeps over everything that the kernel reports, does the work. A caller that
/// has its results while workers are busy will mostly be back soon. So the pool's own thread only looks now and then whether it
/// was (*poll mode*), and takes over if it was not.
///
/// At each moment one of them handles what workers report, and what is due:
///
/// ```text
/// a caller                                     the doorbells         the pool's own thread
/// drives (`Shared::drive`)                     cleared at each look  does not matter
/// submits tasks (`LockGuard::drive`)              cleared if it polls   polls from its next look on
/// was woken, and its tasks are short           cleared               polls: the caller will drive
/// stops (`LockGuard::stop_driving`), all done     do not matter         sleeps until the deadline (`set_alarm`)
/// stops, other callers' tasks run              cleared               polls after `POLL_INTERVAL`; no caller drove since? sets them
/// sleeps (`LockGuard::arm_and_yield`)             set                   sleeps until the deadline, or a notification
/// registers a waker (`LockGuard::set_waker`)      set until it is done  as before; polls for a moment after a short task (`spin_briefly`)
/// ```
///
/// All of this is under the lock except for the doorbells: [`Doorbell`](crate::wire::channel::Doorbell) says why no notification is lost.
/// In poll mode the thread needs no alarm, because it looks soon. It stays in poll mode for one look after the last caller has
/// stopped, because a caller that comes again and again would have to wake it each time. It also polls while callers submit tasks
/// without ever waiting: notifications would have it take results out that the caller takes out a moment later, in its way.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The process that the pool belongs to. A copy of it (`fork`) has neither the pool's thread nor its workers, and must not touch
    /// them.
    owner: ProcessIdentity,
    /// The pool's own thread, once it runs.
    own_thread: OnceLock<ThreadId>,
    locked: Mutex<Locked>,
    pub(crate) status: Arc<Status>,
    poller: Arc<Poller>,
    /// The number of the next job.
    jobs: AtomicU64,
    /// Whether another processor can run what a spinning thread waits for.
    pub(crate) may_spin: bool,
}

impl Shared {
    pub(crate) fn new(factory: WorkerFactory, hosts: Option<HostSet>, limits: PoolLimits) -> Result<Shared, PoolError> {
        let status: Arc<Status> = Arc::default();
        status.set_workers(limits.max_workers);
        let poller = Arc::new(Poller::new().map_err(PoolError::system("make what it sleeps over"))?);
        let dispatcher = Dispatcher::new(status.clone(), poller.clone(), factory, hosts, limits)?;
        Ok(Shared {
            owner: ProcessIdentity::current(),
            own_thread: OnceLock::new(),
            locked: Mutex::new(Locked::new(dispatcher)),
            status,
            poller,
            jobs: AtomicU64::new(0),
            may_spin: has_other_cores(),
        })
    }

    /// Returns whether this process owns the pool. Asked before the lock is taken: in a copy that was made while it was held, it is
    /// never released.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.owner == ProcessIdentity::current()
    }

    /// Returns a number that no other job of this pool has.
    pub(crate) fn next_job(&self) -> JobId {
        // Relaxed: only the numbers have to be distinct.
        JobId(self.jobs.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for the lock. The process must [own](Shared::is_ours) the pool.
    pub(crate) fn lock(&self) -> LockGuard<'_> {
        LockGuard::new(mutex::lock(&self.locked), &self.poller)
    }

    /// Returns the lock, unless another thread holds it.
    pub(crate) fn try_lock(&self) -> Option<LockGuard<'_>> {
        self.locked.try_lock().ok().map(|locked| LockGuard::new(locked, &self.poller))
    }

    /// Returns the statistics. They are all zero in a copy of the pool's process.
    pub(crate) fn stats(&self) -> Stats {
        if self.is_ours() { self.lock().dispatcher.stats() } else { Stats::default() }
    }

    /// Handles an event of the pool's owner.
    pub(crate) fn command(&self, event: Event) {
        if self.is_ours() {
            self.lock().dispatcher.command(event);
            // The pool's own thread has to see whether the pool has ended by it.
            self.poller.wake();
        }
    }

    /// Waits until the mailbox has outcomes, and drives the dispatch meanwhile. Returns whether it has; else the deadline has passed,
    /// or another thread has taken the wait over.
    pub(crate) fn wait(&self, wait: &Wait<'_>) -> bool {
        let mailbox = wait.mailbox;
        if wait.is_over() {
            return mailbox.has_some();
        }
        if self.is_own_thread() {
            self.drive_own(|| wait.is_over(), wait.deadline);
            return mailbox.has_some();
        }
        // A caller of long tasks does not poll: it would take processor time from the workers.
        let is_short = mailbox.avg_duration() <= SHORT_TASK;
        while !(is_short && self.may_spin && self.drive(wait)) {
            let has_more = self.lock().arm_and_yield();
            if !has_more {
                mailbox.sleep(if is_short { 1 } else { wait.wanted }, wait);
            }
            if wait.is_over() || wait.is_late() {
                break;
            }
        }
        mailbox.has_some()
    }

    /// Polls the rings until the wait is over, or for [`CALLER_SPIN`] without progress. Returns whether it is over.
    fn drive(&self, wait: &Wait<'_>) -> bool {
        let mut progress_at = Instant::now();
        let mut kernel_polled_at = progress_at;
        loop {
            for _ in 0..POLLS_PER_YIELD {
                if self.poll_rings() {
                    progress_at = Instant::now();
                }
                if wait.is_over() {
                    self.lock().stop_driving();
                    return true;
                }
                std::hint::spin_loop();
            }
            // Where processes outnumber cores, the others need this one.
            thread::yield_now();
            let now = Instant::now();
            if now - kernel_polled_at > KERNEL_POLL_INTERVAL {
                kernel_polled_at = now;
                self.poll_kernel();
            }
            if now - progress_at > CALLER_SPIN || wait.deadline.is_some_and(|at| at <= now) {
                return false;
            }
        }
    }

    /// Returns whether the rings had anything. Another thread that holds the lock looks at them itself.
    fn poll_rings(&self) -> bool {
        let Some(mut locked) = self.try_lock() else { return false };
        // At each look, because a caller that went to sleep may have set the doorbells since the last one.
        locked.dispatcher.disarm();
        locked.dispatcher.pump()
    }

    /// Handles what the kernel has to report by now, for example the end of a worker.
    fn poll_kernel(&self) {
        // An error is left to the pool's own thread, which ends the pool for it.
        if let Ok(readiness) = self.poller.poll()
            && !readiness.is_empty()
            && !self.lock().dispatcher.handle_readiness(&readiness)
        {
            // The pool has ended. Its own thread has to see that, because it kills and reaps what is left.
            self.poller.wake();
        }
    }

    /// The main function of the pool's own thread.
    pub(crate) fn run_thread(&self) {
        let _guard = FailOnPanic(self);
        // A pool has one such thread.
        let _is_first = self.own_thread.set(thread::current().id());
        // The first turn does not sleep: it finds out until when to.
        let mut deadline = Some(Instant::now());
        while let ControlFlow::Continue(next) = self.turn(deadline) {
            deadline = next;
        }
    }

    /// Sleeps until `deadline` or until a descriptor is ready, and handles it. Returns until when to sleep next, unless the pool has ended.
    fn turn(&self, deadline: Option<Instant>) -> ControlFlow<(), Option<Instant>> {
        let readiness = self.poller.sleep(deadline);
        let mut locked = self.lock();
        // It is awake, so no alarm is needed until it has computed the next deadline.
        locked.sleeps_until = None;
        match readiness {
            Ok(readiness) if locked.dispatcher.handle_readiness(&readiness) => {}
            Ok(_) => {
                locked.dispatcher.end();
                return ControlFlow::Break(());
            }
            Err(error) => {
                locked.dispatcher.fail(error);
                return ControlFlow::Break(());
            }
        }
        let deadline = locked.prepare_sleep();
        drop(locked);
        ControlFlow::Continue(self.spin_briefly().unwrap_or(deadline))
    }

    /// Returns whether the calling thread is the pool's own: a waker, which it calls, may use the pool and wait for it.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.own_thread.get() == Some(&thread::current().id())
    }

    /// Has the pool's own thread look at what it waits for.
    pub(crate) fn wake_own_thread(&self) {
        self.poller.wake();
    }

    /// Takes turns of the pool's own thread until `is_done` or `deadline`, in place of waiting for that thread, which is this one.
    pub(crate) fn drive_own(&self, is_done: impl Fn() -> bool, deadline: Option<Instant>) {
        let mut until = Some(Instant::now());
        while !is_done() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            match self.turn(until.into_iter().chain(deadline).min()) {
                ControlFlow::Continue(next) => until = next,
                ControlFlow::Break(()) => break,
            }
        }
        // The turn that called the waker has computed its deadline before all this.
        self.poller.wake();
    }

    /// Polls the rings for a moment after the result of a short task with a waker: its caller may soon submit more, and to sleep and be
    /// woken takes longer than that. Returns until when to sleep, if it has polled.
    fn spin_briefly(&self) -> Option<Option<Instant>> {
        let mut locked = self.lock();
        if !self.may_spin || !locked.dispatcher.jobs.take_delivered_short() {
            return None;
        }
        locked.is_spinning = true;
        drop(locked);
        let begin = Instant::now();
        let (mut progress_at, mut now) = (begin, begin);
        // The kernel has to be polled in between.
        while now - progress_at < CALLER_SPIN && now - begin < KERNEL_POLL_INTERVAL {
            for _ in 0..POLLS_PER_YIELD {
                let Some(mut locked) = self.try_lock() else { continue };
                locked.dispatcher.disarm();
                locked.dispatcher.pump();
                if locked.dispatcher.jobs.take_delivered_short() {
                    progress_at = Instant::now();
                }
                drop(locked);
                std::hint::spin_loop();
            }
            thread::yield_now();
            now = Instant::now();
        }
        let has_progress = progress_at > begin;
        let mut locked = self.lock();
        if has_progress {
            locked.dispatcher.jobs.set_delivered_short();
        }
        locked.is_spinning = false;
        let until = locked.prepare_sleep();
        // With progress the next turn looks at the kernel without sleeping, and comes back here.
        Some(if has_progress { Some(now) } else { until })
    }
}

/// Fails the pool if its own thread panics, so that no caller waits for ever.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Before the tasks end, because their errors name it.
            self.0.status.set_broken(PoolErrorKind::Defect.into());
            self.0.lock().dispatcher.end();
        }
    }
}
