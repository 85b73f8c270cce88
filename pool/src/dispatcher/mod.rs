//! [`Dispatcher`]: the one who talks to the workers. It tells the [scheduler](crate::scheduler) what happens and does what
//! that decides; it decides nothing itself.
//!
//! Any thread may work with it that has its lock. [`pump`](Dispatcher::pump) looks at the rings and asks the kernel nothing;
//! [`attend`](Dispatcher::attend) looks at what the kernel has to tell as well.

mod act;
mod figures;
mod hear;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::clock;

use crate::batch::Batch;
use crate::desk::Desk;
use crate::guard;
use crate::hints::OomWatch;
use crate::ids::{JobId, Span, WorkerId};
use crate::member::{Member, Recruiter};
use crate::pool_error::{self, PoolError};
use crate::scheduler::{Event, Scheduler};
use crate::sink::{Delivered, Listener, Sink};
use crate::status::Status;
use crate::task_error::{Badge, Death};
use crate::terms::{Staffing, Terms};
use crate::ticket::SHORT;
use crate::watch::{Sign, Watch};
use crate::wire::{Bell, KEPT_BACK};
use crate::works::{Work, Works};

/// How long killed workers are waited for when the pool ends, all of them together.
const BURIAL: Duration = Duration::from_secs(5);

/// The pool's workers, jobs and scheduler.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    status: Arc<Status>,
    watch: Arc<Watch>,
    recruiter: Recruiter,
    scheduler: Scheduler,
    members: BTreeMap<WorkerId, Member>,
    desks: HashMap<JobId, Desk>,
    /// How many of them are eager.
    eager: usize,
    /// Whether a caller whose tasks are short was woken; see [`take_woken`](Dispatcher::take_woken).
    has_woken: bool,
    /// When a worker has rung, if it may have kept back another bell since then.
    told: Option<Duration>,
    works: Works,
    /// How many jobs have somebody who watches for their results and looks at no ring.
    watched: usize,
    /// Whether such a one was just told of a short task's result.
    is_brisk: bool,
    /// What is to be called when the lock has been given back.
    calls: Vec<Listener>,
    /// Jobs with news to hand over.
    news: Vec<JobId>,
    /// Workers that ended in this turn.
    graves: HashMap<WorkerId, (Badge, Death)>,
    /// The last failure of a worker that was not ready yet.
    failure: Option<PoolError>,
    now: Duration,
    /// Whether doing something has made new decisions necessary.
    is_restless: bool,
    has_ended: bool,
    /// How many workers were started.
    started: usize,
    /// How many were started at first.
    most_workers: usize,
    oom: OomWatch,
    /// A worker that is not ready by then is given up.
    start_timeout: Option<Duration>,
    /// A worker that takes up more than this is replaced, in bytes.
    max_memory: Option<u64>,
    /// When they were last measured.
    measured: Duration,
    /// What tasks took, by what was done.
    paces: HashMap<u32, Duration>,
}

impl Dispatcher {
    /// A dispatcher whose workers are on their way.
    pub(crate) fn new(
        status: Arc<Status>,
        watch: Arc<Watch>,
        recruiter: Recruiter,
        staffing: Staffing,
    ) -> Result<Dispatcher, PoolError> {
        let mut new = Dispatcher {
            status,
            watch,
            recruiter,
            scheduler: Scheduler::new(staffing),
            members: BTreeMap::new(),
            desks: HashMap::new(),
            eager: 0,
            has_woken: false,
            told: None,
            works: Works::default(),
            watched: 0,
            is_brisk: false,
            calls: Vec::new(),
            news: Vec::new(),
            graves: HashMap::new(),
            failure: None,
            now: clock::monotonic(),
            is_restless: false,
            has_ended: false,
            started: 0,
            most_workers: staffing.least,
            oom: OomWatch::new(),
            start_timeout: staffing.start_timeout,
            max_memory: staffing.max_memory,
            measured: Duration::ZERO,
            paces: HashMap::new(),
        };
        new.tell(Event::Tick);
        while let Some(action) = new.scheduler.next_action() {
            new.act(action);
            if let Some(failure) = new.failure.take() {
                return Err(failure);
            }
        }
        Ok(new)
    }

    /// Begins a job.
    pub(crate) fn open(&mut self, job: JobId, work: Work, terms: Terms, sink: Arc<Sink>) {
        let work = self.works.number(work);
        let usual = self.paces.get(&work).copied();
        usual.into_iter().for_each(|usual| sink.set_usual(usual));
        self.desks.insert(job, Desk::new(work, sink, &terms));
        self.eager += usize::from(!terms.wants_all);
        self.tell(Event::Open { job, terms: Terms { usual, ..terms } });
        // What is known of such tasks already counts for how many are kept ready.
        if let (Some(goal), Some(desk)) = (self.scheduler.chunk_goal(job), self.desks.get_mut(&job)) {
            let _nothing_yet = desk.deliver(goal);
        }
    }

    /// Adds tasks to a job.
    pub(crate) fn submit(&mut self, job: JobId, batches: impl IntoIterator<Item = Batch>) {
        self.now = clock::monotonic();
        for batch in batches {
            let Some(desk) = self.desks.get_mut(&job) else { return };
            let tasks = Span { job, first: batch.first, count: batch.len() as u64 };
            let weight = batch.heaviest();
            desk.put(batch);
            self.tell(Event::Submit { tasks, weight });
        }
        self.decide();
        self.deliver();
    }

    /// As [`submit`](Dispatcher::submit), of a task for each worker that there is. Where there are more of them than tasks, it does nothing, and
    /// returns their number.
    pub(crate) fn submit_to_each(&mut self, job: JobId, batch: Batch) -> Result<(), usize> {
        let (count, useful) = (batch.len(), self.scheduler.useful());
        if useful > count {
            return Err(useful);
        }
        if let Some(desk) = self.desks.get_mut(&job) {
            desk.put(batch);
        }
        self.command(Event::Pin { tasks: Span { job, first: 0, count: count as u64 } });
        Ok(())
    }

    /// Ends a job, if it has not come to its end by itself. What runs is stopped, if that is wanted.
    pub(crate) fn release(&mut self, job: JobId, stop: bool) {
        if !self.desks.contains_key(&job) {
            return;
        }
        self.now = clock::monotonic();
        if stop {
            self.take_back_all(self.scheduler.holders(job));
            self.tell(Event::Cancel { job });
        } else {
            self.clear_desk(job);
        }
        self.decide();
        self.deliver();
    }

    /// Takes leave of a job.
    fn clear_desk(&mut self, job: JobId) {
        let Some(desk) = self.desks.remove(&job) else { return };
        self.eager -= usize::from(desk.is_eager);
        self.watched -= usize::from(desk.is_watched);
        if self.works.forget(desk.work) {
            self.members.values_mut().for_each(|member| member.forget(desk.work));
        }
        self.tell(Event::Release { job });
    }

    /// Throws the results of a job away from now on, and forgets it when it has none left to come.
    pub(crate) fn detach(&mut self, job: JobId) {
        let Some(desk) = self.desks.get_mut(&job) else { return };
        desk.is_detached = true;
        if desk.is_over() {
            self.release(job, false);
        }
    }

    /// Does what the pool's owner wants. What workers have done before that counts.
    pub(crate) fn command(&mut self, event: Event) {
        self.collect();
        self.now = clock::monotonic();
        self.heed_all();
        if matches!(event, Event::Terminate | Event::Drop) {
            self.take_back_all(self.members.keys().copied().collect());
        }
        self.tell(event);
        self.decide();
        self.deliver();
    }

    /// Looks at what the workers have said about their tasks. Answers whether that was anything.
    pub(crate) fn pump(&mut self) -> bool {
        let has_heard = self.collect();
        if has_heard {
            self.now = clock::monotonic();
            self.heed_all();
            self.decide();
            self.deliver();
        }
        has_heard
    }

    /// Does what these signs of the kernel and the passing of time call for. Answers whether the pool goes on.
    pub(crate) fn attend(&mut self, signs: &[Sign]) -> bool {
        self.now = clock::monotonic();
        for sign in signs {
            match sign {
                Sign::Speaks(worker) => self.listen(*worker),
                // What has ended is closed, and leaves the set by that.
                Sign::Writes(worker) => self.with(*worker, |member| {
                    member.last_words.pass_on();
                }),
                Sign::Ended(_) => {}
            }
        }
        // What was kept back before now is seen now.
        self.told = self.told.filter(|told| *told + KEPT_BACK > self.now);
        self.collect();
        self.heed_all();
        for sign in signs {
            if let Sign::Ended(worker) = sign {
                self.bury(*worker);
            }
        }
        self.decide();
        self.deliver();
        !self.has_ended
    }

    /// Asks the workers to tell of their next results. Answers whether there are some already.
    pub(crate) fn arm(&mut self) -> bool {
        let bell = if self.eager > 0 { Bell::Soon } else { Bell::Late };
        self.members.values().for_each(|member| member.line.arm(bell));
        procession_core::Ring::full_fence();
        self.members.values().any(|member| member.line.has_reports())
    }

    /// Asks the workers not to tell of their results, because somebody looks.
    pub(crate) fn disarm(&mut self) {
        self.members.values().for_each(|member| member.line.disarm());
    }

    /// Whether a caller was woken since the last time, who will soon look at the rings itself, because its tasks are short.
    pub(crate) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.has_woken)
    }

    /// Whether a worker has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.scheduler.load() > 0
    }

    /// When it is to be attended to even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = self.scheduler.deadline().into_iter().chain(self.next_look()).min()?;
        Instant::now().checked_add(at.saturating_sub(clock::monotonic()))
    }

    /// When the rings are to be looked at because somebody may wait for a result whose worker has not rung.
    fn next_look(&self) -> Option<Duration> {
        let told = self.told.filter(|_| self.eager > 0 && self.is_busy())?;
        Some(told + KEPT_BACK)
    }

    /// Ends with an error of the operating system, which every task gets to know.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.status.set_broken(pool_error::Kind::System("wait for its workers", error).into());
        self.end();
    }

    /// Ends the pool: no worker is left, and no caller waits.
    pub(crate) fn end(&mut self) {
        self.tell(Event::Terminate);
        self.act_on_all();
        self.deliver();
        self.has_ended = true;
        self.members.values().for_each(|member| member.child().kill());
        let until = Instant::now() + BURIAL;
        for (id, mut member) in std::mem::take(&mut self.members) {
            // One that the kernel does not let go of is left to it.
            let ended = member.child().wait_timeout(until.saturating_duration_since(Instant::now()));
            member.last_words.pass_on();
            self.watch.forget(id, &member);
            if let Ok(Some(status)) = ended {
                self.note_farewell(&member, status);
            }
        }
        self.status.set_ended();
    }

    fn tell(&mut self, event: Event) {
        self.scheduler.handle(event, self.now);
    }

    /// Does what follows from all that was told.
    fn decide(&mut self) {
        loop {
            self.is_restless = false;
            self.observe();
            self.tell(Event::Tick);
            self.act_on_all();
            if !self.is_restless {
                break;
            }
        }
        if !self.graves.is_empty() {
            self.graves.clear();
        }
    }

    fn act_on_all(&mut self) {
        while let Some(action) = self.scheduler.next_action() {
            self.act(action);
        }
    }

    #[inline]
    fn deliver(&mut self) {
        let mut have_ended = false;
        while let Some(job) = self.next_news(&mut have_ended) {
            let usual = self.scheduler.usual(job);
            let Some(desk) = self.desks.get_mut(&job) else { continue };
            if let Some(usual) = usual {
                self.paces.insert(desk.work, usual);
                desk.sink.set_usual(usual);
            }
            let Delivered { wakes, listener } = desk.deliver(self.scheduler.chunk_goal(job).unwrap_or(1));
            let is_short = usual.is_some_and(|usual| usual <= SHORT);
            self.has_woken |= wakes && is_short;
            self.is_brisk |= desk.is_watched && is_short;
            self.calls.extend(listener);
            if desk.is_over() {
                self.clear_desk(job);
                have_ended = true;
            }
        }
    }

    /// The next job with news to hand over. Before there is none, what follows from the end of those that have `ended` is seen to.
    #[inline]
    fn next_news(&mut self, ended: &mut bool) -> Option<JobId> {
        if self.news.is_empty() && std::mem::take(ended) {
            self.decide();
        }
        self.news.pop()
    }
}

/// No end leaves a worker running or a caller waiting, a defect's panic included.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        if !self.has_ended || !self.members.is_empty() {
            self.end();
        }
        // Nobody has the lock any more.
        self.take_calls().into_iter().for_each(|call| drop(guard::run(|| call.call())));
    }
}
