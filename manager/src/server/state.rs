//! [`State`]: everything that the server's threads share: the table, the clients, the listeners for tickets, and the jobs that can go on.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use procession_core::os::epoll::Epoll;
use procession_core::{Control, ControlListener};

use super::job::{Finish, Job};
use super::local_client::{LocalClient, Received};
use super::object_cell::{ObjectCell, Outcome};
use super::origin::{Deliver, Origin};
use super::promise::Promise;
#[cfg(feature = "remote")]
use super::remote_client::RemoteClients;
use super::stalled_clients::StalledClients;
use crate::table::{Arrival, Released, Table};
use crate::wire::ids::{ClientId, IdMap, ObjectId};
use crate::wire::protocol::Failure;

/// The data that the threads share. While it is locked, no code of the user's is run, and no value dropped.
pub(crate) struct State {
    /// The objects, and the jobs that wait for them.
    pub(crate) table: Table<Arc<ObjectCell>, Job>,
    /// The clients of this program by their tokens, which are their ids as well.
    pub(super) clients: IdMap<u64, LocalClient>,
    #[cfg(feature = "remote")]
    pub(super) remote: RemoteClients,
    /// Listeners for proxies on their way in messages, which hold a reference as long as the ticket lives.
    pub(super) ticket_listeners: IdMap<u64, (ControlListener, ObjectId)>,
    /// Clients whose pipes are looked at without the kernel's help, because they have spoken lately.
    pub(crate) awake: Vec<u64>,
    /// Clients whose messages no event announces, and when to look at them next.
    pub(super) stalled: StalledClients,
    /// Whether a client of another program has spoken lately.
    pub(crate) remote_active: bool,
    /// The clients and listeners that were ready and are not read to the end.
    pub(crate) busy: VecDeque<u64>,
    /// Jobs that hold all that they need.
    pub(crate) ready: VecDeque<Job>,
    /// Conditional jobs that run right now, and whether they are to be cancelled if their condition does not hold.
    trying: Vec<(Origin, bool)>,
    /// Values without references, to be dropped without the lock.
    pub(crate) deferred_drops: Vec<Arc<ObjectCell>>,
    pub(crate) epoll: Arc<Epoll>,
    /// Delivers the outcomes of promises that are kept later.
    deliver: Deliver,
    /// The number of the leader. A thread with another number leads no longer.
    pub(crate) leader: u64,
    /// Whether a client has asked for the end. It never becomes `false` again.
    pub(crate) is_over: bool,
    next: u64,
}

impl State {
    pub(crate) fn new(epoll: Arc<Epoll>, deliver: Deliver) -> State {
        State {
            table: Table::new(),
            clients: IdMap::default(),
            #[cfg(feature = "remote")]
            remote: RemoteClients::default(),
            ticket_listeners: IdMap::default(),
            awake: Vec::new(),
            stalled: StalledClients::default(),
            remote_active: false,
            busy: VecDeque::new(),
            ready: VecDeque::new(),
            trying: Vec::new(),
            deferred_drops: Vec::new(),
            epoll,
            deliver,
            leader: 0,
            is_over: false,
            next: 1,
        }
    }

    /// Adds a client that has just connected.
    pub(crate) fn add_client(&mut self, requests: Control) -> io::Result<()> {
        let token = self.token();
        // Watched before it is kept: a client that epoll refuses is dropped here, and sees the end of its link.
        self.epoll.add(requests.pollable(), token)?;
        self.clients.insert(token, LocalClient::new(ClientId(token), requests));
        Ok(())
    }

    /// Takes in one message of a client or listener that is ready. Returns whether there may be more.
    pub(crate) fn recv(&mut self, token: u64) -> bool {
        // One series of tokens serves clients, remote clients and ticket listeners, so at most one of the three maps has it.
        if self.ticket_listeners.contains_key(&token) {
            return self.poll_ticket_listener(token);
        }
        #[cfg(feature = "remote")]
        if self.remote.clients.contains_key(&token) {
            return self.recv_remote(token);
        }
        // The queue of busy clients may still name one that has ended meanwhile.
        let Some(client) = self.clients.get_mut(&token) else { return false };
        let received = client.recv(&self.epoll);
        // It may have been stopped again, or still be: each look that sends nothing needs a next one.
        if client.is_stalled() {
            self.stalled.add(token);
        }
        let is_understood = match received {
            Ok(Received::Call(bytes)) => self.handle_call(ClientId(token), bytes, Vec::new()),
            Ok(Received::Control(message)) => {
                // `handle` itself cuts a client off that it does not understand.
                self.handle(token, *message);
                true
            }
            Ok(Received::Nothing) => return false,
            // Whatever it has sent before has been heard.
            Ok(Received::End) | Err(_) => false,
        };
        if !is_understood {
            self.on_client_exit(token);
        }
        is_understood
    }

    /// Begins a job: it waits for its turn with each of its objects, and is ready when it has them all.
    pub(crate) fn start(&mut self, mut job: Job) {
        // Objects are taken in ascending order, so that two transactions cannot wait for each other.
        while let Some(object) = job.needs() {
            let mode = job.mode();
            // Marked before it is queued: once queued, another thread may run it.
            if !self.table.is_free(object) {
                job.wait();
            }
            match self.table.arrive(object, mode, job) {
                Arrival::Enters(entered) => {
                    job = entered;
                    job.got();
                }
                Arrival::Waits => return,
                Arrival::Gone(mut job) => {
                    // The objects before it are held by now. Nothing has run, so parked calls need no new try.
                    self.give_back(&mut job, false);
                    return self.answer(job.origin, Outcome::Failed(Failure::Gone));
                }
            }
        }
        self.ready.push_back(job);
    }

    /// Returns the next job to run, with the cells of its objects.
    pub(crate) fn next_ready(&mut self) -> Option<(Job, Cells)> {
        while let Some(job) = self.ready.pop_front() {
            // A job that `prepare` refuses has its answer already, so the search goes on.
            if let Some(prepared) = self.prepare(job) {
                return Some(prepared);
            }
        }
        None
    }

    /// A certain job, if it can be run.
    pub(crate) fn take_ready(&mut self, is_it: impl Fn(&Origin) -> bool) -> Option<(Job, Cells)> {
        let at = self.ready.iter().position(|job| is_it(&job.origin))?;
        self.ready.remove(at).and_then(|job| self.prepare(job))
    }

    /// Gives a job the cells of its objects, or refuses it if one of them is poisoned.
    fn prepare(&mut self, job: Job) -> Option<(Job, Cells)> {
        // Exit hooks run on poisoned objects, too: they free what the dead held.
        let poison = job.objects().iter().find_map(|object| self.table.poison(*object));
        if let (Some(poison), false) = (poison, matches!(job.origin, Origin::ExitHook(_))) {
            let poison = poison.to_owned();
            self.refuse(job, Failure::Poisoned(poison));
            return None;
        }
        // The job gets shares of the cells: it runs without the lock, and the last reference may go meanwhile.
        let cells: Option<Cells> = job.objects().iter().map(|object| self.table.value(*object)).collect();
        let Some(cells) = cells else {
            self.refuse(job, Failure::Gone);
            return None;
        };
        // The claim is taken last, after all checks that refuse a job: from here on its client
        // cannot take it back, unless its condition turns out not to hold.
        if !job.begin() {
            self.refuse(job, Failure::Cancelled);
            return None;
        }
        if job.is_conditional() {
            // A conditional job that is being tried is in no queue, so a cancellation must find it here.
            self.trying.push((job.origin.clone(), false));
        }
        Some((job, cells))
    }

    /// Ends a job that has run.
    pub(crate) fn finish(&mut self, job: Job, finish: Finish) {
        match finish {
            Finish::Made(cell) => {
                let outcome = self.keep(&job, cell);
                self.end(job, outcome);
            }
            Finish::Was(outcome) => self.end(job, outcome),
            Finish::Later(promise) => self.end_later(job, &promise),
        }
    }

    /// Lets go of what a job has used, before there is an answer.
    fn end_later(&mut self, mut job: Job, promise: &Promise) {
        self.has_been_tried(&job);
        // A client whose time is over does not wait for a promised result, which may take hours.
        job.promise();
        // The method has returned, so other calls may use the object while the result is on its way.
        self.give_back(&mut job, true);
        // `bind` returns an outcome that came while the method still ran. A later one is brought by `deliver`.
        if let Some((origin, outcome)) = promise.bind(job.origin, self.deliver) {
            self.answer(origin, outcome);
        }
    }

    /// Ends a job that has its outcome: it is answered, or parked if its condition did not hold.
    fn end(&mut self, mut job: Job, outcome: Outcome) {
        // In every case: through an entry that stayed in `trying`, a later cancellation would believe that it has found the job.
        let is_cancelled = self.has_been_tried(&job);
        if let (Outcome::Failed(Failure::Panicked(panic)), true) = (&outcome, job.may_change()) {
            // The panic may have left the objects half changed. Later callers learn which panic it was.
            let text = panic.to_string();
            for object in job.objects() {
                self.table.set_poison(*object, Some(text.clone()));
            }
        }
        if !matches!(outcome, Outcome::NotYet) {
            self.give_back(&mut job, true);
            return self.answer(job.origin, outcome);
        }
        // The exit of a client searches the queues. A job that ran at that moment is in none, and would stay parked for ever.
        if is_cancelled || self.is_deserted(&job.origin) {
            self.give_back(&mut job, false);
            return self.answer(job.origin, Outcome::Failed(Failure::Cancelled));
        }
        self.park(job);
    }

    /// Takes back a call that has not begun. Returns whether it has been (or will be, if its condition does not hold).
    pub(crate) fn cancel(&mut self, is_it: impl Fn(&Origin) -> bool, objects: &[ObjectId]) -> bool {
        // The job is in one place at most: with an object, among the ready ones, or being tried. Its client cannot know which.
        let mut found: Vec<Job> = Vec::new();
        for object in objects {
            found.extend(self.table.remove(*object, |job| is_it(&job.origin)));
        }
        if let Some(at) = self.ready.iter().position(|job| is_it(&job.origin)) {
            found.extend(self.ready.remove(at));
        }
        if found.is_empty() {
            let tried = self.trying.iter_mut().find(|(origin, _)| is_it(origin));
            return tried.map(|(_, is_cancelled)| *is_cancelled = true).is_some();
        }
        for job in found {
            self.refuse(job, Failure::Cancelled);
        }
        let mut ready = VecDeque::new();
        // The cancelled call may have been first in line, and others can go on without it.
        objects.iter().for_each(|object| self.table.resume(*object, &mut ready));
        self.go_on(ready);
        true
    }

    /// Ends what came of giving references back.
    pub(crate) fn finish_release(&mut self, released: Released<Arc<ObjectCell>, Job>) {
        // A destructor is the user's code and may call the server, so it runs later, without the lock.
        self.deferred_drops.extend(released.values);
        for job in released.calls {
            self.answer(job.origin, Outcome::Failed(Failure::Gone));
        }
    }

    /// Records that a conditional job does not run any more. Returns whether it is to be cancelled.
    fn has_been_tried(&mut self, job: &Job) -> bool {
        let of_it = |(origin, _): &(Origin, bool)| origin.is_same(&job.origin);
        let slot = if job.is_conditional() { self.trying.iter().position(of_it) } else { None };
        slot.is_some_and(|slot| self.trying.swap_remove(slot).1)
    }

    /// Lets a conditional job, which has one object, wait until that object has been changed.
    fn park(&mut self, mut job: Job) {
        let Some(object) = job.holds().first().copied() else { return };
        // The word says *tried* before the object is free: from now on a client whose time is over takes the call back.
        job.rest();
        job.let_go();
        // Parked before the object is left: a change in between would otherwise not wake it.
        self.table.park(object, job);
        self.leave(object, false);
    }

    /// Ends a job that has not run.
    pub(super) fn refuse(&mut self, mut job: Job, failure: Failure) {
        self.give_back(&mut job, false);
        self.answer(job.origin, Outcome::Failed(failure));
    }

    /// Lets go of all that a job holds.
    fn give_back(&mut self, job: &mut Job, has_run: bool) {
        let has_changed = has_run && job.may_change();
        let objects: Vec<ObjectId> = job.holds().to_vec();
        // Cleared first, so that no later path leaves the same objects a second time.
        job.let_go();
        for object in objects {
            self.leave(object, has_changed);
        }
    }

    /// Ends a turn with one object, and lets the next jobs go on.
    fn leave(&mut self, object: ObjectId, has_changed: bool) {
        let mut ready = VecDeque::new();
        let released = self.table.leave(object, has_changed, &mut ready);
        self.finish_release(released);
        self.go_on(ready);
    }

    /// Lets jobs whose turn with one object has come go on to the next object that they need.
    pub(super) fn go_on(&mut self, jobs: VecDeque<Job>) {
        for mut job in jobs {
            job.got();
            // A job that has all its objects becomes ready there; a transaction queues for its next object.
            self.start(job);
        }
    }

    /// Returns a token that was never used before.
    pub(super) fn token(&mut self) -> u64 {
        // Counting from 2 reaches neither 0, which is the waker and the server itself, nor the bit that marks a pipe.
        self.next += 1;
        self.next
    }
}

/// The cells of a job's objects.
pub(crate) type Cells = Vec<Arc<ObjectCell>>;
