//! [`Run`]: a job as the thread sees it that wants its results. Feeds the input to the pool and takes results out.

use std::iter::Fuse;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{collections::VecDeque, fmt};

use procession_core::Function;
use procession_core::codec::{self, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Pool;
use crate::desk::weight;
use crate::ids::JobId;
use crate::shared::{Command, Shared};
use crate::sink::{Delivery, Sink};
use crate::task_error::{Kind, TaskError};

/// So many chunks a worker are kept ready: enough that a chunk can be a quarter of what is left.
const CHUNKS: usize = 8;
/// The most tasks in flight, however short they are.
const MOST: usize = 1 << 16;
/// The most bytes in flight, beyond one task for each worker.
const MOST_BYTES: usize = 64 << 20;
/// Tasks are handed over at the latest when there are so many of them, or when so much time was spent gathering them.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_TIME: Duration = Duration::from_micros(200);
/// After so long a reading of the input, results that wait go first.
const PATIENCE: Duration = Duration::from_millis(1);

/// One job's results and the rest of its input.
pub(crate) struct Run<'pool, I: Iterator, R> {
    shared: &'pool Shared,
    workers: usize,
    job: JobId,
    sink: Arc<Sink>,
    /// Why no task can be sent at all.
    unsendable: Option<String>,
    is_released: bool,
    input: Fuse<I>,
    is_exhausted: bool,
    /// How many items were read.
    read: u64,
    /// How many results were given out.
    given: u64,
    /// Tasks that were read and not handed over, of which the first has the index `read - batch.len()`.
    batch: Vec<Message>,
    batch_bytes: usize,
    /// What the tasks in flight weigh.
    bytes: usize,
    /// What a result of this job weighs, as far as seen: it follows heavier ones at once and lighter ones slowly.
    result_bytes: usize,
    arrived: VecDeque<Delivery>,
    result: PhantomData<fn() -> R>,
}

/// A result and the place of its item in the input.
pub(crate) type Placed<R> = (u64, Result<R, TaskError>);

impl<'pool, A, I, R> Run<'pool, I, R>
where
    A: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
    R: Serialize + DeserializeOwned,
{
    pub(crate) fn new(pool: &'pool Pool, function: fn(A) -> R, input: I) -> Self {
        let shared = pool.shared();
        let (job, sink) = (shared.next_job(), Arc::new(Sink::default()));
        let mut run = Run {
            shared,
            workers: pool.workers(),
            job,
            sink,
            unsendable: None,
            is_released: false,
            input: input.fuse(),
            is_exhausted: false,
            read: 0,
            given: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            bytes: 0,
            result_bytes: 0,
            arrived: VecDeque::new(),
            result: PhantomData,
        };
        match Function::of(function) {
            Ok(function) => {
                let sink = run.sink.clone();
                // A pool that has gone says so of each task.
                shared.send(Command::Open { job, function, chunk: pool.chunk_size(), sink });
            }
            Err(error) => run.unsendable = Some(error.to_string()),
        }
        run
    }
}

impl<A, I, R> Run<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// The next result to arrive. `None` when there are no more.
    pub(crate) fn next_any(&mut self) -> Option<Placed<R>> {
        self.fill();
        loop {
            if let Some(delivery) = self.next_arrived() {
                return Some(self.give(delivery));
            }
            if self.is_over() {
                return None;
            }
            self.go_on();
        }
    }

    /// Reads on where that is good, and else waits for a result. Only to be called when it is not over.
    pub(crate) fn go_on(&mut self) {
        if self.wants_more() {
            self.fill();
        } else if self.arrived.is_empty() {
            self.sink.wait(&mut self.arrived);
        }
    }

    /// What has arrived next, undecoded, so that a result that has to wait for its turn is not decoded before.
    pub(crate) fn next_arrived(&mut self) -> Option<Delivery> {
        if self.arrived.is_empty() {
            self.sink.take(&mut self.arrived);
        }
        let delivery = self.arrived.pop_front()?;
        self.bytes = self.bytes.saturating_sub(delivery.weight);
        let heavy = delivery.outcome.as_ref().map_or(0, |(message, _)| weight(message));
        self.result_bytes = heavy.max(self.result_bytes - self.result_bytes / 8);
        Some(delivery)
    }

    /// Decodes a result that is about to be given out.
    pub(crate) fn give(&mut self, delivery: Delivery) -> Placed<R> {
        self.given += 1;
        if self.is_over() {
            self.release();
        }
        let index = delivery.index;
        let result = delivery.outcome.and_then(|(message, worker)| {
            let unreadable = |error: codec::DecodeError| Kind::Unreadable(error.to_string());
            codec::decode(message).map_err(|error| TaskError::new(index, Some(worker), unreadable(error)))
        });
        (index, result)
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_over(&self) -> bool {
        self.is_exhausted && self.in_flight() == 0
    }

    /// Reads the input until as much is in flight as is good.
    ///
    /// Where results wait and the input is slow, they go first.
    pub(crate) fn fill(&mut self) {
        if !self.wants_more() {
            return;
        }
        let window = self.window();
        let begin = Instant::now();
        let mut gathered = begin;
        while self.has_room(window) && self.read_one() {
            let now = Instant::now();
            let is_full = self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES;
            if is_full || now - gathered >= BATCH_TIME {
                self.submit();
                gathered = now;
            }
            if now - begin >= PATIENCE && self.has_results() {
                break;
            }
        }
        self.submit();
    }

    /// How many results are still to come, if the input knows.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let (least, most) = self.input.size_hint();
        (least.saturating_add(in_flight), most.and_then(|most| most.checked_add(in_flight)))
    }

    /// Whether it is time to read on. A little room is not worth it: each reading ends in a handing over.
    fn wants_more(&self) -> bool {
        let window = self.window();
        !self.is_exhausted && self.has_room(window - window / 4)
    }

    fn in_flight(&self) -> u64 {
        self.read - self.given
    }

    /// How many tasks may be in flight: few at first, and more as results are seen.
    fn window(&self) -> usize {
        let least = self.workers.saturating_mul(CHUNKS);
        let given = usize::try_from(self.given).unwrap_or(usize::MAX);
        least.saturating_mul(self.sink.chunk_goal()).min(least.saturating_add(given)).min(MOST.max(least))
    }

    fn has_room(&self, window: usize) -> bool {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let bytes = self.bytes.saturating_add(in_flight.saturating_mul(self.result_bytes));
        in_flight < window && (bytes < MOST_BYTES || in_flight < self.workers)
    }

    fn has_results(&mut self) -> bool {
        if self.arrived.is_empty() {
            self.sink.take(&mut self.arrived);
        }
        !self.arrived.is_empty()
    }

    /// Reads one item. Answers whether there was one.
    fn read_one(&mut self) -> bool {
        let Some(item) = self.input.next() else {
            self.is_exhausted = true;
            return false;
        };
        if let Some(text) = &self.unsendable {
            self.refuse(Kind::Unsendable(text.clone()));
            return true;
        }
        match codec::encode(&item) {
            Ok(message) => self.gather(message),
            Err(error) => {
                // The tasks of a batch have consecutive indices.
                self.submit();
                self.refuse(Kind::Unsendable(error.to_string()));
            }
        }
        true
    }

    fn gather(&mut self, message: Message) {
        let weight = weight(&message);
        self.batch_bytes = self.batch_bytes.saturating_add(weight);
        self.bytes = self.bytes.saturating_add(weight);
        self.read += 1;
        self.batch.push(message);
    }

    /// Hands over what was gathered.
    fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let arguments = mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let first = self.read - arguments.len() as u64;
        if !self.shared.send(Command::Submit { job: self.job, first, arguments }) {
            // What they weighed is of no interest any more, because nothing will be in flight again.
            (first..self.read).for_each(|index| self.put_refused(index, self.shared.refusal()));
        }
    }

    /// Ends the item that was just read, here and now.
    fn refuse(&mut self, kind: Kind) {
        let index = self.read;
        self.read += 1;
        self.put_refused(index, kind);
    }

    fn put_refused(&mut self, index: u64, kind: Kind) {
        self.arrived.push_back(Delivery { index, weight: 0, outcome: Err(TaskError::new(index, None, kind)) });
    }
}

impl<I: Iterator, R> Run<'_, I, R> {
    /// Tells the pool that nothing of this job is wanted any more.
    pub(crate) fn release(&mut self) {
        if !mem::replace(&mut self.is_released, true) {
            self.shared.send(Command::Release { job: self.job });
        }
    }
}

impl<I: Iterator, R> Drop for Run<'_, I, R> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<I: Iterator, R> fmt::Debug for Run<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { read, given, is_exhausted, .. } = self;
        f.debug_struct("Run").field("read", read).field("given", given).field("is_exhausted", is_exhausted).finish()
    }
}
