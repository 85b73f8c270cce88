//! [`Run`]: a job as the thread sees it that wants its results. Feeds the input to the pool and takes results out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::Fuse;
use std::marker::PhantomData;
use std::mem;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::care::{Care, Pass};
use crate::job::Plan;
use crate::parcel::Parcel;
use crate::task_error::{Kind, Story, TaskError};
use crate::terms::Tenure;
use crate::ticket::Ticket;

/// So many chunks a worker are kept ready: one that it has, one that it gets next, and one for whoever is quicker.
const CHUNKS: usize = 3;
/// The most tasks in flight, however short they are.
const MOST: usize = 1 << 16;
/// The most bytes in flight, beyond one task for each worker.
const MOST_BYTES: usize = 64 << 20;
/// For each worker so many bytes are in flight at once: what was sent long ago has left the caches of the processor.
const WARM_BYTES: usize = 4 << 20;
/// So many tasks a worker are in flight even if they are heavier than that, so that the next one is there when one is done.
const READY: usize = 2;
/// Tasks are handed over at the latest when there are so many of them, or when so much time was spent gathering them.
const BATCH: usize = 2048;
const FIRST_BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_TIME: Duration = Duration::from_micros(200);
/// After one that weighs this much, in bytes, it is time for a look at what is in flight.
const HEAVY: usize = 4 << 10;
/// So many results may be given out before a look at whether to read on.
const MOST_UNLOOKED: u64 = 64;
/// Room is made at once for so many results.
const FORESEEN: usize = 1 << 20;
/// Where it is known from jobs before how long such tasks take, so many may be in flight from the beginning.
const FAMILIAR: u64 = 1024;

/// One job's results and the rest of its input.
pub(crate) struct Run<'pool, I: Iterator, R> {
    pool: PhantomData<&'pool crate::Pool>,
    workers: usize,
    /// None when no task can be sent at all, for this reason.
    ticket: Result<Ticket, Kind>,
    input: Fuse<I>,
    is_exhausted: bool,
    care: Care,
    /// How many tasks were handed over, and have not come back.
    out: u64,
    /// How many results were given out.
    given: u64,
    /// As if so many had been given out, because such tasks are known.
    familiar: u64,
    /// How many tasks may be in flight at the most, if that was said.
    most: usize,
    /// With how many given out it may be time to read on.
    look: u64,
    /// Tasks that were read and not handed over. The items before its end were read.
    batch: Batch,
    /// What the tasks in flight weigh.
    bytes: usize,
    /// What a result of this job weighs, as far as seen: it follows heavier ones at once and lighter ones slowly.
    result_bytes: usize,
    arrived: VecDeque<Parcel>,
    result: PhantomData<fn() -> R>,
}

/// The deadline has passed. Where there is none, it cannot.
#[derive(Debug)]
pub(crate) struct Late;

/// A result and the place of its item in the input.
pub(crate) type Placed<R> = (u64, Result<R, TaskError>);

impl<'pool, A, I, R> Run<'pool, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    pub(crate) fn new(plan: Plan<'pool>, input: I) -> Self {
        let Plan { pool, work, terms, .. } = plan;
        let care = Care::new(terms.tenure == Tenure::Stream, input.size_hint());
        let most = terms.read_ahead.map_or(usize::MAX, NonZeroUsize::get);
        let ticket = work.and_then(|work| Ticket::open(pool.shared(), work, terms));
        let is_familiar = ticket.as_ref().is_ok_and(|ticket| !ticket.sink.usual().is_zero());
        Run {
            pool: PhantomData,
            workers: pool.workers(),
            ticket,
            input: input.fuse(),
            is_exhausted: false,
            care,
            out: 0,
            given: 0,
            familiar: if is_familiar { FAMILIAR } else { 0 },
            most,
            look: 0,
            batch: Batch::default(),
            bytes: 0,
            result_bytes: 0,
            arrived: VecDeque::new(),
            result: PhantomData,
        }
    }

    /// The next result to arrive. `None` when there are no more.
    #[inline]
    pub(crate) fn next_any(&mut self, deadline: Option<Instant>) -> Result<Option<Placed<R>>, Late> {
        self.keep_full(deadline, |run| run.arrived.iter().any(|parcel| parcel.count() > 0));
        loop {
            if let Some(front) = self.arrived.front_mut() {
                if front.count() > 0 {
                    // Counted first: to decode it is code of the user's.
                    self.given += 1;
                    return Ok(front.next());
                }
                self.arrived.pop_front();
            }
            if self.arrived.is_empty() && !self.replenish(deadline)? {
                return Ok(None);
            }
        }
    }

    /// All results in the order of the input, or the first failure to arrive.
    pub(crate) fn collect(mut self) -> Result<Vec<R>, TaskError> {
        let mut results = Vec::with_capacity(self.size_hint().0.min(FORESEEN));
        // Those that have to wait for their turn are not decoded before.
        let mut early = BTreeMap::new();
        while let Ok(Some(parcel)) = self.next_parcel(None) {
            if let Some(error) = parcel.failure() {
                return Err(error);
            }
            self.given += parcel.count();
            early.insert(parcel.first(), parcel);
            while let Some(parcel) = early.remove(&(results.len() as u64)) {
                parcel.unpack(&mut results)?;
            }
        }
        Ok(results)
    }

    /// Waits until something has arrived, and keeps the workers busy meanwhile. Answers `false` when nothing will.
    fn replenish(&mut self, deadline: Option<Instant>) -> Result<bool, Late> {
        if self.ticket.as_ref().is_ok_and(|ticket| !ticket.is_ours()) {
            self.give_up();
        }
        loop {
            self.fill(deadline);
            self.take();
            if !self.arrived.is_empty() {
                return Ok(true);
            }
            if self.is_over() {
                return Ok(false);
            }
            if !self.wants_more(self.window())
                && let Ok(ticket) = &self.ticket
                && !ticket.wait(self.enough(), deadline)
                && deadline.is_some_and(|at| at <= Instant::now())
            {
                return Err(Late);
            }
        }
    }

    /// The next results to arrive, undecoded, so that those that have to wait for their turn are not decoded before.
    pub(crate) fn next_parcel(&mut self, deadline: Option<Instant>) -> Result<Option<Parcel>, Late> {
        if self.arrived.is_empty() && !self.replenish(deadline)? {
            return Ok(None);
        }
        Ok(self.arrived.pop_front())
    }

    /// Notes that a result was given out.
    #[inline]
    pub(crate) fn gave(&mut self) {
        self.given += 1;
    }

    /// Whether every item was read and every result given out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_exhausted && self.in_flight() == 0
    }

    fn take(&mut self) {
        let before = self.arrived.len();
        if let Ok(ticket) = &self.ticket {
            ticket.take(&mut self.arrived);
        }
        for parcel in self.arrived.iter_mut().skip(before) {
            self.out = self.out.saturating_sub(parcel.count());
            self.bytes = self.bytes.saturating_sub(parcel.take_weight());
            let heavy = parcel.result_weight() / usize::try_from(parcel.count()).unwrap_or(usize::MAX).max(1);
            self.result_bytes = heavy.max(self.result_bytes - self.result_bytes / 8);
        }
    }

    /// Reads on where enough was given out since the last time. It may be asked for each result. Where the input may block, a result
    /// that is there goes first.
    #[inline]
    pub(crate) fn keep_full(&mut self, deadline: Option<Instant>, has_result: impl FnOnce(&Self) -> bool) {
        if self.given >= self.look && !(self.care.is_due() && has_result(self)) {
            self.fill(deadline);
            // Whoever delivers results may change it meanwhile.
            let window = self.window();
            let surplus = self.in_flight().saturating_sub((window - window / 4) as u64);
            self.look = self.given + (surplus / 2).clamp(1, MOST_UNLOOKED);
        }
    }

    /// Reads the input until as much is in flight as is good.
    ///
    /// Where the input may block, each item is handed over before the next is read, and results that are there go first.
    fn fill(&mut self, deadline: Option<Instant>) {
        let window = self.window();
        if !self.wants_more(window) {
            // There is something if the input has panicked in the middle of a reading.
            return self.submit();
        }
        let mut pass = Pass::begin();
        while self.read_on(window, &mut pass, deadline) && !(pass.is_long() && self.has_results()) {}
        self.submit();
    }

    /// Reads some items. Answers whether to read on.
    fn read_on(&mut self, window: usize, pass: &mut Pass, deadline: Option<Instant>) -> bool {
        let is_careful = self.care.is_due();
        let room = self.room(window).min(if is_careful { 1 } else { pass.stride });
        let before = self.bytes;
        if is_careful && self.has_news() || room == 0 || !self.read_some(room) {
            return false;
        }
        let is_next = pass.is_next;
        self.care.note(pass.look(), self.bytes.saturating_sub(before), is_next);
        let is_careful = self.care.is_due();
        let is_full = self.batch.len() >= self.batch_size() || self.batch.weight() >= BATCH_BYTES;
        if is_full || is_careful || pass.looked - pass.gathered >= BATCH_TIME {
            self.submit();
            pass.gathered = pass.looked;
        }
        if is_careful {
            pass.pause(self.await_result(deadline));
        }
        true
    }

    /// Waits for a moment for a result, if the next item may be long in coming. Answers whether it has waited.
    fn await_result(&mut self, deadline: Option<Instant>) -> bool {
        let Ok(ticket) = &self.ticket else { return false };
        let Some(patience) = self.care.patience(ticket.sink.usual()) else { return false };
        let begin = Instant::now();
        let until = begin + patience;
        ticket.wait(1, Some(deadline.map_or(until, |deadline| deadline.min(until))));
        self.care.spend(begin.elapsed());
        true
    }

    /// Whether a result is there, to be found by a look at the workers.
    fn has_news(&self) -> bool {
        self.has_results() || self.ticket.as_ref().is_ok_and(Ticket::has_news)
    }

    /// How many results are still to come, if the input knows.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let (least, most) = self.input.size_hint();
        (least.saturating_add(in_flight), most.and_then(|most| most.checked_add(in_flight)))
    }

    /// Whether it is time to read on. A little room is not worth it: each reading ends in a handing over.
    fn wants_more(&self, window: usize) -> bool {
        !self.is_exhausted && self.room(window - window / 4) > 0
    }

    fn in_flight(&self) -> u64 {
        self.batch.end().saturating_sub(self.given)
    }

    /// How many tasks may be in flight: few at first, and more as results are seen.
    fn window(&self) -> usize {
        let least = self.workers.saturating_mul(CHUNKS);
        let given = usize::try_from(self.given.max(self.familiar)).unwrap_or(usize::MAX);
        least.saturating_mul(self.chunk_goal()).min(least.saturating_add(given)).min(MOST.max(least)).min(self.most)
    }

    /// How many more tasks may be in flight, whatever they weigh; one of them may be heavy.
    fn room(&self, window: usize) -> usize {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let bytes = self.bytes.saturating_add(in_flight.saturating_mul(self.result_bytes));
        let light = |most: usize| most.saturating_sub(bytes).div_ceil(self.result_bytes.max(1));
        let each = |count: usize| self.workers.saturating_mul(count).saturating_sub(in_flight);
        let warm = light(self.workers.saturating_mul(WARM_BYTES).min(MOST_BYTES));
        window.saturating_sub(in_flight).min(warm.max(light(MOST_BYTES).min(each(READY))).max(each(1)))
    }

    /// How many tasks are handed over together: few at first, so that workers have something to do while the input is read.
    fn batch_size(&self) -> usize {
        usize::try_from(self.batch.first).unwrap_or(usize::MAX).clamp(FIRST_BATCH, BATCH)
    }

    /// How many results are worth waking up for, if none is wanted before all: as many as make room to read on, or all of the rest.
    fn enough(&self) -> u64 {
        if self.is_exhausted { self.out } else { self.out / 3 }
    }

    fn chunk_goal(&self) -> usize {
        self.ticket.as_ref().map_or(1, |ticket| ticket.sink.chunk_goal())
    }

    fn has_results(&self) -> bool {
        !self.arrived.is_empty() || self.ticket.as_ref().is_ok_and(|ticket| ticket.sink.has_some())
    }

    /// Reads up to so many items, or one that is heavy. Answers whether there may be more.
    #[inline]
    fn read_some(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(item) = self.input.next() else {
                self.is_exhausted = true;
                return false;
            };
            match self.batch.push(&item) {
                Ok(weight) => {
                    self.bytes = self.bytes.saturating_add(weight);
                    if weight >= HEAVY {
                        break;
                    }
                }
                Err(error) => {
                    // The tasks of a batch have consecutive indices.
                    self.submit();
                    self.refuse(error.to_string());
                }
            }
        }
        true
    }

    /// What is in flight will never come: one error says so, and is the last of all.
    #[cold]
    fn give_up(&mut self) {
        let (story, next) = (Story::of(None, Kind::Forked), self.given);
        self.arrived.push_back(Parcel::error(next, 1, story));
        self.ticket = Err(Kind::Forked);
        (self.is_exhausted, self.out, self.batch) = (true, 0, Batch::new(next + 1));
    }

    /// Hands over what was gathered.
    fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let next = self.batch.next();
        let batch = mem::replace(&mut self.batch, next);
        match &self.ticket {
            Ok(ticket) => {
                self.out += batch.len() as u64;
                ticket.submit([batch]);
            }
            Err(kind) => {
                let (story, count) = (Story::of(None, kind.clone()), batch.len() as u64);
                self.bytes = self.bytes.saturating_sub(batch.weight());
                self.arrived.push_back(Parcel::error(batch.first, count, story));
            }
        }
    }

    /// Ends the item that was just read, here and now.
    #[cold]
    fn refuse(&mut self, text: String) {
        let index = self.batch.end();
        self.arrived.push_back(Parcel::error(index, 1, Story::of(None, Kind::Unsendable(text))));
        self.batch = Batch::new(index + 1);
    }
}

impl<I: Iterator, R> fmt::Debug for Run<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { batch, given, is_exhausted, .. } = self;
        f.debug_struct("Run")
            .field("read", &batch.end())
            .field("given", given)
            .field("is_exhausted", is_exhausted)
            .finish()
    }
}
