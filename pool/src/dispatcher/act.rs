//! What the dispatcher does when the scheduler has decided.

use procession_core::LinkError;

use super::Dispatcher;
use crate::desk::Noted;
use crate::ids::{Span, TaskId, WorkerId};
use crate::member::Member;
use crate::pool_error;
use crate::scheduler::{Action, End, Event, Refusal};
use crate::task_error::{Badge, Kind, Story};
use crate::trace;
use crate::wire::claim;

impl Dispatcher {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Start { worker } => self.start(worker),
            Action::Send { worker, tasks, unit } => self.send(worker, tasks, unit),
            Action::Recall { worker, count } => self.recall(worker, count),
            Action::Finish { tasks, end } => self.finish(tasks, end),
            Action::Retry { task } => self.retry(task),
            Action::Forget { .. } => {}
            Action::Leave { worker } => self.with(worker, Member::leave),
            Action::Signal { worker } => self.with(worker, |member| member.child().terminate()),
            Action::Kill { worker } => self.with(worker, |member| member.child().kill()),
            Action::GiveUp { worker } => self.give_up(worker),
            Action::Break => self.set_broken(),
            Action::End => self.has_ended = true,
        }
    }

    pub(super) fn with(&mut self, worker: WorkerId, what: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&worker) {
            what(member);
            self.watch.update(worker, member);
        }
    }

    pub(super) fn start(&mut self, worker: WorkerId) {
        self.started += 1;
        let recruited =
            self.recruiter.recruit(self.started).and_then(|member| self.watch.add(worker, &member).map(|()| member));
        match recruited {
            Ok(member) => {
                trace::worker_started(&member.badge().name, member.badge().pid);
                self.members.insert(worker, member);
            }
            Err(error) => {
                self.failure = Some(error);
                self.is_restless = true;
                self.tell(Event::StartFailed { worker });
            }
        }
    }

    pub(super) fn send(&mut self, worker: WorkerId, tasks: Span, unit: u64) {
        let (Some(member), Some(desk)) = (self.members.get_mut(&worker), self.desks.get(&tasks.job)) else { return };
        let Some((batch, items)) = desk.find(tasks) else { return };
        if let Err(error) = member.send((desk.work, unit), &self.works, batch, items) {
            self.not_sent(worker, tasks, &error);
        }
    }

    #[cold]
    pub(super) fn not_sent(&mut self, worker: WorkerId, tasks: Span, error: &LinkError) {
        if let Some(desk) = self.desks.get_mut(&tasks.job) {
            desk.note(Noted::Trouble(Story::of(None, Kind::Unsendable(error.to_string()))));
        }
        if !matches!(error, LinkError::Unsendable(_) | LinkError::TooManyDescriptors { .. } | LinkError::Refused(_)) {
            // A part of it may be on the way.
            self.with(worker, |member| member.lose(error));
        }
        self.is_restless = true;
        self.tell(Event::Unsendable { worker, count: tasks.count });
        self.act_on_all();
    }

    pub(super) fn recall(&mut self, worker: WorkerId, count: u64) {
        let Some(member) = self.members.get_mut(&worker) else { return };
        let count = member.recall(count);
        let unbegun = claim::distance(member.line.begun(), member.line.number());
        self.is_restless = true;
        self.tell(Event::GaveBack { worker, count, unbegun });
    }

    /// Takes back what these workers have not begun, so that of what they are cut off from it is known that it has begun. One that has
    /// ended or stands still need not do anything for that.
    pub(super) fn take_back_all(&mut self, workers: Vec<WorkerId>) {
        workers.into_iter().for_each(|worker| self.recall(worker, u64::MAX));
    }

    pub(super) fn retry(&mut self, task: TaskId) {
        self.status.counts.retried();
        if let Some(desk) = self.desks.get_mut(&task.job) {
            desk.unnote();
        }
        self.is_restless = true;
    }

    #[inline]
    pub(super) fn finish(&mut self, tasks: Span, end: End) {
        let story = match end {
            End::Answered | End::Failed { .. } | End::Unsendable => return self.finish_noted(tasks, end),
            End::Died { worker, attempt } => self.epitaph(worker).at_attempt(attempt),
            End::TimedOut { worker, attempt } => Story::of(self.badge(worker), Kind::TimedOut).at_attempt(attempt),
            End::Expired => Story::of(None, Kind::Expired),
            End::Cancelled => Story::of(None, Kind::Cancelled),
            End::Stopped(worker) => Story::of(self.badge(worker), Kind::Cancelled),
            End::Refused(refusal) => Story::of(None, self.refusal(refusal)),
            End::Cut(worker, refusal) => Story::of(self.badge(worker), self.refusal(refusal)),
        };
        self.status.counts.failed(tasks.count);
        self.finish_as(tasks, story);
    }

    pub(super) fn finish_noted(&mut self, tasks: Span, end: End) {
        let attempt = if let End::Failed { attempt } = end { attempt } else { 1 };
        if end == End::Answered {
            self.status.counts.done(tasks.count);
        } else {
            self.status.counts.failed(tasks.count);
        }
        if let Some(desk) = self.desks.get_mut(&tasks.job) {
            let silent = || Story::of(None, Kind::Unreadable("its worker did not say it".to_owned()));
            desk.finish_noted(tasks, attempt, silent);
            self.news.push(tasks.job);
        }
    }

    pub(super) fn finish_as(&mut self, tasks: Span, story: Story) {
        if let Some(desk) = self.desks.get_mut(&tasks.job) {
            desk.finish(tasks, story);
            self.news.push(tasks.job);
        }
    }

    pub(super) fn badge(&self, worker: WorkerId) -> Option<Badge> {
        let living = self.members.get(&worker).map(Member::badge);
        living.or(self.graves.get(&worker).map(|(badge, _)| badge)).cloned()
    }

    pub(super) fn epitaph(&self, worker: WorkerId) -> Story {
        match self.graves.get(&worker) {
            Some((badge, death)) => Story::of(Some(badge.clone()), Kind::Died(Box::new(death.clone()))),
            None => Story::of(None, Kind::Unreadable("its worker is gone".to_owned())),
        }
    }

    pub(super) fn refusal(&self, refusal: Refusal) -> Kind {
        match refusal {
            Refusal::Closed => Kind::Closed,
            Refusal::Dropped => Kind::Dropped,
            // A pool that has failed is ended in the same way.
            Refusal::Terminated | Refusal::Broken => self.status.refusal(),
        }
    }

    /// Kills a worker that has not become ready in time, and keeps that as the reason.
    fn give_up(&mut self, worker: WorkerId) {
        let Some(member) = self.members.get_mut(&worker) else { return };
        member.child().kill();
        member.has_reported = true;
        let (worker, limit) = (member.badge().name.to_string(), self.start_timeout.unwrap_or_default());
        self.failure = Some(pool_error::Kind::Late { worker, limit }.into());
    }

    pub(super) fn set_broken(&mut self) {
        let error = self.failure.clone().unwrap_or_else(|| pool_error::Kind::Defect.into());
        self.status.set_broken(error);
    }
}
