//! What the dispatcher hears and sees of the workers.

use std::collections::VecDeque;
use std::time::Duration;

use procession_core::os::clock;
use procession_core::os::signal::{SIGABRT, SIGKILL};
use procession_core::{Buffer, codec};
use procession_process::ExitStatus;

use super::Dispatcher;
use crate::desk::Noted;
use crate::ids::WorkerId;
use crate::member::Member;
use crate::parcel::{Parcel, Values};
use crate::pool_error::{self, PoolError};
use crate::relay;
use crate::scheduler::Event;
use crate::task_error::{Death, Kind, Story};
use crate::trace;
use crate::wire::Line;
use crate::wire::claim;
use crate::wire::item::{self, Item, ItemKind};
use crate::wire::protocol::{Answer, InitFailure, Report, Step, Why};

impl Dispatcher {
    /// Hears everything that a worker has said on its control link.
    pub(super) fn listen(&mut self, id: WorkerId) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.flush();
        while let Some(report) = self.members.get_mut(&id).and_then(Member::hear) {
            self.heed(id, report);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.push_on();
            self.watch.update(id, member);
        }
    }

    fn heed(&mut self, worker: WorkerId, report: Report) {
        match report {
            Report::Bell => self.told = Some(clock::monotonic()),
            Report::Descriptors(message) => {
                if let Some(member) = self.members.get_mut(&worker) {
                    member.descriptors.push_back(message.into_parts().1);
                }
            }
            Report::Ready => {
                self.reported(worker);
                self.status.set_ready();
                self.tell(Event::Ready { worker });
            }
            Report::FinalizerFailed(failure) => {
                let name = self.reported(worker);
                self.finalizer_failed(name, failure);
            }
            Report::InitFailed(failure) => {
                let name = self.reported(worker);
                self.init_failed(name, failure);
                self.tell(Event::InitFailed { worker });
            }
        }
    }

    /// Nobody asks for what a finalizer brings, so it is said where people look, too.
    pub(super) fn finalizer_failed(&mut self, worker: String, failure: InitFailure) {
        let error: PoolError = pool_error::Kind::Finalizer { worker, failure }.into();
        relay::pass_on(format!("procession: {error}\n").as_bytes());
        self.status.add_farewell(error);
    }

    /// Notes that the end of a worker cut its finalizer off, if it did.
    pub(super) fn note_farewell(&mut self, member: &Member, status: ExitStatus) {
        let has_one = self.recruiter.preparation.finalizer.is_some() && member.has_reported;
        if has_one && member.is_leaving() && !status.success() {
            let text = format!("its worker ended with {status} before it had come to its end");
            let failure = Step::Finalizer.failed(Why::NotRun(text));
            self.finalizer_failed(member.badge().name.to_string(), failure);
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

    /// Takes what has arrived out of the rings.
    #[inline]
    pub(super) fn collect(&mut self) -> bool {
        self.members.values_mut().fold(false, |any, member| member.read() | any)
    }

    pub(super) fn heed_all(&mut self) {
        self.measure();
        let ids: Vec<WorkerId> =
            self.members.iter().filter(|(_, one)| !one.inbound.is_empty()).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.heed_items(id));
    }

    /// Goes through what a worker has said about its tasks.
    pub(super) fn heed_items(&mut self, id: WorkerId) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let bytes = std::mem::take(&mut member.inbound);
        let mut at = 0;
        while at < bytes.len() {
            let left = self.scheduler.front(id).map_or(u64::MAX, |span| span.count);
            let run = run_of_values(&bytes[at..], left);
            if run.count > 0 {
                if !self.heed_values(id, &bytes[at..at + run.len], &run) {
                    break;
                }
                at += run.len;
                continue;
            }
            let Some(Item { kind, body, len }) = item::read(&bytes[at..]) else { break };
            at += len;
            match kind {
                ItemKind::Time => {
                    let (count, nanos) = item::read_time(body);
                    self.tell(Event::Paced { worker: id, count, took: Duration::from_nanos(nanos) });
                }
                _ => self.heed_trouble(id, body),
            }
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        member.inbound = bytes;
        if at == member.inbound.len() {
            member.inbound.clear();
        } else {
            member.inbound.drain(..at);
        }
    }

    /// Notes results. Answers whether everything that goes with them is there.
    fn heed_values(
        &mut self,
        id: WorkerId,
        bytes: &[u8],
        &RunOfValues { count, with, lent, .. }: &RunOfValues,
    ) -> bool {
        if with > self.members.get(&id).map_or(0, |member| member.descriptors.len()) {
            // They were sent before, so they can be heard now.
            self.listen(id);
        }
        let Some(member) = self.members.get_mut(&id) else { return true };
        if with > member.descriptors.len() {
            return false;
        }
        let descriptors = member.descriptors.drain(..with).collect();
        if let Some(tasks) = self.scheduler.front(id)
            && let Some(desk) = self.desks.get_mut(&tasks.job)
        {
            let lent = if lent > 0 { borrowed(&member.line, bytes) } else { VecDeque::new() };
            let worker = member.badge().clone();
            let values = Values { bytes: bytes.to_vec(), at: 0, descriptors, lent, worker };
            let parcel = Parcel::values(tasks.first, count, values);
            desk.note(Noted::Values(parcel));
        }
        self.tell(Event::Answered { worker: id, count });
        self.act_on_all();
        true
    }

    #[cold]
    fn heed_trouble(&mut self, id: WorkerId, body: &[u8]) {
        let Some(member) = self.members.get(&id) else { return };
        let badge = Some(member.badge().clone());
        let (kind, may_repeat) = match codec::decode_from::<Answer>(body, Vec::new()) {
            Ok(Answer::Panicked(panic)) => (Kind::Panicked(panic), true),
            Ok(Answer::BadArgument(text)) => (Kind::BadArgument(text), false),
            Ok(Answer::BadResult(text)) => (Kind::BadResult(text), false),
            Err(error) => (Kind::Unreadable(error.to_string()), false),
        };
        if let Some(desk) = self.scheduler.front(id).and_then(|tasks| self.desks.get_mut(&tasks.job)) {
            desk.note(Noted::Trouble(Story::of(badge, kind)));
        }
        self.tell(Event::Failed { worker: id, may_repeat });
        self.act_on_all();
    }

    /// Takes leave of a worker that has ended and was heard to its end.
    pub(super) fn bury(&mut self, id: WorkerId) {
        let Some(status) = self.members.get(&id).and_then(|member| member.child().exit_status()) else { return };
        // What it had published before it ended is in the ring by now.
        self.listen(id);
        self.collect();
        self.heed_items(id);
        let Some(mut member) = self.members.remove(&id) else { return };
        member.last_words.pass_on();
        self.watch.forget(id, &member);
        self.note_farewell(&member, status);
        let badge = member.badge().clone();
        trace::worker_ended(&badge.name, badge.pid, &status, member.is_leaving());
        if !member.has_reported {
            let (worker, end) = (badge.name.to_string(), status.to_string());
            self.failure = Some(pool_error::Kind::Stillborn { worker, end }.into());
        }
        let count = member.line.unbegun();
        let is_killed = status.signal() == Some(SIGKILL);
        let is_aborted = status.signal() == Some(SIGABRT);
        let out_of_memory = is_killed && self.oom.has_struck() || is_aborted && member.last_words.tell_of_no_memory();
        self.graves.insert(id, (badge, death(&member, status, out_of_memory)));
        self.tell(Event::Recalled { worker: id, count });
        self.tell(Event::Died { worker: id });
        self.act_on_all();
    }

    /// Tells since when tasks run that must not run for too long.
    pub(super) fn observe(&mut self) {
        for worker in self.scheduler.watched() {
            let Some(member) = self.members.get(&worker) else { continue };
            let load = self.scheduler.holding(worker).map_or(0, |(_, load)| load);
            let not_begun = claim::distance(member.line.begun(), member.line.number());
            if not_begun < load {
                self.tell(Event::Running { worker, since: member.line.running_since() });
            }
        }
    }
}

fn death(member: &Member, status: ExitStatus, out_of_memory: bool) -> Death {
    let trouble = member.trouble().map(str::to_owned);
    let panic = member.child().panic();
    Death { status, panic, trouble, out_of_memory, stderr: member.last_words.text() }
}

/// Results that follow one another without anything else between them.
#[derive(Default)]
struct RunOfValues {
    /// How many bytes they take up.
    len: usize,
    count: u64,
    /// With how many of them something goes.
    with: usize,
    /// How many of them were lent.
    lent: usize,
}

/// The results at the beginning, at most `most`.
#[inline]
fn run_of_values(bytes: &[u8], most: u64) -> RunOfValues {
    let (count, len) = item::short_values(bytes, most);
    let mut run = RunOfValues { count, len, ..RunOfValues::default() };
    while run.count < most
        && let Some(Item { kind, len, .. }) = bytes.get(run.len..).and_then(item::read)
        && matches!(kind, ItemKind::Value | ItemKind::WithDescriptors | ItemKind::Lent)
    {
        run.len += len;
        run.count += 1;
        run.with += usize::from(kind == ItemKind::WithDescriptors);
        run.lent += usize::from(kind == ItemKind::Lent);
    }
    run
}

/// What a worker has lent, of some of its results.
#[cold]
fn borrowed(line: &Line, mut bytes: &[u8]) -> VecDeque<Option<Buffer>> {
    let mut found = VecDeque::new();
    while let Some(item) = item::read(bytes) {
        if item.kind == ItemKind::Lent {
            found.push_back(line.borrow(&item));
        }
        bytes = &bytes[item.len..];
    }
    found
}
