//! [`Dispatcher`]: the one who talks to the workers. It tells the [scheduler](crate::scheduler) what happens and does what
//! that decides; it decides nothing itself.
//!
//! All that it does it does in [`turn`](Dispatcher::turn), which any thread may call that has it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::LinkError;
use procession_core::codec::Message;
use procession_core::os::poll::poll;
use procession_process::ExitStatus;

use crate::desk::{self, Desk};
use crate::ids::{JobId, TaskId, WorkerId};
use crate::member::{Member, Recruiter};
use crate::pool_error::{self, PoolError};
use crate::protocol::{Answer, InitFailure, Report};
use crate::scheduler::{Action, End, Event, Refusal, Scheduler};
use crate::shared::{Command, Shared};
use crate::task_error::{Badge, Kind};

/// How long a killed worker is waited for when the pool ends.
const BURIAL: Duration = Duration::from_secs(5);

/// The pool's workers, jobs and scheduler.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    recruiter: Recruiter,
    scheduler: Scheduler,
    members: BTreeMap<WorkerId, Member>,
    desks: HashMap<JobId, Desk>,
    /// Workers that ended in this turn.
    graves: HashMap<WorkerId, Grave>,
    /// The last failure of a worker that was not ready yet.
    failure: Option<PoolError>,
    began: Instant,
    now: Duration,
    /// Whether doing something has made new decisions necessary.
    is_restless: bool,
    has_ended: bool,
}

/// What is left of a worker.
#[derive(Debug)]
struct Grave {
    badge: Badge,
    status: ExitStatus,
    trouble: Option<String>,
}

/// What a look at a worker has shown.
struct Sign {
    worker: WorkerId,
    speaks: bool,
    has_ended: bool,
}

impl Dispatcher {
    /// A dispatcher whose workers are on their way.
    pub(crate) fn new(shared: Arc<Shared>, recruiter: Recruiter) -> Result<Dispatcher, PoolError> {
        let mut new = Dispatcher {
            scheduler: Scheduler::new(recruiter.workers.get()),
            shared,
            recruiter,
            members: BTreeMap::new(),
            desks: HashMap::new(),
            graves: HashMap::new(),
            failure: None,
            began: Instant::now(),
            now: Duration::ZERO,
            is_restless: false,
            has_ended: false,
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

    /// Waits until something happens, and does what it calls for. Answers whether the pool goes on.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        let signs = self.wait()?;
        self.now = self.began.elapsed();
        for command in self.shared.receive() {
            self.obey(command);
        }
        for Sign { worker, speaks, has_ended } in signs {
            if speaks || has_ended {
                self.listen(worker);
            }
            if has_ended {
                self.bury(worker);
            }
        }
        self.decide();
        self.deliver();
        Ok(!self.has_ended)
    }

    /// Ends with an error of the operating system, which every task gets to know.
    pub(crate) fn fail(self, error: io::Error) {
        self.shared.set_broken(pool_error::Kind::System("wait for its workers", error).into());
    }

    fn wait(&self) -> io::Result<Vec<Sign>> {
        let mut what = vec![self.shared.waker.pollable()];
        for member in self.members.values() {
            what.push(member.sentinel());
            what.extend(member.link());
        }
        let deadline = self.scheduler.deadline().and_then(|after| self.began.checked_add(after));
        let mut ready = poll(&what, deadline)?.into_iter().skip(1);
        let mut next = || ready.next().unwrap_or(false);
        let sign = |(id, member): (&WorkerId, &Member)| {
            let has_ended = next();
            Sign { worker: *id, speaks: member.link().is_some() && next(), has_ended }
        };
        Ok(self.members.iter().map(sign).collect())
    }

    fn tell(&mut self, event: Event) {
        self.scheduler.handle(event, self.now);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open { job, function, chunk, sink } => {
                self.desks.insert(job, Desk::new(function, sink));
                self.tell(Event::Open { job, chunk });
            }
            Command::Submit { job, first, arguments } => self.submit(job, first, arguments),
            Command::Release { job } => {
                self.desks.remove(&job);
                self.tell(Event::Release { job });
            }
            Command::Close => self.tell(Event::Close),
            Command::Terminate => self.tell(Event::Terminate),
        }
    }

    fn submit(&mut self, job: JobId, first: u64, arguments: Vec<Message>) {
        let Some(desk) = self.desks.get_mut(&job) else { return };
        for (index, argument) in (first..).zip(arguments) {
            let weight = desk::weight(&argument);
            desk.put(index, argument);
            self.scheduler.handle(Event::Submit { task: TaskId { job, index }, weight }, self.now);
        }
    }

    /// Hears everything that a worker has said.
    fn listen(&mut self, id: WorkerId) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.flush();
        while let Some(report) = self.members.get_mut(&id).and_then(Member::hear) {
            self.heed(id, report);
        }
    }

    fn heed(&mut self, worker: WorkerId, report: Report) {
        match report {
            Report::Done { task, nanos, answer } => self.note(worker, task, nanos, answer),
            Report::Ready => {
                self.reported(worker);
                self.shared.set_ready();
                self.tell(Event::Ready { worker });
            }
            Report::InitFailed(failure) => {
                let name = self.reported(worker);
                self.init_failed(name, failure);
                self.tell(Event::InitFailed { worker });
            }
        }
    }

    fn reported(&mut self, worker: WorkerId) -> String {
        let Some(member) = self.members.get_mut(&worker) else { return String::new() };
        member.has_reported = true;
        member.badge().name.to_string()
    }

    fn init_failed(&mut self, worker: String, failure: InitFailure) {
        self.failure = Some(pool_error::Kind::Initializer { worker, failure }.into());
    }

    fn note(&mut self, worker: WorkerId, task: TaskId, nanos: u64, answer: Answer) {
        if let (Some(member), Some(desk)) = (self.members.get(&worker), self.desks.get_mut(&task.job)) {
            desk.note(task.index, answer, member.badge().clone());
        }
        self.tell(Event::Answered { worker, task, took: Duration::from_nanos(nanos) });
        self.act_on_all();
    }

    /// Takes leave of a worker that has ended and was heard to its end.
    fn bury(&mut self, id: WorkerId) {
        let Some(status) = self.members.get(&id).and_then(|member| member.child().exit_status()) else { return };
        let Some(member) = self.members.remove(&id) else { return };
        let badge = member.badge().clone();
        if !member.has_reported {
            let (worker, end) = (badge.name.to_string(), status.to_string());
            self.failure = Some(pool_error::Kind::Stillborn { worker, end }.into());
        }
        self.graves.insert(id, Grave { badge, status, trouble: member.trouble().map(str::to_owned) });
        self.tell(Event::Died { worker: id });
    }

    /// Does what follows from all that was told.
    fn decide(&mut self) {
        loop {
            self.is_restless = false;
            self.tell(Event::Tick);
            self.act_on_all();
            if !self.is_restless {
                break;
            }
        }
        self.graves.clear();
    }

    fn act_on_all(&mut self) {
        while let Some(action) = self.scheduler.next_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { worker } => self.start(worker),
            Action::Send { worker, tasks } => self.send(worker, tasks),
            Action::Finish { task, end } => self.finish(task, end),
            Action::Forget { job } => self.members.values_mut().for_each(|member| member.forget(job)),
            Action::Leave { worker } => self.with(worker, Member::leave),
            Action::Kill { worker } => self.with(worker, |member| member.child().kill()),
            Action::Break => self.set_broken(),
            Action::End => self.has_ended = true,
        }
    }

    fn with(&mut self, worker: WorkerId, what: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&worker) {
            what(member);
        }
    }

    fn start(&mut self, worker: WorkerId) {
        match self.recruiter.recruit() {
            Ok(member) => drop(self.members.insert(worker, member)),
            Err(error) => {
                self.failure = Some(error);
                self.is_restless = true;
                self.tell(Event::StartFailed { worker });
            }
        }
    }

    fn send(&mut self, worker: WorkerId, tasks: Vec<TaskId>) {
        let Some(job) = tasks.first().map(|task| task.job) else { return };
        let (Some(member), Some(desk)) = (self.members.get_mut(&worker), self.desks.get(&job)) else { return };
        let arguments = tasks.iter().filter_map(|task| Some((task.index, desk.argument(task.index)?))).collect();
        match member.send(job, desk.function, arguments) {
            // A worker that is gone will be seen to have ended, and its tasks go to others.
            Ok(()) | Err(LinkError::Disconnected) => {}
            Err(error) => self.not_sent(worker, tasks, &error),
        }
    }

    #[cold]
    fn not_sent(&mut self, worker: WorkerId, tasks: Vec<TaskId>, error: &LinkError) {
        for task in &tasks {
            if let Some(desk) = self.desks.get_mut(&task.job) {
                desk.finish_failed(task.index, None, Kind::Unsendable(error.to_string()));
            }
        }
        if !matches!(error, LinkError::Unsendable(_) | LinkError::TooManyDescriptors { .. }) {
            // A part of it may be on the way.
            self.with(worker, |member| member.lose(error));
        }
        self.is_restless = true;
        self.tell(Event::Unsendable { worker, tasks });
    }

    fn finish(&mut self, task: TaskId, end: End) {
        let (worker, kind) = match end {
            // What could not be sent was finished when that was found.
            End::Cancelled | End::Unsendable => return,
            End::Answered => {
                if let Some(desk) = self.desks.get_mut(&task.job) {
                    desk.finish_answered(task.index);
                }
                return;
            }
            End::Died(worker) => self.epitaph(worker),
            End::Refused(refusal) => (None, self.refusal(refusal)),
            End::Stopped(worker, refusal) => {
                (self.members.get(&worker).map(|member| member.badge().clone()), self.refusal(refusal))
            }
        };
        if let Some(desk) = self.desks.get_mut(&task.job) {
            desk.finish_failed(task.index, worker, kind);
        }
    }

    fn epitaph(&self, worker: WorkerId) -> (Option<Badge>, Kind) {
        match self.graves.get(&worker) {
            Some(Grave { badge, status, trouble }) => (Some(badge.clone()), Kind::Died(*status, trouble.clone())),
            None => (None, Kind::Unreadable("its worker is gone".to_owned())),
        }
    }

    fn refusal(&self, refusal: Refusal) -> Kind {
        match refusal {
            Refusal::Closed => Kind::Closed,
            Refusal::Terminated => Kind::Terminated,
            Refusal::Broken => self.shared.refusal(),
        }
    }

    fn set_broken(&mut self) {
        let error = self.failure.clone().unwrap_or_else(|| pool_error::Kind::Defect.into());
        self.shared.set_broken(error);
    }

    fn deliver(&mut self) {
        for (job, desk) in &mut self.desks {
            desk.deliver(self.scheduler.chunk_goal(*job).unwrap_or(1));
        }
    }

    /// Gives back what was submitted after the end, or never read.
    fn refuse_the_rest(&mut self) {
        for command in self.shared.leave() {
            match command {
                Command::Open { job, function, sink, .. } => drop(self.desks.insert(job, Desk::new(function, sink))),
                Command::Submit { job, first, arguments } => {
                    if let Some(desk) = self.desks.get_mut(&job) {
                        (first..).zip(arguments).for_each(|(index, argument)| desk.put(index, argument));
                    }
                }
                Command::Release { job } => drop(self.desks.remove(&job)),
                Command::Close | Command::Terminate => {}
            }
        }
        for desk in self.desks.values_mut() {
            desk.finish_all(|| self.shared.refusal());
            desk.deliver(1);
        }
    }
}

/// No end leaves a worker running or a caller waiting, a defect's panic included.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.set_broken(pool_error::Kind::Defect.into());
        }
        self.members.values().for_each(|member| member.child().kill());
        for member in self.members.values() {
            // One that the kernel does not let go of is left to it.
            let _stuck = member.child().wait_timeout(BURIAL);
        }
        self.refuse_the_rest();
        self.shared.set_ended();
    }
}
