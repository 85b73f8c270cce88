//! [`Shared`]: where the threads that use a pool and the pool's own thread meet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_process::cpu_count;

use crate::PoolError;
use crate::dispatcher::Dispatcher;
use crate::ids::JobId;
use crate::member::Recruiter;
use crate::scheduler::Event;
use crate::status::Status;
use crate::terms::Staffing;
use crate::watch::Watch;

/// How often the pool's own thread looks whether a caller still drives the dispatch.
const PATROL: Duration = Duration::from_millis(1);

/// One pool's meeting point.
///
/// The dispatcher belongs to whoever has the lock. A caller that waits for results looks at the rings itself for a while, and
/// asks the workers not to ring (*leads*). A caller that goes to sleep asks them to ring; then the pool's own thread, which
/// sleeps over everything that the kernel can tell, does what there is to be done. A caller that has what it wanted while the
/// workers are still busy will be back soon, most of the time; so the pool's own thread only looks now and then whether it
/// was (*patrols*), and takes over when it was not.
#[derive(Debug)]
pub(crate) struct Shared {
    floor: Mutex<Floor>,
    pub(crate) status: Arc<Status>,
    pub(crate) watch: Arc<Watch>,
    jobs: AtomicU64,
    /// Whether there is another processor for those that are waited for.
    pub(crate) may_spin: bool,
}

/// What is under the lock.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) dispatcher: Dispatcher,
    /// How often a caller has led.
    leads: u64,
    is_patrolled: bool,
    /// Until when the pool's own thread sleeps; the outer `None` while it does not.
    sleeps_until: Option<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(recruiter: Recruiter, staffing: Staffing) -> Result<Shared, PoolError> {
        let status: Arc<Status> = Arc::default();
        let watch = Arc::new(Watch::new().map_err(PoolError::system("make what it sleeps over"))?);
        let dispatcher = Dispatcher::new(status.clone(), watch.clone(), recruiter, staffing)?;
        let floor = Floor { dispatcher, leads: 0, is_patrolled: false, sleeps_until: None };
        Ok(Shared { floor: Mutex::new(floor), status, watch, jobs: AtomicU64::new(0), may_spin: cpu_count() > 1 })
    }

    pub(crate) fn next_job(&self) -> JobId {
        JobId(self.jobs.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_floor(&self) -> Option<MutexGuard<'_, Floor>> {
        self.floor.try_lock().ok()
    }

    /// Does what the pool's owner wants.
    pub(crate) fn command(&self, event: Event) {
        self.floor().dispatcher.command(event);
        // The pool's own thread has to see whether it was the end.
        self.watch.wake();
    }

    /// What the pool's own thread does.
    pub(crate) fn serve(&self) {
        let _guard = LastOrders(self);
        let mut deadline = Some(Instant::now());
        let mut leads = 0;
        loop {
            let signs = self.watch.sleep(deadline);
            let mut floor = self.floor();
            floor.sleeps_until = None;
            match signs {
                Ok(signs) if floor.dispatcher.attend(&signs) => {}
                Ok(_) => return floor.dispatcher.end(),
                Err(error) => return floor.dispatcher.fail(error),
            }
            deadline = floor.rest(&mut leads);
        }
    }
}

impl Floor {
    /// What a caller does when it has what it wanted, or gives up.
    pub(crate) fn leave(&mut self, watch: &Watch) {
        self.leads += 1;
        if self.dispatcher.is_busy() && !self.is_patrolled {
            self.is_patrolled = true;
            watch.wake();
        } else {
            self.set_alarm(watch);
        }
    }

    /// What a caller does before it goes to sleep. Answers whether it had better not.
    pub(crate) fn hand_over(&mut self, watch: &Watch) -> bool {
        self.set_alarm(watch);
        self.dispatcher.arm()
    }

    /// Wakes the pool's own thread if it sleeps for longer than is good.
    pub(crate) fn set_alarm(&mut self, watch: &Watch) {
        let Some(sleeps_until) = self.sleeps_until else { return };
        let Some(due) = self.dispatcher.deadline() else { return };
        if sleeps_until.is_none_or(|until| due < until) {
            self.sleeps_until = None;
            watch.wake();
        }
    }

    /// Makes ready for a sleep of the pool's own thread, and answers until when.
    fn rest(&mut self, leads: &mut u64) -> Option<Instant> {
        let is_led = self.leads != *leads;
        *leads = self.leads;
        let mut until = self.dispatcher.deadline();
        if self.is_patrolled && is_led && self.dispatcher.is_busy() {
            let look = Instant::now() + PATROL;
            until = Some(until.map_or(look, |until| until.min(look)));
        } else {
            self.is_patrolled = false;
            while self.dispatcher.arm() {
                self.dispatcher.pump();
                until = self.dispatcher.deadline();
            }
        }
        self.sleeps_until = Some(until);
        until
    }
}

/// No end of the pool's own thread leaves a caller waiting, a defect's panic included.
struct LastOrders<'a>(&'a Shared);

impl Drop for LastOrders<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.status.set_broken(crate::pool_error::Kind::Defect.into());
            self.0.floor().dispatcher.end();
        }
    }
}
