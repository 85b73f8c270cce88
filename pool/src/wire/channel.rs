//! [`SharedRings`] and [`WorkerChannel`]: the two rings between a pool and a worker, and the pool's end of them.
//!
//! The pool never waits for space: chunks that do not fit wait in a backlog, and the worker gets credit for their tasks when
//! all their bytes can be read.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procession_core::{Buffer, BufferHandle, BufferMemory, BufferPool, BufferReader, MappingError, Ring, codec};
use serde::{Deserialize, Serialize};

use super::arguments::ArgumentBatch;
use super::claim::{self, Claim, is_at_or_after};
use super::item::{self, CHUNK_HEADER_LEN, ChunkHeader, Item, ItemKind};
use crate::model::tuning::{BUFFER_THRESHOLD, RING_CAPACITY};

/// The memory that a pool and one worker share: the rings, and buffers for values that are too large for them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SharedRings {
    /// From the pool to the worker. Its words are the claim and three flags.
    pub(crate) task_ring: Ring,
    /// From the worker to the pool. Its words are the doorbell, the start of the running task and a flag.
    pub(crate) result_ring: Ring,
    pub(crate) argument_memory: BufferMemory,
    pub(crate) result_memory: BufferMemory,
}

/// How soon a pool that sleeps wants to be notified of results. A worker that has nothing more to do notifies it at once, and so does
/// one whose task has failed.
///
/// ```text
/// the pool, before it sleeps              a worker, after each task
/// 1. sets the word                        1. publishes the result
/// 2. `Ring::full_fence`                   2. `Ring::full_fence`
/// 3. looks for results: none? sleeps      3. looks at the word: set? clears it and notifies, or delays that
/// ```
///
/// The side that executes its fence second sees the other side's store. So either the pool sees the result, or the worker sees the
/// word. A delayed notification is still owed: the worker comes to step 3 again after the next task, or before it sleeps, where it
/// delays nothing. The next task may be long. So where the caller may wait for a single result, the pool looks at the rings
/// by itself [`MAX_NOTIFY_DELAY`](crate::model::tuning::MAX_NOTIFY_DELAY) after the last notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Doorbell {
    /// A caller may wait for each result.
    Prompt = 1,
    /// No caller looks before all results are there, so it is enough when the worker needs more to do.
    Lazy = 2,
}

/// The pool's end of the rings.
#[derive(Debug)]
pub(crate) struct WorkerChannel {
    rings: SharedRings,
    argument_buffers: BufferPool,
    result_buffers: BufferReader,
    /// The buffers that were sent, with the numbers of their tasks.
    sent_buffers: VecDeque<(u64, BufferHandle)>,
    /// Chunks that did not fit into the ring.
    backlog: VecDeque<Chunk>,
    /// The number of tasks in the backlog: the worker gets credit for them when it can read them.
    uncredited: u64,
    /// Counts the descriptors that were sent along the control link.
    serial: u32,
    /// The number of the next task to be sent.
    number: u64,
}

/// A chunk on its way into the ring: a header, and the arguments of some tasks.
#[derive(Debug)]
struct Chunk {
    header: [u8; CHUNK_HEADER_LEN],
    /// The number of bytes of the header that were written.
    written: usize,
    batch: Arc<ArgumentBatch>,
    /// The bytes of the batch that were not written.
    left: Range<usize>,
    count: u64,
}

impl SharedRings {
    /// Allocates the memory. The worker gets it with its setup.
    pub(crate) fn new() -> Result<SharedRings, MappingError> {
        Ok(SharedRings {
            task_ring: Ring::with_label("procession: tasks", RING_CAPACITY)?,
            result_ring: Ring::with_label("procession: results", RING_CAPACITY)?,
            argument_memory: BufferMemory::with_label("procession: arguments")?,
            result_memory: BufferMemory::with_label("procession: results")?,
        })
    }

    /// Returns the [claim](super::claim).
    #[inline]
    pub(crate) fn claim(&self) -> &AtomicU64 {
        self.task_ring.word(0)
    }

    /// Returns the flag that is 1 while the worker sleeps.
    #[inline]
    pub(crate) fn worker_asleep(&self) -> &AtomicU64 {
        self.task_ring.word(1)
    }

    /// Returns the flag that is 1 while the pool waits for space in the task ring.
    #[inline]
    pub(crate) fn pool_wants_space(&self) -> &AtomicU64 {
        self.task_ring.word(2)
    }

    /// Returns the flag that is 1 when the worker is to read its control link before it next sleeps.
    #[inline]
    pub(crate) fn control_pending(&self) -> &AtomicU64 {
        self.task_ring.word(3)
    }

    /// Returns the word that is 0, or the [`Doorbell`] by which the pool wants to be woken.
    #[inline]
    pub(crate) fn pool_doorbell(&self) -> &AtomicU64 {
        self.result_ring.word(0)
    }

    /// Returns the start of the running task, in nanoseconds of the [clock](procession_core::os::clock).
    #[inline]
    pub(crate) fn running_since(&self) -> &AtomicU64 {
        self.result_ring.word(1)
    }

    /// Returns the flag that is 1 while the worker waits for space in the result ring.
    #[inline]
    pub(crate) fn worker_wants_space(&self) -> &AtomicU64 {
        self.result_ring.word(2)
    }
}

/// Sets a flag. The caller fences and looks once more before it sleeps.
pub(crate) fn set_flag(flag: &AtomicU64) {
    // Pairs with the swap in `take_flag`. The fence after it, in the caller, orders it before the second look.
    flag.store(1, Ordering::SeqCst);
}

/// Clears a flag and returns whether it was set. Only one of several callers sees it set.
#[inline]
pub(crate) fn take_flag(flag: &AtomicU64) -> bool {
    // Relaxed: the caller's fence has ordered it, or a flag that is seen late is seen at the next look. The swap pairs with the
    // store in `set_flag`.
    flag.load(Ordering::Relaxed) == 1 && flag.swap(0, Ordering::SeqCst) == 1
}

impl WorkerChannel {
    pub(crate) fn new(rings: SharedRings) -> WorkerChannel {
        WorkerChannel {
            argument_buffers: BufferPool::new(rings.argument_memory.clone()),
            result_buffers: BufferReader::new(rings.result_memory.clone()),
            rings,
            sent_buffers: VecDeque::new(),
            backlog: VecDeque::new(),
            uncredited: 0,
            serial: 0,
            number: 0,
        }
    }

    /// Sends a chunk as far as there is space, and keeps the rest in the backlog.
    pub(crate) fn send(
        &mut self,
        function: u32,
        chunk_size: u64,
        serial: Option<u32>,
        batch: &Arc<ArgumentBatch>,
        items: Range<usize>,
    ) {
        let count = items.len() as u64;
        let in_buffer = if count == 1 { self.put_in_buffer(batch, &items) } else { None };
        let (batch, left) = match in_buffer {
            Some(batch) => (batch.clone(), batch.range(0..1)),
            None => (batch.clone(), batch.range(items)),
        };
        // A task with descriptors is alone in its chunk, so the header has space for their serial number.
        let chunk_size = serial.unwrap_or(u32::try_from(chunk_size).unwrap_or(u32::MAX));
        let header = ChunkHeader { number: self.number, count, function, chunk_size, len: left.len() as u64 }.write();
        self.number = claim::plus(self.number, count);
        self.uncredited += count;
        // Behind a backlog a chunk waits, or it would overtake the others.
        let is_first = self.backlog.is_empty();
        self.backlog.push_back(Chunk { header, written: 0, batch, left, count });
        if is_first {
            self.flush();
        }
    }

    /// Puts a large argument into a buffer. One for which there is no buffer goes through the ring in pieces.
    fn put_in_buffer(&mut self, batch: &ArgumentBatch, items: &Range<usize>) -> Option<Arc<ArgumentBatch>> {
        let Item { kind, body, .. } = item::read(batch.bytes(batch.range(items.clone())))?;
        if kind != ItemKind::Value || body.len() < BUFFER_THRESHOLD {
            return None;
        }
        let started = self.started();
        // The worker gives back the buffers of started tasks, which cannot be revoked any more.
        while self.sent_buffers.pop_front_if(|(number, _)| !is_at_or_after(*number, started)).is_some() {}
        let handle = self.argument_buffers.publish(body).ok()?;
        self.sent_buffers.push_back((self.number, handle));
        ArgumentBatch::of_buffer(handle).ok().map(Arc::new)
    }

    /// Opens the buffer of a result; `None` if the worker's handle names none.
    pub(crate) fn open_buffer(&self, item: &Item<'_>) -> Option<Buffer> {
        self.result_buffers.open(codec::decode_from(item.body, Vec::new()).ok()?)
    }

    /// Asks the worker to read its control link even while it has tasks.
    pub(crate) fn request_control_read(&self) {
        set_flag(self.rings.control_pending());
    }

    /// Returns whether chunks wait for space in the ring.
    #[inline]
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Returns a number for descriptors that go along the control link.
    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Writes as many chunks as there is space for.
    pub(crate) fn flush(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        let mut readable = self.write();
        if !self.backlog.is_empty() {
            set_flag(self.rings.pool_wants_space());
            // Pairs with the fence in `Worker::read_tasks`: either this side sees the space, or the worker sees the flag.
            Ring::full_fence();
            readable += self.write();
        }
        self.rings.task_ring.publish();
        if readable > 0 {
            // After the bytes were published: the worker starts what it has credit for without asking whether it is there.
            self.uncredited -= readable;
            claim::grant(self.rings.claim(), readable);
        }
    }

    /// Returns whether the worker sleeps and must be woken to see what was sent. Says so once.
    pub(crate) fn take_worker_asleep(&self) -> bool {
        // Pairs with the fence in `Worker::wait`: either this side sees the flag, or the worker sees the tasks.
        Ring::full_fence();
        take_flag(self.rings.worker_asleep())
    }

    /// Revokes up to `count` of the last tasks, if the worker has not started them, and returns their number.
    pub(crate) fn revoke(&mut self, count: u64) -> u64 {
        // The backlog has to go out first: the worker must be able to read the tasks that it gets credit for next.
        if !self.backlog.is_empty() {
            return 0;
        }
        let revoked = claim::revoke(self.rings.claim(), count);
        self.number = claim::minus(self.number, revoked);
        // The worker will never open these.
        while let Some((_, handle)) = self.sent_buffers.pop_back_if(|(number, _)| is_at_or_after(*number, self.number))
        {
            self.argument_buffers.reclaim(handle);
        }
        revoked
    }

    /// Returns the number of sent tasks that a worker which has ended had not started.
    pub(crate) fn unstarted(&self) -> u64 {
        self.uncredited + Claim::read(self.rings.claim()).open()
    }

    /// Reads the worker's results to the end of `bytes`. Returns whether there were any.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &mut Vec<u8>) -> bool {
        self.rings.result_ring.read(bytes)
    }

    /// Returns whether the worker waits for the space that [`read`](WorkerChannel::read) has made, and must be woken. Says so once.
    #[inline]
    pub(crate) fn take_worker_wants_space(&self) -> bool {
        // Pairs with the fence in `Worker::wait_for_space`: either this side sees the flag, or the worker sees the space.
        Ring::full_fence();
        take_flag(self.rings.worker_wants_space())
    }

    /// Asks to be notified of the next result. The caller fences and looks at the rings before it sleeps.
    pub(crate) fn arm(&self, doorbell: Doorbell) {
        // Pairs with the swap in `Worker::notify_if_asleep`; see `Doorbell` for the fences.
        self.rings.pool_doorbell().store(doorbell as u64, Ordering::SeqCst);
    }

    /// Asks not to be notified.
    pub(crate) fn disarm(&self) {
        // Looked at before the store, which would take the cache line from a worker that reads it.
        // Relaxed: a notification that comes all the same costs a wake-up and nothing else.
        if self.rings.pool_doorbell().load(Ordering::Relaxed) != 0 {
            self.rings.pool_doorbell().store(0, Ordering::Relaxed);
        }
    }

    /// Returns whether there are results to read.
    pub(crate) fn has_results(&self) -> bool {
        !self.rings.result_ring.is_empty()
    }

    /// Returns the start of the running task, if the next of the sent tasks has started.
    pub(crate) fn running_since(&self) -> Duration {
        // Pairs with the Release in `TaskClock::start`.
        Duration::from_nanos(self.rings.running_since().load(Ordering::Acquire))
    }

    /// Returns the number of the next task that the worker will start.
    pub(crate) fn started(&self) -> u64 {
        Claim::read(self.rings.claim()).started()
    }

    /// Returns the number of sent tasks that the worker has not started.
    pub(crate) fn in_transit(&self) -> u64 {
        claim::distance(self.started(), self.number)
    }

    /// Returns the number of the next task to be sent.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the number of tasks that the worker can read now and could not before.
    fn write(&mut self) -> u64 {
        let (mut readable, ring) = (0, &mut self.rings.task_ring);
        while let Some(chunk) = self.backlog.front_mut() {
            chunk.written += ring.write(&chunk.header[chunk.written..]);
            if chunk.written < chunk.header.len() {
                break;
            }
            // A chunk may be larger than the ring. The worker parses it when the last part is there.
            chunk.left.start += ring.write(chunk.batch.bytes(chunk.left.clone()));
            if !chunk.left.is_empty() {
                break;
            }
            readable += chunk.count;
            self.backlog.pop_front();
        }
        readable
    }
}
