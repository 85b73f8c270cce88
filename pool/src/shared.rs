//! [`Shared`]: where the threads that use a pool and the pool's own thread meet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_process::cpu_count;

use crate::dispatcher::Dispatcher;
use crate::held::Held;
use crate::ids::JobId;
use crate::member::Recruiter;
use crate::scheduler::Event;
use crate::status::Status;
use crate::terms::Staffing;
use crate::ticket::{LOOKS, NEWS, SPIN};
use crate::watch::Watch;
use crate::{PoolError, Stats};

/// How often the pool's own thread looks whether a caller still drives the dispatch.
const PATROL: Duration = Duration::from_millis(1);

/// It is not woken for what is due so little earlier than it will look anyway.
const SLACK: Duration = Duration::from_micros(100);

/// One pool's meeting point.
///
/// The dispatcher belongs to whoever has the lock. A caller that waits for results looks at the rings itself for a while, and
/// asks the workers not to ring (*leads*). A caller that goes to sleep asks them to ring; then the pool's own thread, which
/// sleeps over everything that the kernel can tell, does what there is to be done. A caller that has what it wanted while the
/// workers are still busy will be back soon, most of the time; so the pool's own thread only looks now and then whether it
/// was (*patrols*), and takes over when it was not.
///
/// Somebody always answers for what the workers tell, and for what is due:
///
/// ```text
/// a caller                             the workers' words     the pool's own thread
/// leads (`Ticket::lead`)               cleared at each look   does not matter
/// hands tasks over (`Floor::lead`)     cleared if patrolled   patrols from its next look on
/// was woken, and its tasks are short   cleared                patrols: the caller will lead
/// leaves (`Floor::leave`), all done    do not matter          sleeps until what is due (`set_alarm`)
/// leaves, others' tasks run            cleared                patrols: looks after `PATROL`; nobody led since? sets them
/// sleeps (`Floor::hand_over`)          set                    sleeps until what is due, or a bell
/// watches (`Ticket::expect`)           set until it has come  as before; with short tasks it looks for a moment after each (`linger`)
/// ```
///
/// All of this is under the lock, but for the bells: see [`Bell`](crate::wire::Bell) for why none is lost. While it patrols, the
/// thread needs no alarm, because it looks soon. It patrols on for one look after the last caller has left, busy or not: a caller
/// that comes again and again would have to wake it each time. And it patrols while callers hand tasks over without ever having to
/// wait: the workers' bells would have it take results out that the caller takes out a moment later, in its way and at its cost.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The process that the pool belongs to. A copy that somebody makes of it by `fork` has neither the pool's thread nor its workers, and
    /// whatever it did to what lies here would be done to its original.
    owner: ProcessIdentity,
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
    /// Whether a caller has led since the pool's own thread looked the last time, and has not gone to sleep since then.
    is_led: bool,
    is_patrolled: bool,
    /// Whether the pool's own thread looks at the rings, and will have the workers ring when it stops.
    is_lingering: bool,
    /// Until when the pool's own thread sleeps; the outer `None` while it does not.
    sleeps_until: Option<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(recruiter: Recruiter, staffing: Staffing) -> Result<Shared, PoolError> {
        let status: Arc<Status> = Arc::default();
        let watch = Arc::new(Watch::new().map_err(PoolError::system("make what it sleeps over"))?);
        let dispatcher = Dispatcher::new(status.clone(), watch.clone(), recruiter, staffing)?;
        let floor = Floor { dispatcher, is_led: false, is_patrolled: false, is_lingering: false, sleeps_until: None };
        let owner = ProcessIdentity::current();
        Ok(Shared {
            owner,
            floor: Mutex::new(floor),
            status,
            watch,
            jobs: AtomicU64::new(0),
            may_spin: cpu_count() > 1,
        })
    }

    /// Whether this is the process that the pool belongs to, which is to be asked before the lock is taken: nobody would ever give it
    /// back in a copy that was made while it was held.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.owner == ProcessIdentity::current()
    }

    pub(crate) fn next_job(&self) -> JobId {
        JobId(self.jobs.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn floor(&self) -> Held<'_> {
        Held::new(self.floor.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn try_floor(&self) -> Option<Held<'_>> {
        self.floor.try_lock().ok().map(Held::new)
    }

    /// What the pool is doing; of one that is not this process's own, nothing.
    pub(crate) fn stats(&self) -> Stats {
        if self.is_ours() { self.floor().dispatcher.stats() } else { Stats::default() }
    }

    /// Does what the pool's owner wants.
    pub(crate) fn command(&self, event: Event) {
        if !self.is_ours() {
            return;
        }
        self.floor().dispatcher.command(event);
        // The pool's own thread has to see whether it was the end.
        self.watch.wake();
    }

    /// What the pool's own thread does.
    pub(crate) fn serve(&self) {
        let _guard = LastOrders(self);
        let mut deadline = Some(Instant::now());
        loop {
            let signs = self.watch.sleep(deadline);
            let mut floor = self.floor();
            floor.sleeps_until = None;
            match signs {
                Ok(signs) if floor.dispatcher.attend(&signs) => {}
                Ok(_) => return floor.dispatcher.end(),
                Err(error) => return floor.dispatcher.fail(error),
            }
            deadline = floor.rest();
            drop(floor);
            deadline = self.linger().unwrap_or(deadline);
        }
    }

    /// Looks at the rings for a little longer where tasks are short and somebody watches for their results: he may soon have more
    /// to do, and to sleep and be woken takes longer than that. Answers until when to sleep, if it has looked.
    fn linger(&self) -> Option<Option<Instant>> {
        let mut floor = self.floor();
        if !self.may_spin || !floor.dispatcher.take_brisk() {
            return None;
        }
        floor.is_lingering = true;
        drop(floor);
        let begin = Instant::now();
        let mut since = begin;
        let mut now = begin;
        // The kernel has to be asked in between.
        while now - since < SPIN && now - begin < NEWS {
            for _ in 0..LOOKS {
                let Some(mut floor) = self.try_floor() else { continue };
                floor.dispatcher.disarm();
                floor.dispatcher.pump();
                if floor.dispatcher.take_brisk() {
                    since = Instant::now();
                }
                drop(floor);
                std::hint::spin_loop();
            }
            thread::yield_now();
            now = Instant::now();
        }
        let mut floor = self.floor();
        if since > begin {
            floor.dispatcher.set_brisk();
        }
        floor.is_lingering = false;
        let until = floor.rest();
        Some(if since > begin { Some(now) } else { until })
    }
}

impl Floor {
    /// What a caller does when it has what it wanted, or gives up.
    pub(crate) fn leave(&mut self, watch: &Watch) {
        if self.dispatcher.is_watched() {
            // Nobody else will look for those who only watch.
            while self.hand_over(watch) {}
            return;
        }
        self.is_led = true;
        if self.is_patrolled {
            // It looks soon enough for whatever is due.
            return;
        }
        if self.dispatcher.is_busy() {
            self.is_patrolled = true;
            watch.wake();
        } else {
            self.set_alarm(watch);
        }
    }

    /// What a caller does that hands tasks over and looks at the rings by the way: it will do so again before long.
    pub(crate) fn lead(&mut self) {
        self.is_led = true;
        if self.is_patrolled && !self.dispatcher.is_watched() {
            self.dispatcher.disarm();
        }
    }

    /// What a caller does before it goes to sleep: from now on the workers ring. Answers whether they had told of something before,
    /// which has been taken in; then it is to look whether that was for it, and to come again.
    pub(crate) fn hand_over(&mut self, watch: &Watch) -> bool {
        self.is_led = false;
        if self.is_lingering {
            return false;
        }
        self.set_alarm(watch);
        let has_more = self.dispatcher.arm() && self.dispatcher.pump();
        if has_more {
            // What has followed may be due before what was known.
            self.set_alarm(watch);
        }
        has_more
    }

    /// Wakes the pool's own thread if it sleeps for longer than is good.
    pub(crate) fn set_alarm(&mut self, watch: &Watch) {
        let Some(sleeps_until) = self.sleeps_until else { return };
        let Some(due) = self.dispatcher.deadline() else { return };
        if sleeps_until.is_none_or(|until| due + SLACK < until) {
            self.sleeps_until = None;
            watch.wake();
        }
    }

    /// Makes ready for a sleep of the pool's own thread, and answers until when.
    fn rest(&mut self) -> Option<Instant> {
        // Who was woken will lead.
        let is_led = self.dispatcher.take_woken() | std::mem::take(&mut self.is_led);
        self.is_patrolled = is_led && !self.dispatcher.is_watched();
        if self.is_patrolled {
            self.dispatcher.disarm();
        }
        let look = self.is_patrolled.then(|| Instant::now() + PATROL);
        while look.is_none() && self.dispatcher.arm() {
            self.dispatcher.pump();
        }
        let until = self.dispatcher.deadline().into_iter().chain(look).min();
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
